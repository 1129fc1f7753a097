package postgres_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/internal/postgres/postgrestest"
	"github.com/auditferry/auditferry/schemas"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Run(m)) }

// bundle is a database with one org.
type bundle struct {
	*postgres.Store
	t                testing.TB
	ownerURL, appURL string
	org              uuid.UUID
}

func setup(t testing.TB) bundle {
	t.Helper()
	store, ownerURL, appURL := postgrestest.New(t)
	b := bundle{Store: store, t: t, ownerURL: ownerURL, appURL: appURL}
	b.org = b.addOrg("Acme")
	return b
}

// in runs fn in a transaction of the bundle's org; everything must succeed.
func (b bundle) in(fn func(tx *postgres.Tx)) {
	b.t.Helper()
	require.NoError(b.t, b.try(func(tx *postgres.Tx) error {
		fn(tx)
		return nil
	}))
}

// try is in for work that may fail.
func (b bundle) try(fn func(tx *postgres.Tx) error) error {
	return b.InOrg(b.t.Context(), b.org, fn)
}

func (b bundle) asOperator(fn func(tx *postgres.Tx)) {
	b.t.Helper()
	require.NoError(b.t, b.AsOperator(b.t.Context(), func(tx *postgres.Tx) error {
		fn(tx)
		return nil
	}))
}

func (b bundle) addOrg(name string) uuid.UUID {
	b.t.Helper()
	id := newID(b.t)
	b.asOperator(func(tx *postgres.Tx) {
		require.NoError(b.t, tx.InsertOrg(b.t.Context(), schemas.Org{ID: id, Name: name, NoticeEmails: []string{"admin@example.com"}}))
	})
	return id
}

// withOrg is the same database as seen by another org.
func (b bundle) withOrg(org uuid.UUID) bundle {
	b.org = org
	return b
}

func (b bundle) append(n int) schemas.Appended {
	b.t.Helper()
	var appended schemas.Appended
	b.in(func(tx *postgres.Tx) {
		var err error
		appended, err = tx.AppendEvents(b.t.Context(), events(b.t, n))
		require.NoError(b.t, err)
	})
	return appended
}

func (b bundle) addIntegration(destination string) schemas.Integration {
	b.t.Helper()
	i := schemas.Integration{
		ID: newID(b.t), OrgID: b.org, Name: "Archive", Cloud: schemas.AWS, Destination: parse(b.t, destination),
		Grant:       schemas.Grant{RoleARN: "arn:aws:iam::123456789012:role/auditferry"},
		Provisioner: schemas.ProvisionerAuto, Status: schemas.IntegrationProvisioning, Access: schemas.AccessUnknown,
		Ownership: schemas.Ownership{State: schemas.OwnershipOpen}, CreatedAt: now(),
	}
	i.UpdatedAt = i.CreatedAt
	b.in(func(tx *postgres.Tx) { require.NoError(b.t, tx.InsertIntegration(b.t.Context(), i)) })
	return i
}

func awsCredentials(externalID string) schemas.Credentials {
	return schemas.Credentials{AWS: &schemas.AWSCredentials{ExternalID: externalID, IAMUserARN: "arn:aws:iam::210987654321:user/auditferry"}}
}

func (b bundle) addExport(integration schemas.Integration, name string) schemas.Export {
	b.t.Helper()
	e := export(b.t, integration, name)
	b.in(func(tx *postgres.Tx) { require.NoError(b.t, tx.InsertExport(b.t.Context(), e)) })
	return e
}

func export(t testing.TB, integration schemas.Integration, name string) schemas.Export {
	t.Helper()
	e := schemas.Export{
		ID: newID(t), OrgID: integration.OrgID, IntegrationID: integration.ID, Name: name, Slug: name,
		Schedule: schemas.Schedule{Kind: schemas.ScheduleInterval, Every: "1h"},
		Format:   schemas.FormatNDJSON, Compression: schemas.CompressionZstd, PathTemplate: schemas.DefaultPathTemplate,
		Destination: integration.Destination, State: schemas.ExportActive, StartSeq: 1, SpecVersion: 1, CreatedAt: now(),
	}
	e.UpdatedAt = e.CreatedAt
	return e
}

func (b bundle) addOperation(kind schemas.OperationKind, change func(*schemas.Operation)) schemas.Operation {
	b.t.Helper()
	op := schemas.Operation{
		ID: newID(b.t), OrgID: b.org, Kind: kind, Status: schemas.OperationPending, RequestedBy: "tests", CreatedAt: now(),
	}
	change(&op)
	b.in(func(tx *postgres.Tx) { require.NoError(b.t, tx.InsertOperation(b.t.Context(), op)) })
	return op
}

func (b bundle) operation(id uuid.UUID) (op schemas.Operation) {
	b.t.Helper()
	b.in(func(tx *postgres.Tx) {
		var err error
		op, err = tx.Operation(b.t.Context(), id)
		require.NoError(b.t, err)
	})
	return op
}

// addRun allocates a window from first to last and begins a run of it.
func (b bundle) addRun(e schemas.Export, first, last int64) (schemas.Window, schemas.Run) {
	b.t.Helper()
	w := b.windowOf(e, first, last)
	b.in(func(tx *postgres.Tx) { require.NoError(b.t, tx.InsertWindow(b.t.Context(), w)) })
	return w, b.beginRun(w)
}

func (b bundle) beginRun(w schemas.Window) schemas.Run {
	b.t.Helper()
	r := schemas.Run{
		ID: newID(b.t), ExportID: w.ExportID, WindowID: w.ID, WorkflowID: schemas.ExportWorkflowID(w.ExportID),
		BackfillID: w.BackfillID, Status: schemas.RunRunning, FirstSeq: w.FirstSeq, LastSeq: w.LastSeq, Parts: w.Parts(), StartedAt: now(),
	}
	b.in(func(tx *postgres.Tx) { require.NoError(b.t, tx.InsertRun(b.t.Context(), r, r.ID.String(), 0)) })
	return r
}

func events(t testing.TB, n int) []schemas.Event {
	t.Helper()
	all := make([]schemas.Event, n)
	for i := range all {
		all[i] = schemas.Event{
			ID: newID(t), OccurredAt: now().Add(-time.Minute), Action: "document.deleted",
			Actor:   schemas.Actor{ID: "u1", Email: fmt.Sprintf("user%d@example.com", i)},
			Outcome: schemas.OutcomeSuccess, Metadata: json.RawMessage(`{"n": ` + fmt.Sprint(i) + `}`),
		}
	}
	return all
}

// connect opens a connection of its own, for what the store has no method for.
func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close(context.Background())) })
	return conn
}

// asOwner changes rows behind the store's back.
func (b bundle) asOwner(sql string, args ...any) {
	b.t.Helper()
	conn := connect(b.t, b.ownerURL)
	_, err := conn.Exec(b.t.Context(), `SET auditferry.scope = 'operator'`)
	require.NoError(b.t, err)
	_, err = conn.Exec(b.t.Context(), sql, args...)
	require.NoError(b.t, err)
}

func newID(t testing.TB) uuid.UUID {
	t.Helper()
	id, err := uuid.NewV7()
	require.NoError(t, err)
	return id
}

func parse(t testing.TB, url string) schemas.Destination {
	t.Helper()
	d, err := schemas.ParseDestination(url)
	require.NoError(t, err)
	return d
}

// now has the precision that Postgres keeps.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

func requireConflict(t testing.TB, err error) {
	t.Helper()
	var conflict *postgres.ConflictError
	require.ErrorAs(t, err, &conflict)
	require.NotEmpty(t, conflict.Message)
}
