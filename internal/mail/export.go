package mail

import (
	"fmt"
	"time"

	"github.com/auditferry/auditferry/schemas"
)

// Failure is what is wrong with an export whose runs fail.
type Failure struct {
	Since time.Time          // when the first of them failed
	Last  schemas.Run        // the one that failed last
	Clock *schemas.LossClock // nil when nothing is undelivered
}

// ExportFailing tells the admins that runs of an export have begun to fail. It
// is the one mail of that: retries and further runs send none.
func ExportFailing(org schemas.Org, export schemas.Export, failure Failure, link string) (Message, error) {
	return content{
		Subject: fmt.Sprintf("Export %q is failing", export.Name),
		Intro: []string{
			fmt.Sprintf("A run of the scheduled export %q of %s could not deliver to %s. What is undelivered stays where it is, and every run tries again.",
				export.Name, org.Name, export.Destination),
			cause(failure.Last),
		},
		Values:     failureValues(export, failure),
		Steps:      []step{{Text: cure(failure.Last.ErrorKind) + " Its runs show every attempt."}},
		Closing:    []string{"While this goes on you are reminded once a day, and told when it is over."},
		Link:       link,
		LinkText:   "View the export",
		Recipients: recipients(org),
	}.message()
}

// ExportStillFailing reminds the admins of an export that goes on failing.
func ExportStillFailing(org schemas.Org, export schemas.Export, failure Failure, at time.Time, link string) (Message, error) {
	return content{
		Subject: fmt.Sprintf("Export %q has been failing for %s", export.Name, days(int(at.Sub(failure.Since)/(24*time.Hour)))),
		Intro: []string{
			fmt.Sprintf("The scheduled export %q of %s still cannot deliver to %s.", export.Name, org.Name, export.Destination),
			cause(failure.Last),
		},
		Values:     failureValues(export, failure),
		Steps:      []step{{Text: cure(failure.Last.ErrorKind) + " If the export is not needed any more, pause or delete it: the reminders end with that."}},
		Link:       link,
		LinkText:   "View the export",
		Recipients: recipients(org),
	}.message()
}

// ExportRecovered tells the admins that an export delivers again.
func ExportRecovered(org schemas.Org, export schemas.Export, since time.Time, link string) (Message, error) {
	return content{
		Subject: fmt.Sprintf("Export %q delivers again", export.Name),
		Intro: []string{fmt.Sprintf("The scheduled export %q of %s has delivered to %s, for the first time since %s. What had gathered meanwhile is delivered, or comes with the runs that are under way.",
			export.Name, org.Name, export.Destination, moment(since))},
		Link:       link,
		LinkText:   "View the export",
		Recipients: recipients(org),
	}.message()
}

// EventsExpiring warns the admins that events will be lost to an export in at
// most so many days.
func EventsExpiring(org schemas.Org, export schemas.Export, clock schemas.LossClock, within int, link string) (Message, error) {
	return content{
		Subject: fmt.Sprintf("Undelivered audit events of %q expire within %s", export.Name, days(within)),
		Intro: []string{
			fmt.Sprintf("The scheduled export %q of %s has not delivered event %d yet. It was recorded on %s and is kept until %s. After that it and those behind it are lost to this export, day by day.",
				export.Name, org.Name, clock.Seq, moment(clock.RecordedAt), moment(clock.ExpiresAt)),
			idle(export),
		},
		Values:     append(exportValues(export), value{"Kept until", moment(clock.ExpiresAt)}),
		Steps:      []step{{Text: remedy(export)}},
		Link:       link,
		LinkText:   "View the export",
		Recipients: recipients(org),
	}.message()
}

// EventsExpired tells the admins that events are kept no longer that an export
// has not delivered. They go by whole days, so some may still be there.
func EventsExpired(org schemas.Org, export schemas.Export, link string) (Message, error) {
	return content{
		Subject: fmt.Sprintf("Audit events of %q have expired undelivered", export.Name),
		Intro: []string{
			fmt.Sprintf("Events from number %d on are older than audit events are kept, and the scheduled export %q of %s has not delivered them. They are gone, or go within a day or two. As long as nothing changes, more are lost every day.",
				export.DeliveredSeq+1, export.Name, org.Name),
			idle(export),
			"When the export runs again it delivers all that is still kept. If events are missing by then, its next manifest tells which, and that they had expired.",
		},
		Values:     exportValues(export),
		Steps:      []step{{Text: remedy(export)}},
		Link:       link,
		LinkText:   "View the export",
		Recipients: recipients(org),
	}.message()
}

func cause(last schemas.Run) string {
	if last.Error == "" {
		return "The run's page shows what happened."
	}
	return "What happened: " + shorten(oneLine(last.Error), maxAnswer)
}

// cure is what an admin can do about a kind of error. What has happened may
// be told in the cloud's words alone, and those rarely say it.
func cure(kind schemas.ErrorKind) string {
	switch kind {
	case schemas.KindDenied:
		return "Grant access again: the setup guide of the integration has every step, and its access attempts show which one is refused. Then choose Run now on the export's page."
	case schemas.KindNotFound:
		return "Make the bucket or container again under the same name, or update the integration's destination. Then choose Run now on the export's page."
	case schemas.KindConflict:
		return "Another object has the name that this export has to write. Move that object to another place, then choose Run now on the export's page."
	case schemas.KindThrottled, schemas.KindUnavailable:
		return "If the cloud has a fault or was asked too often, nothing has to be done: the next run tries again. Otherwise do what the explanation says."
	default:
		return "Do what the explanation says, then choose Run now on the export's page."
	}
}

// idle says why an export does not deliver.
func idle(export schemas.Export) string {
	switch {
	case export.PauseReason == schemas.PausedByDestinationUpdate:
		return "The export is paused, because its integration has another destination now."
	case export.PauseReason == schemas.PausedByIntegrationDeleted:
		return "The export is paused, because its integration has been deleted."
	case export.State == schemas.ExportPaused:
		return "The export is paused."
	case export.FailingSince != nil:
		return fmt.Sprintf("Its runs have been failing since %s.", moment(*export.FailingSince))
	default:
		return "The export is active; its schedule is slower than events expire, or it is still catching up."
	}
}

func remedy(export schemas.Export) string {
	switch {
	case export.PauseReason == schemas.PausedByDestinationUpdate:
		return "Resume the export with retarget, to go on at the integration's new destination."
	case export.PauseReason == schemas.PausedByIntegrationDeleted:
		return "Link the export to another integration and resume it."
	case export.State == schemas.ExportPaused:
		return "Resume the export. It then delivers everything since it was paused."
	case export.FailingSince != nil:
		return "Look at the export's last runs, do what their explanation says, and choose Run now."
	default:
		return "Choose Run now on the export's page, or give it a schedule that runs more often."
	}
}

func exportValues(export schemas.Export) []value {
	return []value{{"Export", export.Name}, {"Destination", export.Destination.URL()}}
}

func failureValues(export schemas.Export, failure Failure) []value {
	values := append(exportValues(export), value{"Failing since", moment(failure.Since)})
	if failure.Last.ErrorKind != "" {
		values = append(values, value{"Kind of error", string(failure.Last.ErrorKind)})
	}
	if failure.Clock != nil && !failure.Clock.ExpiresAt.IsZero() {
		values = append(values, value{"Undelivered events are kept until", moment(failure.Clock.ExpiresAt)})
	}
	return values
}

func moment(t time.Time) string { return t.UTC().Format("2 January 2006 15:04 UTC") }

func days(n int) string {
	if n == 1 {
		return "1 day"
	}
	return fmt.Sprintf("%d days", n)
}
