// Package stack starts everything Auditferry needs, for real, on one machine:
// Postgres, Temporal, an S3 server with IAM, Azurite, fake-gcs-server, a mail
// catcher, an OpenID Connect provider, the cloud simulator, and the programs
// api and worker themselves. `make dev` and the tests use the same code; only
// ports and the lifetime of the data differ.
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

	"cloud.google.com/go/storage"
	"golang.org/x/sync/errgroup"

	"github.com/auditferry/auditferry/dev/cloudsim"
	"github.com/auditferry/auditferry/dev/tools"
)

// readyTimeout is how long a server may take to serve. Most take a second; a
// loaded machine with two cores and several stacks takes longer.
const readyTimeout = 2 * time.Minute

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
	OIDC     Service = "oidc"
	Clouds   Service = "clouds"  // the simulator, in front of the stores that run
	Network  Service = "network" // what can cut and slow the links of api and worker; only when asked for
	API      Service = "api"
	Worker   Service = "worker"
)

// Stores lists the object stores.
func Stores() []Service { return []Service{S3, Azurite, GCS} }

// Servers lists everything but Auditferry's own programs, for tests that start
// these in their own time or have them in their own process.
func Servers() []Service {
	return append(Stores(), Postgres, Temporal, Mail, OIDC, Clouds)
}

// Options say what to start and where. The zero value starts everything on free
// ports with data that is thrown away.
type Options struct {
	// Dir keeps the data between starts. Empty: a temporary directory that
	// Stop removes.
	Dir string

	// FixedPorts takes the well-known ports, each of which an environment
	// variable AUDITFERRY_DEV_PORT_<NAME> can move, instead of free ones.
	FixedPorts bool

	// Durable makes every server keep what it has acknowledged over a kill -9,
	// also with data that is thrown away at the end. It is slower.
	Durable bool

	// Log gets every line of every server, with its name before it. Nil: none.
	Log io.Writer

	// Services to start, with those that they need. Empty: all.
	Services []Service

	// Env is added to the environment of api and worker, as NAME=value; it
	// wins over what the stack sets. An empty value unsets: see SharedIdentities.
	Env []string
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
	OIDC     OIDCServer
	Clouds   *cloudsim.Server
	API      APIServer

	CloudAdmin       string // URL of the page on which a person plays the cloud admin
	AzureAppPoolFile string // JSON list of Azure apps for one org each, with their secrets

	options   Options
	dir       string
	throwAway bool // the data lies in a temporary directory
	volatile  bool // and need not outlive its server
	ports     ports
	book      *logbook
	tools     map[string]string
	failed    chan error
	gcs       *storage.Client
	links     map[Link]*link
	apiPort   int // taken early: others are told the API's URL before it runs

	mu        sync.Mutex
	processes []*Process // in the order of their start
	workers   []*Process // those of processes
	cleanup   []func() error
}

// service says what a service takes.
type service struct {
	tools []string
	needs []Service // are started first
	start func(*Stack, context.Context) error
}

var services = map[Service]service{
	Postgres: {tools: []string{tools.Postgres}, start: (*Stack).startPostgres},
	Temporal: {tools: []string{tools.Temporal}, start: (*Stack).startTemporal},
	S3:       {tools: []string{tools.VersityGW}, start: (*Stack).startS3},
	Azurite:  {tools: []string{tools.Azurite}, start: (*Stack).startAzurite},
	GCS:      {tools: []string{tools.FakeGCS}, start: (*Stack).startGCS},
	Mail:     {tools: []string{tools.MailDev}, start: (*Stack).startMail},
	OIDC:     {tools: []string{tools.OIDCProvider}, start: (*Stack).startOIDC},
	Clouds:   {start: (*Stack).StartClouds},
	Network:  {tools: []string{tools.Toxiproxy}, start: (*Stack).startNetwork},
	API:      {needs: []Service{Postgres, Temporal}, start: (*Stack).startAPI},
	// The API migrates the database, so it comes first.
	Worker: {needs: []Service{S3, Azurite, GCS, Clouds, Mail, API}, start: (*Stack).startWorker},
}

// phases is the order of the start; the services of one phase start in
// parallel.
var phases = [][]Service{{Postgres, Temporal, S3, Azurite, GCS, Mail, OIDC}, {Clouds}, {Network}, {API}, {Worker}}

// Start starts the services in parallel and returns once all are ready. It
// first gets the tools that are missing, which can take minutes on a new
// machine. The context bounds the start; afterwards the servers run until Stop.
// When a server does not come up nothing is left running, and the error has
// the server's last lines.
func Start(ctx context.Context, o Options) (*Stack, error) {
	if len(o.Services) == 0 {
		o.Services = append(Servers(), API, Worker)
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	s := &Stack{options: o, book: &logbook{out: o.Log}, failed: make(chan error, 1)}
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
	wanted, err := s.wanted()
	if err != nil {
		return err
	}
	var needed []string
	for name := range wanted {
		needed = append(needed, services[name].tools...)
	}
	if s.tools, err = tools.Ensure(ctx, s.book.lines("tools"), needed...); err != nil {
		return err
	}
	if s.apiPort, err = s.ports.take(PortAPI); err != nil {
		return err
	}
	for _, phase := range phases {
		if err := s.startPhase(ctx, phase, wanted); err != nil {
			return err
		}
	}
	return nil
}

// wanted is the set of services asked for and those they need.
func (s *Stack) wanted() (map[Service]bool, error) {
	wanted := make(map[Service]bool)
	var add func(names []Service) error
	add = func(names []Service) error {
		for _, name := range names {
			found, ok := services[name]
			if !ok {
				return fmt.Errorf("there is no service %q", name)
			}
			wanted[name] = true
			if err := add(found.needs); err != nil {
				return err
			}
		}
		return nil
	}
	return wanted, add(s.options.Services)
}

func (s *Stack) startPhase(ctx context.Context, phase []Service, wanted map[Service]bool) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, name := range phase {
		if wanted[name] {
			group.Go(func() error { return services[name].start(s, ctx) })
		}
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
		s.dir, s.throwAway, s.volatile = dir, true, !s.options.Durable
		return os.Chmod(dir, 0o711)
	}
	var err error
	if s.dir, err = filepath.Abs(s.options.Dir); err != nil {
		return err
	}
	return os.MkdirAll(s.dir, 0o755)
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

// Process is the running server with the name, the first worker for "worker";
// nil if there is none.
func (s *Stack) Process(name string) *Process {
	for _, p := range s.Processes() {
		if p.Name() == name {
			return p
		}
	}
	return nil
}

// Remove deletes what a stack with this Dir kept. The stack must not run.
func Remove(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(dir), os.RemoveAll(outsideDir(dir)))
}

// Failed delivers the first end of a server that nobody asked for.
func (s *Stack) Failed() <-chan error { return s.failed }

func (s *Stack) fail(err error) {
	select {
	case s.failed <- err:
	default: // the first one says why the others followed
	}
}

// run starts a server, which Stop will end.
func (s *Stack) run(ctx context.Context, p program) (*Process, error) {
	p.failed = s.fail
	if p.env == nil {
		p.env = s.plainEnv()
	}
	if p.dir == "" {
		p.dir = s.dir
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
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
	return dir, os.MkdirAll(dir, 0o755)
}
