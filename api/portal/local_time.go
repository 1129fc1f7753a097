package portal

import (
	"slices"
	"time"
)

// zoneField is the hidden field with the zone in which a form's times are: that
// of the page on which they were typed, whatever the person's is by the time
// that the form is read.
const zoneField = "zone"

// formZone is the zone in which a form's times are; otherwise where it names
// none that is known.
func formZone(f *form, otherwise *time.Location) *time.Location {
	if in, known := zoneNamed(f.Get(zoneField)); known {
		return in
	}
	return otherwise
}

// localLayout is how browsers send a time without a zone.
const localLayout = "2006-01-02T15:04"

// localLayouts are those in which they do when it has seconds, too.
var localLayouts = []string{localLayout, localLayout + ":05"}

// localTime reads the time that was typed into a field. Where clocks are set
// back it comes twice, and first and last differ: a range from the first and
// before the last holds both. Where they are set forward it does not come at
// all, and is refused.
func localTime(f *form, field string, in *time.Location) (first, last time.Time, err error) {
	for _, layout := range localLayouts {
		wall, err := time.Parse(layout, f.Text(field))
		if err != nil {
			continue
		}
		moments, skippedTo := momentsOf(wall, in)
		if len(moments) == 0 {
			return first, last, fieldError(field,
				"does not exist in "+in.String()+", where clocks are set forward then; take "+skippedTo.Format(minuteLayout)+" instead")
		}
		return moments[0], moments[len(moments)-1], nil
	}
	return first, last, fieldError(field, "must be a day and a time, such as 2026-05-31T14:00")
}

// momentsOf gives the moments at which clocks in a zone show what wall shows in
// UTC, the earliest first. When there is none, skippedTo is the moment to which
// clocks are set.
func momentsOf(wall time.Time, in *time.Location) (moments []time.Time, skippedTo time.Time) {
	guess := wallIn(wall, in) // where clocks are set, it goes by one of the two offsets
	start, end := guess.ZoneBounds()
	for _, near := range []time.Time{start.Add(-1), guess, end} {
		_, offset := near.In(in).Zone()
		at := wall.Add(-time.Duration(offset) * time.Second).In(in)
		if wallIn(at, time.UTC).Equal(wall) {
			moments = append(moments, at)
		}
	}
	slices.SortFunc(moments, time.Time.Compare)
	moments = slices.CompactFunc(moments, time.Time.Equal)
	if wallIn(guess, time.UTC).After(wall) {
		return moments, start
	}
	return moments, end
}

// wallIn is when clocks in a zone show what wall shows in its own.
func wallIn(wall time.Time, in *time.Location) time.Time {
	year, month, day := wall.Date()
	hour, minute, second := wall.Clock()
	return time.Date(year, month, day, hour, minute, second, 0, in)
}
