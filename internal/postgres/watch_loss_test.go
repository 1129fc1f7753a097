package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// stages lists how many days' notice is due at that time, export by export.
func (b bundle) stages(at time.Time) map[uuid.UUID]int {
	b.t.Helper()
	stages := make(map[uuid.UUID]int)
	for _, due := range b.due(at, 1000) {
		require.NotContains(b.t, stages, *due.Notice.ExportID, "one stage at a time")
		stages[*due.Notice.ExportID] = due.Notice.Days
		require.Equal(b.t, due.Notice.Days == 0, due.Notice.Kind == schemas.NoticeEventsExpired)
	}
	return stages
}

// lagging is an export that has events of one moment to deliver.
func lagging(t *testing.T) (b bundle, e schemas.Export, recordedAt time.Time) {
	t.Helper()
	b = setup(t)
	e = b.addExport(b.addIntegration("s3://logs/"), "daily")
	b.append(5)
	recordedAt = daysAgo(3)
	b.recordedOn(1, 5, recordedAt)
	return b, e, recordedAt
}

// The stages begin when they say: as soon as an event has at most 7, 3 or 1
// days left, and when it has none.
func TestStagesBeginOnTime(t *testing.T) {
	t.Parallel()
	b, e, recordedAt := lagging(t)
	expiry := recordedAt.Add(keep)
	for _, stage := range []struct {
		left time.Duration
		days int
	}{{7 * day, 7}, {3 * day, 3}, {day, 1}, {0, 0}} {
		boundary := expiry.Add(-stage.left)
		before := b.stages(boundary.Add(-time.Microsecond))
		if stage.days == 7 {
			require.Empty(t, before)
		} else {
			require.Greater(t, before[e.ID], stage.days)
		}
		for _, at := range []time.Time{boundary, boundary.Add(time.Microsecond), boundary.Add(20 * hour)} {
			require.Equal(t, map[uuid.UUID]int{e.ID: stage.days}, b.stages(at))
		}
	}
}

// Whoever was told of a stage hears of the next one, not of the same again, and
// an org that nobody could be told of for days hears of the present one only.
func TestEachStageIsToldOnce(t *testing.T) {
	t.Parallel()
	b, e, recordedAt := lagging(t)
	expiry := recordedAt.Add(keep)
	watch := func(left time.Duration, want ...int) {
		t.Helper()
		var days []int
		for _, due := range b.watch(expiry.Add(-left)) {
			days = append(days, due.Notice.Days)
		}
		require.Equal(t, want, days)
	}
	watch(8 * day)
	watch(7*day, 7)
	watch(6 * day)
	watch(20*hour, 1) // nothing was watched for five days
	watch(10 * hour)
	watch(-hour, 0)
	watch(-40 * day)
	b.asOwner(`UPDATE export SET told_days = NULL WHERE id = $1`, e.ID)
	b.setState(e, schemas.ExportPaused)
	watch(-hour, 0) // they are lost to a paused export as well
	b.asOwner(`UPDATE export SET told_days = NULL WHERE id = $1`, e.ID)
	b.setState(e, schemas.ExportDeleted)
	watch(-hour)
}

// An export that has caught up is told anew when it lags again; one that hovers
// around the first stage is not told every day.
func TestStagesBeginAnew(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.addExport(b.addIntegration("s3://logs/"), "daily")
	b.append(15)
	first, second, third := daysAgo(6), daysAgo(5).Add(-hour), daysAgo(2)
	b.recordedOn(1, 5, first)
	b.recordedOn(6, 10, second)
	b.recordedOn(11, 15, third)
	told := func(at time.Time) int { return len(b.watch(at)) }

	at := first.Add(keep - 7*day)
	require.Equal(t, 1, told(at))
	b.delivered(recordedIn(b.windowOf(e, 1, 5), first))
	require.Equal(t, 0, told(at), "more than seven days are left, but not more than eight")
	require.Equal(t, 0, told(second.Add(keep-7*day)))
	b.delivered(recordedIn(b.windowOf(e, 6, 10), second))
	require.Equal(t, 0, told(third.Add(keep-8*day)))
	require.Equal(t, 0, told(third.Add(keep-8*day-hour)), "now it is forgotten")
	require.Equal(t, 1, told(third.Add(keep-7*day)))

	b.delivered(recordedIn(b.windowOf(e, 11, 15), third))
	require.Equal(t, 0, told(third.Add(keep-7*day)))
	require.Equal(t, 0, number(t, operator(t, b), `SELECT count(*) FROM export WHERE told_days IS NOT NULL`))
}

// operator is a connection that sees every org.
func operator(t *testing.T, b bundle) *pgx.Conn {
	t.Helper()
	conn := connect(t, b.ownerURL)
	_, err := conn.Exec(t.Context(), `SET auditferry.scope = 'operator'`)
	require.NoError(t, err)
	return conn
}

