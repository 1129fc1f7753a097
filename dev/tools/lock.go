package tools

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// lock waits until no other process installs tools into this checkout. The
// kernel drops the lock of a process that dies.
func (in installer) lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(in.dev, 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(in.dev, "tools.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	release := func() { _ = file.Close() } // nothing was written; closing gives the lock back
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for told := false; ; told = true {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return release, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			release()
			return nil, fmt.Errorf("lock %s: %w", file.Name(), err)
		}
		if !told {
			in.say("another process is installing or building; waiting for it")
		}
		select {
		case <-ctx.Done():
			release()
			return nil, fmt.Errorf("wait for another process that installs or builds: %w", ctx.Err())
		case <-tick.C:
		}
	}
}
