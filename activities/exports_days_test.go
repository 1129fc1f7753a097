package activities_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/schemas"
)

// noon is that of a UTC day so many days ago. It is the same all through a test.
func (b *bundle) noon(ago int) time.Time { return b.today.AddDate(0, 0, -ago).Add(12 * time.Hour) }

// appendOn records events as if it was noon so many days ago. Days come in their
// order. The database's clock cannot be set, so the rows are moved.
func (b *bundle) appendOn(ago, n, size int) {
	b.t.Helper()
	b.moveTo(b.append(n, size), b.noon(ago))
}

func (b *bundle) moveTo(appended schemas.Appended, at time.Time) {
	b.t.Helper()
	b.asOwner(`SELECT auditferry_ensure_partitions($1::date, $1::date)`, at.Format(time.DateOnly))
	b.asOwner(`UPDATE audit_event SET recorded_at = $3::timestamptz + (seq - $2) * interval '1 microsecond'
		WHERE org_id = $1 AND seq >= $2`, b.org, appended.FirstSeq, at)
}

// Invariant 1: a window stays within a UTC day, is bounded, and joins the one
// before it, until nothing waits that was there when the run began.
func TestWindowsStayWithinADay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all")
	b.appendOn(3, 15, 10)
	b.appendOn(2, 5, 10)
	b.appendOn(1, 10, 10)
	b.appendOn(0, 5, 10)
	a := b.exports(func(l *activities.Limits) { l.WindowRows = 10 })
	var ledger []schemas.Object
	for n, want := range []struct {
		first, last int64
		day         int
	}{{1, 10, 3}, {11, 15, 3}, {16, 20, 2}, {21, 30, 1}, {31, 35, 0}} {
		r := b.begin(a, e)
		w := r.window()
		require.Equal(t, []int64{want.first, want.last}, []int64{w.FirstSeq, w.LastSeq}, n)
		require.EqualValues(t, 35, r.begun.UpTo)
		require.Equal(t, b.noon(want.day).Format(time.DateOnly), w.RecordedFrom.Format(time.DateOnly), n)
		require.Equal(t, b.noon(want.day).Format(time.DateOnly), w.RecordedTo.Format(time.DateOnly), n)
		ledger = append(ledger, r.mustWrite()...)
		require.Equal(t, want.last < 35, r.mustFinish(), n)
	}
	b.requireDelivered(i.Destination, ledger, 1, 35)
	for n, m := range b.manifests(i.Destination) {
		require.Equal(t, n == 0, m.Previous == nil)
		require.False(t, m.RecordedTo.Before(*m.RecordedFrom))
	}
	require.EqualValues(t, 35, b.verify([]schemas.Destination{i.Destination}).Chains[0].Rows)
}

// A run that begins around midnight delivers both days, one window after the
// other.
func TestARunOverMidnight(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all", func(e *schemas.Export) { e.PathTemplate = "{YYYY}-{MM}-{DD}" })
	midnight := b.noon(1).Add(12 * time.Hour)
	b.moveTo(b.append(5, 10), midnight.Add(-time.Second))
	b.moveTo(b.append(5, 10), midnight)
	a, in := b.exports(), beginInput(e)
	r := &run{b: b, a: a, in: in.ExportInput}
	for turn, want := range []struct {
		first, last int64
		day         int
	}{{1, 5, 1}, {6, 10, 0}} {
		in.Turn = turn
		r.begun = must[schemas.BeginRunResult](t, a.BeginRun, in)
		require.Equal(t, []int64{want.first, want.last}, []int64{r.window().FirstSeq, r.window().LastSeq})
		objects := r.mustWrite()
		require.Len(t, objects, 1)
		require.Contains(t, objects[0].Key, b.noon(want.day).Format(time.DateOnly)+"/")
		require.Equal(t, turn == 0, r.mustFinish())
	}
	b.verify([]schemas.Destination{i.Destination})
}

// A window that is taken up later keeps its end, although its day has gone on.
func TestAWindowKeepsItsEnd(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.addExport(b.addIntegration("s3://acme-logs/"), "all")
	b.appendOn(1, 5, 10)
	b.begin(b.exports(), e)
	b.moveTo(b.append(5, 10), b.noon(1).Add(time.Minute))
	again := b.begin(b.exports(), e)
	require.EqualValues(t, 5, again.window().LastSeq)
	again.mustWrite()
	require.True(t, again.mustFinish())
	next := b.begin(b.exports(), e)
	require.Equal(t, []int64{6, 10}, []int64{next.window().FirstSeq, next.window().LastSeq})
}

// Invariant 1: events that expire between two runs are told of as expired. What
// was stored before stays delivered, and the export goes on with what is kept.
func TestADayExpiresBetweenTwoRuns(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all")
	b.appendOn(2, 100, 500)
	a := b.exports(oneByOne)
	r := b.begin(a, e)
	r.stopAt(3)
	early := r.parts()
	r.fail()
	kept := early[2].LastSeq
	b.expire(100)
	b.cloud.Before(nil)

	next := b.begin(a, e)
	require.Equal(t, r.window(), next.window())
	objects := next.mustWrite()
	require.Equal(t, early, objects)
	require.True(t, next.mustFinish(), "the failed run's own event waits")
	m := b.manifests(i.Destination)[0]
	require.Equal(t, []int64{kept, 0, 100 - kept}, []int64{m.Rows, m.Excluded, m.Expired})
	require.Len(t, m.Objects, r.window().Parts())
	b.requireDelivered(i.Destination, objects, 1, kept)
	done := b.runRow(next.begun.RunID)
	require.Equal(t, []int64{kept, 100 - kept}, []int64{done.Rows, done.Expired})
	require.Equal(t, 1, b.audited("auditferry.export.events_expired"))
	require.Nil(t, b.export(e.ID).FailingSince)

	after := b.begin(a, e)
	require.EqualValues(t, 101, after.window().FirstSeq)
	after.mustWrite()
	after.mustFinish()
	report := b.verify([]schemas.Destination{i.Destination}, manifest.Expired)
	require.Equal(t, 100-kept, report.Chains[0].Expired)
}

