package portal

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/auditferry/auditferry/schemas"
)

func TestDayStates(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		day  schemas.LedgerDay
		want dayState
	}{
		{schemas.LedgerDay{}, dayEmpty},
		{schemas.LedgerDay{Recorded: 5, Delivered: 5}, dayDelivered},
		{schemas.LedgerDay{Recorded: 5, Delivered: 2, Excluded: 3}, dayDelivered},
		{schemas.LedgerDay{Recorded: 5, Delivered: 2, Before: 3}, dayDelivered},
		{schemas.LedgerDay{Recorded: 5, Excluded: 5}, dayExcluded},
		{schemas.LedgerDay{Recorded: 5, Excluded: 2, Before: 3}, dayExcluded},
		{schemas.LedgerDay{Recorded: 5, Before: 5}, dayBefore},
		{schemas.LedgerDay{Recorded: 5, Undelivered: 5}, dayWaiting},
		{schemas.LedgerDay{Recorded: 5, Undelivered: 2, Before: 3}, dayWaiting},
		{schemas.LedgerDay{Recorded: 5, Undelivered: 2, Delivered: 3}, dayPart},
		{schemas.LedgerDay{Recorded: 5, Undelivered: 2, Excluded: 3}, dayPart},
		{schemas.LedgerDay{Recorded: 5, Expired: 1, Delivered: 4}, dayLost},
		{schemas.LedgerDay{Recorded: 5, Expired: 1, Undelivered: 4}, dayLost},
	} {
		require.Equal(t, test.want, stateOf(test.day), "%+v", test.day)
	}
}

// Without its color a state is still told from the others.
func TestDayStatesHaveSignsOfTheirOwn(t *testing.T) {
	t.Parallel()
	signs, texts := map[string]bool{}, map[string]bool{}
	for _, state := range dayStates {
		signs[state.Sign], texts[state.Text] = true, true
	}
	require.Len(t, dayStates, 7)
	require.Len(t, signs, len(dayStates))
	require.Len(t, texts, len(dayStates))
}

func TestLedgerCellTellsItsNumbers(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	cells := ledgerCells([]schemas.LedgerDay{{Day: "2026-11-22", Recorded: 1500, Delivered: 1200, Undelivered: 300}}, at, at.AddDate(0, 0, 1))
	require.Equal(t, "Sun 22 Nov 2026: Delivered in part, 1,500 recorded, 1,200 delivered, 300 undelivered", cells[0].Title())
	require.Equal(t, "Mon 23 Nov 2026: Nothing recorded", cells[1].Title())
}

// Every day is in the calendar once, under its day of the week, and beneath one
// month.
func TestCalendar(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		now := time.Unix(rapid.Int64Range(0, 1<<33).Draw(rt, "now"), 0)
		span := rapid.SampledFrom(ledgerSpans).Draw(rt, "span")
		from, to := ledgerPeriod(span, now)
		require.Equal(rt, now.UTC().Format(time.DateOnly), to.Format(time.DateOnly))
		cells := ledgerCells(nil, from, to)
		require.Len(rt, cells, span)
		weeks := weeksOf(cells)
		var inside []ledgerCell
		for i := range weeks {
			week := weeks[len(weeks)-1-i]
			require.Len(rt, week, 7)
			for n, cell := range week {
				require.Equal(rt, n, weekday(cell.At))
				if !cell.Outside {
					inside = append(inside, cell)
				}
			}
		}
		require.Equal(rt, cells, inside)
		days := 0
		for _, month := range monthsOf(from, to) {
			require.Equal(rt, cells[days].At, month.At)
			days += month.Days
		}
		require.Equal(rt, span, days)
	})
	require.Empty(t, weeksOf(nil))
}

func TestLedgerSpan(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]int{"": 30, "7": 7, "30": 30, "90": 30, "365": 30, "-1": 30, "x": 30, "100000": 30} {
		require.Equal(t, want, ledgerSpan(raw, rowSpans), raw)
	}
	require.Equal(t, 365, ledgerSpan("365", ledgerSpans))
}
