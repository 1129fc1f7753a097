package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// spread puts the org's 30 events into the partitions of three days.
func spread(b bundle) {
	b.t.Helper()
	b.append(30)
	conn := connect(b.t, b.appURL)
	_, err := conn.Exec(b.t.Context(), `
		SELECT auditferry_ensure_partitions((now() AT TIME ZONE 'UTC')::date - 3, (now() AT TIME ZONE 'UTC')::date)`)
	require.NoError(b.t, err)
	b.asOwner(`UPDATE audit_event SET recorded_at = recorded_at - interval '2 days' WHERE org_id = $1 AND seq <= 10`, b.org)
	b.asOwner(`UPDATE audit_event SET recorded_at = recorded_at - interval '1 day' WHERE org_id = $1 AND seq BETWEEN 11 AND 20`, b.org)
}

// Invariant 1: a range gives each of its events once, in order, wherever days
// and parts begin and end.
func TestCopyEventsAcrossPartitions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	spread(b)
	other := b.withOrg(b.addOrg("Umbrella"))
	other.append(40)

	for _, part := range []struct{ first, last, wantFirst, wantLast int64 }{
		{1, 30, 1, 30},
		{1, 1, 1, 1},
		{10, 11, 10, 11}, // the day's last and the next day's first
		{11, 20, 11, 20}, // a day
		{5, 25, 5, 25},
		{21, 99, 21, 30}, // further than there is
		{31, 99, 1, 0},
		{9, 8, 1, 0},
	} {
		next := part.wantFirst
		rows, err := b.CopyEvents(t.Context(), b.org, part.first, part.last, func(body []byte) error {
			require.Equal(t, next, seqOf(t, body))
			next++
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, part.wantLast, next-1)
		require.Equal(t, part.wantLast-part.wantFirst+1, rows)
	}

	rows, err := b.CopyEvents(t.Context(), newID(t), 1, 30, func([]byte) error { return nil })
	require.NoError(t, err)
	require.Zero(t, rows)
	_, err = b.CopyEvents(t.Context(), uuid.Nil, 1, 30, func([]byte) error { return nil })
	require.Error(t, err)
}

var errDiskFull = errors.New("disk full")

func TestCopyEventsStopsAtAnError(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.append(2000)
	calls := 0
	_, err := b.CopyEvents(t.Context(), b.org, 1, 2000, func([]byte) error {
		calls++
		if calls == 3 {
			return errDiskFull
		}
		return nil
	})
	require.ErrorIs(t, err, errDiskFull)
	require.Equal(t, 3, calls)
	b.append(1) // the store goes on with another connection
}

func TestCopyEventsEndsWithItsContext(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 4 {
		b.append(5000) // more than the connection's buffers hold
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	calls := 0
	_, err := b.CopyEvents(ctx, b.org, 1, 20_000, func([]byte) error {
		calls++
		cancel()
		return nil
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Less(t, calls, 20_000)
	b.append(1)
}

// A long export must hold up neither appends nor the partitions of the days to
// come, and retention must not wait for it without end.
func TestCopyEventsIsInNobodysWay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 4 {
		b.append(5000)
	}
	spreadOut := false
	_, err := b.CopyEvents(t.Context(), b.org, 1, 20_000, func([]byte) error {
		if spreadOut {
			return nil
		}
		spreadOut = true
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		require.NoError(t, b.EnsurePartitions(ctx, 20))
		b.append(1)
		_, err := b.DropPartitions(ctx, -48*time.Hour)
		require.ErrorContains(t, err, "lock timeout")
		b.append(1)
		return nil
	})
	require.NoError(t, err)
	require.True(t, spreadOut)

	dropped, err := b.DropPartitions(t.Context(), -48*time.Hour)
	require.NoError(t, err)
	require.Len(t, dropped, 3) // yesterday, today and tomorrow
}

func seqOf(t *testing.T, body []byte) int64 {
	t.Helper()
	var e struct {
		Seq int64 `json:"seq"`
	}
	require.NoError(t, json.Unmarshal(body, &e))
	return e.Seq
}
