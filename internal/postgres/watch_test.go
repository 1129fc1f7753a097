package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

const (
	hour = time.Hour
	day  = 24 * time.Hour
	keep = 30 * day
)

// due lists what has to be told at that time.
func (b bundle) due(at time.Time, limit int) (due []schemas.DueNotice) {
	b.t.Helper()
	b.asOperator(func(tx *postgres.Tx) {
		var err error
		due, err = tx.DueNotices(b.t.Context(), at, keep, limit)
		require.NoError(b.t, err)
	})
	return due
}

func (b bundle) tell(at time.Time, told ...schemas.DueNotice) {
	b.t.Helper()
	b.asOperator(func(tx *postgres.Tx) { require.NoError(b.t, tx.MarkTold(b.t.Context(), at, told)) })
}

func (b bundle) forgetStages(at time.Time) {
	b.t.Helper()
	b.asOperator(func(tx *postgres.Tx) { require.NoError(b.t, tx.ForgetStages(b.t.Context(), at, keep)) })
}

// watch is what happens every hour; it gives what was told.
func (b bundle) watch(at time.Time) []schemas.DueNotice {
	b.t.Helper()
	b.forgetStages(at)
	due := b.due(at, 100)
	b.tell(at, due...)
	return due
}

func kinds(due []schemas.DueNotice) []schemas.NoticeKind {
	all := make([]schemas.NoticeKind, len(due))
	for i := range due {
		all[i] = due[i].Notice.Kind
	}
	return all
}

// fails has a run of the export fail, recovers has one deliver.
func (b bundle) fails(e schemas.Export, at time.Time) {
	b.t.Helper()
	b.in(func(tx *postgres.Tx) { require.NoError(b.t, tx.MarkFailing(b.t.Context(), e.ID, at)) })
}

func (b bundle) recovers(e schemas.Export) {
	b.t.Helper()
	b.asOwner(`UPDATE export SET failing_since = NULL WHERE id = $1`, e.ID)
}

func (b bundle) setState(e schemas.Export, state schemas.ExportState) {
	b.t.Helper()
	e.State = state
	b.in(func(tx *postgres.Tx) {
		_, err := tx.UpdateExport(b.t.Context(), e)
		require.NoError(b.t, err)
	})
}

// An export that is broken for 29 days has its org told when that begins, once
// a day while it lasts, of the events that expire at 7, 3 and 1 days, and when
// it is over; never once per retry, and nothing twice.
func TestTwentyNineDaysOfFailure(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.addExport(b.addIntegration("s3://logs/"), "daily")
	start := daysAgo(0)
	b.append(10)
	b.recordedOn(1, 10, start)
	b.fails(e, start)

	told := make(map[schemas.NoticeKind][]schemas.DueNotice)
	occasions := make(map[string]bool)
	watch := func(at time.Time) {
		for _, due := range b.watch(at) {
			occasion := string(due.Notice.Kind) + "/" + due.Occasion
			require.False(t, occasions[occasion], "%s twice", occasion)
			occasions[occasion] = true
			told[due.Notice.Kind] = append(told[due.Notice.Kind], due)
		}
		require.Empty(t, b.due(at, 100), "what has been told is not due any more")
	}
	for passed := time.Duration(0); passed <= 29*day; passed += 4 * hour {
		b.fails(e, start.Add(passed)) // the next run
		watch(start.Add(passed))
	}
	repaired := start.Add(29*day + time.Minute)
	b.delivered(recordedIn(b.windowOf(e, 1, 10), start))
	watch(repaired)
	watch(repaired.Add(40 * day))

	notice := func(kind schemas.NoticeKind) schemas.NoticeInput {
		return schemas.NoticeInput{OrgID: b.org, IntegrationID: e.IntegrationID, ExportID: &e.ID, Kind: kind}
	}
	streak := notice(schemas.NoticeExportFailing)
	streak.Since = &start
	occasion := fmt.Sprintf("%s/%d", e.ID, start.UnixMicro())
	require.Equal(t, []schemas.DueNotice{{Notice: streak, Occasion: occasion}}, told[schemas.NoticeExportFailing])
	var reminders []schemas.DueNotice
	streak.Kind = schemas.NoticeExportStillFailing
	for n := 1; n <= 29; n++ {
		reminders = append(reminders, schemas.DueNotice{Notice: streak, Occasion: fmt.Sprintf("%s/%d", occasion, n)})
	}
	require.Equal(t, reminders, told[schemas.NoticeExportStillFailing])
	streak.Kind = schemas.NoticeExportRecovered
	require.Equal(t, []schemas.DueNotice{{Notice: streak, Occasion: occasion}}, told[schemas.NoticeExportRecovered])

	var stages []schemas.DueNotice
	expiry := start.Add(keep).Format(time.DateOnly)
	for _, days := range []int{7, 3, 1} {
		expiring := notice(schemas.NoticeEventsExpiring)
		expiring.Days = days
		stages = append(stages, schemas.DueNotice{Notice: expiring, Occasion: fmt.Sprintf("%s/%d/%s", e.ID, days, expiry)})
	}
	require.Equal(t, stages, told[schemas.NoticeEventsExpiring])
	require.Empty(t, told[schemas.NoticeEventsExpired], "it was repaired in time")
}

