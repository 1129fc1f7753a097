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

func exportOf(state schemas.ExportState, delivered int64, last *schemas.Run, next *time.Time) linkedExport {
	e := linkedExport{Next: next, ExportView: service.ExportView{
		Export: schemas.Export{Name: "Hourly", State: state, StartSeq: 1, DeliveredSeq: delivered},
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
		exports     []linkedExport
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
			news:        "The first try is under way.", link: "View credentials",
		},
		"not let in yet": {
			integration: waitingFor(schemas.StepWrite, schemas.StepFailed),
			states:      []stepState{done, done, now, later, later, later},
			news:        "Not yet, next try in 1 minute 30 seconds.", found: "It may not. Let it.", link: "View credentials",
		},
		"given up": {
			integration: denied,
			states:      []stepState{done, done, now, later, later, later},
			news:        accessHopeless, found: "It may not. Let it.", link: "View credentials",
		},
		"the old destination's report says nothing of the new one": {
			integration: moved,
			states:      []stepState{done, done, now, later, later, later},
			news:        "The first try is under way.", link: "View credentials",
		},
		"may write but not list": {
			integration: func() schemas.Integration {
				i := waitingFor(schemas.StepWrite, schemas.StepOK)
				i.Report.Steps = append(i.Report.Steps, schemas.AccessStep{Name: schemas.StepList, Status: schemas.StepFailed, Explanation: "It may not list."})
				return i
			}(),
			states: []stepState{done, done, done, now, later, later},
			news:   "Not yet, next try in 1 minute 30 seconds.", found: "It may not list.",
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
			integration: active(), exports: []linkedExport{exportOf(schemas.ExportActive, 0, nil, &soon)},
			states: []stepState{done, done, done, done, done, now},
			news:   "Nothing waits to be delivered: the first file comes after the first event. The next run comes in 1 minute.", link: "Hourly",
		},
		"first run has failed": {
			integration: active(), exports: []linkedExport{exportOf(schemas.ExportActive, 0, &schemas.Run{Status: schemas.RunFailed, Error: "The bucket is gone."}, &soon)},
			states: []stepState{done, done, done, done, done, now},
			news:   "The last run has failed. The next run comes in 1 minute.", found: "The bucket is gone.", link: "Hourly",
		},
		"paused before its first run": {
			integration: active(), exports: []linkedExport{exportOf(schemas.ExportPaused, 0, nil, nil)},
			states: []stepState{done, done, done, done, now, later},
			news:   "Nothing is delivered while all of them are paused: resume one.", link: "Hourly",
		},
		"paused after deliveries": {
			integration: active(), exports: []linkedExport{exportOf(schemas.ExportPaused, 7, nil, nil)},
			states: []stepState{done, done, done, done, now, done},
			news:   "Nothing is delivered while all of them are paused: resume one.", link: "Hourly",
		},
		"delivered": {
			integration: active(), exports: []linkedExport{exportOf(schemas.ExportPaused, 0, nil, nil), exportOf(schemas.ExportActive, 7, nil, &soon)},
			states: []stepState{done, done, done, done, done, done},
		},
		"access lost after deliveries": {
			integration: lost, exports: []linkedExport{exportOf(schemas.ExportActive, 7, nil, &soon)},
			states: []stepState{done, done, now, later, done, done},
			news:   accessHopeless, found: "It may not. Let it.", link: "View credentials",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			steps := setupSteps(progress{Integration: c.integration, Exports: c.exports, Path: "/orgs/1/integrations/2", Base: "/orgs/1"}, testNow)
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

func TestVerifiedStepNamesWarnings(t *testing.T) {
	t.Parallel()
	i := active(schemas.AccessStep{Name: schemas.StepDelete, Status: schemas.StepWarning, Explanation: "The marker stays."})
	steps := setupSteps(progress{Integration: i}, testNow)
	require.Equal(t, "The marker stays.", steps[3].News)
	require.Equal(t, "warn", accessOf(i, "", testNow).Tone)
}

func TestAccessHeadline(t *testing.T) {
	t.Parallel()
	waiting := waitingFor(schemas.StepWrite, schemas.StepFailed)
	due := waitingFor(schemas.StepWrite, schemas.StepFailed)
	due.Report.NextTryAt = &testNow
	deleted := active()
	deleted.Status = schemas.IntegrationDeleted

	view := accessOf(waiting, "", testNow)
	require.Equal(t, "Not yet: next try in 1 minute 30 seconds.", view.Headline)
	require.Contains(t, view.Hint, "45 minutes", "Azure's long wait is told of")
	require.Equal(t, "Not yet", view.Steps[1].Shown.Text, "a step that is tried again has not failed for good")
	require.True(t, view.Checkable)

	require.Equal(t, "Not yet: next try under way.", accessOf(due, "", testNow).Headline)
	require.Equal(t, "good", accessOf(active(), "", testNow).Tone)
	require.False(t, accessOf(deleted, "", testNow).Checkable)
	require.Nil(t, accessOf(deleted, "", testNow).Report)
}

// A new owner may be accepted only where the bucket had another one, and only
// on Google Cloud.
func TestOwnerMoved(t *testing.T) {
	t.Parallel()
	i := waitingFor(schemas.StepOwner, schemas.StepFailed)
	i.Cloud = schemas.GCP
	require.False(t, accessOf(i, "", testNow).OwnerMoved, "a permission is lacking, no more")
	i.Report.Steps[1].Code = schemas.CodeOwnerChanged
	require.True(t, accessOf(i, "", testNow).OwnerMoved)
	i.Cloud = schemas.AWS
	require.False(t, accessOf(i, "", testNow).OwnerMoved)
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
		Integration: i, Path: path, Access: accessOf(i, path, testNow),
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

	f.Body = func() integrationBody {
		b := body
		b.Integration.Status = schemas.IntegrationDeleted
		b.Access, b.Steps = accessOf(b.Integration, path, testNow), nil
		return b
	}()
	gone := bodyOf(t, f)
	for _, command := range commands {
		require.NotContains(t, gone, command, "one that is deleted takes no commands")
	}
	require.Contains(t, gone, "This integration has been deleted.")
}
