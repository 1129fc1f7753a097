package workflows_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/auditferry/auditferry/schemas"
	"github.com/auditferry/auditferry/workflows"
)

// sentry has notices that are due until they are marked as told.
type sentry struct {
	calls []string
	at    time.Time
	due   []schemas.DueNotice
	told  []schemas.DueNotice
	fail  error // of the first mark
}

func (l *sentry) DueNotices(_ context.Context, in schemas.WatchInput) (schemas.WatchResult, error) {
	l.calls = append(l.calls, "DueNotices")
	l.at = in.At
	return schemas.WatchResult{Due: l.due}, nil
}

func (l *sentry) MarkTold(_ context.Context, in schemas.MarkToldInput) error {
	l.calls = append(l.calls, "MarkTold")
	if err := l.fail; err != nil {
		l.fail = nil
		return err
	}
	l.told, l.due = in.Told, nil
	return nil
}

func dueNotice(kind schemas.NoticeKind, occasion string) schemas.DueNotice {
	export := uuid.New()
	return schemas.DueNotice{Occasion: occasion, Notice: schemas.NoticeInput{
		OrgID: uuid.New(), IntegrationID: uuid.New(), ExportID: &export, Kind: kind,
	}}
}

func watch(l *sentry, script func(*testsuite.TestWorkflowEnvironment)) *testsuite.TestWorkflowEnvironment {
	env := newEnv()
	env.RegisterActivity(l)
	script(env)
	env.ExecuteWorkflow(workflows.Watch)
	return env
}

// Nothing to tell costs one activity, and it is asked by the workflow's clock.
func TestWatchCostsLittle(t *testing.T) {
	t.Parallel()
	l := &sentry{}
	began := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	env := watch(l, func(env *testsuite.TestWorkflowEnvironment) { env.SetStartTime(began) })
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, []string{"DueNotices"}, l.calls)
	require.True(t, began.Equal(l.at), "%s", l.at)
}

// Every notice has a workflow of its own, and is noted once all have started.
// Noting may be repeated.
func TestWatchTellsEachOccasion(t *testing.T) {
	t.Parallel()
	first, second := dueNotice(schemas.NoticeExportFailing, "one"), dueNotice(schemas.NoticeEventsExpiring, "two")
	l := &sentry{due: []schemas.DueNotice{first, second}, fail: errors.New("database is down")}
	var started []string
	var notices []schemas.NoticeInput
	env := watch(l, func(env *testsuite.TestWorkflowEnvironment) {
		env.RegisterWorkflowWithOptions(func(ctx workflow.Context, in schemas.NoticeInput) error {
			started = append(started, workflow.GetInfo(ctx).WorkflowExecution.ID)
			notices = append(notices, in)
			return nil
		}, workflow.RegisterOptions{Name: schemas.WorkflowNotice})
	})
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, []string{"notice/export-failing/one", "notice/events-expiring/two"}, started)
	require.Equal(t, []schemas.NoticeInput{first.Notice, second.Notice}, notices)
	require.Equal(t, []schemas.DueNotice{first, second}, l.told)
}

// A crash between the start of a notice and the note of it finds the notice
// started, and does not mail it again.
func TestWatchAfterACrash(t *testing.T) {
	t.Parallel()
	due := dueNotice(schemas.NoticeExportFailing, "one")
	l := &sentry{due: []schemas.DueNotice{due, due}} // the second finds what the first left
	mailed := 0
	env := watch(l, func(env *testsuite.TestWorkflowEnvironment) {
		env.RegisterWorkflowWithOptions(func(workflow.Context, schemas.NoticeInput) error {
			mailed++
			return nil
		}, workflow.RegisterOptions{Name: schemas.WorkflowNotice})
	})
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, 1, mailed)
	require.Len(t, l.told, 2)
}
