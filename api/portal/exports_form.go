package portal

import (
	"cmp"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/auditferry/auditferry/schemas"
)

// The fields of a schedule that are not named as the service names them: an
// interval is a number and a unit.
const (
	everyNumber = "every.number"
	everyUnit   = "every.unit"
)

// unit is a unit of an interval.
type unit struct {
	Value, Name string
	length      time.Duration
}

var units = []unit{
	{"s", "seconds", time.Second},
	{"m", "minutes", time.Minute},
	{"h", "hours", time.Hour},
	{"d", "days", 24 * time.Hour},
}

// scheduleFrom reads a schedule. Only the fields of the chosen kind count; what
// was typed into another's stays in the form.
func scheduleFrom(f *form) (schemas.Schedule, error) {
	s := schemas.Schedule{Kind: schemas.ScheduleKind(f.Get("schedule.kind")), Jitter: f.Get("schedule.jitter")}
	if s.Kind != schemas.ScheduleInterval {
		s.TimeZone = f.Text("schedule.time_zone")
	}
	switch s.Kind {
	case schemas.ScheduleInterval:
		every, err := everyFrom(f.Text(everyNumber), f.Get(everyUnit))
		if err != nil {
			return s, err
		}
		s.Every = every
	case schemas.ScheduleWeekly:
		s.At, s.Weekdays = timeOfDay(f), f.Values["schedule.weekdays"]
	case schemas.ScheduleDaily:
		s.At = timeOfDay(f)
	case schemas.ScheduleCron:
		s.Cron = strings.Join(strings.Fields(f.Get("schedule.cron")), " ")
	}
	return s, nil
}

// timeOfDay is a time to the minute; browsers may send its seconds as well.
func timeOfDay(f *form) string {
	at := f.Text("schedule.at")
	if len(at) == len("15:04:05") && strings.HasSuffix(at, ":00") {
		return at[:len("15:04")]
	}
	return at
}

func everyFrom(number, name string) (string, error) {
	bad := fieldError(everyNumber, fmt.Sprintf("must be a whole number, and from %s to %s in all", span(schemas.MinInterval), span(schemas.MaxInterval)))
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > int(schemas.MaxInterval/time.Second) {
		return "", bad
	}
	for _, unit := range units {
		if unit.Value != name {
			continue
		}
		every := time.Duration(n) * unit.length
		if every < schemas.MinInterval || every > schemas.MaxInterval {
			return "", bad
		}
		return duration(every), nil
	}
	return "", bad
}

// duration is a Go duration in its largest whole unit: 15m, and not 15m0s.
func duration(d time.Duration) string {
	switch {
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	default:
		return fmt.Sprintf("%ds", d/time.Second)
	}
}

// intervalOf is an interval in its largest whole unit.
func intervalOf(every string) (number, name string) {
	d, err := time.ParseDuration(every)
	if err != nil || d <= 0 {
		return "1", "h"
	}
	for i := len(units) - 1; i >= 0; i-- {
		if d%units[i].length == 0 {
			return strconv.Itoa(int(d / units[i].length)), units[i].Value
		}
	}
	return strconv.Itoa(int(d.Seconds())), "s"
}

// putSchedule fills the fields in. Those of the other kinds get what most people
// would choose.
func putSchedule(values url.Values, s schemas.Schedule, zone string) {
	values.Set("schedule.kind", string(s.Kind))
	number, name := intervalOf(s.Every)
	values.Set(everyNumber, number)
	values.Set(everyUnit, name)
	values.Set("schedule.at", cmp.Or(s.At, "02:00"))
	values["schedule.weekdays"] = s.Weekdays
	values.Set("schedule.cron", cmp.Or(s.Cron, "0 2 * * 1-5"))
	if s.TimeZone != "" || s.Kind != schemas.ScheduleInterval {
		zone = cmp.Or(s.TimeZone, "UTC")
	}
	values.Set("schedule.time_zone", zone)
	values.Set("schedule.jitter", s.Jitter)
}

// shape is how objects look, and which events are in them.
type shape struct {
	Format       schemas.Format
	Compression  schemas.Compression
	PathTemplate schemas.PathTemplate
	Filter       schemas.Filter
}

func shapeFrom(f *form) shape {
	return shape{
		Format:       schemas.Format(f.Get("format")),
		Compression:  schemas.Compression(f.Get("compression")),
		PathTemplate: schemas.PathTemplate(f.Text("path_template")),
		Filter: schemas.Filter{
			Actions:       lines(f.Get("filter.actions")),
			ExceptActions: lines(f.Get("filter.except_actions")),
			Outcome:       schemas.Outcome(f.Get("filter.outcome")),
		},
	}
}

func putShape(values url.Values, s shape) {
	values.Set("format", string(s.Format))
	values.Set("compression", string(s.Compression))
	values.Set("path_template", string(s.PathTemplate))
	values.Set("filter.actions", strings.Join(s.Filter.Actions, "\n"))
	values.Set("filter.except_actions", strings.Join(s.Filter.ExceptActions, "\n"))
	values.Set("filter.outcome", string(s.Filter.Outcome))
}

func shapeOf(e schemas.Export) shape {
	return shape{e.Format, e.Compression, e.PathTemplate, e.Filter}
}

// lines are those that are not blank, without the space at their edges.
func lines(text string) (all []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}

// asTyped is err about an export's values with the names of its form.
func asTyped(err error, s shape) error {
	return renamed(aboutEntries(err, s.Filter), "schedule.every", everyNumber)
}
