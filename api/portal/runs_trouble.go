package portal

import (
	"time"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

// trouble is why a run has not delivered, in plain words.
type trouble struct {
	Tone    string // warn: it is being tried again; bad: a person may have to act; quiet: nothing is lost by it
	What    string // in a few words
	Why     string // what that means, and whose turn it is
	Next    string // what happens next
	Message string // as the cloud or the program told it; "" is nothing
}

// causes tell of each kind of error what it is, what an admin can do about it,
// and for how long a run tries again by itself. The budgets are those by which
// the runs go.
var causes = map[schemas.ErrorKind]struct{ what, why, budget string }{
	schemas.KindDenied: {
		"Access denied",
		"Your cloud did not let Auditferry write: access was never granted, has been taken away, or has not taken effect yet. Compare what is granted with the integration’s credentials page, and have access checked there.",
		"75 minutes",
	},
	schemas.KindNotFound: {
		"Not found",
		"Your cloud knows no such bucket, container or account. Make it again under the same name, or give the integration another destination.",
		"5 minutes",
	},
	schemas.KindThrottled: {
		"Asked too often",
		"Your cloud asked Auditferry to slow down. That passes by itself, unless another program keeps the bucket or account busy.",
		"24 hours",
	},
	schemas.KindUnavailable: {
		"Cloud not available",
		"Your cloud, or the way to it, did not answer as it should. There is nothing for you to do; your cloud’s status page may tell more.",
		"24 hours",
	},
	schemas.KindInvalid: {
		"Request refused",
		"Your cloud takes this request for wrong, and would do so again. A rule of the bucket is the usual reason, such as one that demands encryption with a certain key, or a name that is too long.",
		"",
	},
	schemas.KindConflict: {
		"Another object is in the way",
		"The destination already has an object of the same name, with other content. Auditferry replaces nothing that it has not written: move that object away, or give the export another path.",
		"",
	},
}

// unsorted is what is said of errors that no cloud has answered.
var unsorted = struct{ what, why string }{
	"Not delivered",
	"It was no answer of your cloud that ended this run: a newer run took its place, or something failed here. The message says which. If it happens again, tell us.",
}

// troubleOf tells what is wrong with a run; nil if nothing is.
func troubleOf(run service.RunView, export service.ExportView, now time.Time) *trouble {
	if run.Status == schemas.RunSucceeded || run.Status == schemas.RunRunning && run.Error == "" {
		return nil
	}
	t := &trouble{Tone: "bad", What: unsorted.what, Why: unsorted.why, Message: run.Error}
	cause, known := causes[run.ErrorKind]
	if known {
		t.What, t.Why = cause.what, cause.why
	}
	switch {
	case run.Status == schemas.RunRunning:
		t.Tone, t.Next = "warn", triedAgain(cause.budget)
	case run.Status == schemas.RunCancelled:
		t.Tone, t.What, t.Why = "quiet", "Cancelled", "The run was ended before it had delivered, because its export or integration was changed or deleted, or its backfill cancelled."
		t.Next, t.Message = afterFailure(run, export, now), "" // which only says that an activity was cancelled
	case run.ErrorKind == "" && overtaken(run, export):
		t.Tone, t.What, t.Why = "quiet", "Taken over", "Another run went on in its place."
		t.Next = afterFailure(run, export, now)
	default:
		t.Next = afterFailure(run, export, now)
	}
	return t
}

// triedAgain is what a run does after an attempt that failed.
func triedAgain(budget string) string {
	if budget == "" {
		return "The run is still going on: it tries again by itself, with pauses of up to two minutes."
	}
	return "The run is still going on: it tries again by itself, with pauses of up to two minutes, and gives up when this has lasted for " + budget + ". What is stored already is kept."
}

// overtaken tells whether what the run should have delivered is settled by now.
// Of backfills that is not known here.
func overtaken(run service.RunView, export service.ExportView) bool {
	return run.BackfillID == nil && run.LastSeq <= export.DeliveredSeq
}

// afterFailure is what becomes of the events of a run that did not deliver.
func afterFailure(run service.RunView, export service.ExportView, now time.Time) string {
	switch {
	case overtaken(run, export):
		return "Nothing is missing: a later run has delivered these events."
	case run.BackfillID != nil:
		return "A backfill ends with a run that does not deliver. Begin another one for the range when the reason is mended; the export itself goes on."
	case export.State == schemas.ExportDeleted:
		return "The export is deleted: nothing more will be delivered."
	case export.State == schemas.ExportPaused:
		return "The export is paused. When it is resumed, the next run begins with these events." + safeUntil(export, now)
	default:
		return "The next run begins with these events, and no event is skipped." + safeUntil(export, now)
	}
}

// safeUntil tells how long there is to mend what is wrong.
func safeUntil(export service.ExportView, now time.Time) string {
	switch {
	case export.Undelivered == nil:
		return ""
	case export.Undelivered.Expired:
		return " Some of them have expired before they could be delivered."
	case export.Undelivered.ExpiresAt == nil:
		return ""
	case export.Undelivered.ExpiresAt.After(now):
		return " The oldest is kept for another " + span(export.Undelivered.ExpiresAt.Sub(now)) + "."
	default:
		return " The oldest may expire any time now."
	}
}
