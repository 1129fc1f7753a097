package portal

import (
	"fmt"
	"html/template"
	"math"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

// The chart's units; the page scales it to the width that there is. Numbers and
// words stand beside it, where they keep their size.
const (
	chartWidth  = 600
	chartHeight = 150
	chartFloor  = 134 // y of the line on which the bars stand; marks are below
	chartTop    = 4   // y of the highest bar's end

	// A run has its share of the width, and its bar the most of that; the bars of
	// few runs do not become slabs.
	chartShare = 0.7
	chartBar   = 32

	// chartSpeck is the height of what is not nothing, but too little to see.
	chartSpeck = 2
)

// chart is one number of each run as bars, from the oldest at the left edge to
// the newest at the right one.
type chart struct {
	ID            string
	Title         string
	Desc          string // the chart in a sentence
	Most          string // what the highest bar stands for; "" when there is none
	Width, Height int
	Floor         int
	Bars          []bar
	Oldest        template.HTML // when the first of several runs started; "" for one run
	Newest        template.HTML
}

// bar is one run. Those that did not deliver carry a mark, so that one need not
// see the color.
type bar struct {
	X, Width  float64
	Y, Height float64
	Tone      string // as of a status
	Mark      string // path of the mark below; "" is none
	Label     string
}

// chartOf draws what measure says of runs, which are the newest first.
func chartOf(id, title string, runs []service.RunView, measure func(schemas.Run) int64, say func(int64) string, zone zone) chart {
	c := chart{ID: id, Title: title, Width: chartWidth, Height: chartHeight, Floor: chartFloor}
	if len(runs) == 0 {
		return c
	}
	var most, failed int64
	for _, run := range runs {
		most = max(most, measure(run.Run))
		if run.Status == schemas.RunFailed {
			failed++
		}
	}
	c.Desc = plural(len(runs), "run") + " from the oldest on the left to the newest on the right. "
	if most > 0 {
		c.Most = say(most)
		c.Desc += "At most " + c.Most + ". "
	}
	c.Desc += map[bool]string{true: "None failed.", false: count(failed) + " failed, marked with a cross."}[failed == 0]
	c.Newest = zone.Minute(runs[0].StartedAt)
	if len(runs) > 1 {
		c.Oldest = zone.Minute(runs[len(runs)-1].StartedAt)
	}
	slot := float64(chartWidth) / float64(len(runs))
	width := min(slot*chartShare, chartBar)
	for i := range runs {
		run := runs[len(runs)-1-i]
		middle := (float64(i) + 0.5) * slot
		value := measure(run.Run)
		height := barHeight(value, most)
		known := statusOf(run.Status)
		c.Bars = append(c.Bars, bar{
			X: tenth(middle - width/2), Width: tenth(width),
			Y: chartFloor - height, Height: height,
			Tone: known.Tone, Mark: markOf(run.Status, int(middle)),
			Label: run.StartedAt.In(zone.Location).Format(minuteLayout) + ": " + known.Text + ", " + say(value),
		})
	}
	return c
}

// tenth keeps the page free of digits that nobody sees.
func tenth(units float64) float64 { return math.Round(10*units) / 10 }

// barHeight is proportional to the value; what is not nothing can be seen.
func barHeight(value, most int64) float64 {
	if value <= 0 || most <= 0 {
		return 0
	}
	return max(tenth(float64(value)/float64(most)*(chartFloor-chartTop)), chartSpeck)
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
