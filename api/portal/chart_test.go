package portal

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

func rowsOf(r schemas.Run) int64 { return r.Rows }

func runsWith(rows ...int64) []service.RunView {
	runs := make([]service.RunView, len(rows))
	for i, n := range rows {
		runs[i].Rows, runs[i].Status = n, schemas.RunSucceeded
		runs[i].StartedAt = time.Date(2026, 1, 2, 3, 60-i, 0, 0, time.UTC)
	}
	return runs
}

func TestChartHasTheNewestOnTheRight(t *testing.T) {
	t.Parallel()
	runs := runsWith(50, 100, 0, 1)
	runs[1].Status, runs[2].Status = schemas.RunRunning, schemas.RunFailed
	c := chartOf("rows", "Events", runs, rowsOf, inEvents, zone{time.FixedZone("", 3600)})

	require.Equal(t, "100 events", c.Most)
	require.Contains(t, c.Desc, "4 runs")
	require.Contains(t, c.Desc, "1 failed")
	var heights []float64
	var marked []bool
	for _, b := range c.Bars {
		heights, marked = append(heights, b.Height), append(marked, b.Mark != "")
	}
	full := float64(chartFloor - chartTop)
	require.Equal(t, []float64{chartSpeck, 0, full, full / 2}, heights)
	require.Equal(t, []bool{false, true, true, false}, marked, "whatever has not delivered has a mark")
	require.NotEqual(t, c.Bars[1].Mark[9:], c.Bars[2].Mark[9:], "and not the same one")
	require.Contains(t, c.Oldest, "2 Jan 2026, 04:57")
	require.Contains(t, c.Newest, "2 Jan 2026, 05:00")
	require.Equal(t, "2 Jan 2026, 04:57: Delivered, 1 event", c.Bars[0].Label, "in the person's zone")
}

// Few runs have the whole width as many have, and no bar is a slab.
func TestChartOfFewRuns(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 7} {
		c := chartOf("rows", "Events", runsWith(make([]int64, n)...), rowsOf, inEvents, zone{time.UTC})
		require.Equal(t, n > 1, c.Oldest != "", "one run has one time")
		require.NotEmpty(t, c.Newest)
		require.InDelta(t, c.Bars[0].X, chartWidth-c.Bars[n-1].X-c.Bars[n-1].Width, 0.2, "as far from both edges")
		require.LessOrEqual(t, c.Bars[0].X, float64(chartWidth)/float64(2*n))
		require.LessOrEqual(t, c.Bars[0].Width, float64(chartBar))
	}
}

func TestChartOfNothing(t *testing.T) {
	t.Parallel()
	for _, runs := range [][]service.RunView{nil, runsWith(0, 0)} {
		c := chartOf("rows", "Events", runs, rowsOf, size, zone{time.UTC})
		require.Empty(t, c.Most)
		require.NotContains(t, c.Desc, "At most")
		for _, b := range c.Bars {
			require.Zero(t, b.Height)
		}
	}
}

// Whatever the numbers, no bar leaves the chart, overlaps another or hides that
// there was something.
func TestChartKeepsWithinItsBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		rows := rapid.SliceOfN(rapid.Int64Range(0, 1<<62), 0, runsAtOnce).Draw(rt, "rows")
		c := chartOf("rows", "Events", runsWith(rows...), rowsOf, size, zone{time.UTC})
		right := 0.0
		for i, b := range c.Bars {
			require.GreaterOrEqual(rt, b.X, right-0.2, "rounded")
			right = b.X + b.Width
			require.GreaterOrEqual(rt, b.Y, float64(chartTop)-1e-9)
			require.InDelta(rt, chartFloor, b.Y+b.Height, 1e-9)
			require.Equal(rt, rows[len(rows)-1-i] > 0, b.Height >= chartSpeck)
		}
		require.LessOrEqual(rt, right, float64(c.Width))
	})
}
