package activities_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// givenUp are ranges of an export, each by its first and its last seq.
func givenUp(e schemas.Export, ranges ...int64) (all []schemas.GivenUp) {
	for n := 0; n < len(ranges); n += 2 {
		all = append(all, schemas.GivenUp{Slug: e.Slug, FirstSeq: ranges[n], LastSeq: ranges[n+1]})
	}
	return all
}

// leaveFor retargets an export, as the command does that has its chain closed.
func (b *bundle) leaveFor(i schemas.Integration, e schemas.Export, to string) schemas.Destination {
	b.t.Helper()
	b.leave(b.export(e.ID), schemas.ClosedByRetarget)
	return b.retarget(i, e, to)
}

// Verify finds nothing wrong with a place that an export has left in the middle
// of a window, between two runs, whatever the worker had come to there: what is
// left over is told.
func TestWhatAMoveLeavesBehind(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		leave func(t *testing.T, r *run)
		left  int64
	}{
		"every part": {func(_ *testing.T, r *run) { r.mustWrite(); r.fail() }, 2},
		"one part":   {func(_ *testing.T, r *run) { r.stopAt(1); r.fail() }, 1},
		"a part that was not noted": {func(t *testing.T, r *run) {
			r.b.cloud.After(func(destination.Request) error { return destination.Refusal(schemas.KindUnavailable, "InternalError") })
			_, err := r.write(attempt{})
			requireError(t, err, schemas.ErrorDestinationUnavailable, true)
			require.Empty(t, r.parts())
			r.b.cloud.After(nil)
			r.fail()
		}, 1},
		"no part":    {func(_ *testing.T, r *run) { r.stopAt(0); r.fail() }, 0},
		"a manifest": {func(_ *testing.T, r *run) { r.sealed(true) }, 2},
		"a signature": {func(t *testing.T, r *run) {
			r.mustWrite()
			r.b.cloud.Before(func(request destination.Request) error {
				if request.Op == "put" && strings.HasSuffix(request.Key, ".json") {
					return destination.Refusal(schemas.KindUnavailable, "InternalError")
				}
				return nil
			})
			_, err := r.finish(attempt{})
			requireError(t, err, schemas.ErrorDestinationUnavailable, true)
			r.b.cloud.Before(nil)
			r.fail()
		}, 3},
		"a superseded run's part": {func(_ *testing.T, r *run) {
			r.stopAt(1)
			r.b.in(r.supersede)
		}, 1},
	} {
		for before, delivered := range map[string]bool{"after a delivery": true, "before any": false} {
			t.Run(name+", "+before, func(t *testing.T) {
				t.Parallel()
				b := setup(t)
				i := b.addIntegration("s3://acme-logs/old/")
				e := b.addExport(i, "all")
				a := b.exports(func(l *activities.Limits) { l.PartBytes, l.Parallel = 5000, 1 })
				if delivered {
					b.append(8, 900)
					b.deliver(a, e)
				}
				b.append(8, 900)
				r := b.begin(a, e)
				w := r.window()
				require.Equal(t, 2, w.Parts())
				test.leave(t, r)

				to := b.leaveFor(i, e, "s3://acme-new/")
				mustDo(t, a.CloseChains, ref(i)) // the window is still to be abandoned
				b.begin(a, e).fail()
				for len(b.manifests(to)) == 0 {
					b.deliver(a, e)
				}
				mustDo(t, a.CloseChains, ref(i))
				require.Empty(t, b.openClosings(i))

				finals := b.finals(i.Destination)
				require.Len(t, finals, 1)
				require.Equal(t, givenUp(e, w.FirstSeq, w.LastSeq), finals[0].GivenUp)
				require.Equal(t, w.FirstSeq-1, finals[0].LastSeq)
				report := b.verify([]schemas.Destination{i.Destination, to})
				require.Equal(t, test.left, report.LeftOver)
				if delivered {
					b.verify([]schemas.Destination{i.Destination})
				}
			})
		}
	}
}

// What an export gives up in a place, again and again, and delivers there after
// all, is told each time that it leaves, and a final manifest that lies there
// never changes.
func TestGivingUpAgainAndAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all")
	a := b.exports(func(l *activities.Limits) { l.WindowRows = 10 })
	b.append(30, 10)
	b.deliver(a, e) // 1 to 10
	half := func() {
		r := b.begin(a, e)
		r.mustWrite()
		r.fail()
	}
	const home, away = "s3://acme-logs/", "s3://acme-away/"
	var seen map[string][]byte
	closed := func(i schemas.Integration, want ...string) {
		t.Helper()
		for range 2 {
			mustDo(t, a.CloseChains, ref(i))
		}
		require.Empty(t, b.openClosings(i))
		stored := b.cloud.Objects(i.Destination)
		var names []string
		for key := range stored {
			if rest, isFinal := strings.CutPrefix(key, schemas.ManifestFolder+"/"+e.ID.String()+"/"); isFinal && strings.Contains(rest, "-final") && strings.HasSuffix(rest, ".json") {
				names = append(names, strings.TrimSuffix(rest, ".json"))
			}
		}
		require.ElementsMatch(t, want, names)
		for key, content := range seen {
			require.Equal(t, content, stored[key], key)
		}
		seen = stored
		b.verify([]schemas.Destination{i.Destination, parse(t, away)})
	}

	half() // 11 to 20
	b.leaveFor(i, e, away)
	closed(i, "000000000010-final-000000000020")
	b.leaveFor(i, e, home)
	half()
	b.leaveFor(i, e, away)
	closed(i, "000000000010-final-000000000020")
	b.leaveFor(i, e, home)
	b.deliver(a, e) // listed, though given up before
	b.leaveFor(i, e, away)
	closed(i, "000000000010-final-000000000020", "000000000020-final")
	b.deliver(a, e) // 21 to 30, away
	b.leaveFor(i, e, home)
	for b.export(e.ID).DeliveredSeq < 30 {
		b.deliver(a, e)
	}
	b.append(10, 10)
	half()
	b.leave(b.export(e.ID), schemas.ClosedByExportDeleted)
	b.changeExport(e.ID, func(e *schemas.Export) { e.State = schemas.ExportDeleted })
	finals := b.finals(i.Destination)
	closed(i, "000000000010-final-000000000020", "000000000020-final", "000000000020-final-000000000040")
	require.Len(t, b.finals(i.Destination), len(finals)+1)
}

