package postgres_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// closingOf is a closing of the place that an export writes to.
func closingOf(e schemas.Export) postgres.Closing {
	return postgres.Closing{ExportID: e.ID, IntegrationID: e.IntegrationID, Destination: e.Destination}
}

// written allocates a window of which a run writes one part, and delivers
// nothing.
func (b bundle) written(w schemas.Window) {
	b.t.Helper()
	r := b.allocate(w)
	b.in(func(tx *postgres.Tx) {
		_, err := tx.BeginWriting(b.t.Context(), r.ID, 1)
		require.NoError(b.t, err)
		require.NoError(b.t, tx.RecordPart(b.t.Context(), r.ID, wholeParts(w)[0]))
	})
	b.endRun(r)
}

// moveTo has a window that is not delivered go to another place.
func (b bundle) moveTo(w schemas.Window, to schemas.Destination) schemas.Window {
	b.t.Helper()
	moved := w
	moved.ID, moved.Destination = newID(b.t), to
	b.in(func(tx *postgres.Tx) { require.NoError(b.t, tx.ReplaceWindow(b.t.Context(), w.ID, moved)) })
	return moved
}

func (b bundle) chainEnd(c postgres.Closing, left bool) (end postgres.ChainEnd) {
	b.t.Helper()
	b.in(func(tx *postgres.Tx) {
		var err error
		end, err = tx.ChainEnd(b.t.Context(), c, left)
		require.NoError(b.t, err)
	})
	return end
}

// Invariant 3: what the final manifest refers to is the last that was delivered
// in its place.
func TestChainEndNamesTheLastManifest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.addExport(b.addIntegration("s3://logs/audit/"), "daily")
	moved := e
	moved.Destination = parse(t, "s3://logs/moved/")
	b.delivered(b.windowOf(e, 1, 10))
	b.delivered(recordedIn(b.windowOf(e, 11, 20), daysAgo(1)))
	b.delivered(b.windowOf(moved, 21, 30))
	again := b.addBackfill(e, 15, 20)
	b.delivered(b.backfillWindow(e, again, 15, 18))
	undelivered := b.windowOf(e, 31, 40)
	b.allocate(undelivered)
	b.in(func(tx *postgres.Tx) {
		require.NoError(t, tx.SealWindow(t.Context(), undelivered.ID, manifestOf(undelivered)))
		for _, nowhere := range []postgres.Closing{
			{ExportID: e.ID, Destination: parse(t, "s3://logs/")}, {ExportID: uuid.Nil, Destination: e.Destination},
		} {
			_, err := tx.ChainEnd(t.Context(), nowhere, true)
			require.ErrorIs(t, err, postgres.ErrNotFound)
		}
	})
	name := schemas.ManifestName(e.ID, 11, 20)
	want := postgres.ChainEnd{LastSeq: 20, Previous: &schemas.ManifestRef{Key: name, SHA256: "sha of audit/" + name}}
	require.Equal(t, want, b.chainEnd(closingOf(e), true), "nobody has begun to write the one that is sealed here")

	ofBackfill := postgres.Closing{ExportID: e.ID, BackfillID: &again.ID, Destination: e.Destination, Folder: again.Folder}
	name = schemas.ManifestName(e.ID, 15, 18)
	want = postgres.ChainEnd{LastSeq: 18, Previous: &schemas.ManifestRef{Key: name, SHA256: "sha of audit/" + again.Folder + "/" + name}}
	require.Equal(t, want, b.chainEnd(ofBackfill, true))
}

