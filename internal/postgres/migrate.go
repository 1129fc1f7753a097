package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // goose speaks database/sql
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/auditferry/auditferry/schemas"
)

// Seconds between two attempts to get the migration lock, and the number of
// attempts: five minutes in all, and a program that lost the race by a moment
// starts a second later.
const (
	lockEvery    = 1
	lockAttempts = 300
)

// undefinedTable is the error code of a table that does not exist.
const undefinedTable = "42P01"

// Migrate brings the schema up to date. The URL is that of the tables' owner,
// who may create tables in the schema public and, unless the role
// auditferry_app exists, roles. Any number of programs may call it at once: one
// migrates, the others wait.
func Migrate(ctx context.Context, ownerURL string) (err error) {
	db, err := sql.Open("pgx", ownerURL)
	if err != nil {
		return fmt.Errorf("read the database URL: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(lockEvery, lockAttempts))
	if err != nil {
		return fmt.Errorf("make the migration lock: %w", err)
	}
	provider, err := newProvider(db, goose.WithSessionLocker(locker))
	if err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate the database: %w", err)
	}
	return nil
}

func newProvider(db *sql.DB, options ...goose.ProviderOption) (*goose.Provider, error) {
	files, err := fs.Sub(schemas.Migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("open the migrations: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, options...)
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	return provider, nil
}

// checkSchema refuses a schema older than this program. A newer one is fine:
// during a deployment old and new programs run side by side.
func (s *Store) checkSchema(ctx context.Context) error {
	applied, wanted, err := s.SchemaVersion(ctx)
	if err != nil {
		return err
	}
	if applied < wanted {
		return fmt.Errorf("the database has schema version %d and this program needs %d; run the migrations first", applied, wanted)
	}
	return nil
}

// SchemaVersion tells which version the database's schema has, 0 for none, and
// which one this program needs at least.
func (s *Store) SchemaVersion(ctx context.Context) (applied, wanted int, err error) {
	files, err := fs.Glob(schemas.Migrations, "migrations/*.sql")
	if err != nil {
		return 0, 0, fmt.Errorf("list the migrations: %w", err)
	}
	wanted = len(files) // migrations are numbered from 1 without gaps
	err = s.pool.QueryRow(ctx, `SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied`).Scan(&applied)
	var answer *pgconn.PgError
	switch {
	case errors.As(err, &answer) && answer.Code == undefinedTable:
		return 0, wanted, nil
	case err != nil:
		return 0, 0, fmt.Errorf("read the schema's version: %w", err)
	}
	return applied, wanted, nil
}
