package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// undelivered is the live window that an export has still to deliver.
func (b bundle) undelivered(e schemas.Export) (w *schemas.Window) {
	b.t.Helper()
	b.in(func(tx *postgres.Tx) {
		var err error
		w, err = tx.UndeliveredWindow(b.t.Context(), e.ID, nil)
		require.NoError(b.t, err)
	})
	return w
}

func (b bundle) insertWindow(w schemas.Window) error {
	return b.try(func(tx *postgres.Tx) error { return tx.InsertWindow(b.t.Context(), w) })
}

// Invariant 1: one undelivered window at a time, and none twice. Backfills have
// windows of their own.
func TestAnExportHasOneUndeliveredWindow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	e := b.addExport(b.addIntegration("s3://logs/"), "daily")
	require.Nil(t, b.undelivered(e))

	w := recordedIn(b.windowOf(e, 1, 25), daysAgo(1))
	w.Filter = schemas.Filter{Actions: []string{"user.*"}, Outcome: schemas.OutcomeSuccess}
	r := b.allocate(w)
	require.Equal(t, w, *b.undelivered(e))
	requireConflict(t, b.insertWindow(b.windowOf(e, 26, 30)))

	again := b.addBackfill(e, 1, 20)
	of := b.backfillWindow(e, again, 1, 10)
	require.NoError(t, b.insertWindow(of), "beside the live one")
	requireConflict(t, b.insertWindow(b.backfillWindow(e, again, 11, 20)))
	b.in(func(tx *postgres.Tx) {
		found, err := tx.UndeliveredWindow(ctx, e.ID, &again.ID)
		require.NoError(t, err)
		require.Equal(t, of, *found)
		read, err := tx.Window(ctx, of.ID)
		require.NoError(t, err)
		require.Equal(t, of, read)
		_, err = tx.Window(ctx, newID(t))
		require.ErrorIs(t, err, postgres.ErrNotFound)
	})
	require.Equal(t, w, *b.undelivered(e))

	b.complete(w, r, wholeParts(w))
	requireConflict(t, b.insertWindow(b.windowOf(e, 1, 30)))
	require.NoError(t, b.insertWindow(b.windowOf(e, 26, 30)))
	require.ErrorIs(t, b.insertWindow(b.windowOf(schemas.Export{ID: newID(t), Destination: e.Destination}, 1, 2)), postgres.ErrNotFound)
}

// Invariant 1: a window is settled by parts that account for each of its events
// once, or not at all.
func TestDeliveryMustCoverTheWindow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.addExport(b.addIntegration("s3://logs/"), "daily")
	w := b.windowOf(e, 1, 25)
	for name, change := range map[string]func([]schemas.Object) []schemas.Object{
		"none":          func([]schemas.Object) []schemas.Object { return nil },
		"last missing":  func(o []schemas.Object) []schemas.Object { return o[:2] },
		"first missing": func(o []schemas.Object) []schemas.Object { return o[1:] },
		"one twice":     func(o []schemas.Object) []schemas.Object { return append(o, o[2]) },
		"out of order":  func(o []schemas.Object) []schemas.Object { return []schemas.Object{o[1], o[0], o[2]} },
		"rows missing":  func(o []schemas.Object) []schemas.Object { o[1].Rows--; return o },
		"rows too many": func(o []schemas.Object) []schemas.Object { o[1].Excluded++; return o },
		"overlap": func(o []schemas.Object) []schemas.Object {
			o[1].FirstSeq, o[1].Rows = o[1].FirstSeq-1, o[1].Rows+1
			return o
		},
		"too far": func(o []schemas.Object) []schemas.Object {
			o[2].LastSeq, o[2].Rows = o[2].LastSeq+1, o[2].Rows+1
			return o
		},
	} {
		requireConflict(t, postgres.Covers(w, change(wholeParts(w))))
		require.NotEmpty(t, name)
	}
	accounted := wholeParts(w)
	accounted[0].Rows, accounted[0].Excluded, accounted[0].Expired = 3, 3, 4
	require.NoError(t, postgres.Covers(w, accounted))

	r := b.allocate(w)
	deliver := func() error {
		return b.try(func(tx *postgres.Tx) error { return tx.DeliverWindow(t.Context(), w.ID, r.ID) })
	}
	b.beginWriting(r, 1)
	requireConflict(t, deliver()) // neither parts nor a manifest
	for _, part := range accounted[:2] {
		require.NoError(t, b.recordPart(r, part))
	}
	b.in(func(tx *postgres.Tx) { require.NoError(t, tx.SealWindow(t.Context(), w.ID, manifestOf(w))) })
	requireConflict(t, deliver()) // not all parts
	require.Equal(t, w, *b.undelivered(e))
	require.Zero(t, b.currentExport(e.ID).DeliveredSeq)
	require.NoError(t, b.recordPart(r, accounted[2]))
	require.NoError(t, deliver())
	require.EqualValues(t, 25, b.currentExport(e.ID).DeliveredSeq)
	require.Nil(t, b.undelivered(e))
}

