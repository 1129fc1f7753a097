package portal

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

var testNow = time.Date(2026, 11, 23, 6, 30, 0, 0, time.UTC)

// waitingFor is an integration whose check found that step could not be taken.
func waitingFor(step schemas.Step, status schemas.StepStatus) schemas.Integration {
	next := testNow.Add(90 * time.Second)
	return schemas.Integration{
		ID: uuid.MustParse("01a20709-6f80-7b1d-8004-804d492f9102"), Cloud: schemas.Azure,
		Status: schemas.IntegrationAwaitingAccess, Access: schemas.AccessChecking,
		Report: &schemas.AccessReport{
			Steps: []schemas.AccessStep{
				{Name: schemas.StepAuthenticate, Status: schemas.StepOK},
				{Name: step, Status: status, Explanation: "It may not.", Fix: "Let it."},
			},
			NextTryAt: &next,
		},
	}
}

func active(steps ...schemas.AccessStep) schemas.Integration {
	return schemas.Integration{
		Status: schemas.IntegrationActive, Access: schemas.AccessGranted,
		Report: &schemas.AccessReport{Granted: true, Steps: steps},
	}
}

func exportOf(state schemas.ExportState, delivered int64, last *schemas.Run, next *time.Time) exportRow {
	e := exportRow{Next: next, ExportView: service.ExportView{
		Export: schemas.Export{ID: uuid.New(), Name: "Hourly", State: state, StartSeq: 1, DeliveredSeq: delivered},
	}}
	if last != nil {
		e.Last = &service.RunView{Run: *last}
	}
	return e
}

