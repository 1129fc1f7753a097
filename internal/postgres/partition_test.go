package postgres_test

import (
	"math"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// retained counts the org's events that are still there.
func retained(b bundle) int64 {
	b.t.Helper()
	copied, err := b.CopyEvents(b.t.Context(), b.org, 1, math.MaxInt64, schemas.Filter{}, func([]byte) error { return nil })
	require.NoError(b.t, err)
	return copied.Rows
}

func partitionOf(at time.Time) string { return "audit_event_" + at.Format("20060102") }

// An append makes the partition of its day when retention, which makes them
// ahead, has stood still for too long.
func TestAppendsMakeAMissingPartition(t *testing.T) {
	t.Parallel()
	b := setup(t)
	dropped, err := b.DropPartitions(t.Context(), -30*24*time.Hour)
	require.NoError(t, err)
	require.Len(t, dropped, 9) // yesterday to seven days ahead

	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			err := b.try(func(tx *postgres.Tx) error {
				_, err := tx.AppendEvents(t.Context(), events(t, 2))
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 8, retained(b))
}

func TestPartitionsAreDroppedByWholeDays(t *testing.T) {
	t.Parallel()
	b := setup(t)
	spread(b)

	dropped, err := b.DropPartitions(t.Context(), 30*24*time.Hour)
	require.NoError(t, err)
	require.Empty(t, dropped)

	dropped, err = b.DropPartitions(t.Context(), 24*time.Hour) // keeps yesterday, which ended less than a day ago
	require.NoError(t, err)
	require.Equal(t, []string{partitionOf(daysAgo(3)), partitionOf(daysAgo(2))}, dropped)

	require.EqualValues(t, 20, retained(b))
}

func TestEnsurePartitionsMayRunAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if err := b.EnsurePartitions(t.Context(), 12); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	count := number(t, connect(t, b.appURL), `SELECT count(*) FROM pg_inherits WHERE inhparent = 'audit_event'::regclass`)
	require.Equal(t, 14, count)
}

// A day is not dropped under a run that delivers it, live or of a backfill, nor
// are those after it; and it is dropped when that has ended.
func TestPartitionsWaitForRuns(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.append(30)
	for n, day := range []int{33, 32, 31, 30} { // the last is retained
		b.recordedOn(int64(n*5+1), int64(n*5+5), daysAgo(day))
	}
	b.recordedOn(21, 30, daysAgo(29))
	integration := b.addIntegration("s3://logs/")
	e, other := b.addExport(integration, "daily"), b.addExport(integration, "other")
	live := b.allocate(recordedIn(b.windowOf(e, 11, 15), daysAgo(31)))
	again := b.allocate(recordedIn(b.backfillWindow(other, b.addBackfill(other, 6, 10), 6, 10), daysAgo(32)))
	drop := func() []string {
		dropped, err := b.DropPartitions(t.Context(), 30*24*time.Hour)
		require.NoError(t, err)
		return dropped
	}

	require.Equal(t, []string{partitionOf(daysAgo(33))}, drop())
	require.EqualValues(t, 25, retained(b))
	b.endRun(again)
	require.Equal(t, []string{partitionOf(daysAgo(32))}, drop())
	require.Empty(t, drop())
	b.endRun(live)
	require.Equal(t, []string{partitionOf(daysAgo(31))}, drop())
	require.EqualValues(t, 15, retained(b))
}

// The retention is a promise as well: a run that does not end holds a day for
// two more, and then no longer.
func TestPartitionsWaitTwoDaysAtMost(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.append(15)
	b.recordedOn(1, 5, daysAgo(34))
	b.recordedOn(6, 10, daysAgo(33))
	b.recordedOn(11, 15, daysAgo(31))
	e := b.addExport(b.addIntegration("s3://logs/"), "daily")
	b.allocate(recordedIn(b.windowOf(e, 6, 10), daysAgo(33)))
	dropped, err := b.DropPartitions(t.Context(), 31*24*time.Hour)
	require.NoError(t, err)
	require.Equal(t, []string{partitionOf(daysAgo(34))}, dropped)
	dropped, err = b.DropPartitions(t.Context(), 30*24*time.Hour)
	require.NoError(t, err)
	require.Equal(t, []string{partitionOf(daysAgo(33)), partitionOf(daysAgo(31))}, dropped)
}

// Between the choice of a window and its run's first read the day stays. A run
// that is being begun has looked at the events, which retention waits for, and
// is seen after that.
func TestPartitionsWaitForRunsThatAreBeingBegun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	b.append(5)
	b.recordedOn(1, 5, daysAgo(31))
	e := b.addExport(b.addIntegration("s3://logs/"), "daily")
	w := b.windowOf(e, 1, 5)
	r := schemas.Run{ID: newID(t), ExportID: e.ID, WindowID: w.ID}
	var dropped []string
	began, dropErr := beside(t, b, func(tx *postgres.Tx) error {
		extent, err := tx.NextExtent(ctx, 1, 5, 100)
		if err != nil {
			return err
		}
		w.RecordedFrom, w.RecordedTo = extent.RecordedFrom, extent.RecordedTo
		if err := tx.InsertWindow(ctx, w); err != nil {
			return err
		}
		return tx.InsertRun(ctx, r, r.ID.String(), 0)
	}, func() (err error) {
		dropped, err = b.DropPartitions(ctx, 30*24*time.Hour)
		return err
	})
	require.NoError(t, began)
	require.NoError(t, dropErr)
	require.Empty(t, dropped)
	require.EqualValues(t, 5, retained(b))
}
