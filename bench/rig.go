package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/auditferry/auditferry/bench/corpus"
	"github.com/auditferry/auditferry/dev/actor"
	"github.com/auditferry/auditferry/dev/stack"
	"github.com/auditferry/auditferry/dev/tools"
)

// bench is a running stack, the organizations on it, and what has been
// measured.
type bench struct {
	plan     plan
	began    time.Time
	lock     *os.File // held as long as the data is used
	log      *os.File
	stack    *stack.Stack
	temporal client.Client
	vendor   actor.Vendor
	corpus   *corpus.Corpus
	path     string // where the contenders' programs are found
	worker   *stack.Process
	exports  int // made so far, for their names

	usual *customer // the organization that most is measured on
	book  book
}

// start gets the programs, starts a durable stack and loads the events that
// most sections need. The data of an earlier run is removed.
func start(ctx context.Context, p plan) (b *bench, err error) {
	b = &bench{plan: p, began: time.Now(), corpus: corpus.New(1)}
	if b.lock, err = alone(p); err != nil {
		return nil, err
	}
	if err := stack.Remove(p.dir()); err != nil {
		return nil, fmt.Errorf("remove what an earlier run left: %w", err)
	}
	if err := os.MkdirAll(p.dir(), 0o755); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	if err := checkSpace(p); err != nil {
		return nil, err
	}
	if b.path, err = findPrograms(ctx); err != nil {
		return nil, err
	}
	if b.log, err = os.Create(filepath.Join(p.root, ".dev", "bench.log")); err != nil {
		return nil, fmt.Errorf("make the log: %w", err)
	}
	b.say("Starting a stack whose data is durable (fsync on)")
	if b.stack, err = stack.Start(ctx, stack.Options{Dir: p.dir(), Log: b.log}); err != nil {
		return nil, errors.Join(err, b.log.Close())
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.stop())
		}
	}()
	b.worker = b.stack.Workers()[0]
	b.vendor = actor.NewVendor(b.stack.API.URL, b.stack.API.OperatorKey)
	if b.temporal, err = client.Dial(client.Options{HostPort: b.stack.Temporal.Address, Logger: quiet{}}); err != nil {
		return nil, fmt.Errorf("reach Temporal: %w", err)
	}
	b.usual, err = b.welcome(ctx, "benchusual", p.events, b.corpus.Event)
	return b, err
}

// alone takes the data directory, so that a second run neither removes the
// first one's data nor disturbs its figures. The lock goes with the file.
func alone(p plan) (*os.File, error) {
	name := p.dir() + ".lock"
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	lock, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(errors.New("the benchmarks run already in this checkout; wait until they have ended"), lock.Close())
	}
	return lock, nil
}

func (b *bench) stop() error {
	if b.temporal != nil {
		b.temporal.Close()
	}
	err := errors.Join(b.stack.Stop(), b.log.Close())
	if !b.plan.keep {
		err = errors.Join(err, stack.Remove(b.plan.dir()))
	}
	return errors.Join(err, b.lock.Close())
}

func (b *bench) say(format string, args ...any) {
	fmt.Printf("%6.1f s  %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, args...))
}

// useWorker replaces the worker by a fresh one with other settings, so that
// what it has used at its peak is one run's.
func (b *bench) useWorker(ctx context.Context, env ...string) (err error) {
	if err := b.worker.Stop(); err != nil {
		return err
	}
	b.worker, err = b.stack.StartWorker(ctx, env...)
	return err
}

// bytesPerEvent is what an event takes on disk at most: its row and index, its
// share of the same in typed columns and of the write-ahead log, and its part in
// an object. Rows alone take 825.
const bytesPerEvent = 1_300

// spaceBeside is for what does not grow with the events: logs, ingest, the
// stores of the other clouds.
const spaceBeside = 5 << 30

// checkSpace tells before an hour's work that it would end on a full disk.
func checkSpace(p plan) error {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(p.dir(), &disk); err != nil {
		return fmt.Errorf("look for free space: %w", err)
	}
	free := int64(disk.Bavail) * disk.Bsize
	events := p.events + p.fewEvents() + p.manyEvents() + 100*p.largeEvents()
	if need := events*bytesPerEvent + spaceBeside; free < need {
		return fmt.Errorf("%.1f GB are free where the data goes (.dev/bench), and %.1f GB are needed; make room, or measure fewer events with BENCH_EVENTS",
			gigabytes(free), gigabytes(need))
	}
	return nil
}

func gigabytes(n int64) float64 { return float64(n) / 1e9 }

// findPrograms returns a PATH on which psql, gzip, zstd and rclone are found.
func findPrograms(ctx context.Context) (string, error) {
	got, err := tools.Ensure(ctx, os.Stdout, tools.Postgres, tools.Rclone)
	if err != nil {
		return "", err
	}
	path := strings.Join([]string{got[tools.Postgres], filepath.Dir(got[tools.Rclone]), os.Getenv("PATH")}, ":")
	var errs []error
	for program, from := range map[string]string{
		"bash": "bash", "gzip": "gzip", "zstd": "zstd", "psql": "postgresql-client",
	} {
		if !found(program, path) {
			errs = append(errs, fmt.Errorf("%s is not installed; on Debian or Ubuntu run: apt-get install %s", program, from))
		}
	}
	return path, errors.Join(errs...)
}

func found(program, path string) bool {
	for _, dir := range filepath.SplitList(path) {
		if _, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return true
		}
	}
	return false
}

// quiet keeps the client's lines out of the tables.
type quiet struct{}

var _ log.Logger = quiet{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