func TestSetupSteps(t *testing.T) {
	t.Parallel()
	const done, now, later = stepDone, stepNow, stepLater
	soon := testNow.Add(time.Minute)
	denied := waitingFor(schemas.StepWrite, schemas.StepFailed)
	denied.Access, denied.Report.NextTryAt = schemas.AccessDenied, nil
	challenged := waitingFor(schemas.StepOwnership, schemas.StepFailed)
	challenged.Ownership = schemas.Ownership{State: schemas.OwnershipWaiting, Challenge: "gs://bucket/code"}
	moved := active()
	moved.Status, moved.Access = schemas.IntegrationAwaitingAccess, schemas.AccessChecking
	lost := active()
	lost.Access = schemas.AccessDenied
	lost.Report = denied.Report

	for name, c := range map[string]struct {
		integration schemas.Integration
		exports     []exportRow
		empty       bool // they have stored nothing
		states      []stepState
		news, found string // of the step that is now
		link        string
	}{
		"just created": {
			integration: schemas.Integration{Status: schemas.IntegrationProvisioning, Access: schemas.AccessUnknown},
			states:      []stepState{done, now, later, later, later, later},
		},
		"credentials there, nothing tried": {
			integration: schemas.Integration{Status: schemas.IntegrationAwaitingAccess, Access: schemas.AccessChecking},
			states:      []stepState{done, done, now, later, later, later},
			link:        "View credentials",
		},
		"not let in yet": {
			integration: waitingFor(schemas.StepWrite, schemas.StepFailed),
			states:      []stepState{done, done, now, later, later, later},
			link:        "View credentials",
		},
		"given up": {
			integration: denied,
			states:      []stepState{done, done, now, later, later, later},
			link:        "View credentials",
		},
		"the old destination's report says nothing of the new one": {
			integration: moved,
			states:      []stepState{done, done, now, later, later, later},
			link:        "View credentials",
		},
		"may write but not list": {
			integration: func() schemas.Integration {
				i := waitingFor(schemas.StepWrite, schemas.StepOK)
				i.Report.Steps = append(i.Report.Steps, schemas.AccessStep{Name: schemas.StepList, Status: schemas.StepFailed, Explanation: "It may not list."})
				return i
			}(),
			states: []stepState{done, done, done, now, later, later},
		},
		"ownership is to be shown": {
			integration: challenged,
			states:      []stepState{done, done, done, now, later, later},
			link:        "Hand in the code",
		},
		"verified": {
			integration: active(),
			states:      []stepState{done, done, done, done, now, later},
			link:        "Schedule an export",
		},
		"scheduled": {
			integration: active(), exports: []exportRow{exportOf(schemas.ExportActive, 0, nil, &soon)},
			states: []stepState{done, done, done, done, done, now},
			news:   "Nothing waits to be delivered: the first file comes after the first event. The next run comes in 1 minute.", link: "Hourly",
		},
		"first run has failed": {
			integration: active(), exports: []exportRow{exportOf(schemas.ExportActive, 0, &schemas.Run{Status: schemas.RunFailed, Error: "The bucket is gone."}, &soon)},
			states: []stepState{done, done, done, done, done, now},
			news:   "The last run has failed. The next run comes in 1 minute.", found: "The bucket is gone.", link: "Hourly",
		},
		"paused before its first run": {
			integration: active(), exports: []exportRow{exportOf(schemas.ExportPaused, 0, nil, nil)},
			states: []stepState{done, done, done, done, now, later},
			news:   "Nothing is delivered while all of them are paused: resume one.", link: "Hourly",
		},
		"paused after deliveries": {
			integration: active(), exports: []exportRow{exportOf(schemas.ExportPaused, 7, nil, nil)},
			states: []stepState{done, done, done, done, now, done},
			news:   "Nothing is delivered while all of them are paused: resume one.", link: "Hourly",
		},
		"delivered": {
			integration: active(), exports: []exportRow{exportOf(schemas.ExportPaused, 0, nil, nil), exportOf(schemas.ExportActive, 7, nil, &soon)},
			states: []stepState{done, done, done, done, done, done},
		},
		"all left out by the filter": {
			integration: active(), empty: true, exports: []exportRow{func() exportRow {
				e := exportOf(schemas.ExportActive, 1200, nil, &soon)
				e.Filter.Actions = []string{"rare.*"}
				return e
			}()},
			states: []stepState{done, done, done, done, done, now},
			news:   "Delivered up to event 1,200; the filter left everything out so far. The next run comes in 1 minute.", link: "Hourly",
		},
		"all expired": {
			integration: active(), empty: true, exports: []exportRow{exportOf(schemas.ExportActive, 1200, nil, &soon)},
			states: []stepState{done, done, done, done, done, now},
			news:   "All events up to event 1,200 had expired before they could be delivered. The next run comes in 1 minute.", link: "Hourly",
		},
		"access lost after deliveries": {
			integration: lost, exports: []exportRow{exportOf(schemas.ExportActive, 7, nil, &soon)},
			states: []stepState{done, done, now, later, done, done},
			link:   "View credentials",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stored := make(map[uuid.UUID]bool)
			for _, e := range c.exports {
				stored[e.ID] = e.settled() && !c.empty
			}
			steps := setupSteps(progress{c.integration, c.exports, stored, "/orgs/1/integrations/2", "/orgs/1"}, testNow)
			var states []stepState
			var turn setupStep
			for _, step := range steps {
				states = append(states, step.State)
				require.NotEmpty(t, step.Text, step.Title)
				if step.State == stepNow {
					turn = step
				}
				if step.State == stepLater {
					require.Empty(t, step.Links, "a step of later leads nowhere: %s", step.Title)
				}
			}
			require.Equal(t, c.states, states)
			require.Equal(t, c.news, turn.News)
			require.Equal(t, c.found, turn.Found)
			if c.link == "" {
				require.Empty(t, turn.Links)
			} else {
				require.Equal(t, c.link, turn.Links[0].Title)
			}
			require.Equal(t, turn.ID == "", allDone(steps))
		})
	}
}

// What the access check has found stands in its card, and there alone.
func TestStepsLeaveExplanationsToTheAccessCheck(t *testing.T) {
	t.Parallel()
	denied := waitingFor(schemas.StepWrite, schemas.StepFailed)
	denied.Access, denied.Report.NextTryAt = schemas.AccessDenied, nil
	warned := active(schemas.AccessStep{Name: schemas.StepDelete, Status: schemas.StepWarning, Explanation: "It may not."})
	for _, i := range []schemas.Integration{waitingFor(schemas.StepWrite, schemas.StepFailed), denied, warned} {
		i.Cloud = schemas.Azure
		body := integrationBody{Integration: i, Access: accessOf(i, nil, "", testNow), Steps: setupSteps(progress{Integration: i}, testNow)}
		shown := bodyOf(t, frame{page: &page{Template: "integration", Body: body}, Zone: zone{time.UTC}})
		require.Equal(t, 1, strings.Count(shown, "It may not."))
		require.LessOrEqual(t, strings.Count(shown, "45 minutes"), 1)
	}
	require.Equal(t, "warn", accessOf(warned, nil, "", testNow).Tone)
}

