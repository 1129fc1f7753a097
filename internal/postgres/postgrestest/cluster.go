package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const superuser = "postgres"

// supervise runs the server, and stops it and removes its directory as soon as
// standard input ends: when stop closes it, or when the test process dies, of
// whatever cause.
const supervise = `
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c max_connections=300 \
	-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c shared_buffers=64MB \
	>"$2/log" 2>&1 </dev/null &
server=$!
read -r _
kill -INT "$server"
wait "$server"
rm -rf "$2"
`

// cluster is a running server.
type cluster struct {
	dir        string
	supervisor *exec.Cmd
	life       io.Closer // closing it ends the server
}

func start(ctx context.Context) (c *cluster, err error) {
	programs, err := findPrograms()
	if err != nil {
		return nil, err
	}
	account, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "auditferry-pg-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for the server: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	if account != nil {
		if err := os.Chown(dir, int(account.Uid), int(account.Gid)); err != nil {
			return nil, fmt.Errorf("hand the server's directory over: %w", err)
		}
	}
	// #nosec G204 -- the programs that findPrograms found
	initdb := exec.CommandContext(ctx, filepath.Join(programs, "initdb"), "-D", filepath.Join(dir, "data"),
		"-U", superuser, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
	initdb.Dir = dir
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: account}
	if output, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, output)
	}
	return launch(ctx, programs, dir, account)
}

func launch(ctx context.Context, programs, dir string, account *syscall.Credential) (*cluster, error) {
	// Not bound to ctx: the supervisor must outlive it, and ends by its standard input.
	// #nosec G204 -- a constant script; programs and dir are its arguments
	supervisor := exec.Command("/bin/sh", "-c", supervise, "supervise", programs, dir)
	supervisor.Dir = dir
	// A session of its own: Ctrl-C on the terminal must reach the test process only.
	supervisor.SysProcAttr = &syscall.SysProcAttr{Credential: account, Setsid: true}
	life, err := supervisor.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe to the server: %w", err)
	}
	if err := supervisor.Start(); err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	c := &cluster{dir: dir, supervisor: supervisor, life: life}
	if err := c.awaitReady(ctx); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log")) // #nosec G304 -- ours; without it the error says less
		return nil, errors.Join(fmt.Errorf("%w\n%s", err, log), c.stop())
	}
	return c, nil
}

// awaitReady connects until the server lets it in or ctx ends.
func (c *cluster) awaitReady(ctx context.Context) error {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		conn, err := pgx.Connect(ctx, c.url(superuser, adminDatabase))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("the server does not become ready: %w", err)
		}
	}
}

// stop ends the server and waits until its directory is gone.
func (c *cluster) stop() error {
	if err := c.life.Close(); err != nil {
		return fmt.Errorf("stop the test server: %w", err)
	}
	if err := c.supervisor.Wait(); err != nil {
		return fmt.Errorf("stop the test server: %w", err)
	}
	return nil
}

func (c *cluster) url(role, database string) string {
	return (&url.URL{
		Scheme: "postgres", User: url.User(role), Path: "/" + database,
		RawQuery: url.Values{"host": {c.dir}}.Encode(),
	}).String()
}

// findPrograms gives the newest installed server's directory of programs.
func findPrograms() (string, error) {
	if output, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dir := strings.TrimSpace(string(output))
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil {
			return dir, nil
		}
	}
	if initdb, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(initdb), nil
	}
	// Debian and Ubuntu keep them out of PATH. Glob sorts, and versions have two digits.
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errors.New("no initdb found; install the PostgreSQL server, for example: apt-get install postgresql")
	}
	return filepath.Dir(found[len(found)-1]), nil
}

// unprivileged is the account that the server runs as when this process is
// root, which PostgreSQL refuses to be. It is nil otherwise.
func unprivileged() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(account.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(account.Gid, 10, 32)
		if err := errors.Join(uidErr, gidErr); err != nil {
			return nil, fmt.Errorf("read the IDs of %s: %w", name, err)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")
}