// A paused export is nobody's failure, but that its streak is over is told, and
// of a deleted one nothing.
func TestOnlyActiveExportsFail(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://logs/")
	paused, deleted := b.addExport(i, "paused"), b.addExport(i, "deleted")
	start := now().Add(-100 * hour)
	for _, e := range []schemas.Export{paused, deleted} {
		b.fails(e, start)
	}
	b.setState(paused, schemas.ExportPaused)
	b.setState(deleted, schemas.ExportDeleted)
	require.Empty(t, b.watch(start))
	for _, e := range []schemas.Export{paused, deleted} {
		b.setState(e, schemas.ExportActive)
	}
	require.Equal(t, []schemas.NoticeKind{schemas.NoticeExportFailing, schemas.NoticeExportFailing}, kinds(b.watch(start)))
	b.setState(paused, schemas.ExportPaused)
	b.setState(deleted, schemas.ExportDeleted)
	require.Empty(t, b.watch(start.Add(day)))
	b.recovers(paused)
	b.recovers(deleted)
	recovered := b.watch(start.Add(day))
	require.Equal(t, []schemas.NoticeKind{schemas.NoticeExportRecovered}, kinds(recovered))
	require.Equal(t, &paused.ID, recovered[0].Notice.ExportID)
}

// The next streak is told as such even if nobody was told that the one before
// it has ended; and a streak that nobody was told of ends in silence.
func TestStreaksAreToldApart(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.addExport(b.addIntegration("s3://logs/"), "daily")
	first := now().Add(-10 * day)
	b.fails(e, first)
	require.Equal(t, &first, b.watch(first)[0].Notice.Since)
	b.recovers(e)
	second := first.Add(hour)
	b.fails(e, second)
	due := b.due(second, 100)
	require.Equal(t, []schemas.NoticeKind{schemas.NoticeExportFailing}, kinds(due))
	require.Equal(t, &second, due[0].Notice.Since)

	b.tell(second, due...)
	b.tell(second, schemas.DueNotice{Notice: schemas.NoticeInput{ExportID: &e.ID, Kind: schemas.NoticeExportFailing, Since: &first}})
	require.Empty(t, b.due(second, 100), "a note of the streak before that comes late")
	third := second.Add(hour)
	b.recovers(e)
	b.tell(third, b.due(third, 100)...)
	b.fails(e, third)
	due = b.due(third, 100)

	b.recovers(e) // between the look and the note
	b.tell(third, due...)
	recovered := b.watch(third)
	require.Equal(t, []schemas.NoticeKind{schemas.NoticeExportRecovered}, kinds(recovered))
	require.Equal(t, &third, recovered[0].Notice.Since)
	b.fails(e, third.Add(hour))
	b.recovers(e)
	require.Empty(t, b.watch(third.Add(hour)))
}

// What was noted once may be noted again: an answer is lost now and then.
func TestMarkToldMayBeRepeated(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://logs/")
	failing, still, recovered := b.addExport(i, "failing"), b.addExport(i, "still"), b.addExport(i, "recovered")
	start := daysAgo(25)
	b.append(5)
	b.recordedOn(1, 5, start)
	b.setState(b.addExport(i, "paused"), schemas.ExportPaused) // its events expire
	for _, e := range []schemas.Export{still, recovered} {
		b.fails(e, start)
	}
	b.watch(start)
	b.fails(failing, start.Add(hour))
	b.recovers(recovered)

	at := start.Add(25 * day)
	due := b.due(at, 100)
	require.Len(t, due, 7) // four lag
	told := func() (rows []string) {
		conn := connect(t, b.ownerURL)
		begin(t, conn, "SET LOCAL auditferry.scope = 'operator'")
		defer rollback(t, conn)
		return names(t, conn, `SELECT concat_ws('|', name, told_failing_since, told_failing_at, told_days) FROM export ORDER BY name`)
	}
	b.tell(at, due...)
	once := told()
	require.Empty(t, b.due(at, 100))
	b.tell(at, due...)
	require.Equal(t, once, told()[:len(once)])
	b.tell(at)

	err := b.AsOperator(t.Context(), func(tx *postgres.Tx) error {
		return tx.MarkTold(t.Context(), at, []schemas.DueNotice{{Notice: schemas.NoticeInput{ExportID: &still.ID, Kind: schemas.NoticeAccessDenied}}})
	})
	require.ErrorContains(t, err, "not about an export")
}

// A batch is bounded, and the next one goes on where it ended.
func TestDueNoticesComeInBatches(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://logs/")
	b.append(5)
	start := daysAgo(29)
	b.recordedOn(1, 5, start)
	var want []string
	for n := range 4 {
		e := b.addExport(i, fmt.Sprint("failing-", n))
		b.fails(e, start.Add(time.Duration(n)*hour))
		want = append(want, fmt.Sprintf("%s %s", schemas.NoticeExportFailing, e.ID))
	}
	for _, e := range want[:4] { // the same exports lag
		want = append(want, fmt.Sprintf("%s %s", schemas.NoticeEventsExpiring, e[len(schemas.NoticeExportFailing)+1:]))
	}
	at := start.Add(29*day + 12*hour)
	var got []string
	for _, size := range []int{3, 3, 2, 0} {
		due := b.due(at, 3)
		require.Len(t, due, size)
		require.Equal(t, due, b.due(at, 3), "the order is always the same")
		for _, d := range due {
			got = append(got, fmt.Sprintf("%s %s", d.Notice.Kind, d.Notice.ExportID))
		}
		b.tell(at, due...)
	}
	require.Equal(t, want, got)
	require.NotContains(t, got, uuid.Nil.String())
}
