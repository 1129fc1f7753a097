// Package postgres holds every SQL statement of the project: desired state,
// audit events, and the ledger of what was delivered.
//
// Work is done in transactions that see the rows of one org (InOrg) or of all
// (AsOperator). Row level security draws that line inside the database, so a
// forgotten condition can hide rows but never show another org's.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// partitionsAhead is how many days of partitions are kept ready: a service
// whose retention schedule stands still for a week goes on without a hitch.
const partitionsAhead = 7

// maxAttempts bounds how often a transaction is run. Deadlocks come from two
// transactions that lock the same rows in another order; the second attempt
// finds the other one gone, so a few are plenty.
const maxAttempts = 5

// maxIdle is how long a transaction may wait for its client. A machine that
// vanished would keep its locks for as long as the server's TCP believes in it,
// which is hours. It is above the two minutes that whoever applies a schedule
// has at most, so that nobody goes on applying when the lock is gone.
const maxIdle = "3min"

// Store is the database as the api and the worker see it. It is safe for
// concurrent use.
type Store struct{ pool *pgxpool.Pool }

// defaultConns is how many connections a process may have unless its URL says
// otherwise: room for commands beside the exports that hold some for minutes.
const defaultConns = 16

// Open connects to a migrated database as a role that row level security binds,
// and makes sure that the coming days have partitions. It refuses a role that
// could see past the policies and a schema older than this program. The
// settings of pgxpool.ParseConfig may stand in the URL.
func Open(ctx context.Context, url string) (*Store, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("read the database URL: %w", err)
	}
	if !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = max(config.MaxConns, defaultConns)
	}
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "auditferry"
	}
	config.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		// pgx gives times in the machine's zone otherwise.
		conn.TypeMap().RegisterType(&pgtype.Type{
			Name: "timestamptz", OID: pgtype.TimestamptzOID,
			Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
		})
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	s := &Store{pool}
	if err := s.prepare(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	return s, nil
}

func (s *Store) prepare(ctx context.Context) error {
	if err := s.checkRole(ctx); err != nil {
		return err
	}
	if err := s.checkSchema(ctx); err != nil {
		return err
	}
	return s.EnsurePartitions(ctx, partitionsAhead)
}

// checkRole refuses roles to which policies do not apply, or which could lift
// them.
func (s *Store) checkRole(ctx context.Context) error {
	var role string
	var unbound, owner, app bool
	err := s.pool.QueryRow(ctx, `
		SELECT r.rolname, r.rolsuper OR r.rolbypassrls,
			EXISTS (SELECT FROM pg_class AS c
				WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
				  AND pg_has_role(r.oid, c.relowner, 'MEMBER')),
			coalesce((SELECT pg_has_role(r.oid, a.oid, 'USAGE') FROM pg_roles AS a WHERE a.rolname = 'auditferry_app'), true)
		FROM pg_roles AS r WHERE r.rolname = current_user`).Scan(&role, &unbound, &owner, &app)
	switch {
	case err != nil:
		return fmt.Errorf("check the database role: %w", err)
	case unbound:
		return fmt.Errorf("the database role %q is not bound by row level security; connect as a login role without SUPERUSER and BYPASSRLS that is a member of auditferry_app", role)
	case owner:
		return fmt.Errorf("the database role %q owns the tables; connect as another login role that is a member of auditferry_app", role)
	case !app:
		return fmt.Errorf("the database role %q may not use the tables; run: GRANT auditferry_app TO %q", role, role)
	}
	return nil
}

// Close waits for transactions in flight and closes all connections.
func (s *Store) Close() { s.pool.Close() }

// Ping tells whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.pool.Ping(ctx); err != nil {
		return fmt.Errorf("ping the database: %w", err)
	}
	return nil
}

// InOrg runs fn in one transaction that sees and writes the rows of one org
// only, and commits when fn returns nil. After a deadlock, a serialization
// failure or a missing partition the whole of fn runs again: it must have no
// effect but on the transaction and on variables that it sets anew.
//
// When the connection breaks during the commit, the error leaves open whether
// the transaction took effect.
func (s *Store) InOrg(ctx context.Context, org uuid.UUID, fn func(*Tx) error) error {
	if org == uuid.Nil {
		return errors.New("begin a transaction in an org: the nil UUID is not an org")
	}
	return s.transact(ctx, org, fn)
}

// AsOperator runs fn as InOrg does, in a transaction that sees every org.
func (s *Store) AsOperator(ctx context.Context, fn func(*Tx) error) error {
	return s.transact(ctx, uuid.Nil, fn)
}

