package portal

import (
	"context"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

// accessView is how an integration's access check goes, as its page and that of
// its credentials show it.
type accessView struct {
	Integration schemas.Integration
	Path        string // of the integration's page
	Tone        string
	Headline    string
	Hint        string                // how long it may take; "" where nothing is waited for
	Report      *schemas.AccessReport // nil: nothing has been tried yet
	Steps       []triedStep
	Checkable   bool // a check may be asked for
	OwnerMoved  bool // the bucket has another owner than at first, and the new one may be accepted
	Operations  []operationRow
}

// Key is the idempotency key of a button.
func (a accessView) Key(button string) string {
	return buttonKey(button, a.Integration.ID, a.Operations)
}

// triedStep is a step of an access check in words.
type triedStep struct {
	schemas.AccessStep
	ID, Title string
	Shown     status
}

func accessOf(i schemas.Integration, operations []operationRow, path string, now time.Time) accessView {
	a := accessView{
		Integration: i, Path: path, Report: newestReport(i), Operations: operations,
		Checkable: i.Live() && i.Status != schemas.IntegrationProvisioning,
	}
	if a.Report != nil {
		a.Steps = triedSteps(i, *a.Report)
		failure, failed := a.Report.Failure()
		a.OwnerMoved = failed && failure.Code == schemas.CodeOwnerChanged && i.Cloud == schemas.GCP && a.Checkable
	}
	switch {
	case !i.Live():
		a.Tone, a.Headline = "quiet", "Access is not checked any more: the integration has been deleted, or is being deleted."
		a.Report, a.Steps = nil, nil
	case i.Status == schemas.IntegrationProvisioning:
		a.Tone, a.Headline = "busy", "Access is checked as soon as the credentials are ready."
	case i.Access == schemas.AccessGranted:
		a.Tone, a.Headline = "good", "Granted: Auditferry may write to the destination."
		if warned(i.Report) {
			a.Tone, a.Headline = "warn", "Granted, and exports work, but a step below needs a look."
		}
	case i.Access == schemas.AccessDenied:
		a.Tone, a.Headline = "bad", "Denied, and not tried again by itself. Do what is said below, then check again."
	case i.Ownership.State == schemas.OwnershipWaiting:
		a.Tone, a.Headline = "warn", "Auditferry waits for the code that shows that the destination is yours."
	case a.Report == nil:
		a.Tone, a.Headline = "busy", "The first try is under way."
	case a.Report.Granted:
		a.Tone, a.Headline = "busy", "Access worked last time, and is being checked once more."
	default:
		a.Tone, a.Headline, a.Hint = "busy", "Not yet: "+nextTry(a.Report, now)+".", patience[i.Cloud]
		if failure, _ := a.Report.Failure(); i.Cloud == schemas.Azure && failure.Name == schemas.StepAuthenticate {
			a.Hint = "" // without consent no role helps, however long it takes
		}
	}
	return a
}

// nextTry says when a destination is probed again.
func nextTry(report *schemas.AccessReport, now time.Time) string {
	if report.NextTryAt == nil {
		return "and no further try comes by itself"
	}
	if !report.NextTryAt.After(now) {
		return "next try under way"
	}
	return "next try " + until(report.NextTryAt, now)
}

// patience is how long a right grant may take to work.
var patience = map[schemas.Cloud]string{
	schemas.AWS:   "After a change to the role, AWS usually needs some seconds.",
	schemas.Azure: "After the role has been assigned, up to 45 minutes are normal: Azure takes that long to process it.",
	schemas.GCP:   "After the role has been granted, Google Cloud usually needs a few minutes.",
}

func triedSteps(i schemas.Integration, report schemas.AccessReport) []triedStep {
	steps := make([]triedStep, len(report.Steps))
	for n, step := range report.Steps {
		steps[n] = triedStep{AccessStep: step, ID: string(step.Name), Title: stepTitle(i.Cloud, step.Name), Shown: statusOf(step.Status)}
		switch {
		case step.Status != schemas.StepFailed:
		case step.Name == schemas.StepOwnership:
			steps[n].Shown = status{"warn", "Your turn"}
		case report.NextTryAt != nil:
			steps[n].Shown = status{"warn", "Not yet"}
		}
	}
	return steps
}

// stepTitle says what a step of an access check tries.
func stepTitle(cloud schemas.Cloud, step schemas.Step) string {
	switch step {
	case schemas.StepAuthenticate:
		return map[schemas.Cloud]string{
			schemas.AWS: "Assume the role", schemas.Azure: "Sign in to your tenant", schemas.GCP: "Act as the service account",
		}[cloud]
	case schemas.StepExternalID:
		return "The role insists on the external ID"
	case schemas.StepOwner:
		if cloud == schemas.GCP {
			return "The bucket is in the right project"
		}
		return "The bucket is in the right account"
	case schemas.StepOwnership:
		return "The destination is yours"
	case schemas.StepWrite:
		return "Write an object"
	case schemas.StepList:
		return "List the folder"
	case schemas.StepDelete:
		return "Delete the object"
	default:
		return human(step)
	}
}

// attemptsBody is what access checks have tried.
type attemptsBody struct {
	Integration schemas.Integration
	Attempts    []accessAttempt
	More        string // path of the rest of the list; "" at its end
}

type accessAttempt struct {
	schemas.AccessReport
	Steps   []triedStep
	Failure *schemas.AccessStep
}

func (p *Portal) accessAttempts(ctx context.Context, v *visit) (*page, error) {
	i, err := p.integrationOf(ctx, v)
	if err != nil {
		return nil, err
	}
	list, err := p.service.AccessAttempts(ctx, v.caller, i.ID, service.Page{Cursor: v.c.Query("cursor"), Limit: attemptsShown})
	if err != nil {
		return nil, err
	}
	body := attemptsBody{Integration: i, More: more(v, list.NextCursor)}
	for _, report := range list.Items {
		tried := accessAttempt{AccessReport: report, Steps: triedSteps(i, report)}
		if failure, failed := report.Failure(); failed {
			tried.Failure = &failure
		}
		body.Attempts = append(body.Attempts, tried)
	}
	return &page{
		Template: "integration_attempts", Title: "Access check attempts", Section: "settings",
		Crumbs: integrationCrumbs(v, i), Body: body, Moving: i.Access == schemas.AccessChecking && i.Live(),
	}, nil
}

const attemptsShown = 25

// checkAccess asks for an access check, and leads to where its steps are seen.
func (p *Portal) checkAccess(ctx context.Context, v *visit) (string, error) {
	id, err := pathID(v.c, "id")
	if err != nil {
		return "", err
	}
	op, err := p.service.CheckAccess(ctx, v.call(), service.CheckAccess{IntegrationID: id, AcceptOwner: v.c.PostForm("accept_owner") != ""})
	if err != nil {
		return "", err
	}
	return after(op, v.path("integrations", id.String())), nil
}

func (p *Portal) registerAccess(pages gin.IRouter) {
	pages.GET(integrationRoute+"/attempts", p.member(p.accessAttempts))
	pages.POST(integrationRoute+"/check-access", p.memberCommand(p.checkAccess))
	p.memberForm(pages, integrationRoute+"/ownership", formPage{show: p.ownershipPage, do: p.proveOwnership})
}

// ownershipBody is the form for the code that a challenge holds.
type ownershipBody struct {
	Form        *form
	Integration schemas.Integration
	Path        string
}

func (p *Portal) ownershipPage(ctx context.Context, v *visit, f *form) (*page, error) {
	i, err := p.integrationToChange(ctx, v)
	if err != nil {
		return nil, err
	}
	return &page{
		Template: "integration_ownership", Title: "Show that the destination is yours", Section: "settings",
		Crumbs: integrationCrumbs(v, i), Body: ownershipBody{f, i, integrationPath(v, i)},
	}, nil
}

func (p *Portal) proveOwnership(ctx context.Context, v *visit, f *form) (string, error) {
	id, err := pathID(v.c, "id")
	if err != nil {
		return "", err
	}
	op, err := p.service.ProveOwnership(ctx, v.call(), service.ProveOwnership{IntegrationID: id, Code: f.Text("code")})
	if err != nil {
		return "", err
	}
	return after(op, v.path("integrations", id.String())), nil
}
