package portal

import (
	"fmt"
	"math"
	"strconv"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

// The chart's units; the page scales it to the width that there is. Numbers and
// words stand beside it, where they keep their size.
const (
	chartHeight = 150
	chartSlot   = 10 // from one bar to the next
	chartBar    = 7
	chartFloor  = 134 // y of the line on which the bars stand; marks are below
	chartTop    = 4   // y of the highest bar's end

	// chartSlots is how many slots there are, so that the charts of few runs and
	// of many look the same.
	chartSlots = runsAtOnce

	// chartSpeck is the height of what is not nothing, but too little to see.
	chartSpeck = 2
)

// chart is one number of each run as bars, the newest at the right edge.
type chart struct {
	ID            string
	Title         string
	Desc          string // the chart in a sentence
	Most          string // what the highest bar stands for
	Width, Height int
	Floor         int
	Bars          []bar
}

// bar is one run. Those that did not deliver carry a mark, so that one need not
// see the color.
type bar struct {
	X, Width  int
	Y, Height float64
	Tone      string // as of a status
	Mark      string // path of the mark below; "" is none
	Label     string
}

// chartOf draws what measure says of runs, which are the newest first and at
// most as many as there are slots.
func chartOf(id, title string, runs []service.RunView, measure func(schemas.Run) int64, say func(int64) string, zone zone) chart {
	c := chart{ID: id, Title: title, Width: chartSlot * chartSlots, Height: chartHeight, Floor: chartFloor}
	var most, failed int64
	for _, run := range runs {
		most = max(most, measure(run.Run))
		if run.Status == schemas.RunFailed {
			failed++
		}
	}
	c.Most = say(most)
	c.Desc = fmt.Sprintf("%s from the oldest on the left to the newest on the right, at most %s. ", plural(len(runs), "run"), c.Most)
	c.Desc += map[bool]string{true: "None failed.", false: strconv.FormatInt(failed, 10) + " failed, marked with a cross."}[failed == 0]
	for i := range runs {
		run := runs[len(runs)-1-i]
		x := (chartSlots - len(runs) + i) * chartSlot
		value := measure(run.Run)
		height := barHeight(value, most)
		known := statusOf(run.Status)
		c.Bars = append(c.Bars, bar{
			X: x + (chartSlot-chartBar)/2, Width: chartBar,
			Y: chartFloor - height, Height: height,
			Tone: known.Tone, Mark: markOf(run.Status, x+chartSlot/2),
			Label: run.StartedAt.In(zone.Location).Format(minuteLayout) + ": " + known.Text + ", " + say(value),
		})
	}
	return c
}

// barHeight is proportional to the value, to a tenth of a unit; what is not
// nothing can be seen.
func barHeight(value, most int64) float64 {
	if value <= 0 || most <= 0 {
		return 0
	}
	return max(math.Round(10*float64(value)/float64(most)*(chartFloor-chartTop))/10, chartSpeck)
}

// markOf is the mark of a run around x: a cross for failed, a ring for running
// and a dash for cancelled ones.
func markOf(of schemas.RunStatus, x int) string {
	const y = chartFloor + 8
	switch of {
	case schemas.RunFailed:
		return fmt.Sprintf("M%d %dl7 7m0 -7l-7 7", x-3, y-3)
	case schemas.RunRunning:
		return fmt.Sprintf("M%d %da3 3 0 1 0 6 0a3 3 0 1 0 -6 0", x-3, y)
	case schemas.RunCancelled:
		return fmt.Sprintf("M%d %dh7", x-3, y)
	default:
		return ""
	}
}