// A window whose parts are all there, but without a manifest, is not delivered.
func TestDeliveryNeedsAManifest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.addExport(b.addIntegration("s3://logs/"), "daily")
	w, r := b.addRun(e, 1, 25)
	for _, part := range wholeParts(w) {
		require.NoError(t, b.recordPart(r, part))
	}
	requireConflict(t, b.try(func(tx *postgres.Tx) error { return tx.DeliverWindow(t.Context(), w.ID, r.ID) }))
	other, foreign := b.addRun(b.addExport(b.addIntegration("s3://other/"), "other"), 1, 25)
	b.in(func(tx *postgres.Tx) { require.NoError(t, tx.SealWindow(t.Context(), w.ID, manifestOf(w))) })
	require.ErrorIs(t, b.try(func(tx *postgres.Tx) error { return tx.DeliverWindow(t.Context(), w.ID, foreign.ID) }), postgres.ErrNotFound,
		"the run of window %s", other.ID)
}

// The manifest that is written may be written again, so it is sealed once. What
// is delivered keeps its key and hash, and needs no more.
func TestAWindowIsSealedOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	e := b.addExport(b.addIntegration("s3://logs/"), "daily")
	w := b.windowOf(e, 1, 25)
	r := b.allocate(w)
	sealed := func() (m *schemas.SealedManifest) {
		b.in(func(tx *postgres.Tx) {
			var err error
			m, err = tx.SealedManifest(ctx, w.ID)
			require.NoError(t, err)
		})
		return m
	}
	seal := func(m schemas.SealedManifest) error {
		return b.try(func(tx *postgres.Tx) error { return tx.SealWindow(ctx, w.ID, m) })
	}
	require.Nil(t, sealed())
	first := manifestOf(w)
	require.NoError(t, seal(first))
	second := first
	second.Signature = "by another key"
	require.ErrorIs(t, seal(second), postgres.ErrNotFound)
	require.Equal(t, &first, sealed())
	for _, part := range wholeParts(w) {
		require.NoError(t, b.recordPart(r, part))
	}
	b.in(func(tx *postgres.Tx) { require.NoError(t, tx.DeliverWindow(ctx, w.ID, r.ID)) })
	require.Nil(t, sealed(), "the place has it")
	require.ErrorIs(t, seal(second), postgres.ErrNotFound)
	b.in(func(tx *postgres.Tx) {
		end, err := tx.ChainEnd(ctx, closingOf(e), true)
		require.NoError(t, err)
		require.Equal(t, &schemas.ManifestRef{Key: first.Key, SHA256: first.SHA256}, end.Previous)
	})
}

