package postgres_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// unprotected lists the tables that hold no org's rows.
var unprotected = map[string]string{
	"goose_db_version": "which migrations have run",
	"signing_key":      "public keys, the same for every org",
}

// operatorsOnly lists the tables whose rows no org sees at all.
var operatorsOnly = map[string]string{
	"sign_out": "people's sessions, see TestSessionsAreNoOrgs",
}

// insufficientPrivilege is the error code of a row that a policy refuses.
const insufficientPrivilege = "42501"

// Invariant 6: whatever SQL an org's transaction runs, on whatever table, it
// neither sees nor touches another org's rows. Tables come from the catalog, so
// one that a later migration adds is tried as well.
func TestRowsOfOtherOrgsDoNotExist(t *testing.T) {
	t.Parallel()
	mine := setup(t)
	others := mine.withOrg(mine.addOrg("Umbrella"))
	fill(mine, "s3://mine/")
	fill(others, "s3://others/")

	for _, table := range protectedTables(t, mine) {
		t.Run(table, func(t *testing.T) {
			conn := connect(t, mine.appURL)
			column := "org_id"
			if table == "org" {
				column = "id"
			}
			from := " FROM " + table + " WHERE " + column + " = $1"
			row := rowOf(t, conn, table, "SELECT row_to_json("+table+")"+from+" LIMIT 1", others.org)

			begin(t, conn, "SET LOCAL auditferry.org_id = '"+mine.org.String()+"'")
			require.Zero(t, number(t, conn, "SELECT count(*)"+from, others.org))
			require.Positive(t, number(t, conn, "SELECT count(*)"+from, mine.org))
			require.Equal(t, number(t, conn, "SELECT count(*)"+from, mine.org), number(t, conn, "SELECT count(*) FROM "+table))
			rollback(t, conn)

			changesNothing(t, conn, mine.org, "UPDATE "+table+" SET "+column+" = $1 WHERE "+column+" = $1", others.org)
			changesNothing(t, conn, mine.org, "DELETE"+from, others.org)
			changesNothing(t, conn, mine.org, "INSERT INTO "+table+" SELECT * FROM json_populate_record(null::"+table+", $1)", row)
			changesNothing(t, conn, mine.org, "UPDATE "+table+" SET "+column+" = $1", others.org) // gives own rows away

			begin(t, conn, "SELECT 1") // names no org
			require.Zero(t, number(t, conn, "SELECT count(*) FROM "+table))
			rollback(t, conn)
		})
	}
}

// Invariant 6: people are of no org or of many, and no org's transaction sees or
// ends their sessions.
func TestSessionsAreNoOrgs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	until := time.Now().Add(time.Hour)
	require.NoError(t, b.AsOperator(t.Context(), func(tx *postgres.Tx) error {
		return tx.EndSession(t.Context(), "ada", nil, until)
	}))
	conn := connect(t, b.appURL)
	begin(t, conn, "SET LOCAL auditferry.org_id = '"+b.org.String()+"'")
	require.Zero(t, number(t, conn, "SELECT count(*) FROM sign_out"))
	rollback(t, conn)
	err := b.InOrg(t.Context(), b.org, func(tx *postgres.Tx) error { return tx.EndSession(t.Context(), "ada", nil, until) })
	requireRefused(t, err)
}

// Invariant 6: the partitions cannot be reached past the table's policy.
func TestPartitionsAreNobodys(t *testing.T) {
	t.Parallel()
	b := setup(t)
	conn := connect(t, b.appURL)
	partitions := names(t, conn, `
		SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'audit_event'::regclass`)
	require.NotEmpty(t, partitions)
	for _, partition := range partitions {
		_, err := conn.Exec(t.Context(), "SELECT FROM "+partition)
		requireRefused(t, err)
	}
}

// Invariant 6: a row cannot belong to another org's.
func TestRowsCannotPointIntoAnotherOrg(t *testing.T) {
	t.Parallel()
	mine := setup(t)
	others := mine.withOrg(mine.addOrg("Umbrella"))
	integration := others.addIntegration("s3://others/")
	e := others.addExport(integration, "theirs")
	others.delivered(others.windowOf(e, 1, 3))
	backfill := others.addBackfill(e, 1, 3)
	others.in(func(tx *postgres.Tx) { require.NoError(t, tx.RequestClosing(t.Context(), e, schemas.ClosedByRetarget)) })
	closing := others.closings(integration)[0]
	ctx := t.Context()

	attempts := map[string]func(*postgres.Tx) error{
		"export": func(tx *postgres.Tx) error {
			stolen := export(t, integration, "stolen")
			stolen.OrgID = mine.org
			return tx.InsertExport(ctx, stolen)
		},
		"row of another org": func(tx *postgres.Tx) error { return tx.InsertExport(ctx, export(t, integration, "stolen")) },
		"operation": func(tx *postgres.Tx) error {
			return tx.InsertOperation(ctx, schemas.Operation{ID: newID(t), Status: schemas.OperationPending, ExportID: &e.ID})
		},
		"claim":    func(tx *postgres.Tx) error { return tx.ClaimDestination(ctx, integration.ID, parse(t, "s3://free/")) },
		"window":   func(tx *postgres.Tx) error { return tx.InsertWindow(ctx, schemas.Window{ID: newID(t), ExportID: e.ID}) },
		"backfill": func(tx *postgres.Tx) error { return tx.InsertBackfill(ctx, mine.backfillOf(e, 1, 3)) },
		"backfill of another org": func(tx *postgres.Tx) error {
			return tx.EndBackfill(ctx, backfill.ID, schemas.BackfillCancelled, "stolen")
		},
		"operation on a backfill": func(tx *postgres.Tx) error {
			return tx.InsertOperation(ctx, schemas.Operation{ID: newID(t), Status: schemas.OperationPending, BackfillID: &backfill.ID})
		},
		"leaving": func(tx *postgres.Tx) error { return tx.RequestClosing(ctx, e, schemas.ClosedByRetarget) },
		"closing": func(tx *postgres.Tx) error { return tx.SettleClosing(ctx, closing.ID, "stolen") },
		"seal": func(tx *postgres.Tx) error {
			_, err := tx.SealClosing(ctx, closing.ID, schemas.SealedManifest{})
			return err
		},
		"manifest": func(tx *postgres.Tx) error {
			_, err := tx.ChainEnd(ctx, closingOf(e), true)
			return err
		},
		"applied": func(tx *postgres.Tx) error { return tx.MarkApplied(ctx, e.ID, 1) },
		"status": func(tx *postgres.Tx) error {
			return tx.SetIntegrationStatus(ctx, integration.ID, schemas.IntegrationDeleted)
		},
		"read": func(tx *postgres.Tx) error {
			_, err := tx.LockIntegration(ctx, integration.ID)
			return err
		},
	}
	for name, attempt := range attempts {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, mine.try(attempt), postgres.ErrNotFound)
		})
	}
}

