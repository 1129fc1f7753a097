package portal

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/schemas"
)

// progress is what is known of an integration's way to its first delivered file.
type progress struct {
	Integration schemas.Integration
	Exports     []exportRow
	Stored      map[uuid.UUID]bool // exports that have delivered an object
	Path        string             // of the integration's page
	Base        string             // of the organization's pages
}

// setupStep is one thing between an integration and its first delivered file.
type setupStep struct {
	ID    string
	Title string
	State stepState
	Text  string // what happens, or what to do
	News  string // what is so just now; "" is nothing
	Found string // why that is so; "" is nothing
	Links []stepLink
}

// stepLink leads to where a step is done.
type stepLink struct {
	Title, Path string
	Dialog      bool
	Command     bool // for admins only
}

// stepState is whose turn a step is.
type stepState string

const (
	stepDone  stepState = "done"
	stepNow   stepState = "now"
	stepLater stepState = "later"
)

// setupSteps are all steps in their order. What is not done is now for the
// first of them, and later for the others.
func setupSteps(p progress, now time.Time) []setupStep {
	steps := []setupStep{
		{ID: "created", Title: "Created", State: stepDone, Text: "Auditferry knows where your audit log is to go."},
		p.credentialsStep(),
		p.accessStep(),
		p.verifiedStep(),
		p.scheduledStep(),
		p.deliveredStep(now),
	}
	turn := stepNow
	for i := range steps {
		if steps[i].State != stepDone {
			steps[i].State = turn
			turn = stepLater
		}
		if steps[i].State == stepLater {
			steps[i].News, steps[i].Found, steps[i].Links = "", "", nil
		}
	}
	return steps
}

// allDone tells whether nothing is left to do.
func allDone(steps []setupStep) bool {
	for _, step := range steps {
		if step.State != stepDone {
			return false
		}
	}
	return true
}

func (p progress) credentialsStep() setupStep {
	step := setupStep{ID: "credentials-ready", Title: "Credentials ready", State: stepDone, Text: "You have what your cloud needs to know to let Auditferry in."}
	if p.Integration.Status == schemas.IntegrationProvisioning {
		step.State = ""
		step.Text = "They are being prepared, which takes a few seconds. You need not do anything."
		if p.Integration.Provisioner == schemas.ProvisionerExternal {
			step.Text = "The operators of the service prepare them. You need not do anything."
		}
	}
	return step
}

func (p progress) accessStep() setupStep {
	step := setupStep{ID: "access-granted", Title: "Access granted", Text: "Your cloud lets Auditferry write to the destination."}
	if admitted(p.Integration) {
		step.State = stepDone
		return step
	}
	step.Text = "Grant access in your cloud: open the credentials, and follow the steps beside them. It is tried again by itself until it works."
	if p.Integration.Access == schemas.AccessDenied {
		step.Text = "Your cloud does not let Auditferry write to the destination. The access check below says why, and what to do."
	}
	step.Links = []stepLink{{Title: "View credentials", Path: p.Path + "/credentials"}}
	return step
}

func (p progress) verifiedStep() setupStep {
	i := p.Integration
	step := setupStep{ID: "verified", Title: "Verified", Text: "A full access check has succeeded. Should a delivery find access lost, it is checked again."}
	switch {
	case verified(i):
		step.State = stepDone
	case i.Ownership.State == schemas.OwnershipWaiting:
		step.Text = "Several organizations are served with the same identity, so show that this destination is yours: open the object in your storage that Auditferry has put there, and hand in the code that it holds."
		step.Links = []stepLink{{Title: "Hand in the code", Path: p.Path + "/ownership", Dialog: true, Command: true}}
	default:
		step.Text = "Auditferry tries out everything that exports need, step by step. You see it below."
		if i.Access == schemas.AccessDenied && admitted(i) {
			step.Text = "Not everything that exports need works. The access check below says what is missing, and what to do."
		}
	}
	return step
}

