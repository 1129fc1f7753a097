package activities_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// attempt is how one try of an activity comes about; the zero value is a first
// one that nothing disturbs.
type attempt struct {
	ctx          context.Context // ends when the activity is cancelled
	scheduledFor time.Duration   // how long ago the first attempt was scheduled
	heartbeat    func(schemas.Progress)
}

// perform runs one attempt of an activity. Input, result and error travel as
// they do through Temporal.
func (a attempt) perform(t testing.TB, fn any, input ...any) (converter.EncodedValue, error) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestActivityEnvironment()
	options := worker.Options{BackgroundActivityContext: a.ctx}
	if a.scheduledFor > 0 {
		options.Interceptors = []interceptor.WorkerInterceptor{&backdate{at: time.Now().Add(-a.scheduledFor)}}
	}
	env.SetWorkerOptions(options)
	if a.heartbeat != nil {
		env.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) {
			var progress schemas.Progress
			if details.HasValues() && details.Get(&progress) == nil {
				a.heartbeat(progress)
			}
		})
	}
	env.RegisterActivity(fn)
	return env.ExecuteActivity(fn, input...)
}

// try gives what an activity that answers answered.
func try[T any](t testing.TB, a attempt, fn any, input ...any) (result T, err error) {
	t.Helper()
	value, err := a.perform(t, fn, input...)
	if err == nil {
		require.NoError(t, value.Get(&result))
	}
	return result, err
}

// must is try for activities that succeed.
func must[T any](t testing.TB, fn any, input ...any) T {
	t.Helper()
	result, err := try[T](t, attempt{}, fn, input...)
	require.NoError(t, err)
	return result
}

// mustDo is must for activities without an answer.
func mustDo(t testing.TB, fn any, input ...any) {
	t.Helper()
	_, err := attempt{}.perform(t, fn, input...)
	require.NoError(t, err)
}

// requireError checks what Temporal decides by.
func requireError(t testing.TB, err error, errorType string, retryable bool) {
	t.Helper()
	var application *temporal.ApplicationError
	require.ErrorAs(t, err, &application)
	require.Equal(t, errorType, application.Type())
	require.Equal(t, retryable, !application.NonRetryable(), "retryable")
}

// backdate makes an activity believe that it was scheduled at another time.
type backdate struct {
	interceptor.WorkerInterceptorBase
	at time.Time
}

func (b *backdate) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	in := &backdateInbound{at: b.at}
	in.Next = next
	return in
}

type backdateInbound struct {
	interceptor.ActivityInboundInterceptorBase
	at time.Time
}

func (b *backdateInbound) Init(outbound interceptor.ActivityOutboundInterceptor) error {
	out := &backdateOutbound{at: b.at}
	out.Next = outbound
	return b.Next.Init(out)
}

type backdateOutbound struct {
	interceptor.ActivityOutboundInterceptorBase
	at time.Time
}

func (b *backdateOutbound) GetInfo(ctx context.Context) activity.Info {
	info := b.Next.GetInfo(ctx)
	info.ScheduledTime = b.at
	return info
}

// run is one turn of an Export workflow.
type run struct {
	b     *bundle
	a     *activities.Exports
	in    schemas.ExportInput
	begun schemas.BeginRunResult
}

// begin starts a run, under a workflow run of its own.
func (b *bundle) begin(a *activities.Exports, e schemas.Export) *run {
	b.t.Helper()
	r := &run{b: b, a: a, in: schemas.ExportInput{OrgID: e.OrgID, ExportID: e.ID}}
	r.begin()
	require.NotNil(b.t, r.begun.Window, r.begun.Reason)
	return r
}

func (r *run) begin() {
	r.b.t.Helper()
	r.begun = must[schemas.BeginRunResult](r.b.t, r.a.BeginRun, schemas.BeginRunInput{
		ExportInput: r.in, WorkflowID: schemas.ExportWorkflowID(r.in.ExportID), RunID: newID(r.b.t).String(),
	})
}

func (r *run) window() schemas.Window { return *r.begun.Window }

// write gives the objects of the window as the ledger has them.
func (r *run) write(a attempt) ([]schemas.Object, error) {
	r.b.t.Helper()
	written, err := try[schemas.WritePartsResult](r.b.t, a, r.a.WriteParts, schemas.WritePartsInput{
		ExportInput: r.in, RunID: r.begun.RunID, Window: r.window(),
	})
	if err != nil {
		return nil, err
	}
	var sum schemas.WritePartsResult
	var objects []schemas.Object
	for _, part := range r.parts() {
		if part.Key != "" {
			objects = append(objects, part)
			sum.Stored++
		}
		sum.Rows += part.Rows
		sum.Bytes += part.Bytes
	}
	require.Equal(r.b.t, sum, written)
	return objects, nil
}

// parts are those of the window that are settled.
func (r *run) parts() []schemas.Object {
	r.b.t.Helper()
	return read(r.b, func(ctx context.Context, tx *postgres.Tx) ([]schemas.Object, error) {
		return tx.Parts(ctx, r.window().ID)
	})
}

func (r *run) mustWrite() []schemas.Object {
	r.b.t.Helper()
	objects, err := r.write(attempt{})
	require.NoError(r.b.t, err)
	return objects
}

func (r *run) finish(a attempt) (more bool, err error) {
	r.b.t.Helper()
	finished, err := try[schemas.FinishRunResult](r.b.t, a, r.a.FinishRun, schemas.FinishRunInput{
		ExportInput: r.in, RunID: r.begun.RunID, WindowID: r.window().ID, UpTo: r.begun.UpTo,
	})
	return finished.More, err
}

func (r *run) mustFinish() (more bool) {
	r.b.t.Helper()
	more, err := r.finish(attempt{})
	require.NoError(r.b.t, err)
	return more
}

// deliver is a run from its beginning to its end.
func (b *bundle) deliver(a *activities.Exports, e schemas.Export) (r *run, objects []schemas.Object) {
	b.t.Helper()
	r = b.begin(a, e)
	objects = r.mustWrite()
	r.mustFinish()
	return r, objects
}

func (r *run) fail(change ...func(*schemas.RecordFailureInput)) {
	r.b.t.Helper()
	in := schemas.RecordFailureInput{ExportInput: r.in, RunID: r.begun.RunID, Kind: schemas.KindUnavailable, Message: "the cloud is down"}
	for _, c := range change {
		c(&in)
	}
	mustDo(r.b.t, r.a.RecordFailure, in)
}
