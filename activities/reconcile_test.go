package activities_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/internal/dispatch"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// fakeTemporal is Temporal as far as reconciling can tell: schedules, and the
// workflows that take signals.
type fakeTemporal struct {
	states  map[uuid.UUID]schemas.ExportState
	signals map[uuid.UUID]int
	broken  map[uuid.UUID]error
	closing []schemas.IntegrationRef
}

func newFakeTemporal() *fakeTemporal {
	return &fakeTemporal{states: map[uuid.UUID]schemas.ExportState{}, signals: map[uuid.UUID]int{}, broken: map[uuid.UUID]error{}}
}

func (f *fakeTemporal) Apply(_ context.Context, e schemas.Export) error {
	if err := f.broken[e.ID]; err != nil {
		return err
	}
	f.states[e.ID] = e.State
	return nil
}

func (f *fakeTemporal) Trigger(context.Context, uuid.UUID) error { return nil }

func (f *fakeTemporal) Signal(_ context.Context, op schemas.Operation) error {
	if err := f.broken[op.ID]; err != nil {
		return err
	}
	f.signals[op.ID]++
	return nil
}

func (f *fakeTemporal) StartBackfill(context.Context, schemas.Operation) error { return nil }

func (f *fakeTemporal) StartClosing(_ context.Context, integration schemas.IntegrationRef) error {
	if err := f.broken[integration.IntegrationID]; err != nil {
		return err
	}
	f.closing = append(f.closing, integration)
	return nil
}

func (b *bundle) reconcile() (*activities.Reconcile, *fakeTemporal) {
	f := newFakeTemporal()
	return &activities.Reconcile{Store: b.Store, Dispatch: dispatch.New(b.Store, f, f, f), Schedules: f, Closer: f}, f
}

// age makes operations and exports as old as a crash leaves them.
func (b *bundle) age(by time.Duration) {
	b.t.Helper()
	b.asOwner(`UPDATE operation SET created_at = created_at - $1::interval`, by)
	b.asOwner(`UPDATE export SET updated_at = updated_at - $1::interval`, by)
}

var errBroken = errors.New("temporal does not answer")

// Invariants 4 and 5: what a crash left between Postgres and Temporal is
// finished, in every org, once.
func TestSweepFinishesWhatACrashLeft(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, f := b.reconcile()
	i := b.addIntegration("s3://acme-logs/")
	op := b.addOperation(i, schemas.OpCheckAccess, schemas.OperationParams{})
	ended := b.addOperation(i, schemas.OpCheckAccess, schemas.OperationParams{})
	b.in(func(ctx context.Context, tx *postgres.Tx) error {
		return tx.EndOperation(ctx, ended.OperationID, schemas.OperationFailed, "")
	})
	active := b.addExport(i, "active")
	other := b.otherOrg()
	paused := other.addExport(other.addIntegration("s3://other-logs/"), "paused", pausedBy(schemas.PausedByAdmin))

	require.Zero(t, must[schemas.ReconcileResult](t, a.Sweep), "the API has its time")
	b.age(time.Minute)
	require.Equal(t, schemas.ReconcileResult{Operations: 1, Exports: 2}, must[schemas.ReconcileResult](t, a.Sweep))
	require.Equal(t, map[uuid.UUID]int{op.OperationID: 1}, f.signals)
	require.Equal(t, map[uuid.UUID]schemas.ExportState{active.ID: schemas.ExportActive, paused.ID: schemas.ExportPaused}, f.states)
	for _, e := range []schemas.Export{b.export(active.ID), other.export(paused.ID)} {
		require.Equal(t, e.SpecVersion, e.AppliedVersion)
	}
	require.Zero(t, must[schemas.ReconcileResult](t, a.Sweep))
	require.Equal(t, 1, f.signals[op.OperationID])
}

// One that fails does not keep the rest back, and is tried again.
func TestSweepGoesOnBehindAFailure(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, f := b.reconcile()
	i := b.addIntegration("s3://acme-logs/")
	badOp := b.addOperation(i, schemas.OpCheckAccess, schemas.OperationParams{})
	goodOp := b.addOperation(i, schemas.OpCheckAccess, schemas.OperationParams{})
	badExport := b.addExport(i, "bad")
	goodExport := b.addExport(i, "good")
	f.broken[badOp.OperationID], f.broken[badExport.ID] = errBroken, errBroken
	b.age(time.Minute)

	_, err := try[schemas.ReconcileResult](t, attempt{}, a.Sweep)
	requireError(t, err, schemas.ErrorUnexpected, true)
	require.ErrorContains(t, err, badOp.OperationID.String())
	require.Equal(t, 1, f.signals[goodOp.OperationID])
	require.Contains(t, f.states, goodExport.ID)
	require.Zero(t, b.export(badExport.ID).AppliedVersion)

	clear(f.broken)
	require.Equal(t, schemas.ReconcileResult{Operations: 1, Exports: 1}, must[schemas.ReconcileResult](t, a.Sweep))
	require.Equal(t, 1, f.signals[badOp.OperationID])
	require.Equal(t, 1, f.signals[goodOp.OperationID])
}

// Invariant 5: after a command every linked export's schedule equals its row,
// and one that fails does not keep the rest back.
func TestApplyLinked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := newFakeTemporal()
	a := &activities.Schedules{Store: b.Store, Temporal: f}
	i := b.addIntegration("s3://acme-logs/")
	bad, good := b.addExport(i, "bad"), b.addExport(i, "good")
	unlinked := b.addExport(b.addIntegration("s3://acme-elsewhere/"), "unlinked")
	deleted := b.addExport(i, "deleted", func(e *schemas.Export) { e.State = schemas.ExportDeleted })
	f.broken[bad.ID] = errBroken

	_, err := attempt{}.perform(t, a.ApplyLinked, ref(i))
	requireError(t, err, schemas.ErrorUnexpected, true)
	require.Equal(t, map[uuid.UUID]schemas.ExportState{good.ID: schemas.ExportActive, deleted.ID: schemas.ExportDeleted}, f.states)

	clear(f.broken)
	clear(f.states)
	mustDo(t, a.ApplyLinked, ref(i))
	require.Equal(t, map[uuid.UUID]schemas.ExportState{bad.ID: schemas.ExportActive}, f.states, "only what is not applied yet")
	require.Zero(t, b.export(unlinked.ID).AppliedVersion)
	clear(f.states)
	mustDo(t, a.ApplyLinked, ref(i))
	require.Empty(t, f.states)
}

// Invariant 5: a delete waits for the runs it has cancelled, deleted exports'
// too.
func TestStopRuns(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := &activities.Schedules{Store: b.Store, Temporal: newFakeTemporal()}
	i := b.addIntegration("s3://acme-logs/")
	one, two := b.addExport(i, "one"), b.addExport(i, "two")
	unlinked := b.addExport(b.addIntegration("s3://acme-elsewhere/"), "unlinked")
	mustDo(t, a.StopRuns, ref(i))

	b.append(10, 10)
	e := b.exports()
	first, second := b.begin(e, one), b.begin(e, two)
	b.begin(e, unlinked)
	b.changeExport(two.ID, func(e *schemas.Export) { e.State = schemas.ExportDeleted })
	for _, r := range []*run{first, second} {
		_, err := attempt{}.perform(t, a.StopRuns, ref(i))
		requireError(t, err, schemas.ErrorStillRunning, true)
		r.fail(func(in *schemas.RecordFailureInput) { in.Cancelled = true })
	}
	mustDo(t, a.StopRuns, ref(i))
}