func TestAccessHeadline(t *testing.T) {
	t.Parallel()
	waiting := waitingFor(schemas.StepWrite, schemas.StepFailed)
	due := waitingFor(schemas.StepWrite, schemas.StepFailed)
	due.Report.NextTryAt = &testNow
	deleted := active()
	deleted.Status = schemas.IntegrationDeleted

	view := accessOf(waiting, nil, "", testNow)
	require.Equal(t, "Not yet: next try in 1 minute 30 seconds.", view.Headline)
	require.Contains(t, view.Hint, "45 minutes", "Azure's long wait is told of")
	require.Equal(t, "Not yet", view.Steps[1].Shown.Text, "a step that is tried again has not failed for good")
	require.True(t, view.Checkable)

	require.Equal(t, "Not yet: next try under way.", accessOf(due, nil, "", testNow).Headline)
	require.Equal(t, "good", accessOf(active(), nil, "", testNow).Tone)
	require.False(t, accessOf(deleted, nil, "", testNow).Checkable)
	require.Nil(t, accessOf(deleted, nil, "", testNow).Report)
}

// A new owner may be accepted only where the bucket had another one, and only
// on Google Cloud.
func TestOwnerMoved(t *testing.T) {
	t.Parallel()
	i := waitingFor(schemas.StepOwner, schemas.StepFailed)
	i.Cloud = schemas.GCP
	require.False(t, accessOf(i, nil, "", testNow).OwnerMoved, "a permission is lacking, no more")
	i.Report.Steps[1].Code = schemas.CodeOwnerChanged
	require.True(t, accessOf(i, nil, "", testNow).OwnerMoved)
	i.Cloud = schemas.AWS
	require.False(t, accessOf(i, nil, "", testNow).OwnerMoved)
}

func TestNamedValues(t *testing.T) {
	t.Parallel()
	credentials, entered := namedValues([]schemas.SetupValue{
		{Name: "Destination", Value: "s3://bucket/"}, {Name: "External ID", Value: "x"}, {Name: "IAM user ARN", Value: "arn"}, {Name: "Role ARN", Value: "role"},
	})
	require.Equal(t, []credential{{Name: "External ID", Value: "x"}, {Name: "IAM User ARN", Value: "arn"}}, credentials)
	require.Equal(t, []schemas.SetupValue{{Name: "Destination", Value: "s3://bucket/"}, {Name: "Role ARN", Value: "role"}}, entered)
}

// Every document is in exactly one tab, also one of a format that is new.
func TestDocumentTabs(t *testing.T) {
	t.Parallel()
	tabs := documentTabs([]schemas.SetupDocument{
		{Name: "a", Format: schemas.SetupJSON}, {Name: "b", Format: "new"}, {Name: "c", Format: schemas.SetupShell}, {Name: "d", Format: schemas.SetupJSON},
	})
	shown := make(map[string][]string)
	for _, tab := range tabs {
		for _, document := range tab.Documents {
			shown[tab.Title] = append(shown[tab.Title], document.Name)
		}
	}
	require.Equal(t, map[string][]string{"Command line": {"c"}, "JSON policies": {"a", "d"}, "Other documents": {"b"}}, shown)
	require.Equal(t, "Command line", tabs[0].Title)
}

func TestOperationDetail(t *testing.T) {
	t.Parallel()
	from, err := schemas.ParseDestination("s3://bucket/old/")
	require.NoError(t, err)
	to, err := schemas.ParseDestination("s3://bucket/new/")
	require.NoError(t, err)
	op := schemas.Operation{Params: schemas.OperationParams{Destination: &to}}
	require.Equal(t, "To s3://bucket/new/.", operationDetail(op))
	op.Outcome = schemas.OperationOutcome{PreviousDestination: from, ExportsPaused: 2}
	require.Equal(t, "From s3://bucket/old/ to s3://bucket/new/. 2 linked exports paused.", operationDetail(op))
	op.Error = "The bucket is gone."
	require.Equal(t, "From s3://bucket/old/ to s3://bucket/new/. 2 linked exports paused. The bucket is gone.", operationDetail(op))
	require.Empty(t, operationDetail(schemas.Operation{}))
}

// bodyOf is what a page's template makes of a frame.
func bodyOf(t *testing.T, f frame) string {
	t.Helper()
	files, err := loadFiles()
	require.NoError(t, err)
	templates, err := loadTemplates(files)
	require.NoError(t, err)
	var html strings.Builder
	require.NoError(t, templates[f.Template].ExecuteTemplate(&html, "body", f))
	return html.String()
}

