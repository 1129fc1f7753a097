// Package stack starts everything Auditferry needs, for real, on one machine:
// Postgres, Temporal, an S3 server with IAM, Azurite, fake-gcs-server and a
// mail catcher. `make dev` and the tests use the same code; only ports and the
// lifetime of the data differ.
//
// Everything listens on loopback, and the keys are in this source or not asked
// for: a stack is for development alone.
package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/auditferry/auditferry/dev/tools"
)

// startTimeout bounds the start of all services once their tools are there.
const startTimeout = 2 * time.Minute

// Service is a part of the stack that can be asked for on its own.
type Service string

// The services.
const (
	Postgres Service = "postgres"
	Temporal Service = "temporal"
	S3       Service = "s3"
	Azurite  Service = "azurite"
	GCS      Service = "gcs"
	Mail     Service = "mail"
)

// Options say what to start and where. The zero value starts all third-party
// servers on free ports with data that is thrown away.
type Options struct {
	// Dir keeps the data between starts. Empty: a temporary directory that
	// Stop removes.
	Dir string

	// FixedPorts takes the well-known ports, each of which an environment
	// variable AUDITFERRY_DEV_PORT_<NAME> can move, instead of free ones.
	FixedPorts bool

	// Log gets every line of every server, with its name before it. Nil: none.
	Log io.Writer

	// Services to start. Empty: all.
	Services []Service
}

// Stack is a set of running servers. The fields of services that were not
// asked for are zero.
type Stack struct {
	Database DatabaseServer
	Temporal TemporalServer
	S3       S3Server
	Azurite  AzuriteServer
	GCS      GCSServer
	Mail     MailServer

	options   Options
	dir       string
	throwAway bool
	ports     ports
	book      *logbook
	tools     map[string]string

	mu        sync.Mutex
	processes []*Process // in the order of their start
	cleanup   []func() error
}

// starters knows how to start each service.
var starters = map[Service]struct {
	tools []string
	start func(*Stack, context.Context) error
}{
	Postgres: {[]string{tools.Postgres}, (*Stack).startPostgres},
	Temporal: {[]string{tools.Temporal}, (*Stack).startTemporal},
	S3:       {[]string{tools.VersityGW}, (*Stack).startS3},
	Azurite:  {[]string{tools.Azurite}, (*Stack).startAzurite},
	GCS:      {[]string{tools.FakeGCS}, (*Stack).startGCS},
	Mail:     {[]string{tools.MailDev}, (*Stack).startMail},
}

// Services lists every service.
func Services() []Service {
	return []Service{Postgres, Temporal, S3, Azurite, GCS, Mail}
}

// Start starts the services in parallel and returns once all are ready. It
// first gets the tools that are missing, which can take minutes on a new
// machine. The context bounds the start; afterwards the servers run until Stop.
// When a server does not come up nothing is left running, and the error has
// the server's last lines.
func Start(ctx context.Context, o Options) (*Stack, error) {
	if len(o.Services) == 0 {
		o.Services = Services()
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	s := &Stack{options: o, book: &logbook{out: o.Log}}
	s.ports.fixed = o.FixedPorts
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func (s *Stack) start(ctx context.Context) error {
	if err := s.makeDir(); err != nil {
		return fmt.Errorf("make the stack's directory: %w", err)
	}
	var needed []string
	for _, service := range s.options.Services {
		starter, ok := starters[service]
		if !ok {
			return fmt.Errorf("there is no service %q; known are %v", service, Services())
		}
		needed = append(needed, starter.tools...)
	}
	var err error
	if s.tools, err = tools.Ensure(ctx, s.book.lines("tools"), needed...); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	for _, service := range s.options.Services {
		group.Go(func() error { return starters[service].start(s, ctx) })
	}
	return group.Wait()
}

// makeDir leaves the directory passable for others: Postgres runs as another
// user when we are root.
func (s *Stack) makeDir() error {
	if s.options.Dir == "" {
		dir, err := os.MkdirTemp("", "auditferry-")
		if err != nil {
			return err
		}
		s.dir, s.throwAway = dir, true
		return os.Chmod(dir, 0o711) // #nosec G302 -- see above
	}
	var err error
	if s.dir, err = filepath.Abs(s.options.Dir); err != nil {
		return err
	}
	return os.MkdirAll(s.dir, 0o755) // #nosec G301 -- see above
}

// Stop ends every server, the last started first, gives the ports back and
// removes throw-away data. It may be called twice.
func (s *Stack) Stop() error {
	s.mu.Lock()
	processes, cleanup := s.processes, s.cleanup
	s.processes, s.cleanup = nil, nil
	s.mu.Unlock()

	var errs []error
	for _, p := range slices.Backward(processes) {
		errs = append(errs, p.Stop())
	}
	for _, clean := range slices.Backward(cleanup) {
		errs = append(errs, clean())
	}
	errs = append(errs, s.ports.release())
	if s.throwAway {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

// Processes are the running servers, in the order of their start.
func (s *Stack) Processes() []*Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.processes)
}

// run starts a server, which Stop will end.
func (s *Stack) run(ctx context.Context, p program) (*Process, error) {
	if p.env == nil {
		p.env = s.plainEnv()
	}
	if p.dir == "" {
		p.dir = s.dir
	}
	proc, err := startProcess(ctx, s.book, p)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.processes = append(s.processes, proc)
	return proc, nil
}

// plainEnv is an environment without the developer's own settings: a TEMPORAL_*
// or AWS_* variable, or a configuration file in the home directory, must not
// reach a server of the stack.
func (s *Stack) plainEnv(more ...string) []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "LANG=C.UTF-8"}
	if tmp := os.Getenv("TMPDIR"); tmp != "" {
		env = append(env, "TMPDIR="+tmp)
	}
	return append(env, more...)
}

// folder makes a folder for one server's data.
func (s *Stack) folder(elem ...string) (string, error) {
	dir := filepath.Join(append([]string{s.dir}, elem...)...)
	return dir, os.MkdirAll(dir, 0o755) // #nosec G301 -- see makeDir
}