// A window that moves leaves its parts and its manifest behind, and takes them
// up again when it comes back.
func TestWindowsMove(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	e := b.addExport(b.addIntegration("s3://logs/old/"), "daily")
	old, elsewhere, third := e.Destination, parse(t, "s3://elsewhere/"), parse(t, "s3://third/x/")
	w, r := b.addRun(e, 1, 25)
	require.NoError(t, b.recordPart(r, wholeParts(w)[0]))
	b.in(func(tx *postgres.Tx) { require.NoError(t, tx.SealWindow(ctx, w.ID, manifestOf(w))) })

	move := func(from schemas.Window, to schemas.Destination) schemas.Window {
		moved := from
		moved.ID, moved.Destination = newID(t), to
		b.in(func(tx *postgres.Tx) {
			former, err := tx.FormerWindow(ctx, from, to)
			require.NoError(t, err)
			require.Nil(t, former, "it has never been there")
			require.NoError(t, tx.ReplaceWindow(ctx, from.ID, moved))
		})
		require.Equal(t, moved, *b.undelivered(e))
		return moved
	}
	void := func(of schemas.Window) (ref *schemas.ManifestRef) {
		b.in(func(tx *postgres.Tx) {
			var err error
			ref, err = tx.VoidManifest(ctx, of)
			require.NoError(t, err)
		})
		return ref
	}
	require.Nil(t, void(w))
	left := &schemas.ManifestRef{Destination: old, Key: schemas.ManifestName(e.ID, 1, 25), SHA256: manifestOf(w).SHA256}
	moved := move(w, elsewhere)
	require.Equal(t, left, void(moved))
	again := move(moved, third)
	require.Equal(t, left, void(again), "the one between was never sealed")

	b.in(func(tx *postgres.Tx) {
		former, err := tx.FormerWindow(ctx, again, old)
		require.NoError(t, err)
		require.Equal(t, w, *former)
		require.NoError(t, tx.SealWindow(ctx, again.ID, manifestOf(again)))
		require.NoError(t, tx.ReturnToWindow(ctx, again.ID, w.ID))
		parts, err := tx.Parts(ctx, w.ID)
		require.NoError(t, err)
		require.Equal(t, wholeParts(w)[:1], parts)
		sealed, err := tx.SealedManifest(ctx, w.ID)
		require.NoError(t, err)
		require.Equal(t, manifestOf(w), *sealed)
	})
	require.Equal(t, w, *b.undelivered(e))
	require.Equal(t, third, void(w).Destination, "what was sealed there is void now")
	b.in(func(tx *postgres.Tx) {
		require.ErrorIs(t, tx.ReturnToWindow(ctx, again.ID, w.ID), postgres.ErrNotFound)
	})

	b.supersede(e, nil)
	r = b.beginRun(w)
	for _, part := range wholeParts(w)[1:] {
		require.NoError(t, b.recordPart(r, part))
	}
	b.in(func(tx *postgres.Tx) {
		require.NoError(t, tx.DeliverWindow(ctx, w.ID, r.ID))
		next := w
		next.ID = newID(t)
		require.ErrorIs(t, tx.ReplaceWindow(ctx, w.ID, next), postgres.ErrNotFound, "what is delivered lies where it lies")
	})
}

// Each manifest names the one before it in its own chain, wherever that lies.
func TestThePreviousManifest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.addExport(b.addIntegration("s3://logs/a/"), "daily")
	previous := func(of schemas.Window) (ref *schemas.ManifestRef) {
		b.in(func(tx *postgres.Tx) {
			var err error
			ref, err = tx.PreviousManifest(b.t.Context(), of)
			require.NoError(t, err)
		})
		return ref
	}
	name := func(of schemas.Window) *schemas.ManifestRef {
		return &schemas.ManifestRef{Key: schemas.ManifestName(e.ID, of.FirstSeq, of.LastSeq), SHA256: manifestOf(of).SHA256}
	}
	first := b.windowOf(e, 1, 10)
	require.Nil(t, previous(first))
	b.delivered(first)

	again := b.addBackfill(e, 1, 20)
	ofBackfill := b.backfillWindow(e, again, 1, 10)
	require.Nil(t, previous(ofBackfill), "a chain of its own")
	b.delivered(ofBackfill)
	require.Equal(t, name(ofBackfill), previous(b.backfillWindow(e, again, 11, 20)))

	second := b.windowOf(e, 11, 20)
	require.Equal(t, name(first), previous(second), "not that of the backfill")
	b.delivered(second)
	require.Equal(t, name(first), previous(second), "asked again")

	third := b.windowOf(e, 21, 30)
	third.Destination = parse(t, "s3://elsewhere/")
	elsewhere := name(second)
	elsewhere.Destination = e.Destination
	require.Equal(t, elsewhere, previous(third))
	b.allocate(third)
	require.Equal(t, elsewhere, previous(third), "one that is not delivered is before none")
}
