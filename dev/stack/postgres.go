package stack

import (
	"context"
	"crypto/sha256"
	_ "embed" // for roles.sql
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5"

	"github.com/auditferry/auditferry/dev/tools"
)

// DatabaseServer is a private Postgres cluster with the database auditferry.
type DatabaseServer struct {
	SuperuserURL string
	OwnerURL     string // owns the database; migrations run as this role
	URL          string // the login role that row level security binds, a member of auditferry_app
}

const databaseName = "auditferry"

func (s *Stack) startPostgres(ctx context.Context) error {
	port, err := s.ports.take(PortPostgres)
	if err != nil {
		return err
	}
	owner, err := serverUser()
	if err != nil {
		return fmt.Errorf("find a user for Postgres: %w", err)
	}
	data, err := s.postgresDir(owner)
	if err != nil {
		return fmt.Errorf("make the database directory: %w", err)
	}
	bin := s.tools[tools.Postgres]
	if err := s.initCluster(ctx, bin, data, owner); err != nil {
		return fmt.Errorf("make the database cluster: %w", err)
	}
	_, err = s.run(ctx, program{
		name: "postgres",
		path: filepath.Join(bin, "postgres"),
		args: s.postgresArgs(data, port),
		dir:  data,
		user: owner,
		// Its fast shutdown; SIGTERM waits for clients. On our death the
		// immediate one, which ends its children too.
		term: syscall.SIGINT, death: syscall.SIGQUIT,
		ready: func(ctx context.Context) error {
			return inDatabase(ctx, databaseURL("postgres", "postgres", port), "SELECT 1")
		},
	})
	if err != nil {
		return err
	}
	if err := s.createDatabase(ctx, port); err != nil {
		return fmt.Errorf("create the database: %w", err)
	}
	s.Database = databaseServer(port)
	return nil
}

func databaseServer(port int) DatabaseServer {
	return DatabaseServer{
		SuperuserURL: databaseURL("postgres", databaseName, port),
		OwnerURL:     databaseURL("auditferry_owner", databaseName, port),
		URL:          databaseURL("auditferry", databaseName, port),
	}
}

func databaseURL(role, database string, port int) string {
	u := url.URL{
		Scheme: "postgres", User: url.User(role),
		Host: address(port), Path: database, RawQuery: "sslmode=disable",
	}
	return u.String()
}

func (s *Stack) postgresArgs(data string, port int) []string {
	settings := []string{
		"listen_addresses=127.0.0.1", "port=" + strconv.Itoa(port),
		"unix_socket_directories=", "max_connections=200", "shared_buffers=256MB",
	}
	if s.volatile {
		settings = append(settings, "fsync=off", "synchronous_commit=off", "full_page_writes=off")
	}
	args := []string{"-D", data}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	return args
}

// initCluster runs initdb unless the cluster exists.
func (s *Stack) initCluster(ctx context.Context, bin, data string, owner *syscall.Credential) error {
	if _, err := os.Stat(filepath.Join(data, "PG_VERSION")); err == nil {
		return nil
	}
	// A password that stands in this source would protect nothing.
	args := []string{"-D", data, "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "-A", "trust"}
	if s.volatile {
		args = append(args, "--no-sync")
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), args...)
	cmd.Env, cmd.Dir = s.plainEnv(), data
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: owner}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

//go:embed roles.sql
var rolesSQL string

// createDatabase makes the database, unless it exists, and its roles.
func (s *Stack) createDatabase(ctx context.Context, port int) error {
	conn, err := pgx.Connect(ctx, databaseURL("postgres", "postgres", port))
	if err != nil {
		return err
	}
	var exists bool
	err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", databaseName).Scan(&exists)
	if err == nil && !exists {
		_, err = conn.Exec(ctx, "CREATE DATABASE "+databaseName)
	}
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		return err
	}
	return inDatabase(ctx, databaseURL("postgres", databaseName, port), rolesSQL)
}

func inDatabase(ctx context.Context, url, sql string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(ctx))
}

// serverUser is who Postgres runs as: nil, ourselves, unless we are root, which
// Postgres refuses.
func serverUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		account, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// postgresDir is the cluster's folder, owned by the server's user. It lies in
// the stack's directory unless that user cannot get there, as in a checkout
// under /root.
func (s *Stack) postgresDir(owner *syscall.Credential) (string, error) {
	parent := s.dir
	if owner != nil && !passable(parent) {
		parent = outsideDir(s.dir)
		s.book.printf("postgres", "%s is closed to the server's user; the data is in %s", s.dir, parent)
		if err := os.MkdirAll(parent, 0o711); err != nil {
			return "", err
		}
		if s.throwAway {
			s.onStop(func() error { return os.RemoveAll(parent) })
		}
	}
	data := filepath.Join(parent, "postgres")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return "", err
	}
	if owner == nil {
		return data, nil
	}
	return data, os.Chown(data, int(owner.Uid), int(owner.Gid))
}

// outsideDir is where the cluster of a stack lies that cannot be in the stack's
// own directory.
func outsideDir(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return filepath.Join("/var/tmp", "auditferry-"+hex.EncodeToString(sum[:6]))
}

// passable says whether every user may walk into dir.
func passable(dir string) bool {
	for {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
		dir = filepath.Dir(dir)
	}
}

func (s *Stack) onStop(clean func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cleanup = append(s.cleanup, clean)
}
