package schedule

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	_ "time/tzdata" // time zones must not depend on what the machine has installed

	"github.com/robfig/cron/v3"
	"go.temporal.io/sdk/client"

	"github.com/auditferry/auditferry/schemas"
)

// Validate checks a schedule completely: what schemas.Schedule.Validate
// checks, the ranges of the cron fields, that the cron expression ever
// matches, and that the time zone exists. It returns a *schemas.FieldError, or
// several joined; of two about the same field the first counts.
func Validate(s schemas.Schedule) error {
	zone, badZone := loadZone(s.TimeZone)
	return errors.Join(s.Validate(), checkCron(s, cmp.Or(zone, time.UTC)), badZone)
}

func checkCron(s schemas.Schedule, zone *time.Location) error {
	if s.Kind != schemas.ScheduleCron {
		return nil
	}
	calendar, err := parseCron(s.Cron, zone)
	if err != nil {
		return err
	}
	if calendar.Next(time.Now().In(zone)).IsZero() {
		return &schemas.FieldError{Field: "schedule.cron", Message: "names a date that does not come, such as February 30"}
	}
	return nil
}

// Next gives the first n times after from at which the schedule is due, in its
// time zone and before jitter. They are the times at which Temporal starts
// runs, except within a day of a change of the clocks: there the two disagree
// about hours that do not exist or come twice. Fewer than n times come back
// only when no more exist.
func Next(s schemas.Schedule, from time.Time, n int) ([]time.Time, error) {
	f, err := parse(s)
	if err != nil {
		return nil, err
	}
	times := make([]time.Time, 0, n)
	for at := f.next(from); len(times) < n && !at.IsZero(); at = f.next(at) {
		times = append(times, at)
	}
	return times, nil
}

// frequency is a schedule in the two forms that exist: a fixed interval, or
// times of a calendar. Both Temporal's spec and the times shown to people
// derive from it, so they cannot disagree.
type frequency struct {
	every    time.Duration      // interval; 0: calendar counts
	calendar *cron.SpecSchedule // with the time zone as its location
	zone     *time.Location
	jitter   time.Duration
}

// parse reads a schedule; its error is a *schemas.FieldError.
func parse(s schemas.Schedule) (frequency, error) {
	zone, err := loadZone(s.TimeZone)
	if err != nil {
		return frequency{}, err
	}
	f := frequency{zone: zone}
	if s.Jitter != "" {
		if f.jitter, err = time.ParseDuration(s.Jitter); err != nil {
			return frequency{}, &schemas.FieldError{Field: "schedule.jitter", Message: "must be a duration such as 30s"}
		}
	}
	if s.Kind == schemas.ScheduleInterval {
		f.every, err = time.ParseDuration(s.Every)
		if err != nil || f.every <= 0 {
			return frequency{}, &schemas.FieldError{Field: "schedule.every", Message: "must be a duration such as 15m"}
		}
		return f, nil
	}
	expression, err := cronExpression(s)
	if err != nil {
		return frequency{}, err
	}
	f.calendar, err = parseCron(expression, zone)
	return f, err
}

// machineZone matches what a machine's own time zone folder may hold, or Go
// takes for its own zone, and Temporal does not know or reads otherwise.
var machineZone = regexp.MustCompile(`^(Local|localtime|posixrules|Factory|posix/.*|right/.*)$`)

func loadZone(name string) (*time.Location, error) {
	if machineZone.MatchString(name) {
		return nil, &schemas.FieldError{Field: "schedule.time_zone", Message: "must be an IANA name such as Europe/Berlin; leave it out for UTC"}
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, &schemas.FieldError{
			Field:   "schedule.time_zone",
			Message: fmt.Sprintf("has the unknown zone %q; use an IANA name such as Europe/Berlin, or leave it out for UTC", name),
		}
	}
	return zone, nil
}

// cronExpression is the cron form of everything that is not an interval.
func cronExpression(s schemas.Schedule) (string, error) {
	switch s.Kind {
	case schemas.ScheduleCron:
		return s.Cron, nil
	case schemas.ScheduleDaily, schemas.ScheduleWeekly:
		at, err := time.Parse("15:04", s.At)
		if err != nil {
			return "", &schemas.FieldError{Field: "schedule.at", Message: "must be a time of day such as 02:00"}
		}
		days, err := cronWeekdays(s)
		return fmt.Sprintf("%d %d * * %s", at.Minute(), at.Hour(), days), err
	default:
		return "", &schemas.FieldError{Field: "schedule.kind", Message: "must be interval, daily, weekly or cron"}
	}
}