func (p progress) scheduledStep() setupStep {
	step := setupStep{ID: "scheduled", Title: "First export scheduled"}
	if len(p.Exports) > 0 {
		step.Text = plural(len(p.Exports), "scheduled export") + " linked to this integration."
		if slices.ContainsFunc(p.Exports, func(e exportRow) bool { return e.State == schemas.ExportActive }) {
			step.State = stepDone
			return step
		}
		step.News = "Nothing is delivered while all of them are paused: resume one."
		step.Links = []stepLink{{Title: p.Exports[0].Name, Path: p.Base + "/exports/" + p.Exports[0].ID.String()}}
		return step
	}
	step.Text = "Say what is to be delivered, how often and in which format."
	step.Links = []stepLink{{Title: "Schedule an export", Path: p.Base + "/exports/new?integration=" + p.Integration.ID.String(), Command: true}}
	return step
}

func (p progress) deliveredStep(now time.Time) setupStep {
	step := setupStep{ID: "delivered", Title: "First file delivered", Text: "You find the files below the destination, beside a signed manifest for each delivery."}
	if len(p.Exports) == 0 {
		return step
	}
	export := p.Exports[0]
	for _, e := range p.Exports {
		if p.Stored[e.ID] {
			step.State, export = stepDone, e
			break
		}
		if e.State == schemas.ExportActive && export.State != schemas.ExportActive {
			export = e
		}
	}
	step.Links = []stepLink{{Title: export.Name, Path: p.Base + "/exports/" + export.ID.String()}}
	if step.State == stepDone {
		step.Text = "Events have been delivered. You find the files below the destination, beside a signed manifest for each delivery."
		return step
	}
	step.News, step.Found = firstDelivery(export, now)
	return step
}

// firstDelivery says what an export that has not delivered yet waits for.
func firstDelivery(e exportRow, now time.Time) (news, found string) {
	switch {
	case e.Last != nil && e.Last.Status == schemas.RunRunning:
		return "A run is under way.", ""
	case e.Last != nil && e.Last.Status == schemas.RunFailed:
		return "The last run has failed." + nextRun(e, now), e.Last.Error
	case e.settled() && e.Filter.IsZero():
		return "All events up to event " + count(e.DeliveredSeq) + " had expired before they could be delivered." + nextRun(e, now), ""
	case e.settled():
		return "Delivered up to event " + count(e.DeliveredSeq) + "; the filter left everything out so far." + nextRun(e, now), ""
	case e.Undelivered == nil:
		return "Nothing waits to be delivered: the first file comes after the first event." + nextRun(e, now), ""
	default:
		return strings.TrimSpace(nextRun(e, now)), ""
	}
}

func nextRun(e exportRow, now time.Time) string {
	if e.Next == nil {
		return ""
	}
	return " The next run comes " + until(e.Next, now) + "."
}

// verified tells whether the newest access check has succeeded as a whole.
func verified(i schemas.Integration) bool {
	return i.Status == schemas.IntegrationActive && i.Access != schemas.AccessDenied && (i.Report == nil || i.Report.Granted)
}

// admitted tells whether the cloud lets us write, though perhaps not all that
// is needed.
func admitted(i schemas.Integration) bool {
	if verified(i) || i.Ownership.State == schemas.OwnershipWaiting && i.Live() {
		return true // the challenge has been written
	}
	report := newestReport(i)
	if report == nil {
		return false
	}
	for _, step := range report.Steps {
		if step.Name == schemas.StepWrite {
			return step.Status == schemas.StepOK || step.Status == schemas.StepWarning
		}
	}
	return false
}

// newestReport is what the access check under way has found, or the last one;
// nil if nothing yet. One that has granted access and stands with an integration
// that waits for it is of the destination that was left.
func newestReport(i schemas.Integration) *schemas.AccessReport {
	if i.Report == nil || i.Report.Granted && i.Status != schemas.IntegrationActive {
		return nil
	}
	return i.Report
}

// warned tells whether something is not as asked for though exports work.
func warned(report *schemas.AccessReport) bool {
	return report != nil && slices.ContainsFunc(report.Steps, func(step schemas.AccessStep) bool { return step.Status == schemas.StepWarning })
}