func (s *Store) transact(ctx context.Context, org uuid.UUID, fn func(*Tx) error) error {
	for attempt := 1; ; attempt++ {
		err := s.once(ctx, org, fn)
		if err == nil || attempt == maxAttempts {
			return err
		}
		switch {
		case lacksPartition(err):
			if ensureErr := s.EnsurePartitions(ctx, partitionsAhead); ensureErr != nil {
				return errors.Join(err, ensureErr)
			}
		case !transient(err):
			return err
		}
	}
}

// once runs fn in one transaction. BEGIN and the settings that the policies
// look at travel together, in one round trip. Nothing is compiled: a query that
// may look into every day's partition seems so dear to the planner that the
// compiler would take a second for what takes milliseconds.
func (s *Store) once(ctx context.Context, org uuid.UUID, fn func(*Tx) error) error {
	begin := "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '" + maxIdle + "'; SET LOCAL jit = off; SET LOCAL "
	if org == uuid.Nil {
		begin += "auditferry.scope = 'operator'"
	} else {
		begin += "auditferry.org_id = '" + org.String() + "'"
	}
	return pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{BeginQuery: begin}, func(tx pgx.Tx) error {
		return fn(&Tx{tx: tx, org: org})
	})
}

// Tx is a transaction of InOrg or AsOperator. It must not be used after fn has
// returned, nor by two goroutines at once. After an error it can only be
// abandoned: return the error.
//
// Rows written in an org's transaction get that org's ID. In an operator's
// transaction, rows that stand on their own take it from the value given, and
// all others from the row they belong to.
type Tx struct {
	tx  pgx.Tx
	org uuid.UUID // nil for operators
}

var errNeedsOrg = errors.New("this needs the transaction of an org")

// owner is the org that a value belongs to; given is its OrgID.
func (t *Tx) owner(given uuid.UUID) (uuid.UUID, error) {
	switch {
	case t.org == uuid.Nil && given == uuid.Nil:
		return uuid.Nil, errors.New("the value names no org")
	case t.org == uuid.Nil:
		return given, nil
	case given == uuid.Nil || given == t.org:
		return t.org, nil
	default:
		return uuid.Nil, fmt.Errorf("the value belongs to another org than the transaction: %w", ErrNotFound)
	}
}

// LimitTime ends every further statement of the transaction that takes longer
// than d, with ErrTooLong. The database does it, so that the connection stays
// of use, and a client who gives up is told apart.
func (t *Tx) LimitTime(ctx context.Context, d time.Duration) error {
	_, err := t.exec(ctx, "limit the time of statements", `SELECT set_config('statement_timeout', $1, true)`, fmt.Sprintf("%dms", d.Milliseconds()))
	return err
}

// ours is the condition on $1, the transaction's org, that every listing
// carries. Row level security alone keeps other orgs' rows out, but only a
// plain comparison lets an index find the org's own.
func (t *Tx) ours() string {
	if t.org == uuid.Nil {
		return "$1::uuid IS NOT NULL" // always true: a statement must use each of its parameters
	}
	return "org_id = $1"
}

func (t *Tx) exec(ctx context.Context, attempt, sql string, args ...any) (rows int64, err error) {
	tag, err := t.tx.Exec(ctx, sql, args...)
	return tag.RowsAffected(), wrap(attempt, err)
}

// execOne is exec for statements that must find their row.
func (t *Tx) execOne(ctx context.Context, attempt, sql string, args ...any) error {
	rows, err := t.exec(ctx, attempt, sql, args...)
	if err == nil && rows == 0 {
		err = wrap(attempt, pgx.ErrNoRows)
	}
	return err
}

func (t *Tx) scan(ctx context.Context, attempt string, into []any, sql string, args ...any) error {
	return wrap(attempt, t.tx.QueryRow(ctx, sql, args...).Scan(into...))
}

func queryOne[T any](ctx context.Context, t *Tx, attempt string, row pgx.RowToFunc[T], sql string, args ...any) (T, error) {
	rows, _ := t.tx.Query(ctx, sql, args...) // its error comes back from the collector
	value, err := pgx.CollectExactlyOneRow(rows, row)
	return value, wrap(attempt, err)
}

func queryAll[T any](ctx context.Context, t *Tx, attempt string, row pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	rows, _ := t.tx.Query(ctx, sql, args...)
	values, err := pgx.CollectRows(rows, row)
	return values, wrap(attempt, err)
}
