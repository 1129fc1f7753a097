package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// stopGrace is how long a program may take to end after it was asked to: more
// than the 20 s for which api and worker let work under way finish.
const stopGrace = 30 * time.Second

// program says how to run one server.
type program struct {
	name string
	path string
	args []string
	env  []string // the whole environment; nil: our own
	dir  string
	user *syscall.Credential // nil: our own

	term  syscall.Signal // asks it to end; 0: SIGTERM
	death syscall.Signal // what it gets when we are killed; 0: SIGKILL

	// prepare, unless nil, is called before each start.
	prepare func() error

	// ready returns nil once the program serves. It is called again and again.
	ready func(context.Context) error

	// failed is told when the program ends without having been asked to.
	failed func(error)
}

// Process is a running server of the stack. Its methods may be called from
// several goroutines.
type Process struct {
	program program
	log     *lineWriter

	mu      sync.Mutex
	cmd     *exec.Cmd
	done    chan struct{} // closed when cmd has ended
	err     error         // how it ended; read after done
	ordered bool          // the end was asked for
}

// startProcess starts the program and waits until it is ready. When it is not
// within the context's time, or ends before, the error has its last lines.
func startProcess(ctx context.Context, book *logbook, p program) (*Process, error) {
	proc := &Process{program: p, log: book.lines(p.name)}
	return proc, proc.Start(ctx)
}

// Start runs a program that has ended again and waits until it is ready.
func (p *Process) Start(ctx context.Context) error {
	if err := p.fork(); err != nil {
		return fmt.Errorf("start %s: %w", p.program.name, err)
	}
	if err := p.awaitReady(ctx); err != nil {
		return errors.Join(fmt.Errorf("start %s: %w; its last lines:\n%s", p.program.name, err, p.log.tail()), p.Kill())
	}
	return nil
}

func (p *Process) fork() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil && !closed(p.done) {
		return errors.New("it runs already")
	}
	if p.program.prepare != nil {
		if err := p.program.prepare(); err != nil {
			return err
		}
	}
	cmd := exec.Command(p.program.path, p.program.args...)
	cmd.Env, cmd.Dir = p.program.env, p.program.dir
	cmd.Stdout, cmd.Stderr = p.log, p.log
	cmd.WaitDelay = time.Second // for a grandchild that holds the pipe
	// A group of its own keeps a Ctrl-C in the terminal from ending servers
	// in any order before we end them in ours.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: p.program.user}
	death := p.program.death
	if death == 0 {
		death = syscall.SIGKILL
	}
	if err := spawn(cmd, death); err != nil {
		return err
	}
	done := make(chan struct{})
	p.cmd, p.done, p.err, p.ordered = cmd, done, nil, false
	go func() {
		err := cmd.Wait()
		p.mu.Lock()
		p.err = err
		ordered := p.ordered
		p.mu.Unlock()
		close(done)
		if !ordered {
			p.program.failed(fmt.Errorf("%s ended (%s); its last lines:\n%s", p.program.name, cmd.ProcessState, p.log.tail()))
		}
	}()
	return nil
}

func (p *Process) awaitReady(ctx context.Context) error {
	done := p.Done()
	err := poll(ctx, done, p.program.ready)
	// An answer counts only while the program lives: another one may have
	// taken its port.
	if closed(done) {
		return fmt.Errorf("it ended (%w)", p.exit())
	}
	return err
}

// poll calls ready until it returns nil, ctx ends or done is closed.
func poll(ctx context.Context, done <-chan struct{}, ready func(context.Context) error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		attempt, cancel := context.WithTimeout(ctx, 2*time.Second)
		err := ready(attempt)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it was not ready in time: %w", err)
		case <-done:
			return err
		case <-tick.C:
		}
	}
}

// Name is what the program is called in the log.
func (p *Process) Name() string { return p.program.name }

// Pid is the process ID of the program as it runs now or ran last.
func (p *Process) Pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.Process.Pid
}

// Done is closed when the program, as it runs now, has ended.
func (p *Process) Done() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done
}

// Wait returns when the program has ended: nil if with exit code 0.
func (p *Process) Wait() error {
	<-p.Done()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Kill ends the program and all it started with SIGKILL, and waits until it is
// gone. A program that has ended already is fine.
func (p *Process) Kill() error {
	done, err := p.signal(func(cmd *exec.Cmd) error {
		// Postgres gives each of its children a group of its own, and does not
		// start again while one is left. Stopped, it makes no more of them.
		halt(cmd.Process.Pid)
		children := descendants(cmd.Process.Pid)
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		for _, pid := range children {
			_ = syscall.Kill(pid, syscall.SIGKILL) // most went with the group
		}
		return err
	})
	if err != nil {
		return err
	}
	<-done
	return nil
}

// Stop asks the program to end, waits, and kills it when it takes more than 30
// seconds, which is an error. A program that has ended already is fine.
func (p *Process) Stop() error {
	term := p.program.term
	if term == 0 {
		term = syscall.SIGTERM
	}
	done, err := p.signal(func(cmd *exec.Cmd) error { return cmd.Process.Signal(term) })
	if err != nil {
		return err
	}
	grace := time.NewTimer(stopGrace)
	defer grace.Stop()
	select {
	case <-done:
		return nil
	case <-grace.C:
		return errors.Join(fmt.Errorf("%s did not end within %s", p.program.name, stopGrace), p.Kill())
	}
}

// Restart stops the program and starts it again with the same ports and
// environment.
func (p *Process) Restart(ctx context.Context) error {
	if err := p.Stop(); err != nil {
		return err
	}
	return p.Start(ctx)
}

// Freeze stops the program where it is, as when its machine hangs, until Thaw.
func (p *Process) Freeze() error { return p.sendGroup(syscall.SIGSTOP) }

// Thaw lets a frozen program go on.
func (p *Process) Thaw() error { return p.sendGroup(syscall.SIGCONT) }

func (p *Process) sendGroup(signal syscall.Signal) error {
	if err := syscall.Kill(-p.Pid(), signal); err != nil {
		return fmt.Errorf("signal %s: %w", p.program.name, err)
	}
	return nil
}

func (p *Process) signal(send func(*exec.Cmd) error) (done <-chan struct{}, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		gone := make(chan struct{})
		close(gone)
		return gone, nil
	}
	p.ordered = true
	if closed(p.done) {
		return p.done, nil
	}
	err = send(p.cmd)
	if errors.Is(err, os.ErrProcessDone) || errors.Is(err, syscall.ESRCH) {
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("signal %s: %w", p.program.name, err)
	}
	return p.done, nil
}

// exit describes an end that nobody asked for.
func (p *Process) exit() error {
	if err := p.Wait(); err != nil {
		return err
	}
	return errors.New("exit status 0")
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
