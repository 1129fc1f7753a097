package postgres_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
)

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
	rows, err := b.CopyEvents(t.Context(), b.org, 1, 99, func([]byte) error { return nil })
	require.NoError(t, err)
	require.EqualValues(t, 8, rows)
}

func TestPartitionsAreDroppedByWholeDays(t *testing.T) {
	t.Parallel()
	b := setup(t)
	spread(b)
	day := func(n int) string { return "audit_event_" + time.Now().UTC().AddDate(0, 0, -n).Format("20060102") }

	dropped, err := b.DropPartitions(t.Context(), 30*24*time.Hour)
	require.NoError(t, err)
	require.Empty(t, dropped)

	dropped, err = b.DropPartitions(t.Context(), 24*time.Hour) // keeps yesterday, which ended less than a day ago
	require.NoError(t, err)
	require.Equal(t, []string{day(3), day(2)}, dropped)

	rows, err := b.CopyEvents(t.Context(), b.org, 1, 30, func([]byte) error { return nil })
	require.NoError(t, err)
	require.EqualValues(t, 20, rows)
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
