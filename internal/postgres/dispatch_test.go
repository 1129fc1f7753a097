package postgres_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/internal/postgres/postgrestest"
	"github.com/auditferry/auditferry/schemas"
)

// linked is an org with one export, and the operation that created it.
type linked struct {
	store  *postgres.Store
	export schemas.Export
	create schemas.Operation
}

func setupLinked(t *testing.T) *linked {
	t.Helper()
	store, _, _ := postgrestest.New(t)
	org := schemas.Org{ID: uuid.Must(uuid.NewV7()), Name: "Acme", NoticeEmails: []string{"admin@acme.example"}}
	destination, err := schemas.ParseDestination("s3://acme-logs/audit/")
	require.NoError(t, err)
	integration := schemas.Integration{
		ID: uuid.Must(uuid.NewV7()), OrgID: org.ID, Name: "Archive", Cloud: schemas.AWS, Destination: destination,
		Grant:       schemas.Grant{RoleARN: "arn:aws:iam::123456789012:role/audit"},
		Provisioner: schemas.ProvisionerAuto, Status: schemas.IntegrationActive, Access: schemas.AccessGranted,
	}
	l := &linked{store: store, export: schemas.Export{
		ID: uuid.Must(uuid.NewV7()), OrgID: org.ID, IntegrationID: integration.ID, Name: "Nightly", Slug: "nightly-0a1b2c",
		Schedule: schemas.Schedule{Kind: schemas.ScheduleDaily, At: "02:00"},
		Format:   schemas.FormatNDJSON, Compression: schemas.CompressionGzip, PathTemplate: schemas.DefaultPathTemplate,
		Destination: destination, State: schemas.ExportActive, SpecVersion: 1,
	}}
	l.create = l.operation(schemas.OpCreateExport, 1)
	require.NoError(t, store.AsOperator(t.Context(), func(tx *postgres.Tx) error { return tx.InsertOrg(t.Context(), org) }))
	require.NoError(t, store.InOrg(t.Context(), org.ID, func(tx *postgres.Tx) error {
		return errors.Join(
			tx.InsertIntegration(t.Context(), integration),
			tx.InsertExport(t.Context(), l.export),
			tx.InsertOperation(t.Context(), l.create),
		)
	}))
	return l
}

func (l *linked) operation(kind schemas.OperationKind, version int) schemas.Operation {
	return schemas.Operation{
		ID: uuid.Must(uuid.NewV7()), OrgID: l.export.OrgID, Kind: kind, ExportID: &l.export.ID,
		Status: schemas.OperationPending, RequestedBy: "test", SpecVersion: version,
	}
}

// pause writes what the API writes for a pause.
func (l *linked) pause(t *testing.T) schemas.Operation {
	t.Helper()
	var op schemas.Operation
	require.NoError(t, l.store.InOrg(t.Context(), l.export.OrgID, func(tx *postgres.Tx) error {
		row, err := tx.LockExport(t.Context(), l.export.ID)
		if err != nil {
			return err
		}
		row.State, row.PauseReason = schemas.ExportPaused, schemas.PausedByAdmin
		version, err := tx.UpdateExport(t.Context(), row)
		op = l.operation(schemas.OpPauseExport, version)
		return errors.Join(err, tx.InsertOperation(t.Context(), op))
	}))
	return op
}

func (l *linked) status(t *testing.T, op schemas.Operation) (is schemas.OperationStatus) {
	t.Helper()
	require.NoError(t, l.store.InOrg(t.Context(), op.OrgID, func(tx *postgres.Tx) error {
		row, err := tx.Operation(t.Context(), op.ID)
		is = row.Status
		return err
	}))
	return is
}

// Invariant 4: an operation on an export ends once its row is applied, and not
// before.
func TestApplyExportEndsWhatItApplied(t *testing.T) {
	t.Parallel()
	l := setupLinked(t)
	require.ErrorIs(t, l.store.ApplyExport(t.Context(), l.export.OrgID, l.export.ID,
		func(context.Context, schemas.Export) error { return context.DeadlineExceeded }), context.DeadlineExceeded)
	require.Equal(t, schemas.OperationPending, l.status(t, l.create))

	var saw schemas.Export
	require.NoError(t, l.store.ApplyExport(t.Context(), l.export.OrgID, l.export.ID,
		func(_ context.Context, e schemas.Export) error { saw = e; return nil }))
	require.Equal(t, l.export.Schedule, saw.Schedule)
	require.Equal(t, schemas.OperationSucceeded, l.status(t, l.create))
}

// Invariant 5: a row that changes while it is being applied is applied again,
// by whoever waits for the lock, and what waits sees the newest row.
func TestApplyExportSeesTheNewestRow(t *testing.T) {
	t.Parallel()
	l := setupLinked(t)
	var pause schemas.Operation
	second := make(chan schemas.ExportState, 1)
	finished := make(chan error, 1)
	require.NoError(t, l.store.ApplyExport(t.Context(), l.export.OrgID, l.export.ID, func(context.Context, schemas.Export) error {
		pause = l.pause(t)
		go func() {
			finished <- l.store.ApplyExport(context.Background(), l.export.OrgID, l.export.ID, func(_ context.Context, e schemas.Export) error {
				second <- e.State
				return nil
			})
		}()
		select {
		case <-second:
			t.Error("two appliers at once")
		default:
		}
		require.Equal(t, schemas.OperationPending, l.status(t, pause))
		return nil
	}))
	require.NoError(t, <-finished)
	require.Equal(t, schemas.ExportPaused, <-second)
	require.Equal(t, schemas.OperationSucceeded, l.status(t, pause))
}

// Invariant 4: an operation keeps its first outcome, and is sent once.
func TestOperationKeepsItsOutcome(t *testing.T) {
	t.Parallel()
	l := setupLinked(t)
	run := l.operation(schemas.OpRunExport, 0)
	require.NoError(t, l.store.InOrg(t.Context(), run.OrgID, func(tx *postgres.Tx) error { return tx.InsertOperation(t.Context(), run) }))
	require.NoError(t, l.store.MarkOperationSent(t.Context(), run))
	require.NoError(t, l.store.MarkOperationSent(t.Context(), run))
	require.NoError(t, l.store.EndOperation(t.Context(), run, schemas.OperationFailed, "the export is paused"))
	require.NoError(t, l.store.EndOperation(t.Context(), run, schemas.OperationSucceeded, ""))
	require.Equal(t, schemas.OperationFailed, l.status(t, run))
}

// Invariant 6: an export of another org is not there.
func TestApplyExportOfAnotherOrg(t *testing.T) {
	t.Parallel()
	l := setupLinked(t)
	err := l.store.ApplyExport(t.Context(), uuid.Must(uuid.NewV7()), l.export.ID, func(context.Context, schemas.Export) error {
		t.Error("applied")
		return nil
	})
	require.ErrorIs(t, err, postgres.ErrNotFound)
}
