package postgres_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
)

// threeDays records 30 events, ten on each of three days.
func (b bundle) threeDays() {
	b.t.Helper()
	b.append(30)
	b.recordedOn(1, 10, daysAgo(3))
	b.recordedOn(11, 20, daysAgo(2))
	b.recordedOn(21, 30, daysAgo(1))
}

// expireDay drops a day's partition, as retention does.
func (b bundle) expireDay(day time.Time) {
	b.t.Helper()
	b.asOwner(`DROP TABLE audit_event_` + day.Format("20060102"))
}

func (b bundle) extent(from, upTo, limit int64) (extent *postgres.Extent) {
	b.t.Helper()
	b.in(func(tx *postgres.Tx) {
		var err error
		extent, err = tx.NextExtent(b.t.Context(), from, upTo, limit)
		require.NoError(b.t, err)
	})
	return extent
}

// Invariant 1: an extent begins where it is asked to, ends within the day on
// which it begins, and reaches neither beyond the limit nor beyond the end.
func TestExtentsStayWithinADay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.threeDays()
	b.withOrg(b.addOrg("Umbrella")).append(40)
	for name, test := range map[string]struct{ from, upTo, limit, first, last int64 }{
		"a whole day":                 {1, 30, 1000, 1, 10},
		"from the middle of a day":    {4, 30, 1000, 4, 10},
		"a day's last event":          {10, 30, 1000, 10, 10},
		"the next day's first":        {11, 30, 1000, 11, 20},
		"limited":                     {1, 30, 3, 1, 3},
		"exactly a day":               {11, 30, 10, 11, 20},
		"limited to one":              {15, 30, 1, 15, 15},
		"the end within a day":        {21, 25, 1000, 21, 25},
		"the limit beyond the end":    {21, 25, 5, 21, 25},
		"the limit before the end":    {21, 25, 4, 21, 24},
		"the largest limit there is":  {21, 30, math.MaxInt64, 21, 30},
		"one event alone":             {30, 30, 1000, 30, 30},
		"the last event of all a day": {30, 30, 1, 30, 30},
	} {
		extent := b.extent(test.from, test.upTo, test.limit)
		require.NotNil(t, extent, name)
		require.Equal(t, []int64{test.first, test.last}, []int64{extent.FirstSeq, extent.LastSeq}, name)
		require.Equal(t, b.recordedAt(test.first), *extent.RecordedFrom, name)
		require.Equal(t, b.recordedAt(test.last), *extent.RecordedTo, name)
		require.Equal(t, b.bodyBytes(test.first, test.last), extent.Bytes, name)
	}
	require.Nil(t, b.extent(31, 30, 1000))
	require.Nil(t, b.withOrg(b.addOrg("Empty")).extent(1, 0, 1000))
}

func (b bundle) recordedAt(seq int64) (at time.Time) {
	b.t.Helper()
	b.in(func(tx *postgres.Tx) {
		first, found, err := tx.FirstRetained(b.t.Context(), seq, seq)
		require.NoError(b.t, err)
		require.Equal(b.t, seq, first)
		at = found
	})
	return at
}

// bodyBytes measures what total_bytes is to tell.
func (b bundle) bodyBytes(first, last int64) (bytes int64) {
	b.t.Helper()
	_, err := b.CopyEvents(b.t.Context(), b.org, first, last, everything, func(body []byte) error {
		bytes += int64(len(body))
		return nil
	})
	require.NoError(b.t, err)
	return bytes
}

// Invariant 1: what has expired is an extent of its own, however large, and
// ends where the retained events begin.
func TestExpiredEventsAreAnExtentOfTheirOwn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.threeDays()
	b.expireDay(daysAgo(3))
	require.Equal(t, &postgres.Extent{FirstSeq: 4, LastSeq: 10}, b.extent(4, 30, 2))
	require.Equal(t, &postgres.Extent{FirstSeq: 4, LastSeq: 7}, b.extent(4, 7, 2), "no further than asked for")
	retained := b.extent(11, 30, 1000)
	require.EqualValues(t, 20, retained.LastSeq)
	require.NotNil(t, retained.RecordedFrom)

	b.expireDay(daysAgo(2))
	b.expireDay(daysAgo(1))
	require.Equal(t, &postgres.Extent{FirstSeq: 1, LastSeq: 30}, b.extent(1, 30, 2))
}

func TestWhereEventsAreFound(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	b.in(func(tx *postgres.Tx) {
		newest, err := tx.NewestSeq(ctx)
		require.NoError(t, err)
		require.Zero(t, newest)
		first, err := tx.SeqAt(ctx, daysAgo(9))
		require.NoError(t, err)
		require.EqualValues(t, 1, first, "the next one")
	})
	b.threeDays()
	b.expireDay(daysAgo(3))
	b.withOrg(b.addOrg("Umbrella")).append(40)
	b.in(func(tx *postgres.Tx) {
		newest, err := tx.NewestSeq(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 30, newest)
		for at, want := range map[time.Time]int64{
			daysAgo(9):                           11, // the oldest that is retained
			daysAgo(2):                           11,
			daysAgo(2).Add(3 * time.Microsecond): 14,
			daysAgo(2).Add(time.Hour):            21,
			daysAgo(0):                           31,
		} {
			seq, err := tx.SeqAt(ctx, at)
			require.NoError(t, err)
			require.Equal(t, want, seq, at)
		}
		first, at, err := tx.FirstRetained(ctx, 5, 30)
		require.NoError(t, err)
		require.EqualValues(t, 11, first)
		require.Equal(t, daysAgo(2), at)
		_, _, err = tx.FirstRetained(ctx, 1, 10)
		require.ErrorIs(t, err, postgres.ErrNotFound)
	})
}

// Invariant 8: while a run chooses its window no day is dropped, and once it is
// open the drop sees it.
func TestHeldEventsAreNotDropped(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	b.threeDays()
	e := b.addExport(b.addIntegration("s3://logs/"), "daily")
	w := recordedIn(b.windowOf(e, 11, 20), daysAgo(2))
	b.in(func(tx *postgres.Tx) {
		require.NoError(t, tx.HoldEvents(ctx))
		_, err := b.DropPartitions(ctx, 24*time.Hour)
		require.ErrorContains(t, err, "lock timeout")
		require.NoError(t, tx.InsertWindow(ctx, w))
	})
	r := b.beginRun(w)
	drop := func() []string {
		dropped, err := b.DropPartitions(ctx, 24*time.Hour)
		require.NoError(t, err)
		return dropped
	}
	name := func(day time.Time) string { return "audit_event_" + day.Format("20060102") }
	require.Contains(t, drop(), name(daysAgo(3)))
	require.NotNil(t, b.extent(11, 30, 1000).RecordedFrom)
	b.complete(w, r, wholeParts(w))
	require.Contains(t, drop(), name(daysAgo(2)))
}