// A place that nobody was ever let into has nothing of ours, and is not closed:
// a delete would wait for it in vain.
func TestAPlaceThatNobodyWasLetIntoIsNotClosed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i, r := b.delivering(awaiting)
	b.requests(denyOp("put"))
	_, err := r.write(attempt{})
	requireError(t, err, schemas.ErrorDestinationDenied, true)
	e := b.export(r.in.ExportID)
	b.leave(e, schemas.ClosedByExportDeleted)
	require.Len(t, b.openClosings(i), 1, "the run may be let in yet")
	b.changeExport(e.ID, func(e *schemas.Export) { e.State = schemas.ExportDeleted })
	r.fail()
	mustDo(t, r.a.CloseChains, ref(i))
	require.Empty(t, b.openClosings(i))
	b.leave(e, schemas.ClosedByExportDeleted)
	require.Empty(t, b.openClosings(i))
}

// While the export has come back, what it still has to deliver is not given up.
func TestWhatIsStillToBeDelivered(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all")
	a := b.exports()
	b.append(10, 10)
	b.deliver(a, e)
	b.append(10, 10)
	r := b.begin(a, e)
	r.mustWrite()
	r.fail()
	b.leaveFor(i, e, "s3://acme-elsewhere/")
	b.leaveFor(i, e, "s3://acme-logs/")
	mustDo(t, a.CloseChains, ref(i))
	require.Empty(t, b.finals(i.Destination)[0].GivenUp)
	b.verify([]schemas.Destination{i.Destination}, manifest.UnlistedObject)

	b.leaveFor(i, e, "s3://acme-elsewhere/")
	mustDo(t, a.CloseChains, ref(i))
	require.EqualValues(t, 1, b.verify([]schemas.Destination{i.Destination}).LeftOver)
}

// A backfill that ends early, whatever ends it, leaves a chain that says so, and
// verify finds nothing wrong.
func TestABackfillThatEndsEarly(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(b *bundle, r *run, again schemas.Backfill){
		"cancelled": func(b *bundle, _ *run, again schemas.Backfill) { b.cancelBackfill(again) },
		"failed":    func(_ *bundle, r *run, _ schemas.Backfill) { r.fail() },
		"export moved": func(b *bundle, r *run, again schemas.Backfill) {
			b.changeExport(again.ExportID, func(e *schemas.Export) { e.Destination.Prefix = "elsewhere" })
			r.begin()
			require.Nil(b.t, r.begun.Window)
		},
	} {
		for _, windows := range []int{0, 1} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				b := setup(t)
				i := b.addIntegration("s3://acme-logs/audit/")
				e := b.addExport(i, "all")
				a := b.exports(func(l *activities.Limits) { l.WindowRows = 10 })
				b.append(20, 10)
				b.deliver(a, e)
				b.deliver(a, e)
				again := b.addBackfill(e, 1, 20)
				for range windows {
					r := b.beginBackfill(a, again)
					r.mustWrite()
					r.mustFinish()
				}
				r := b.beginBackfill(a, again)
				r.mustWrite()
				w := r.window()
				end(b, r, again)
				if name == "export moved" { // its run is under way
					b.in(r.supersede)
				}
				for range 2 {
					mustDo(t, a.CloseChains, ref(i))
				}
				require.Empty(t, b.openClosings(i))
				finals := b.finals(placeOf(again))
				require.Len(t, finals, 1)
				require.Equal(t, schemas.ClosedByBackfillEnd, finals[0].Reason)
				require.Equal(t, placeOf(again), finals[0].Destination)
				require.Equal(t, &schemas.BackfillRange{ID: again.ID, FirstSeq: 1, LastSeq: 20}, finals[0].Backfill)
				require.Equal(t, givenUp(e, w.FirstSeq, w.LastSeq), finals[0].GivenUp)
				require.EqualValues(t, 10*windows, finals[0].LastSeq)
				report := b.verify([]schemas.Destination{i.Destination})
				require.EqualValues(t, 1, report.LeftOver)
				require.Empty(t, b.finals(i.Destination), "the live deliveries go on")
			})
		}
	}
}

// supersede ends the run as a newer one does, without beginning that.
func (r *run) supersede(ctx context.Context, tx *postgres.Tx) error {
	return tx.SupersedeRuns(ctx, r.in.ExportID, r.in.BackfillID, "superseded by tests")
}