// Viewers see what admins see, without anything that changes something.
func TestIntegrationPageOfViewers(t *testing.T) {
	t.Parallel()
	i := waitingFor(schemas.StepOwner, schemas.StepFailed)
	i.Cloud, i.Report.Steps[1].Code = schemas.GCP, schemas.CodeOwnerChanged
	path := "/orgs/1/integrations/2"
	body := integrationBody{
		Integration: i, Path: path, Access: accessOf(i, nil, path, testNow),
		Steps:      setupSteps(progress{Integration: i, Path: path, Base: "/orgs/1"}, testNow),
		Operations: []operationRow{{Operation: schemas.Operation{Kind: schemas.OpCreateIntegration, RequestedBy: "Ada", Status: schemas.OperationSucceeded}}},
	}
	f := frame{page: &page{Template: "integration", Title: "Archive", Body: body}, Base: "/orgs/1", Zone: zone{time.UTC}}
	commands := []string{"<form", path + "/edit", path + "/delete", "exports/new"}

	viewer := bodyOf(t, f)
	for _, command := range commands {
		require.NotContains(t, viewer, command)
	}
	require.Contains(t, viewer, path+"/credentials")
	require.Contains(t, viewer, "It may not.")
	require.NotContains(t, viewer, "/workflows/")

	f.Admin, f.Temporal = true, "https://temporal.example/namespaces/default"
	admin := bodyOf(t, f)
	for _, command := range commands {
		require.Contains(t, admin, command)
	}
	require.Contains(t, admin, "Accept the new owner")
	require.Contains(t, admin, `href="https://temporal.example/namespaces/default/workflows/`+url.PathEscape(schemas.IntegrationWorkflowID(i.ID))+`"`)
}

// Of an integration that is deleted, or being deleted, the page says what has
// become of it, and nothing of what would have to be done.
func TestPageOfADeletedIntegration(t *testing.T) {
	t.Parallel()
	deleted := active()
	deleted.Status, deleted.DeletedAt = schemas.IntegrationDeleted, &testNow
	deleted.Grant.RoleARN = "arn:aws:iam::123456789012:role/archive"
	deleting := deleted
	deleting.Status, deleting.DeletedAt = schemas.IntegrationDeleting, nil
	for said, i := range map[string]schemas.Integration{"This integration has been deleted.": deleted, "This integration is being deleted.": deleting} {
		operations := operationRows([]schemas.Operation{
			{Kind: schemas.OpDeleteIntegration, Status: schemas.OperationRunning, RequestedBy: "Ada"}, {Kind: schemas.OpCreateIntegration, RequestedBy: "Bob"},
		})
		body := integrationBody{
			Integration: i, Path: "/orgs/1/integrations/2", Operations: operations, DeletedBy: deletedBy(operations),
			Exports: []exportRow{exportOf(schemas.ExportDeleted, 7, nil, nil)},
		}
		shown := bodyOf(t, frame{page: &page{Template: "integration", Title: "Archive", Body: body}, Base: "/orgs/1", Zone: zone{time.UTC}, Admin: true})
		for _, kept := range []string{said, "Archive", "Ada", "Bob", "Hourly", "Linked scheduled exports"} {
			require.Contains(t, shown, kept)
		}
		for _, gone := range []string{"<form", "/edit", "/delete", "/credentials", "exports/new", "What to do now", "Access", "Not checked yet", "Role ARN", "Next run"} {
			require.NotContains(t, shown, gone)
		}
	}
}

func TestNothingIsAllSetWhileAnExportFails(t *testing.T) {
	t.Parallel()
	works, fails := exportOf(schemas.ExportActive, 7, nil, nil), exportOf(schemas.ExportActive, 7, nil, nil)
	fails.Name, fails.Trouble = "Standby", &trouble{}
	body := integrationBody{Integration: active(), AllDone: true, Exports: []exportRow{works}}
	shown := func() string {
		return bodyOf(t, frame{page: &page{Template: "integration", Title: "Archive", Body: body}, Base: "/orgs/1", Zone: zone{time.UTC}})
	}
	require.Contains(t, shown(), "All set.")
	body.Exports = append(body.Exports, fails)
	require.NotContains(t, shown(), "All set.")
	require.Contains(t, shown(), "1 export cannot deliver: <a href=\"/orgs/1/exports/"+fails.ID.String()+"\">Standby</a>.")
}
