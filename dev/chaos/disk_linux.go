package chaos

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// limitFiles limits how large a file a running process may write, until lift
// is called.
func limitFiles(pid int, bytes uint64) (lift func() error, err error) {
	var before unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, nil, &before); err != nil {
		return nil, fmt.Errorf("read the file limit of process %d: %w", pid, err)
	}
	limited := unix.Rlimit{Cur: bytes, Max: before.Max}
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, &limited, nil); err != nil {
		return nil, fmt.Errorf("limit the files of process %d: %w", pid, err)
	}
	return func() error { return unix.Prlimit(pid, unix.RLIMIT_FSIZE, &before, nil) }, nil
}