// Invariant 1: events that expired before any run saw them are a window without
// objects. It is delivered like any other, so that the chain has no gap.
func TestAnExportThatComesTooLate(t *testing.T) {
	t.Parallel()
	for name, allGone := range map[string]bool{"some are left": false, "nothing is left": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			i := b.addIntegration("s3://acme-logs/")
			e := b.addExport(i, "all")
			b.appendOn(3, 10, 300)
			a := b.exports(func(l *activities.Limits) { l.WindowRows = 5 })
			b.deliver(a, e) // 1 to 5
			b.appendOn(2, 20, 300)
			if !allGone {
				b.appendOn(1, 5, 300)
			}
			b.expire(30)

			r := b.begin(a, e)
			require.Equal(t, []int64{6, 30}, []int64{r.window().FirstSeq, r.window().LastSeq}, "in one window, however many")
			require.Nil(t, r.window().RecordedFrom)
			puts := b.puts()
			require.Empty(t, r.mustWrite())
			require.Equal(t, !allGone, r.mustFinish())
			require.Len(t, puts(), 2, "the manifest and its signature")
			m := b.manifests(i.Destination)[1]
			require.Equal(t, []int64{0, 0, 25}, []int64{m.Rows, m.Excluded, m.Expired})
			require.EqualValues(t, 30, b.export(e.ID).DeliveredSeq)
			require.Equal(t, 1, b.audited("auditferry.export.events_expired"))
			r.mustFinish()
			require.Equal(t, 1, b.audited("auditferry.export.events_expired"), "a repetition")

			_, objects := b.deliver(a, e) // the rest, or the event that tells of the loss
			require.EqualValues(t, 31, objects[0].FirstSeq)
			b.verify([]schemas.Destination{i.Destination}, manifest.Expired)
		})
	}
}

// A writer that wrote nothing was let in nowhere, and has no news of access.
func TestExpiredEventsAreNoNewsOfAccess(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all")
	b.appendOn(2, 10, 300)
	b.expire(10)
	b.say(i, schemas.AccessDenied, 7)
	requests := b.requests(nil)
	r := b.begin(b.exports(), e)
	r.mustWrite()
	require.Empty(t, requests.keys("put"))
	require.Empty(t, b.watcher.looks())
	r.mustFinish()
	require.Equal(t, []asked{{ref(i), 7}}, b.watcher.looks(), "the manifest was let in")
}

// Invariant 8: no day is dropped under the run that delivers it; what was
// dropped before a run begins is seen as expired.
func TestRetentionWaitsForRuns(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all")
	b.appendOn(3, 10, 300)
	b.appendOn(2, 10, 300)
	retention := &activities.Retention{Store: b.Store, Keep: 48 * time.Hour} // three days ago is over
	a := b.exports()
	r := b.begin(a, e)
	var dropped bool
	b.cloud.Before(func(request destination.Request) error {
		if request.Op == "put" && !dropped {
			dropped = true
			mustDo(t, retention.DropExpired)
		}
		return nil
	})
	require.Contains(t, b.partitions(), partition(-3))
	objects := r.mustWrite()
	require.True(t, dropped)
	require.Contains(t, b.partitions(), partition(-3), "the run is under way")
	r.mustFinish()
	b.requireDelivered(i.Destination, objects, 1, 10)

	mustDo(t, retention.DropExpired)
	require.NotContains(t, b.partitions(), partition(-3))
	late := b.addExport(b.addIntegration("s3://acme-late/"), "late")
	lost := b.begin(a, late)
	require.Equal(t, []int64{1, 10}, []int64{lost.window().FirstSeq, lost.window().LastSeq})
	require.Empty(t, lost.mustWrite())
	require.EqualValues(t, 10, b.runRow(lost.begun.RunID).Expired)
}

// Invariant 8: a run that takes up a window has seen the drop that was under way,
// or is seen by it. It reads no events then, so it has to wait on purpose.
func TestARunThatTakesUpAWindowWaitsForADrop(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.addExport(b.addIntegration("s3://acme-logs/"), "all")
	b.appendOn(2, 10, 300)
	a := b.exports()
	b.begin(a, e)

	ctx := t.Context()
	conn, err := pgx.Connect(ctx, b.ownerURL)
	require.NoError(t, err)
	defer conn.Close(context.Background()) //nolint:errcheck // the test is over
	drop, err := conn.Begin(ctx)
	require.NoError(t, err)
	_, err = drop.Exec(ctx, `LOCK TABLE ONLY audit_event IN ACCESS EXCLUSIVE MODE`)
	require.NoError(t, err)
	begun := make(chan *run, 1)
	go func() {
		r := &run{b: b, a: a, in: schemas.ExportInput{OrgID: e.OrgID, ExportID: e.ID}}
		r.begin()
		begun <- r
	}()
	require.Eventually(t, func() bool {
		return len(b.names(`SELECT pid::text FROM pg_locks WHERE relation = 'audit_event'::regclass AND NOT granted`)) > 0
	}, attendDeadline, 10*time.Millisecond)
	require.Empty(t, begun)
	require.NoError(t, drop.Commit(ctx))
	r := <-begun
	r.mustWrite()
	r.mustFinish()
}
