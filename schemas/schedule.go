package schemas

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// ScheduleKind is the way a frequency is given.
type ScheduleKind string

// The schedule kinds.
const (
	ScheduleInterval ScheduleKind = "interval"
	ScheduleDaily    ScheduleKind = "daily"
	ScheduleWeekly   ScheduleKind = "weekly"
	ScheduleCron     ScheduleKind = "cron"
)

// MinInterval is the shortest pause between two runs of an export, and
// MaxInterval the longest: longer ones risk that events expire undelivered.
const (
	MinInterval = 5 * time.Second
	MaxInterval = 7 * 24 * time.Hour
)

// Schedule is an export's frequency. Which members count depends on the kind.
type Schedule struct {
	Kind     ScheduleKind `json:"kind"`
	Every    string       `json:"every,omitempty"`     // interval: a Go duration such as "15m" or "1h"
	At       string       `json:"at,omitempty"`        // daily, weekly: "HH:MM"
	Weekdays []string     `json:"weekdays,omitempty"`  // weekly: "monday" ... "sunday"
	Cron     string       `json:"cron,omitempty"`      // cron: minute hour day-of-month month day-of-week
	TimeZone string       `json:"time_zone,omitempty"` // IANA name; "" is UTC
	Jitter   string       `json:"jitter,omitempty"`    // a Go duration; runs start up to this much later
}

var weekdays = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

// Weekday reads one of the lower-case English names.
func Weekday(name string) (day time.Weekday, ok bool) {
	i := slices.Index(weekdays, name)
	return time.Weekday(max(i, 0)), i >= 0
}

var clock = regexp.MustCompile(`^([01]\d|2[0-3]):([0-5]\d)$`)

// Validate checks everything but the cron fields' ranges and the time zone's
// existence, which need more than the standard library promises on every
// machine; the schedule adapter checks those. It returns a *FieldError, or
// several joined, one for each field that is wrong.
func (s Schedule) Validate() error {
	var own error
	switch s.Kind {
	case ScheduleInterval:
		own = s.checkEvery()
	case ScheduleDaily:
		own = s.checkAt()
	case ScheduleWeekly:
		own = errors.Join(s.checkWeekdays(), s.checkAt())
	case ScheduleCron:
		own = s.checkCron()
	default: // of no kind is known what belongs to it
		return errors.Join(badSchedule("kind", "must be interval, daily, weekly or cron"), s.checkJitter())
	}
	return errors.Join(own, s.onlyItsOwn(), s.checkJitter())
}

func badSchedule(field, format string, args ...any) error {
	return &FieldError{"schedule." + field, fmt.Sprintf(format, args...)}
}

func (s Schedule) checkEvery() error {
	every, err := time.ParseDuration(s.Every)
	if err != nil {
		return badSchedule("every", "must be a duration such as 15m or 1h")
	}
	if every < MinInterval || every > MaxInterval || every%time.Second != 0 {
		return badSchedule("every", "must be whole seconds from %s to %s", MinInterval, MaxInterval)
	}
	return nil
}

func (s Schedule) checkAt() error {
	if !clock.MatchString(s.At) {
		return badSchedule("at", "must be a time of day such as 02:00")
	}
	return nil
}

func (s Schedule) checkWeekdays() error {
	if len(s.Weekdays) == 0 {
		return badSchedule("weekdays", "must name at least one day of the week")
	}
	for _, name := range s.Weekdays {
		if _, ok := Weekday(name); !ok {
			return badSchedule("weekdays", "has %q; use %s", name, strings.Join(weekdays, ", "))
		}
	}
	return nil
}

func (s Schedule) checkCron() error {
	if len(strings.Fields(s.Cron)) != 5 {
		return badSchedule("cron", "must have the five fields minute, hour, day of month, month and day of week")
	}
	return nil
}

func (s Schedule) checkJitter() error {
	if s.Jitter == "" {
		return nil
	}
	if jitter, err := time.ParseDuration(s.Jitter); err != nil || jitter < 0 || jitter > time.Hour {
		return badSchedule("jitter", "must be a duration from 0s to 1h")
	}
	return nil
}

// onlyItsOwn refuses members of another kind, which would otherwise be
// silently without effect.
func (s Schedule) onlyItsOwn() error {
	var errs []error
	for _, member := range []struct {
		field string
		set   bool
		kinds []ScheduleKind
	}{
		{"every", s.Every != "", []ScheduleKind{ScheduleInterval}},
		{"at", s.At != "", []ScheduleKind{ScheduleDaily, ScheduleWeekly}},
		{"weekdays", len(s.Weekdays) > 0, []ScheduleKind{ScheduleWeekly}},
		{"cron", s.Cron != "", []ScheduleKind{ScheduleCron}},
	} {
		if member.set && !slices.Contains(member.kinds, s.Kind) {
			errs = append(errs, badSchedule(member.field, "does not go with kind %s; leave it out", s.Kind))
		}
	}
	return errors.Join(errs...)
}
