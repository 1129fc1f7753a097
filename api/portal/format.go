package portal

import (
	"fmt"
	"html/template"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/schemas"
)

// functions are what templates can say.
func functions(files files) template.FuncMap {
	return template.FuncMap{
		"file":     func(name string) string { return files.paths[name] },
		"count":    count,
		"plural":   func(n any, what string) string { return plural(toInt(n), what) },
		"size":     size,
		"until":    func(at *time.Time) string { return until(at, time.Now()) },
		"cloud":    cloudName,
		"schedule": scheduleText,
		"status":   statusOf,
		"list":     func(items ...any) []any { return items },
		"pair":     func(a, b any) pair { return pair{a, b} },
		"human":    human,
		"capital":  capital,

		// Names in Temporal, as steps of a path there.
		"pathStep":            url.PathEscape,
		"exportSchedule":      func(id uuid.UUID) string { return url.PathEscape(schemas.ExportScheduleID(id)) },
		"backfillWorkflow":    func(id uuid.UUID) string { return url.PathEscape(schemas.BackfillWorkflowID(id)) },
		"integrationWorkflow": func(id uuid.UUID) string { return url.PathEscape(schemas.IntegrationWorkflowID(id)) },

		"format":        formatName,
		"compression":   compressionName,
		"pathVariables": func() []schemas.PathVariable { return schemas.PathVariables },
		"weekdays":      func() []string { return weekdays },
	}
}

// pair hands two values to a shared template.
type pair struct{ A, B any }

func toInt(n any) int {
	switch n := n.(type) {
	case int:
		return n
	case int64:
		return int(n)
	}
	return 0
}

// count is a number with its thousands apart.
func count(n any) string {
	digits := strconv.Itoa(toInt(n))
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return sign + digits
}

// plural counts things: 1 event, 2,000 events.
func plural(n int, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case strings.HasSuffix(what, "s"):
		return count(n) + " " + what + "es"
	default:
		return count(n) + " " + what + "s"
	}
}

// size is a number of bytes in the units of IEC 80000-13.
func size(bytes int64) string {
	if bytes < 1<<10 {
		return plural(int(bytes), "byte")
	}
	value, unit := float64(bytes), "byte"
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if value < 1<<10 {
			break
		}
		value, unit = value/(1<<10), next
	}
	if value < 10 {
		return fmt.Sprintf("%.1f %s", value, unit)
	}
	return fmt.Sprintf("%.0f %s", value, unit)
}

// span is a duration in the two largest units that say something.
func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return "less than a second"
	case d < time.Minute:
		return plural(int(d/time.Second), "second")
	case d < 10*time.Minute:
		return two(int(d/time.Minute), "minute", int(d%time.Minute/time.Second), "second")
	case d < time.Hour:
		return plural(int(d/time.Minute), "minute")
	case d < 24*time.Hour:
		return two(int(d/time.Hour), "hour", int(d%time.Hour/time.Minute), "minute")
	default:
		return two(int(d/(24*time.Hour)), "day", int(d%(24*time.Hour)/time.Hour), "hour")
	}
}

func two(a int, aUnit string, b int, bUnit string) string {
	if b == 0 {
		return plural(a, aUnit)
	}
	return plural(a, aUnit) + " " + plural(b, bUnit)
}

// until is how long it is to a time: in 3 hours, or 2 days ago.
func until(at *time.Time, now time.Time) string {
	switch {
	case at == nil:
		return ""
	case at.Sub(now).Abs() < time.Second:
		return "now"
	case at.After(now):
		return "in " + span(at.Sub(now))
	default:
		return span(now.Sub(*at)) + " ago"
	}
}

// sentence joins parts to a sentence; "" for none.
func sentence(parts []string) string {
	switch len(parts) {
	case 0:
		return ""
	case 1:
		return parts[0] + "."
	default:
		last := len(parts) - 1
		return strings.Join(parts[:last], ", ") + " and " + parts[last] + "."
	}
}

// human is a word of the contract as people write it: not_found is Not found.
func human(word any) string {
	text := strings.NewReplacer("_", " ", "-", " ").Replace(fmt.Sprint(word))
	if rest, is := strings.CutPrefix(text, "api "); is {
		return "API " + rest
	}
	return capital(text)
}

// capital is a text that can begin a sentence.
func capital(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return ""
	}
	return string(unicode.ToUpper(first)) + text[size:]
}

func cloudName(c schemas.Cloud) string {
	switch c {
	case schemas.AWS:
		return "Amazon S3"
	case schemas.Azure:
		return "Azure Blob Storage"
	case schemas.GCP:
		return "Google Cloud Storage"
	default:
		return string(c)
	}
}

// scheduleText is a schedule as a person would say it: every day at 02:00
// Europe/Berlin.
func scheduleText(s schemas.Schedule) string {
	zone := s.TimeZone
	if zone == "" {
		zone = "UTC"
	}
	var text string
	switch s.Kind {
	case schemas.ScheduleInterval:
		every, err := time.ParseDuration(s.Every)
		if err != nil {
			return "every " + s.Every
		}
		text = span(every)
		if only := strings.TrimPrefix(text, "1 "); !strings.Contains(only, " ") {
			text = only // every hour, but every 1 hour 30 minutes
		}
		text = "every " + text
	case schemas.ScheduleDaily:
		text = "every day at " + s.At + " " + zone
	case schemas.ScheduleWeekly:
		days := make([]string, len(s.Weekdays))
		for i, day := range s.Weekdays {
			days[i] = human(day)
		}
		text = "every " + strings.TrimSuffix(sentence(days), ".") + " at " + s.At + " " + zone
	default:
		text = "by cron " + s.Cron + ", " + zone
	}
	if jitter, err := time.ParseDuration(s.Jitter); err == nil && jitter > 0 {
		text += ", up to " + span(jitter) + " later"
	}
	return text
}
