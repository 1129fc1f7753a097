package stack_test

import (
	"context"
	"net"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/stack"
	"github.com/auditferry/auditferry/schemas"
)

// start starts services on free ports; their log is shown when a test fails.
func start(t *testing.T, services ...stack.Service) *stack.Stack {
	t.Helper()
	s, err := open(t, stack.Options{Services: services})
	require.NoError(t, err)
	return s
}

// open leaves nothing behind, and minutes for tools that must be built first.
func open(t *testing.T, o stack.Options) (*stack.Stack, error) {
	t.Helper()
	o.Log = t.Output()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	s, err := stack.Start(ctx, o)
	if err == nil {
		t.Cleanup(func() { require.NoError(t, s.Stop()) })
	}
	return s, err
}

func pids(s *stack.Stack) []int {
	var all []int
	for _, p := range s.Processes() {
		all = append(all, p.Pid())
	}
	return all
}

func gone(pid int) bool { return syscall.Kill(pid, 0) == syscall.ESRCH }

// Every server comes up, and Stop leaves no process behind.
func TestStackStartsAndLeavesNothing(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Servers()...)
	running := pids(s)
	require.Len(t, running, 8, "seven servers, of which S3 is two processes; the simulator is in ours")
	require.NotNil(t, s.Clouds)
	require.NoError(t, s.Stop())
	for _, pid := range running {
		require.True(t, gone(pid))
	}
}

// Two stacks do not get in each other's way.
func TestTwoStacks(t *testing.T) {
	t.Parallel()
	a := start(t, stack.Postgres, stack.S3)
	b := start(t, stack.Postgres, stack.S3)
	require.NotEqual(t, a.Database.URL, b.Database.URL)
	require.NoError(t, a.Stop())
	conn, err := pgx.Connect(t.Context(), b.Database.URL)
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))
}

// A stack with a directory goes on where it was stopped.
func TestStackKeepsItsData(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	options := stack.Options{Dir: dir, Services: append(stack.Stores(), stack.Postgres, stack.Temporal)}
	places := []schemas.Destination{
		{Cloud: schemas.AWS, Bucket: "kept", Prefix: "p"},
		{Cloud: schemas.Azure, Account: "acmeaudit", Bucket: "kept", Prefix: "p"},
		{Cloud: schemas.GCP, Bucket: "kept", Prefix: "p"},
	}

	first, err := open(t, options)
	require.NoError(t, err)
	for _, d := range places {
		require.NoError(t, first.CreateBucket(t.Context(), d))
		require.NoError(t, first.PutObject(t.Context(), d, "p/object", []byte("kept")))
	}
	execute(t, first.Database.OwnerURL, "CREATE TABLE kept (id int)")
	require.NoError(t, first.Stop())

	second, err := open(t, options)
	require.NoError(t, err)
	for _, d := range places {
		data, err := second.ReadObject(t.Context(), d, "p/object")
		require.NoError(t, err)
		require.Equal(t, "kept", string(data))
	}
	execute(t, second.Database.OwnerURL, "DROP TABLE kept")
}

// openDir is like t.TempDir, which other users, such as Postgres's, may not
// enter.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "auditferry-test-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, stack.Remove(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	return dir
}

func execute(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), sql)
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))
}

// The application's role is one that row level security binds.
func TestDatabaseRoles(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Postgres)
	execute(t, s.Database.URL, `DO $$ BEGIN
		ASSERT pg_has_role('auditferry', 'auditferry_app', 'member');
		ASSERT NOT (SELECT rolsuper OR rolbypassrls OR rolcreaterole FROM pg_roles WHERE rolname = current_user);
		ASSERT NOT has_database_privilege('auditferry', 'CREATE');
	END $$`)
}

// A port that another program has is named, with the way out.
func TestTakenPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, taken.Close()) }()
	port := strconv.Itoa(taken.Addr().(*net.TCPAddr).Port)
	t.Setenv("AUDITFERRY_DEV_PORT_GCS", port)
	t.Setenv("AUDITFERRY_DEV_PORT_API", unusedPort(t)) // make dev may have the fixed one
	_, err = open(t, stack.Options{FixedPorts: true, Services: []stack.Service{stack.GCS}})
	require.EqualError(t, err, "port "+port+" (gcs) is taken; stop the other process or set AUDITFERRY_DEV_PORT_GCS")

	t.Setenv("AUDITFERRY_DEV_PORT_GCS", "many")
	_, err = open(t, stack.Options{FixedPorts: true, Services: []stack.Service{stack.GCS}})
	require.EqualError(t, err, "AUDITFERRY_DEV_PORT_GCS=many is not a port")
}

func unusedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

func TestUnknownService(t *testing.T) {
	t.Parallel()
	_, err := open(t, stack.Options{Services: []stack.Service{"fax"}})
	require.ErrorContains(t, err, `there is no service "fax"`)
}
