package postgres_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// One backfill of an export runs at a time, so that its folder and its progress
// are one story.
func TestAnExportHasOneRunningBackfill(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	integration := b.addIntegration("s3://logs/")
	e, other := b.addExport(integration, "daily"), b.addExport(integration, "hourly")
	first := b.addBackfill(e, 5, 25)
	require.Equal(t, first, b.backfill(first.ID), "nothing is delivered, and what it is to do is kept")

	err := b.try(func(tx *postgres.Tx) error { return tx.InsertBackfill(ctx, b.backfillOf(e, 1, 3)) })
	requireConflict(t, err)
	require.ErrorContains(t, err, "cancel it", "it says what to do")
	b.addBackfill(other, 1, 3)
	b.in(func(tx *postgres.Tx) {
		require.NoError(t, tx.EndBackfill(ctx, first.ID, schemas.BackfillCancelled, "cancelled by tests"))
	})
	second := b.addBackfill(e, 1, 3)

	b.in(func(tx *postgres.Tx) {
		newest, err := tx.Backfills(ctx, e.ID, uuid.Nil, 1)
		require.NoError(t, err)
		require.Equal(t, []schemas.Backfill{second}, newest)
		older, err := tx.Backfills(ctx, e.ID, second.ID, 10)
		require.NoError(t, err)
		require.Len(t, older, 1)
		require.Equal(t, first.ID, older[0].ID)
		require.ErrorIs(t, tx.InsertBackfill(ctx, b.backfillOf(schemas.Export{ID: newID(t)}, 1, 3)), postgres.ErrNotFound)
		_, err = tx.Backfill(ctx, newID(t))
		require.ErrorIs(t, err, postgres.ErrNotFound)
	})
}

// Two commands that arrive together do not both begin one.
func TestBackfillsTakeTurns(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.addExport(b.addIntegration("s3://logs/"), "daily")
	begin := func(backfill schemas.Backfill) func(tx *postgres.Tx) error {
		return func(tx *postgres.Tx) error { return tx.InsertBackfill(t.Context(), backfill) }
	}
	first, second := meanwhile(t, b, begin(b.backfillOf(e, 1, 3)), b, begin(b.backfillOf(e, 1, 3)))
	require.NoError(t, first)
	requireConflict(t, second)
}

// A backfill ends when its last window is delivered, and so does the operation
// that asked for it. The export's live windows go on as if it were not there.
func TestABackfillEndsWithItsLastWindow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.addExport(b.addIntegration("s3://logs/"), "daily")
	b.delivered(b.windowOf(e, 1, 20))
	backfill := b.addBackfill(e, 5, 18)
	asked := b.addOperation(schemas.OpBackfillExport, func(op *schemas.Operation) { op.ExportID, op.BackfillID = &e.ID, &backfill.ID })
	require.Equal(t, asked, b.operation(asked.ID))
	others := b.addOperation(schemas.OpRunExport, func(op *schemas.Operation) { op.ExportID = &e.ID })

	live := b.windowOf(e, 21, 30)
	run := b.allocate(live)
	b.delivered(b.backfillWindow(e, backfill, 5, 10))
	require.EqualValues(t, 10, b.backfill(backfill.ID).DeliveredSeq)
	require.Equal(t, schemas.BackfillRunning, b.backfill(backfill.ID).Status)
	require.Equal(t, schemas.OperationPending, b.operation(asked.ID).Status)

	b.delivered(b.backfillWindow(e, backfill, 11, 18))
	ended := b.backfill(backfill.ID)
	require.EqualValues(t, 18, ended.DeliveredSeq)
	require.Equal(t, schemas.BackfillSucceeded, ended.Status)
	require.NotNil(t, ended.EndedAt)
	require.Empty(t, ended.Error)
	require.Equal(t, schemas.OperationSucceeded, b.operation(asked.ID).Status)
	require.Equal(t, schemas.OperationPending, b.operation(others.ID).Status)

	require.EqualValues(t, 20, b.currentExport(e.ID).DeliveredSeq)
	b.complete(live, run, wholeParts(live))
	require.EqualValues(t, 30, b.currentExport(e.ID).DeliveredSeq)
}