// Events that are gone have expired, whatever nobody knows of them any more;
// the day of the notice makes it one a day at most, even if it is forgotten that
// it was given.
func TestEventsThatAreGoneHaveExpired(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.addExport(b.addIntegration("s3://logs/"), "daily")
	b.append(10)
	b.recordedOn(1, 5, daysAgo(33))
	b.recordedOn(6, 10, daysAgo(10))
	_, err := b.DropPartitions(t.Context(), keep)
	require.NoError(t, err)
	at := daysAgo(0)
	due := b.due(at, 10)
	require.Equal(t, []schemas.DueNotice{{
		Notice:   schemas.NoticeInput{OrgID: b.org, IntegrationID: e.IntegrationID, ExportID: &e.ID, Kind: schemas.NoticeEventsExpired},
		Occasion: fmt.Sprintf("%s/0/%s", e.ID, at.Format(time.DateOnly)),
	}}, due)
	b.tell(at, due...)
	b.forgetStages(at)
	require.Empty(t, b.due(at, 10))
}

// An export that begins with the earliest event is told at once when that is
// about to go, however new the export is.
func TestANewExportMayBeLate(t *testing.T) {
	t.Parallel()
	b, e, recordedAt := lagging(t)
	at := recordedAt.Add(keep - 2*day)
	b.asOwner(`UPDATE export SET created_at = $2 WHERE id = $1`, e.ID, at)
	require.Equal(t, map[uuid.UUID]int{e.ID: 3}, b.stages(at))
}

// Whatever the exports have delivered, and whatever their windows say of it,
// the notices are those that a look at every event would give.
func TestStagesMissNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var recorded []time.Time
	for _, ago := range []int{36, 31, 30, 29, 27, 26, 23, 22, 10, 0} {
		recorded = append(recorded, daysAgo(ago))
	}
	i := b.addIntegration("s3://logs/")
	b.append(len(recorded))
	b.recordEach(1, recorded)
	rapid.Check(t, func(rt *rapid.T) {
		at := daysAgo(0).Add(time.Duration(rapid.IntRange(-30, 30).Draw(rt, "hours")) * hour)
		want := make(map[uuid.UUID]int)
		for range rapid.IntRange(1, 3).Draw(rt, "exports") {
			e := b.addExport(i, "e-"+newID(t).String())
			delivered := rapid.IntRange(0, len(recorded)).Draw(rt, "delivered")
			if delivered > 0 {
				w := b.windowOf(e, 1, int64(delivered))
				if rapid.Bool().Draw(rt, "noted") {
					w = recordedIn(w, recorded[delivered-1])
				}
				b.delivered(w)
			}
			if delivered < len(recorded) {
				if stage, due := stageOf(recorded[delivered].Add(keep).Sub(at)); due {
					want[e.ID] = stage
				}
			}
		}
		require.Equal(t, want, b.stages(at))
		b.rewrite(`UPDATE export SET state = 'deleted'`)
	})
}

func stageOf(left time.Duration) (days int, due bool) {
	switch {
	case left <= 0:
		return 0, true
	case left <= day:
		return 1, true
	case left <= 3*day:
		return 3, true
	default:
		return 7, left <= 7*day
	}
}

// The clock is that of the oldest undelivered event.
func TestLossClock(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://logs/")
	done, lags, gone, deleted := b.addExport(i, "done"), b.addExport(i, "lags"), b.addExport(i, "gone"), b.addExport(i, "deleted")
	exports := []schemas.Export{done, lags, gone, deleted}
	clocks := func() (clocks map[uuid.UUID]schemas.LossClock) {
		b.in(func(tx *postgres.Tx) {
			var err error
			clocks, err = tx.LossClocks(t.Context(), exports, keep)
			require.NoError(t, err)
			for _, e := range exports {
				single, err := tx.LossClock(t.Context(), e, keep)
				require.NoError(t, err)
				if clock, lags := clocks[e.ID]; lags {
					require.Equal(t, &clock, single)
				} else {
					require.Nil(t, single)
				}
			}
		})
		return clocks
	}
	require.Empty(t, clocks(), "nothing has been recorded")
	b.append(10)
	b.recordedOn(1, 5, daysAgo(33))
	b.recordedOn(6, 10, daysAgo(10))
	b.delivered(b.windowOf(done, 1, 10))
	b.delivered(b.windowOf(lags, 1, 6))
	b.setState(deleted, schemas.ExportDeleted)
	clock := func(seq, events int64, recordedAt time.Time) schemas.LossClock {
		return schemas.LossClock{Seq: seq, Events: events, RecordedAt: recordedAt, ExpiresAt: recordedAt.Add(keep)}
	}
	seventh := clock(7, 4, daysAgo(10).Add(time.Microsecond))
	require.Equal(t, map[uuid.UUID]schemas.LossClock{lags.ID: seventh, gone.ID: clock(1, 10, daysAgo(33))}, clocks())
	_, err := b.DropPartitions(t.Context(), keep)
	require.NoError(t, err)
	require.Equal(t, map[uuid.UUID]schemas.LossClock{lags.ID: seventh, gone.ID: {Seq: 1, Events: 10}}, clocks(), "no time is made up")
}
