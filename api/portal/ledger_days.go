package portal

import (
	"strings"
	"time"

	"github.com/auditferry/auditferry/schemas"
)

// dayState is what became of the events of a day as a whole: a sign and words,
// and a color beside them.
type dayState struct {
	Name string // stable
	Sign string
	Text string
	Tone string // as of a status; "" is none
}

// The states, the most urgent first.
var (
	dayLost      = dayState{"lost", "✕", "Some expired before delivery", "bad"}
	dayWaiting   = dayState{"waiting", "○", "Undelivered", "warn"}
	dayPart      = dayState{"part", "◐", "Delivered in part", "busy"}
	dayDelivered = dayState{"delivered", "✓", "Delivered", "good"}
	dayExcluded  = dayState{"excluded", "–", "All excluded by the filter", ""}
	dayBefore    = dayState{"before", "‹", "Before the export’s start", ""}
	dayEmpty     = dayState{"empty", "·", "Nothing recorded", ""}
)

// dayStates are all states, for the legend.
var dayStates = []dayState{dayDelivered, dayPart, dayWaiting, dayLost, dayExcluded, dayBefore, dayEmpty}

func stateOf(d schemas.LedgerDay) dayState {
	switch {
	case d.Recorded == 0:
		return dayEmpty
	case d.Expired > 0:
		return dayLost
	case d.Undelivered > 0 && d.Delivered+d.Excluded == 0:
		return dayWaiting
	case d.Undelivered > 0:
		return dayPart
	case d.Before == d.Recorded:
		return dayBefore
	case d.Delivered == 0:
		return dayExcluded
	default:
		return dayDelivered
	}
}

// ledgerCell is a day of the calendar. Outside is for days that only fill a
// week up.
type ledgerCell struct {
	schemas.LedgerDay
	At      time.Time // its beginning, in UTC
	State   dayState
	Outside bool
}

// Title says the day's numbers in a line.
func (c ledgerCell) Title() string {
	parts := []string{c.At.Format("Mon 2 Jan 2006") + ": " + c.State.Text}
	for _, part := range []struct {
		n    int64
		what string
	}{
		{c.Recorded, "recorded"}, {c.Delivered, "delivered"}, {c.Undelivered, "undelivered"},
		{c.Excluded, "excluded"}, {c.Expired, "expired"}, {c.Before, "before the start"},
	} {
		if part.n > 0 {
			parts = append(parts, count(part.n)+" "+part.what)
		}
	}
	return strings.Join(parts, ", ")
}

// ledgerCells gives every day from the first to the last, both included. Days of
// which the ledger says nothing are empty.
func ledgerCells(days []schemas.LedgerDay, from, to time.Time) []ledgerCell {
	known := make(map[string]schemas.LedgerDay, len(days))
	for _, d := range days {
		known[d.Day] = d
	}
	var cells []ledgerCell
	for at := from; !at.After(to); at = at.AddDate(0, 0, 1) {
		d := known[at.Format(time.DateOnly)]
		d.Day = at.Format(time.DateOnly)
		cells = append(cells, ledgerCell{LedgerDay: d, At: at, State: stateOf(d)})
	}
	return cells
}

// weeksOf lays days out in weeks from Monday to Sunday, the newest week first,
// and fills the first and the last one up.
func weeksOf(cells []ledgerCell) (weeks [][]ledgerCell) {
	if len(cells) == 0 {
		return nil
	}
	outside := func(at time.Time) ledgerCell { return ledgerCell{At: at, Outside: true} }
	var filled []ledgerCell
	first := cells[0].At
	for at := first.AddDate(0, 0, -weekday(first)); at.Before(first); at = at.AddDate(0, 0, 1) {
		filled = append(filled, outside(at))
	}
	filled = append(filled, cells...)
	for at := cells[len(cells)-1].At.AddDate(0, 0, 1); len(filled)%7 != 0; at = at.AddDate(0, 0, 1) {
		filled = append(filled, outside(at))
	}
	for end := len(filled); end > 0; end -= 7 {
		weeks = append(weeks, filled[end-7:end])
	}
	return weeks
}

// weekday counts from Monday, which is 0.
func weekday(at time.Time) int { return (int(at.Weekday()) + 6) % 7 }

// ledgerMonth is a heading over the columns of that many days.
type ledgerMonth struct {
	At   time.Time
	Days int
}

// Title is the month as long as its columns let it be.
func (m ledgerMonth) Title() string {
	switch {
	case m.Days < 3:
		return ""
	case m.Days < 6:
		return m.At.Format("Jan")
	default:
		return m.At.Format("January 2006")
	}
}

func monthsOf(from, to time.Time) (months []ledgerMonth) {
	for at := from; !at.After(to); at = at.AddDate(0, 0, 1) {
		if last := len(months) - 1; last >= 0 && months[last].At.Month() == at.Month() {
			months[last].Days++
			continue
		}
		months = append(months, ledgerMonth{at, 1})
	}
	return months
}