// Invariant 4: a backfill ends once. What comes after that, from whomever,
// changes neither its outcome nor its operation's.
func TestAnEndedBackfillStaysEnded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	e := b.addExport(b.addIntegration("s3://logs/"), "daily")
	end := func(id uuid.UUID, status schemas.BackfillStatus, message string) error {
		return b.try(func(tx *postgres.Tx) error { return tx.EndBackfill(ctx, id, status, message) })
	}
	advance := func(id uuid.UUID, seq int64) error {
		return b.try(func(tx *postgres.Tx) error { return tx.AdvanceBackfill(ctx, id, seq) })
	}
	backfill := b.addBackfill(e, 5, 25)
	asked := b.addOperation(schemas.OpBackfillExport, func(op *schemas.Operation) { op.ExportID, op.BackfillID = &e.ID, &backfill.ID })
	cancel := b.addOperation(schemas.OpCancelBackfill, func(op *schemas.Operation) { op.ExportID, op.BackfillID = &e.ID, &backfill.ID })
	require.NoError(t, advance(backfill.ID, 14))
	require.NoError(t, advance(backfill.ID, 9))
	require.EqualValues(t, 14, b.backfill(backfill.ID).DeliveredSeq, "it is never taken back")

	require.Error(t, end(backfill.ID, schemas.BackfillRunning, ""))
	require.NoError(t, end(backfill.ID, schemas.BackfillCancelled, "You cancelled it."))
	ended, op := b.backfill(backfill.ID), b.operation(asked.ID)
	require.Equal(t, schemas.BackfillCancelled, ended.Status)
	require.Equal(t, "You cancelled it.", ended.Error)
	require.Equal(t, schemas.OperationFailed, op.Status)
	require.Equal(t, "You cancelled it.", op.Error)
	require.Equal(t, cancel, b.operation(cancel.ID), "who cancels it ends that operation")

	require.NoError(t, end(backfill.ID, schemas.BackfillFailed, "Too late."))
	require.NoError(t, end(backfill.ID, schemas.BackfillSucceeded, ""))
	require.NoError(t, advance(backfill.ID, 99))
	after := b.backfill(backfill.ID)
	require.EqualValues(t, 25, after.DeliveredSeq, "what is delivered is told all the same, and never more than was asked for")
	after.DeliveredSeq = ended.DeliveredSeq
	require.Equal(t, ended, after)
	require.Equal(t, op, b.operation(asked.ID))

	require.ErrorIs(t, end(newID(t), schemas.BackfillFailed, ""), postgres.ErrNotFound)
	require.ErrorIs(t, advance(newID(t), 5), postgres.ErrNotFound)
}

// Invariant 4: a backfill that is cancelled writes no manifest any more, and
// the live run beside it goes on.
func TestCancelledBackfillRunsAreFencedOff(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	e := b.addExport(b.addIntegration("s3://logs/"), "daily")
	backfill := b.addBackfill(e, 1, 20)
	live := b.windowOf(e, 1, 20)
	liveRun := b.allocate(live)
	w := b.backfillWindow(e, backfill, 1, 20)
	r := b.allocate(w)
	b.in(func(tx *postgres.Tx) {
		require.NoError(t, tx.CancelBackfillRuns(ctx, backfill.ID, "cancelled by tests"))
	})

	requireConflict(t, b.try(func(tx *postgres.Tx) error { return tx.RecordPart(ctx, r.ID, wholeParts(w)[0]) }))
	b.in(func(tx *postgres.Tx) { require.NoError(t, tx.SealWindow(ctx, w.ID, manifestOf(w))) })
	requireConflict(t, b.try(func(tx *postgres.Tx) error { return tx.DeliverWindow(ctx, w.ID, r.ID) }))
	b.in(func(tx *postgres.Tx) {
		cancelled, err := tx.Run(ctx, r.ID)
		require.NoError(t, err)
		require.Equal(t, schemas.RunCancelled, cancelled.Status)
		require.Equal(t, "cancelled by tests", cancelled.Error)
	})
	require.Equal(t, schemas.RunSucceeded, b.complete(live, liveRun, wholeParts(live)).Status)
}

// Who deletes an integration finds every backfill that goes through it.
func TestRunningBackfillsOfAnIntegration(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	integration, elsewhere := b.addIntegration("s3://logs/"), b.addIntegration("s3://elsewhere/")
	kept, gone := b.addExport(integration, "kept"), b.addExport(integration, "gone")
	ended, other := b.addExport(integration, "ended"), b.addExport(elsewhere, "other")
	running := []schemas.Backfill{b.addBackfill(kept, 1, 9), b.addBackfill(gone, 1, 9)}
	done := b.addBackfill(ended, 1, 9)
	b.addBackfill(other, 1, 9)
	gone.State = schemas.ExportDeleted
	b.in(func(tx *postgres.Tx) {
		_, err := tx.UpdateExport(ctx, gone)
		require.NoError(t, err)
		require.NoError(t, tx.AdvanceBackfill(ctx, done.ID, 9))
		found, err := tx.RunningBackfills(ctx, integration.ID)
		require.NoError(t, err)
		require.Equal(t, running, found)
	})
}