// What was begun in a place and given up there is told, in order and in as few
// ranges as can be, and nothing else.
func TestChainEndTellsWhatWasGivenUp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.addExport(b.addIntegration("s3://logs/"), "daily")
	elsewhere := parse(t, "s3://elsewhere/")
	given := func(ranges ...int64) (all []schemas.GivenUp) {
		for n := 0; n < len(ranges); n += 2 {
			all = append(all, schemas.GivenUp{Slug: e.Slug, FirstSeq: ranges[n], LastSeq: ranges[n+1]})
		}
		return all
	}
	for _, first := range []int64{1, 11} { // two that were begun here and delivered elsewhere
		w := b.windowOf(e, first, first+9)
		b.written(w)
		moved := b.moveTo(w, elsewhere)
		b.complete(moved, b.beginRun(moved), wholeParts(moved))
	}
	b.delivered(b.windowOf(e, 21, 30))
	unwritten := b.windowOf(e, 31, 40)
	b.endRun(b.allocate(unwritten))
	moved := b.moveTo(unwritten, elsewhere)
	b.complete(moved, b.beginRun(moved), wholeParts(moved))
	open := b.windowOf(e, 41, 50)
	b.written(open)
	b.written(b.backfillWindow(e, b.addBackfill(e, 1, 5), 1, 5))

	end := b.chainEnd(closingOf(e), true)
	require.Equal(t, given(1, 20, 41, 50), end.GivenUp)
	require.EqualValues(t, 30, end.LastSeq)
	require.Equal(t, given(1, 20), b.chainEnd(closingOf(e), false).GivenUp, "it may be delivered yet")
	there := closingOf(e)
	there.Destination = elsewhere
	require.Empty(t, b.chainEnd(there, true).GivenUp)

	back := b.moveTo(open, elsewhere)
	b.in(func(tx *postgres.Tx) { require.NoError(t, tx.ReturnToWindow(t.Context(), back.ID, open.ID)) })
	require.Equal(t, given(1, 20), b.chainEnd(closingOf(e), false).GivenUp)
	b.complete(open, b.beginRun(open), wholeParts(open))
	require.Equal(t, given(1, 20), b.chainEnd(closingOf(e), true).GivenUp, "it was delivered after all")
}

// Of more than a final manifest may tell the newest count.
func TestChainEndIsBounded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addClaimed("s3://logs/")
	b.setCredentials(i, awsCredentials("acme"), true)
	b.mustVerify(i, "", awsCredentials("acme"))
	e := b.addExport(i, "daily")
	w := b.windowOf(e, 1, 1)
	b.written(w)
	b.moveTo(w, parse(t, "s3://elsewhere/"))
	b.asOwner(`
		WITH made AS (
			INSERT INTO export_window (id, org_id, export_id, slug, first_seq, last_seq, rows_per_part, format, compression, path_template, destination, abandoned_at)
			SELECT gen_random_uuid(), org_id, export_id, slug, n * 10, n * 10, 1, format, compression, path_template, destination, now()
			FROM export_window, generate_series(1, $2) AS n WHERE id = $1 RETURNING id, org_id, export_id)
		INSERT INTO export_run (id, org_id, export_id, window_id, workflow_id, temporal_run_id, turn, status, attempts, ended_at)
		SELECT gen_random_uuid(), org_id, export_id, id, '', id::text, 0, 'failed', 1, now() FROM made`, w.ID, schemas.MaxGivenUp)
	end := b.chainEnd(closingOf(e), true)
	require.Len(t, end.GivenUp, schemas.MaxGivenUp)
	require.EqualValues(t, 10, end.GivenUp[0].FirstSeq)
}

// A place that its export leaves in the middle of a window is closed, whether or
// not a run is under way, and once for each thing that there is to tell.
func TestWhatIsGivenUpIsClosed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addClaimed("s3://logs/")
	e := b.addExport(i, "daily")
	w := b.windowOf(e, 1, 10)
	b.endRun(b.allocate(w))
	b.leave(e)
	require.Empty(t, b.closings(i), "nothing can lie there")

	r := b.beginRun(w)
	b.in(func(tx *postgres.Tx) {
		_, err := tx.BeginWriting(t.Context(), r.ID, 1)
		require.NoError(t, err)
	})
	b.endRun(r)
	b.leave(e)
	require.Empty(t, b.closings(i), "nobody was let in yet")
	b.setCredentials(i, awsCredentials("acme"), true)
	b.mustVerify(i, "", awsCredentials("acme"))
	closeAs := func(last, givenUpTo int64) {
		t.Helper()
		open := b.closings(i)
		require.Len(t, open, 1)
		require.False(t, open[0].Busy)
		b.in(func(tx *postgres.Tx) {
			final := finalOf(e, last)
			final.Key = e.Destination.Key(schemas.FinalManifestName(e.ID, last, givenUpTo))
			_, err := tx.SealClosing(t.Context(), open[0].ID, final)
			require.NoError(t, err)
			require.NoError(t, tx.SettleClosing(t.Context(), open[0].ID, ""))
		})
		b.leave(e)
		require.Empty(t, b.closings(i), "that has been told")
	}
	b.leave(e)
	closeAs(0, 10)
	b.complete(w, b.beginRun(w), wholeParts(w)) // it has come back
	b.leave(e)
	closeAs(10, 0)
	b.written(b.windowOf(e, 11, 20))
	b.leave(e)
	closeAs(10, 20)
}