func TestNilIsNotAnOrg(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Error(t, b.InOrg(t.Context(), uuid.Nil, func(*postgres.Tx) error { return nil }))
}

// fill gives an org a row in every table.
func fill(b bundle, destination string) {
	ctx := b.t.Context()
	b.append(3)
	integration := b.addIntegration(destination)
	e := b.addExport(integration, "daily")
	b.addOperation(schemas.OpCreateExport, func(op *schemas.Operation) { op.ExportID = &e.ID })
	b.delivered(b.windowOf(e, 1, 3))
	b.addBackfill(e, 1, 3)
	b.asOwner(`INSERT INTO audit_day (org_id, day, first_seq, last_seq) VALUES ($1, '2026-01-31', 1, 3)`, b.org)
	b.in(func(tx *postgres.Tx) {
		require.NoError(b.t, tx.RequestClosing(ctx, e, schemas.ClosedByRetarget))
		require.NoError(b.t, tx.ClaimDestination(ctx, integration.ID, integration.Destination))
		require.NoError(b.t, tx.UseIdentity(ctx, integration.ID, awsCredentials(integration.ID.String()), true))
		_, err := tx.RecordAttempt(ctx, integration.ID, schemas.AccessReport{Attempt: 1})
		require.NoError(b.t, err)
		key := schemas.APIKey{ID: newID(b.t), Role: schemas.RoleAdmin, Name: "admin"}
		require.NoError(b.t, tx.InsertAPIKey(ctx, key, key.ID[:]))
		_, _, err = tx.Remember(ctx, "key", []byte("request"))
		require.NoError(b.t, err)
		require.NoError(b.t, tx.SaveAnswer(ctx, "key", json.RawMessage(`{}`)))
	})
}

// protectedTables lists every table that may hold an org's rows, and checks
// that row level security binds even its owner.
func protectedTables(t *testing.T, b bundle) (tables []string) {
	t.Helper()
	conn := connect(t, b.appURL)
	for _, table := range names(t, conn, `
		SELECT table_name FROM information_schema.tables AS t JOIN pg_class AS c ON c.oid = t.table_name::regclass
		WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND NOT c.relispartition ORDER BY 1`) {
		if unprotected[table] == "" && operatorsOnly[table] == "" {
			tables = append(tables, table)
		}
	}
	require.Contains(t, tables, "audit_event")
	bare := names(t, connect(t, b.ownerURL), `
		SELECT relname FROM pg_class
		WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT (relrowsecurity AND relforcerowsecurity)
		ORDER BY relname`)
	require.Equal(t, slices.Sorted(maps.Keys(unprotected)), bare)
	return tables
}

func rowOf(t *testing.T, conn *pgx.Conn, table, sql string, args ...any) string {
	t.Helper()
	begin(t, conn, "SET LOCAL auditferry.scope = 'operator'")
	defer rollback(t, conn)
	var row string
	require.NoError(t, conn.QueryRow(t.Context(), sql, args...).Scan(&row), "fill puts no row into %s", table)
	return row
}

// changesNothing runs a statement in the org's transaction, which must be
// refused or find no row.
func changesNothing(t *testing.T, conn *pgx.Conn, org uuid.UUID, sql string, arg any) {
	t.Helper()
	begin(t, conn, "SET LOCAL auditferry.org_id = '"+org.String()+"'")
	defer rollback(t, conn)
	tag, err := conn.Exec(t.Context(), sql, arg)
	if err != nil {
		requireRefused(t, err)
		return
	}
	require.Zero(t, tag.RowsAffected(), sql)
}

func requireRefused(t *testing.T, err error) {
	t.Helper()
	var answer *pgconn.PgError
	require.ErrorAs(t, err, &answer)
	require.Equal(t, insufficientPrivilege, answer.Code, answer.Message)
}

func begin(t *testing.T, conn *pgx.Conn, setting string) {
	t.Helper()
	_, err := conn.Exec(t.Context(), "BEGIN; "+setting)
	require.NoError(t, err)
}

func rollback(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	_, err := conn.Exec(t.Context(), "ROLLBACK")
	require.NoError(t, err)
}

func number(t *testing.T, conn *pgx.Conn, sql string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, conn.QueryRow(t.Context(), sql, args...).Scan(&n))
	return n
}

func names(t *testing.T, conn *pgx.Conn, sql string) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql)
	require.NoError(t, err)
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return all
}