func cronWeekdays(s schemas.Schedule) (string, error) {
	if s.Kind == schemas.ScheduleDaily {
		return "*", nil
	}
	days := make([]string, len(s.Weekdays))
	for i, name := range s.Weekdays {
		day, ok := schemas.Weekday(name)
		if !ok {
			return "", &schemas.FieldError{Field: "schedule.weekdays", Message: fmt.Sprintf("has the unknown day %q", name)}
		}
		days[i] = fmt.Sprint(int(day))
	}
	return strings.Join(days, ","), nil
}

// Only the five plain fields: no seconds, and no words such as @daily, which
// have no fields to show.
var cronParser = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

func parseCron(expression string, zone *time.Location) (*cron.SpecSchedule, error) {
	bad := func(err error) error {
		return &schemas.FieldError{Field: "schedule.cron", Message: "is not a cron expression: " + err.Error()}
	}
	// The library would take a zone from the expression, and ours is elsewhere.
	if strings.Contains(expression, "TZ=") {
		return nil, bad(errors.New("the time zone has a field of its own"))
	}
	parsed, err := cronParser.Parse(expression)
	if err != nil {
		return nil, bad(err)
	}
	calendar, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return nil, bad(errors.New("it has no calendar fields"))
	}
	calendar.Location = zone
	return calendar, nil
}

// next is the first due time after from; zero when there is none within five
// years.
func (f frequency) next(from time.Time) time.Time {
	if f.every == 0 {
		return f.calendar.Next(from.In(f.zone))
	}
	// Temporal counts intervals from the Unix epoch.
	every := f.every.Nanoseconds()
	return time.Unix(0, (from.UnixNano()/every+1)*every).In(f.zone)
}

// spec is the frequency as Temporal is told it, in the very form in which
// Temporal tells it back.
func (f frequency) spec() client.ScheduleSpec {
	spec := client.ScheduleSpec{Jitter: f.jitter, TimeZoneName: f.zone.String()}
	if f.every > 0 {
		spec.Intervals = []client.ScheduleIntervalSpec{{Every: f.every}}
		return spec
	}
	spec.Calendars = calendars(f.calendar)
	return spec
}

// wildcard is the bit by which the cron library marks a field that began with
// a star.
const wildcard = 1 << 63

// calendars translates cron fields. Cron runs when the day of month *or* the
// day of week matches if both are given, while Temporal wants both to match:
// then it takes two calendars.
func calendars(c *cron.SpecSchedule) []client.ScheduleCalendarSpec {
	calendar := client.ScheduleCalendarSpec{
		Second:     []client.ScheduleRange{{Start: 0, End: 0, Step: 1}},
		Minute:     ranges(c.Minute, 0, 59),
		Hour:       ranges(c.Hour, 0, 23),
		DayOfMonth: ranges(c.Dom, 1, 31),
		Month:      ranges(c.Month, 1, 12),
		Year:       []client.ScheduleRange{}, // every year; not nil, because Temporal tells it back so
		DayOfWeek:  ranges(c.Dow, 0, 6),
	}
	if c.Dom&wildcard != 0 || c.Dow&wildcard != 0 {
		return []client.ScheduleCalendarSpec{calendar}
	}
	byMonth, byWeek := calendar, calendar
	byMonth.DayOfWeek = []client.ScheduleRange{{Start: 0, End: 6, Step: 1}}
	byWeek.DayOfMonth = []client.ScheduleRange{{Start: 1, End: 31, Step: 1}}
	return []client.ScheduleCalendarSpec{byMonth, byWeek}
}

// ranges lists the runs of bits that are set from low to high.
func ranges(bits uint64, low, high int) []client.ScheduleRange {
	var out []client.ScheduleRange
	for i := low; i <= high; i++ {
		if bits&(1<<uint(i)) == 0 {
			continue
		}
		if n := len(out); n > 0 && out[n-1].End == i-1 {
			out[n-1].End = i
			continue
		}
		out = append(out, client.ScheduleRange{Start: i, End: i, Step: 1})
	}
	return out
}
