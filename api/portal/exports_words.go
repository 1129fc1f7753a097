package portal

import (
	"html/template"
	"time"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

// lossClock tells how long the events that wait will still be there.
type lossClock struct{ Tone, Text string }

// The data-loss clock is told by mail at the same times.
const (
	lossWarning = 7 * 24 * time.Hour
	lossAlarm   = 24 * time.Hour
)

// lossClockOf reads an export's clock.
func lossClockOf(of service.ExportView, now time.Time) lossClock {
	waiting := of.Undelivered
	switch {
	case of.State == schemas.ExportDeleted:
		return lossClock{"quiet", "Deliveries have ended"}
	case waiting == nil:
		return lossClock{"good", "Everything is delivered"}
	case waiting.Expired || waiting.ExpiresAt == nil:
		return lossClock{"bad", "Events have expired undelivered"}
	}
	left := waiting.ExpiresAt.Sub(now)
	switch {
	case left <= 0:
		return lossClock{"bad", "Oldest event may be gone any time"}
	case left <= lossAlarm:
		return lossClock{"bad", "Oldest event expires in " + span(left)}
	case left <= lossWarning:
		return lossClock{"warn", "Oldest event expires in " + span(left)}
	default:
		return lossClock{"quiet", "Oldest event expires in " + wholeDays(left)}
	}
}

// wholeDays is a long time to the day: nobody acts upon the hours.
func wholeDays(d time.Duration) string { return plural(int(d/(24*time.Hour)), "day") }

// pauseText completes "Paused".
func pauseText(reason schemas.PauseReason) string {
	switch reason {
	case schemas.PausedByAdmin:
		return "by an admin"
	case schemas.PausedByDestinationUpdate:
		return "because the destination was updated"
	case schemas.PausedByIntegrationDeleted:
		return "because its integration was deleted"
	default:
		return ""
	}
}

// Paused completes "Paused": why.
func (r exportRow) Paused() string { return pauseText(r.PauseReason) }

// Orphan is for exports that cannot deliver until they are linked to another
// integration.
func (r exportRow) Orphan() bool { return !r.Integration.Live() }

// Moved tells that to resume the export is to agree to another destination.
func (r exportRow) Moved() bool {
	return r.State == schemas.ExportPaused && !r.Orphan() && r.Destination != r.Integration.Destination
}

// compressionName is a compression as people call it.
func compressionName(c schemas.Compression) string {
	switch c {
	case schemas.CompressionNone:
		return "none"
	case schemas.CompressionSnappy:
		return "Snappy"
	default:
		return string(c)
	}
}

// formatName is a format as people call it.
func formatName(f schemas.Format) string {
	switch f {
	case schemas.FormatNDJSON:
		return "NDJSON"
	case schemas.FormatCSV:
		return "CSV"
	case schemas.FormatParquet:
		return "Parquet"
	default:
		return string(f)
	}
}

// upcoming are the times of the next runs, in the zone in which the schedule
// counts.
type upcoming struct {
	Times []template.HTML
	Zone  string
}

// How the times of runs are written: with the day of the week, and to the second
// where intervals are not of whole minutes.
const (
	runLayout       = "Mon 2 Jan 2006, 15:04"
	runSecondLayout = "Mon 2 Jan 2006, 15:04:05"
)

// upcomingOf writes the times of the next runs. An interval has no zone of its
// own and is told in the viewer's.
func upcomingOf(s schemas.Schedule, next []time.Time, viewer *time.Location) upcoming {
	in, layout := zone{viewer}, runLayout
	if s.Kind == schemas.ScheduleInterval {
		if every, err := time.ParseDuration(s.Every); err == nil && every%time.Minute != 0 {
			layout = runSecondLayout
		}
	} else if len(next) > 0 {
		in = zone{next[0].Location()}
	}
	all := upcoming{Zone: in.String()}
	for _, at := range next {
		all.Times = append(all.Times, in.element(at, layout))
	}
	return all
}
