package postgres_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

func (b bundle) run(id uuid.UUID) (run schemas.Run) {
	b.t.Helper()
	b.in(func(tx *postgres.Tx) {
		var err error
		run, err = tx.LockRun(b.t.Context(), id)
		require.NoError(b.t, err)
		same, err := tx.Run(b.t.Context(), id)
		require.NoError(b.t, err)
		require.Equal(b.t, same, run)
	})
	return run
}

func (b bundle) recordPart(run schemas.Run, part schemas.Object) error {
	return b.try(func(tx *postgres.Tx) error { return tx.RecordPart(b.t.Context(), run.ID, part) })
}

func (b bundle) beginWriting(run schemas.Run, attempt int) (parts []schemas.Object) {
	b.t.Helper()
	b.in(func(tx *postgres.Tx) {
		var err error
		parts, err = tx.BeginWriting(b.t.Context(), run.ID, attempt)
		require.NoError(b.t, err)
	})
	return parts
}

func (b bundle) supersede(e schemas.Export, backfill *uuid.UUID) {
	b.t.Helper()
	b.in(func(tx *postgres.Tx) {
		require.NoError(b.t, tx.SupersedeRuns(b.t.Context(), e.ID, backfill, "superseded by a newer run"))
	})
}

// Invariant 2: the same turn of the same workflow run begins one run.
func TestATurnBeginsOneRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	e := b.addExport(b.addIntegration("s3://logs/"), "daily")
	w, r := b.addRun(e, 1, 25)
	requireConflict(t, b.try(func(tx *postgres.Tx) error {
		second := r
		second.ID = newID(t)
		return tx.InsertRun(ctx, second, r.ID.String(), 0)
	}))
	b.in(func(tx *postgres.Tx) {
		found, ok, err := tx.RunByTurn(ctx, r.ID.String(), 0)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, r, found)
		_, ok, err = tx.RunByTurn(ctx, r.ID.String(), 1)
		require.NoError(t, err)
		require.False(t, ok)
		astray := r
		astray.ID, astray.WindowID = newID(t), newID(t)
		require.ErrorIs(t, tx.InsertRun(ctx, astray, "other", 0), postgres.ErrNotFound)
	})
	second, third := b.beginRun(w), b.beginRun(w)
	b.in(func(tx *postgres.Tx) {
		newest, err := tx.Runs(ctx, e.ID, uuid.Nil, 2)
		require.NoError(t, err)
		require.Equal(t, []schemas.Run{third, second}, newest)
		rest, err := tx.Runs(ctx, e.ID, second.ID, 2)
		require.NoError(t, err)
		require.Equal(t, []schemas.Run{r}, rest)
	})
}

// Invariant 3: parts are noted one by one, each once, and the run's numbers are
// theirs.
func TestPartsAreNotedOneByOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	e := b.addExport(b.addIntegration("s3://logs/"), "daily")
	w, r := b.addRun(e, 1, 25)
	parts := wholeParts(w)
	parts[1].Rows, parts[1].Excluded, parts[1].Expired = 7, 2, 1
	parts[2] = schemas.Object{Part: 2, FirstSeq: 21, LastSeq: 25, Excluded: 5} // without an object

	require.Empty(t, b.beginWriting(r, 1))
	require.NoError(t, b.recordPart(r, parts[2]))
	require.NoError(t, b.recordPart(r, parts[0]))
	other := parts[0]
	other.Bytes, other.SHA256 = 999, "ff"
	require.NoError(t, b.recordPart(r, other), "an attempt that was thought dead")
	require.Equal(t, []schemas.Object{parts[0], parts[2]}, b.beginWriting(r, 2), "in order, and as they were noted first")
	require.NoError(t, b.recordPart(r, parts[1]))

	want := r
	want.Settled, want.Objects, want.Rows, want.Excluded, want.Expired, want.Bytes, want.Attempts = 3, 2, 17, 7, 1, 200, 2
	require.Equal(t, want, b.run(r.ID))
	require.Equal(t, parts, b.beginWriting(r, 1), "attempts are not counted backwards")
	require.Equal(t, want, b.run(r.ID), "and parts not twice")
	b.in(func(tx *postgres.Tx) {
		objects, err := tx.Objects(ctx, r.ID)
		require.NoError(t, err)
		require.Equal(t, parts[:2], objects, "what was stored")
		require.ErrorIs(t, tx.RecordPart(ctx, newID(t), parts[0]), postgres.ErrNotFound)
	})
}

// Invariant 3: parts that are noted at the same moment are all counted.
func TestPartsNotedAtOnceAreAllCounted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.addExport(b.addIntegration("s3://logs/"), "daily")
	w, r := b.addRun(e, 1, 200)
	b.beginWriting(r, 1)
	var writers errgroup.Group
	for _, part := range wholeParts(w) {
		for range 2 { // a worker that was thought dead notes the same
			writers.Go(func() error { return b.recordPart(r, part) })
		}
	}
	require.NoError(t, writers.Wait())
	now := b.run(r.ID)
	require.Equal(t, []int64{20, 20, 200, 2000}, []int64{int64(now.Settled), int64(now.Objects), now.Rows, now.Bytes})
}

