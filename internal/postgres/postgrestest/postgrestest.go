// Package postgrestest gives every test a migrated database of its own on a
// real PostgreSQL server.
//
// One throw-away server is started by the first test of a process that asks for
// a database. It listens on a Unix socket in its temporary directory only, and
// ends with the process, however that ends.
package postgrestest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/auditferry/auditferry/internal/postgres"
)

// The login roles of every database: the owner of the tables, and the one that
// row level security binds.
const (
	ownerRole = "auditferry_owner"
	appRole   = "auditferry"
)

const (
	adminDatabase    = "postgres"
	templateDatabase = "auditferry_template"
)

// startTimeout bounds making and starting a server, also on a busy machine.
const startTimeout = 2 * time.Minute

var (
	shared = sync.OnceValues(startShared)
	count  atomic.Int64
)

// New gives the test an empty, migrated database, dropped when the test ends,
// with a store open on it. The URLs are those of the tables' owner and of the
// role that the store uses.
func New(t testing.TB) (store *postgres.Store, ownerURL, appURL string) {
	t.Helper()
	s := server(t)
	database := s.create(t, "TEMPLATE "+templateDatabase)
	store, err := postgres.Open(t.Context(), s.url(appRole, database))
	if err != nil {
		t.Fatalf("open a store on the test database: %v", err)
	}
	t.Cleanup(store.Close)
	return store, s.url(ownerRole, database), s.url(appRole, database)
}

// NewEmpty gives the test a database without any table, dropped when the test
// ends, and the URLs of the server's superuser, of the owner to be, and of the
// role for the store.
func NewEmpty(t testing.TB) (superuserURL, ownerURL, appURL string) {
	t.Helper()
	s := server(t)
	database := s.create(t, "")
	return s.url(superuser, database), s.url(ownerRole, database), s.url(appRole, database)
}

// Run runs the tests and stops the server if one was started. A TestMain that
// calls it leaves nothing behind by the time it exits; without one, the server
// ends by itself a moment later.
func Run(m *testing.M) (code int) {
	code = m.Run()
	if count.Load() == 0 {
		return code
	}
	if s, err := shared(); err == nil {
		if err := s.stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

func server(t testing.TB) *cluster {
	t.Helper()
	count.Add(1)
	s, err := shared()
	if err != nil {
		t.Fatalf("start a PostgreSQL server for tests: %v", err)
	}
	return s
}

func startShared() (*cluster, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	s, err := start(ctx)
	if err != nil {
		return nil, err
	}
	return s, s.makeTemplate(ctx)
}

// makeTemplate prepares what each test gets a copy of, so that migrations run
// once a process.
func (c *cluster) makeTemplate(ctx context.Context) error {
	err := c.admin(ctx,
		// Roles as an operator would make them: the owner may make auditferry_app.
		"CREATE ROLE "+ownerRole+" LOGIN CREATEROLE",
		"CREATE ROLE "+appRole+" LOGIN",
		"CREATE DATABASE "+templateDatabase+" OWNER "+ownerRole)
	if err != nil {
		return err
	}
	if err := postgres.Migrate(ctx, c.url(ownerRole, templateDatabase)); err != nil {
		return err
	}
	return c.admin(ctx, "GRANT auditferry_app TO "+appRole)
}

func (c *cluster) create(t testing.TB, options string) (database string) {
	t.Helper()
	database = fmt.Sprintf("test_%d", count.Add(1))
	if err := c.admin(t.Context(), fmt.Sprintf("CREATE DATABASE %s OWNER %s %s", database, ownerRole, options)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The test's own context has ended by now.
		if err := c.admin(context.Background(), "DROP DATABASE "+database+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return database
}

// admin runs statements as the superuser.
func (c *cluster) admin(ctx context.Context, statements ...string) (err error) {
	conn, err := pgx.Connect(ctx, c.url(superuser, adminDatabase))
	if err != nil {
		return fmt.Errorf("connect to the test server: %w", err)
	}
	defer func() {
		if closeErr := conn.Close(ctx); err == nil && closeErr != nil {
			err = fmt.Errorf("disconnect from the test server: %w", closeErr)
		}
	}()
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}
