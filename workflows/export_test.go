package workflows_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/auditferry/auditferry/schemas"
	"github.com/auditferry/auditferry/workflows"
)

// book is a ledger in memory, with a backlog of windows to deliver.
type book struct {
	mu       sync.Mutex
	calls    []string
	backlog  int                 // windows not delivered
	begun    schemas.ExportInput // of the last run
	begin    func()
	write    func() error
	failures []schemas.RecordFailureInput
}

func (b *book) note(call string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, call)
}

func (b *book) BeginRun(_ context.Context, in schemas.BeginRunInput) (schemas.BeginRunResult, error) {
	b.note("BeginRun")
	b.begun = in.ExportInput
	if b.begin != nil {
		b.begin()
	}
	if b.backlog == 0 {
		return schemas.BeginRunResult{Reason: "everything is delivered"}, nil
	}
	first := int64(1 + 100*in.Turn)
	return schemas.BeginRunResult{RunID: uuid.New(), Window: &schemas.Window{
		ID: uuid.New(), ExportID: in.ExportID, FirstSeq: first, LastSeq: first + 99, RowsPerPart: 50,
	}, UpTo: 1_000_000}, nil
}

func (b *book) WriteParts(_ context.Context, in schemas.WritePartsInput) (schemas.WritePartsResult, error) {
	b.note("WriteParts")
	if b.write != nil {
		if err := b.write(); err != nil {
			return schemas.WritePartsResult{}, err
		}
	}
	return schemas.WritePartsResult{Stored: in.Window.Parts(), Rows: in.Window.Span()}, nil
}

func (b *book) FinishRun(_ context.Context, in schemas.FinishRunInput) (schemas.FinishRunResult, error) {
	b.note("FinishRun")
	if in.UpTo != 1_000_000 {
		return schemas.FinishRunResult{}, temporal.NewNonRetryableApplicationError("it does not know when the run began", schemas.ErrorInvalidInput, nil)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.backlog--
	return schemas.FinishRunResult{More: b.backlog > 0}, nil
}

func (b *book) RecordFailure(_ context.Context, in schemas.RecordFailureInput) error {
	b.note("RecordFailure")
	b.failures = append(b.failures, in)
	return nil
}

func runExport(b *book, script func(*testsuite.TestWorkflowEnvironment)) error {
	env := newEnv()
	env.RegisterActivity(b)
	if script != nil {
		script(env)
	}
	env.ExecuteWorkflow(workflows.Export, schemas.ExportInput{OrgID: uuid.New(), ExportID: uuid.New()})
	return env.GetWorkflowError()
}

// An idle run costs one activity, a small one three.
func TestExportCost(t *testing.T) {
	t.Parallel()
	idle, small := &book{}, &book{backlog: 1}
	require.NoError(t, runExport(idle, nil))
	require.NoError(t, runExport(small, nil))
	require.Equal(t, []string{"BeginRun"}, idle.calls)
	require.Equal(t, []string{"BeginRun", "WriteParts", "FinishRun"}, small.calls)
}

func TestExportDeliversUntilNothingWaits(t *testing.T) {
	t.Parallel()
	b := &book{backlog: 3}
	require.NoError(t, runExport(b, nil))
	require.Zero(t, b.backlog)
	require.Len(t, b.calls, 9)
}

func TestExportContinuesAsNewWhenItCatchesUp(t *testing.T) {
	t.Parallel()
	b := &book{backlog: 1000}
	err := runExport(b, nil)
	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, err, &next)
	require.Equal(t, 950, b.backlog)
}

// A grant that takes 45 minutes to work is no failure (reference document).
func TestExportWaitsForALateGrant(t *testing.T) {
	t.Parallel()
	var now func() time.Time
	var began time.Time
	b := &book{backlog: 1}
	b.write = func() error {
		if began.IsZero() {
			began = now()
		}
		if now().Sub(began) < 45*time.Minute {
			return temporal.NewApplicationError("not yet", schemas.ErrorDestinationDenied)
		}
		return nil
	}
	require.NoError(t, runExport(b, func(env *testsuite.TestWorkflowEnvironment) { now = env.Now }))
	require.Zero(t, b.backlog)
	require.Empty(t, b.failures)
}

func TestExportRecordsWhyItFailed(t *testing.T) {
	t.Parallel()
	b := &book{backlog: 1, write: func() error {
		return temporal.NewNonRetryableApplicationError("no such bucket", schemas.ErrorDestinationNotFound, nil)
	}}
	err := runExport(b, nil)
	require.ErrorContains(t, err, "no such bucket")
	require.Len(t, b.failures, 1)
	require.Equal(t, schemas.KindNotFound, b.failures[0].Kind)
	require.Equal(t, "no such bucket", b.failures[0].Message)
	require.False(t, b.failures[0].Cancelled)
	require.False(t, b.failures[0].At.IsZero())
	require.Equal(t, 1, b.backlog, "the window waits for the next run")
}

func TestExportCancelled(t *testing.T) {
	t.Parallel()
	b := &book{backlog: 1, write: func() error {
		return temporal.NewApplicationError("not yet", schemas.ErrorDestinationDenied)
	}}
	err := runExport(b, func(env *testsuite.TestWorkflowEnvironment) {
		env.RegisterDelayedCallback(env.CancelWorkflow, time.Minute)
	})
	require.True(t, temporal.IsCanceledError(err), "%v", err)
	require.NotContains(t, b.calls, "FinishRun")
	require.Len(t, b.failures, 1)
	require.True(t, b.failures[0].Cancelled)
}

// A run that was opened while the workflow was being cancelled is ended, or the
// delete that cancels it would wait for it in vain.
func TestExportCancelledWhileItBegins(t *testing.T) {
	t.Parallel()
	b := &book{backlog: 1}
	err := runExport(b, func(env *testsuite.TestWorkflowEnvironment) {
		cancelled := make(chan struct{})
		b.begin = func() {
			env.RegisterDelayedCallback(func() {
				env.CancelWorkflow()
				env.RegisterDelayedCallback(func() { close(cancelled) }, 0)
			}, 0)
			<-cancelled
		}
	})
	require.True(t, temporal.IsCanceledError(err), "%v", err)
	require.Equal(t, []string{"BeginRun", "RecordFailure"}, b.calls)
	require.True(t, b.failures[0].Cancelled)
}

// A backfill delivers its windows as an export does, and what it begins it says
// of itself.
func TestBackfill(t *testing.T) {
	t.Parallel()
	b := &book{backlog: 3}
	backfill := uuid.New()
	in := schemas.ExportInput{OrgID: uuid.New(), ExportID: uuid.New(), BackfillID: &backfill}
	env := newEnv()
	env.RegisterActivity(b)
	env.ExecuteWorkflow(workflows.Backfill, in)
	require.NoError(t, env.GetWorkflowError())
	require.Zero(t, b.backlog)
	require.Equal(t, in, b.begun)

	b = &book{backlog: 1000}
	env = newEnv()
	env.RegisterActivity(b)
	env.ExecuteWorkflow(workflows.Backfill, in)
	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &next)
	require.Equal(t, "Backfill", next.WorkflowType.Name)
}