// A backfill that ends early is closed in its own folder, if anything may lie
// there and there is somebody who can.
func TestABackfillThatEndsEarlyIsClosed(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for name, test := range map[string]struct {
		do     func(b bundle, i schemas.Integration, w schemas.Window)
		status schemas.BackfillStatus
		closed bool
	}{
		"nothing begun": {func(bundle, schemas.Integration, schemas.Window) {}, schemas.BackfillCancelled, false},
		"not written":   {func(b bundle, _ schemas.Integration, w schemas.Window) { b.endRun(b.allocate(w)) }, schemas.BackfillFailed, false},
		"written":       {func(b bundle, _ schemas.Integration, w schemas.Window) { b.written(w) }, schemas.BackfillFailed, true},
		"delivered":     {func(b bundle, _ schemas.Integration, w schemas.Window) { b.delivered(w) }, schemas.BackfillCancelled, true},
		"succeeded":     {func(b bundle, _ schemas.Integration, w schemas.Window) { b.delivered(w) }, schemas.BackfillSucceeded, false},
		"integration deleted": {func(b bundle, i schemas.Integration, w schemas.Window) {
			b.written(w)
			b.in(func(tx *postgres.Tx) {
				require.NoError(b.t, tx.SetIntegrationStatus(ctx, i.ID, schemas.IntegrationDeleted))
			})
		}, schemas.BackfillCancelled, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			i := b.addIntegration("s3://logs/audit/")
			e := b.addExport(i, "daily")
			again := b.addBackfill(e, 1, 20)
			test.do(b, i, b.backfillWindow(e, again, 1, 10))
			for range 2 {
				b.in(func(tx *postgres.Tx) { require.NoError(t, tx.EndBackfill(ctx, again.ID, test.status, "why")) })
			}
			open := b.closings(i)
			if !test.closed {
				require.Empty(t, open)
				return
			}
			want := postgres.Closing{
				ID: open[0].ID, OrgID: b.org, ExportID: e.ID, BackfillID: &again.ID, IntegrationID: i.ID,
				Destination: e.Destination, Folder: again.Folder, Reason: schemas.ClosedByBackfillEnd,
			}
			require.Equal(t, []postgres.Closing{want}, open)
			require.Equal(t, "s3://logs/audit/"+again.Folder+"/", open[0].Place().URL())

			b.leave(e)
			require.Len(t, b.closings(i), 1, "of the live deliveries there is nothing to tell")
		})
	}
}

// A closing of a backfill waits for its own run, and for no other, and holds the
// place until it is settled.
func TestAClosingOfABackfillWaits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	i := b.addClaimed("s3://logs/audit/")
	e := b.addExport(i, "daily")
	again := b.addBackfill(e, 1, 20)
	b.allocate(b.backfillWindow(e, again, 1, 10))
	b.in(func(tx *postgres.Tx) {
		require.NoError(t, tx.EndBackfill(ctx, again.ID, schemas.BackfillCancelled, "why"))
	})
	require.True(t, b.closings(i)[0].Busy)
	live := b.allocate(b.windowOf(e, 1, 10))
	b.in(func(tx *postgres.Tx) { require.NoError(t, tx.CancelBackfillRuns(ctx, again.ID, "why")) })
	open := b.closings(i)[0]
	require.False(t, open.Busy, "the live one does not count")
	b.endRun(live)

	held := func() bool {
		err := b.try(func(tx *postgres.Tx) error {
			_, err := tx.Claim(ctx, i.ID, i.Destination)
			return err
		})
		return err == nil
	}
	b.release(i)
	require.True(t, held(), "it is still to be written to")
	b.in(func(tx *postgres.Tx) { require.NoError(t, tx.SettleClosing(ctx, open.ID, "")) })
	b.dropReleased()
	require.False(t, held())
}
