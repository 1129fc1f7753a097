package postgres_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

func (b bundle) deliver(w schemas.Window, r schemas.Run, objects []schemas.Object) error {
	return b.try(func(tx *postgres.Tx) error { return tx.DeliverWindow(b.t.Context(), w.ID, r.ID, objects) })
}

func (b bundle) run(id uuid.UUID) (run schemas.Run) {
	b.t.Helper()
	b.in(func(tx *postgres.Tx) {
		var err error
		run, err = tx.LockRun(b.t.Context(), id)
		require.NoError(b.t, err)
	})
	return run
}

func TestAnExportHasOneUndeliveredWindow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	e := b.addExport(b.addIntegration("s3://logs/"), "daily")
	b.in(func(tx *postgres.Tx) {
		none, err := tx.UndeliveredWindow(ctx, e.ID)
		require.NoError(t, err)
		require.Nil(t, none)
	})
	w, r := b.addRun(e, 1, 25)
	insert := func(first, last int64) error {
		other := w
		other.ID, other.FirstSeq, other.LastSeq = newID(t), first, last
		return b.try(func(tx *postgres.Tx) error { return tx.InsertWindow(ctx, other) })
	}
	requireConflict(t, insert(26, 30))

	moved := parse(t, "s3://logs/new/")
	b.in(func(tx *postgres.Tx) {
		require.NoError(t, tx.SetWindowDestination(ctx, w.ID, moved))
		w.Destination = moved
		undelivered, err := tx.UndeliveredWindow(ctx, e.ID)
		require.NoError(t, err)
		require.Equal(t, w, *undelivered)
	})
	require.NoError(t, b.deliver(w, r, objects(w)))
	b.in(func(tx *postgres.Tx) {
		require.ErrorIs(t, tx.SetWindowDestination(ctx, w.ID, moved), postgres.ErrNotFound, "what is delivered lies where it lies")
	})
	requireConflict(t, insert(1, 30))
	require.NoError(t, insert(26, 30))
}

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

// Invariant 2: a run that another one has replaced can settle nothing any more,
// and one that has settled its window may say so again.
func TestSupersededRunsAreFencedOff(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	integration := b.addIntegration("s3://logs/")
	e := b.addExport(integration, "daily")
	w, stale := b.addRun(e, 1, 25)
	b.in(func(tx *postgres.Tx) {
		running, err := tx.RunningRuns(ctx, integration.ID)
		require.NoError(t, err)
		require.Equal(t, 1, running)
		require.NoError(t, tx.SupersedeRuns(ctx, e.ID, "superseded by a newer run"))
		running, err = tx.RunningRuns(ctx, integration.ID)
		require.NoError(t, err)
		require.Zero(t, running)
	})
	fresh := b.beginRun(w)

	requireConflict(t, b.deliver(w, stale, objects(w)))
	stale.Status = schemas.RunSucceeded
	b.in(func(tx *postgres.Tx) { require.NoError(t, tx.EndRun(ctx, stale)) })
	require.Equal(t, schemas.RunFailed, b.run(stale.ID).Status)
	require.Equal(t, "superseded by a newer run", b.run(stale.ID).Error)

	require.NoError(t, b.deliver(w, fresh, objects(w)))
	fresh.Status, fresh.Objects, fresh.Rows, fresh.Bytes = schemas.RunSucceeded, 3, 25, 300
	b.in(func(tx *postgres.Tx) { require.NoError(t, tx.EndRun(ctx, fresh)) })
	ended := b.run(fresh.ID)
	require.NotNil(t, ended.EndedAt)
	fresh.EndedAt = ended.EndedAt
	require.Equal(t, fresh, ended)
	require.NoError(t, b.deliver(w, fresh, objects(w)), "the answer was lost, and the call repeated")
	requireConflict(t, b.deliver(w, stale, objects(w)))

	b.in(func(tx *postgres.Tx) {
		listed, err := tx.Objects(ctx, fresh.ID)
		require.NoError(t, err)
		require.Equal(t, objects(w), listed)
		none, err := tx.Objects(ctx, stale.ID)
		require.NoError(t, err)
		require.Empty(t, none)
		after, err := tx.Export(ctx, e.ID)
		require.NoError(t, err)
		require.EqualValues(t, 25, after.DeliveredSeq)
		require.ErrorIs(t, tx.EndRun(ctx, schemas.Run{ID: newID(t), Status: schemas.RunFailed}), postgres.ErrNotFound)
	})
}