// Invariant 2: a later run counts the parts that earlier ones have settled, and
// each run's objects are its own until one has delivered the window.
func TestALaterRunGoesOn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	e := b.addExport(b.addIntegration("s3://logs/"), "daily")
	w, first := b.addRun(e, 1, 25)
	parts := wholeParts(w)
	b.beginWriting(first, 1)
	require.NoError(t, b.recordPart(first, parts[0]))
	b.supersede(e, nil)
	second := b.beginRun(w)
	require.Equal(t, parts[:1], b.beginWriting(second, 1))
	require.NoError(t, b.recordPart(second, parts[1]))
	require.NoError(t, b.recordPart(second, parts[2]))
	require.EqualValues(t, 25, b.run(second.ID).Rows)
	require.EqualValues(t, 10, b.run(first.ID).Rows)

	objects := func(of schemas.Run) (all []schemas.Object) {
		b.in(func(tx *postgres.Tx) {
			var err error
			all, err = tx.Objects(ctx, of.ID)
			require.NoError(t, err)
		})
		return all
	}
	require.Equal(t, parts[:1], objects(first))
	require.Equal(t, parts[1:], objects(second))
	b.complete(w, second, nil)
	require.Equal(t, parts, objects(second))
	require.Equal(t, parts[:1], objects(first))
}

// Invariant 2: a run that another one has replaced can settle nothing any more,
// and one that has settled its window may say so again.
func TestSupersededRunsAreFencedOff(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	integration := b.addIntegration("s3://logs/")
	e := b.addExport(integration, "daily")
	other := b.addExport(integration, "weekly")
	w, stale := b.addRun(e, 1, 25)
	_, others := b.addRun(other, 1, 25)
	again := b.addBackfill(e, 1, 10)
	beside := b.allocate(b.backfillWindow(e, again, 1, 10))
	running := func() (n int) {
		b.in(func(tx *postgres.Tx) {
			var err error
			n, err = tx.RunningRuns(ctx, integration.ID)
			require.NoError(t, err)
		})
		return n
	}
	require.Equal(t, 3, running())
	b.supersede(e, nil)
	require.Equal(t, schemas.RunRunning, b.run(others.ID).Status)
	require.Equal(t, schemas.RunRunning, b.run(beside.ID).Status, "a live run does not supersede a backfill's")
	fresh := b.beginRun(w)
	b.supersede(e, &again.ID)
	require.Equal(t, schemas.RunFailed, b.run(beside.ID).Status)
	require.Equal(t, 2, running())

	parts := wholeParts(w)
	requireConflict(t, b.recordPart(stale, parts[0]))
	for _, part := range parts {
		require.NoError(t, b.recordPart(fresh, part))
	}
	b.in(func(tx *postgres.Tx) {
		_, err := tx.BeginWriting(ctx, stale.ID, 2)
		require.ErrorIs(t, err, postgres.ErrNotFound)
	})
	deliver := func(r schemas.Run) error {
		return b.try(func(tx *postgres.Tx) error { return tx.DeliverWindow(ctx, w.ID, r.ID) })
	}
	b.in(func(tx *postgres.Tx) { require.NoError(t, tx.SealWindow(ctx, w.ID, manifestOf(w))) })
	requireConflict(t, deliver(stale))
	b.in(func(tx *postgres.Tx) {
		require.NoError(t, tx.EndRun(ctx, schemas.Run{ID: stale.ID, Status: schemas.RunSucceeded}))
		require.NoError(t, tx.NoteAttempt(ctx, stale.ID, schemas.KindDenied, "too late"))
	})
	ended := b.run(stale.ID)
	require.Equal(t, schemas.RunFailed, ended.Status)
	require.Equal(t, "superseded by a newer run", ended.Error)
	require.Zero(t, ended.Settled)

	require.NoError(t, deliver(fresh))
	b.in(func(tx *postgres.Tx) {
		require.NoError(t, tx.EndRun(ctx, schemas.Run{ID: fresh.ID, Status: schemas.RunSucceeded}))
		require.ErrorIs(t, tx.EndRun(ctx, schemas.Run{ID: newID(t), Status: schemas.RunFailed}), postgres.ErrNotFound)
	})
	require.NotNil(t, b.run(fresh.ID).EndedAt)
	require.NoError(t, deliver(fresh), "the answer was lost, and the call repeated")
	requireConflict(t, deliver(stale))
	require.EqualValues(t, 25, b.currentExport(e.ID).DeliveredSeq)
}

// Invariant 5: a deleted integration's runs are all fenced off, those of deleted
// exports and of backfills too.
func TestLinkedRunsAreCancelled(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	integration := b.addIntegration("s3://logs/")
	e, gone := b.addExport(integration, "daily"), b.addExport(integration, "gone")
	_, live := b.addRun(e, 1, 25)
	_, ofGone := b.addRun(gone, 1, 25)
	backfill := b.allocate(b.backfillWindow(e, b.addBackfill(e, 1, 10), 1, 10))
	_, foreign := b.addRun(b.addExport(b.addIntegration("s3://elsewhere/"), "elsewhere"), 1, 25)
	b.in(func(tx *postgres.Tx) {
		gone.State = schemas.ExportDeleted
		_, err := tx.UpdateExport(ctx, gone)
		require.NoError(t, err)
		require.NoError(t, tx.CancelLinkedRuns(ctx, integration.ID))
	})
	for _, r := range []schemas.Run{live, ofGone, backfill} {
		require.Equal(t, schemas.RunCancelled, b.run(r.ID).Status)
		requireConflict(t, b.recordPart(r, schemas.Object{FirstSeq: 1, LastSeq: 10, Expired: 10}))
	}
	require.Equal(t, schemas.RunRunning, b.run(foreign.ID).Status)
}

// What went wrong last is shown while the run goes on.
func TestAttemptsAreNoted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	_, r := b.addRun(b.addExport(b.addIntegration("s3://logs/"), "daily"), 1, 25)
	b.in(func(tx *postgres.Tx) {
		require.NoError(t, tx.NoteAttempt(ctx, r.ID, schemas.KindThrottled, "slow down"))
	})
	r.ErrorKind, r.Error = schemas.KindThrottled, "slow down"
	require.Equal(t, r, b.run(r.ID))
}