// Invariant 1: a window is settled by objects that hold each of its events
// once, or not at all.
func TestDeliveryMustCoverTheWindow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.addExport(b.addIntegration("s3://logs/"), "daily")
	w, r := b.addRun(e, 1, 25)
	for name, change := range map[string]func([]schemas.Object) []schemas.Object{
		"none":          func([]schemas.Object) []schemas.Object { return nil },
		"last missing":  func(o []schemas.Object) []schemas.Object { return o[:2] },
		"first missing": func(o []schemas.Object) []schemas.Object { return o[1:] },
		"one twice":     func(o []schemas.Object) []schemas.Object { return append(o, o[2]) },
		"out of order":  func(o []schemas.Object) []schemas.Object { return []schemas.Object{o[1], o[0], o[2]} },
		"rows missing": func(o []schemas.Object) []schemas.Object {
			o[1].Rows--
			return o
		},
		"overlap": func(o []schemas.Object) []schemas.Object {
			o[1].FirstSeq, o[1].Rows = o[1].FirstSeq-1, o[1].Rows+1
			return o
		},
		"too far": func(o []schemas.Object) []schemas.Object {
			o[2].LastSeq, o[2].Rows = o[2].LastSeq+1, o[2].Rows+1
			return o
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Error(t, b.deliver(w, r, change(objects(w))))
			b.in(func(tx *postgres.Tx) {
				undelivered, err := tx.UndeliveredWindow(t.Context(), e.ID)
				require.NoError(t, err)
				require.NotNil(t, undelivered)
			})
		})
	}
	require.NoError(t, b.deliver(w, r, objects(w)))
}

// Invariant 1: whatever the order of appends and runs, of failures and repeated
// attempts, the delivered windows hold every event once and follow each other.
func TestWindowsFollowEachOther(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	rapid.Check(t, func(rt *rapid.T) {
		b := b.withOrg(b.addOrg("Acme"))
		e := b.addExport(b.addIntegration("s3://bucket-"+newID(t).String()+"/"), "daily")
		recorded := int64(0)
		deliverOnce := func(limit int64, fails bool) (more bool) {
			b.in(func(tx *postgres.Tx) {
				require.NoError(t, tx.SupersedeRuns(ctx, e.ID, "superseded by a newer run"))
				current, err := tx.LockExport(ctx, e.ID)
				require.NoError(t, err)
				w, err := tx.UndeliveredWindow(ctx, e.ID)
				require.NoError(t, err)
				if w == nil {
					first := current.DeliveredSeq + 1
					last, bytes, err := tx.Backlog(ctx, first, limit)
					require.NoError(t, err)
					require.Equal(t, last >= first, bytes > 0)
					if last < first {
						return
					}
					w = &schemas.Window{
						ID: newID(t), ExportID: e.ID, Slug: e.Slug, FirstSeq: first, LastSeq: last, RowsPerPart: 3,
						Format: e.Format, Destination: e.Destination,
					}
					require.NoError(t, tx.InsertWindow(ctx, *w))
				}
				more = true
				r := schemas.Run{ID: newID(t), ExportID: e.ID, WindowID: w.ID}
				require.NoError(t, tx.InsertRun(ctx, r, r.ID.String(), 0))
				if !fails {
					require.NoError(t, tx.DeliverWindow(ctx, w.ID, r.ID, objects(*w)))
				}
			})
			return more
		}
		rt.Repeat(map[string]func(*rapid.T){
			"append":  func(rt *rapid.T) { recorded = b.append(rapid.IntRange(1, 20).Draw(rt, "events")).LastSeq },
			"deliver": func(rt *rapid.T) { deliverOnce(rapid.Int64Range(1, 15).Draw(rt, "limit"), false) },
			"fail":    func(rt *rapid.T) { deliverOnce(rapid.Int64Range(1, 15).Draw(rt, "limit"), true) },
		})
		for deliverOnce(7, false) {
			continue
		}
		require.Equal(t, recorded, deliveredInOrder(t, b, e.ID))
	})
}

// deliveredInOrder checks that an export's objects join without gap or overlap,
// and returns the last number.
func deliveredInOrder(t *testing.T, b bundle, export uuid.UUID) (last int64) {
	t.Helper()
	b.in(func(tx *postgres.Tx) {
		runs, err := tx.Runs(t.Context(), export, uuid.Nil, 10_000)
		require.NoError(t, err)
		for i := range runs {
			delivered, err := tx.Objects(t.Context(), runs[len(runs)-1-i].ID)
			require.NoError(t, err)
			for _, o := range delivered {
				require.Equal(t, last+1, o.FirstSeq)
				last = o.LastSeq
			}
		}
	})
	return last
}
