package temporalclient_test

import (
	"context"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/auditferry/auditferry/internal/temporalclient"
	"github.com/auditferry/auditferry/schemas"
)

// entity is one integration, whose workflow nobody works on unless a test
// says so.
type entity struct {
	org, id uuid.UUID
	signals temporalclient.Signaler
}

func setup(t *testing.T) *entity {
	t.Helper()
	return &entity{org: uuid.New(), id: uuid.New(), signals: temporalclient.Signaler{Client: server}}
}

func (e *entity) operation(kind schemas.OperationKind) schemas.Operation {
	op := schemas.Operation{ID: uuid.New(), OrgID: e.org, IntegrationID: &e.id, Kind: kind}
	if kind == schemas.OpProvision {
		op.Params.Credentials = &schemas.Credentials{GCP: &schemas.GCPCredentials{ServiceAccount: "ferry@acme.iam.gserviceaccount.com"}}
	}
	return op
}

func (e *entity) signal(t *testing.T, kind schemas.OperationKind) schemas.Operation {
	t.Helper()
	op := e.operation(kind)
	require.NoError(t, e.signals.Signal(t.Context(), op))
	return op
}

// received lists the signals of the workflow's newest run.
func (e *entity) received(t *testing.T) (started *historypb.HistoryEvent, signals []*historypb.WorkflowExecutionSignaledEventAttributes) {
	t.Helper()
	history := server.GetWorkflowHistory(t.Context(), schemas.IntegrationWorkflowID(e.id), "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		event, err := history.Next()
		require.NoError(t, err)
		if event.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED {
			started = event
		}
		if signal := event.GetWorkflowExecutionSignaledEventAttributes(); signal != nil {
			signals = append(signals, signal)
		}
	}
	return started, signals
}

func decode[T any](t *testing.T, payloads *commonpb.Payloads) (value T) {
	t.Helper()
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(payloads, &value))
	return value
}

// Invariant 4: every kind of command reaches the workflow with its payload,
// and starts the workflow if it was lost.
func TestSignal(t *testing.T) {
	t.Parallel()
	for kind, name := range map[schemas.OperationKind]string{
		schemas.OpUpdateDestination: "update-destination",
		schemas.OpCheckAccess:       "check-access",
		schemas.OpDeleteIntegration: "delete",
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			e := setup(t)
			op := e.signal(t, kind)
			_, signals := e.received(t)
			require.Len(t, signals, 1)
			require.Equal(t, name, signals[0].GetSignalName())
			require.Equal(t, schemas.Command{OperationID: op.ID}, decode[schemas.Command](t, signals[0].GetInput()))
		})
	}
}

func TestSignalProvisioned(t *testing.T) {
	t.Parallel()
	e := setup(t)
	for n, exclusive := range []bool{false, true} {
		op := e.operation(schemas.OpProvision)
		op.Params.Exclusive = exclusive
		require.NoError(t, e.signals.Signal(t.Context(), op))
		_, signals := e.received(t)
		require.Len(t, signals, n+1)
		require.Equal(t, "provisioned", signals[n].GetSignalName())
		require.Equal(t, schemas.Provisioned{OperationID: op.ID, Credentials: *op.Params.Credentials, Exclusive: exclusive},
			decode[schemas.Provisioned](t, signals[n].GetInput()))
	}
}

// A writer's hint reaches the workflow with the check that it doubts, and says
// nothing of what the next one will find.
func TestLookAgain(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.signal(t, schemas.OpCreateIntegration)
	ref := schemas.IntegrationRef{OrgID: e.org, IntegrationID: e.id}
	require.NoError(t, e.signals.LookAgain(t.Context(), ref, 3))
	_, signals := e.received(t)
	require.Len(t, signals, 1)
	require.Equal(t, "access-changed", signals[0].GetSignalName())
	require.Equal(t, schemas.AccessChanged{Check: 3, Access: schemas.AccessUnknown}, decode[schemas.AccessChanged](t, signals[0].GetInput()))
}

// Who is not there does not have to look, and a hint starts nobody: neither an
// integration that was deleted nor one that is unknown.
func TestLookAgainWithoutAWorkflow(t *testing.T) {
	t.Parallel()
	deleted, unknown := setup(t), setup(t)
	deleted.complete(t)
	for _, e := range []*entity{deleted, unknown} {
		require.NoError(t, e.signals.LookAgain(t.Context(), schemas.IntegrationRef{OrgID: e.org, IntegrationID: e.id}, 1))
	}
	_, err := server.DescribeWorkflowExecution(t.Context(), schemas.IntegrationWorkflowID(unknown.id), "")
	var absent *serviceerror.NotFound
	require.ErrorAs(t, err, &absent)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err = deleted.signals.LookAgain(ctx, schemas.IntegrationRef{OrgID: deleted.org, IntegrationID: deleted.id}, 1)
	require.ErrorContains(t, err, deleted.id.String(), "a server that was not asked is no absent workflow")
}

// An operator finds the workflow by what it belongs to, and reads what it is.
func TestSignalStartsAFindableWorkflow(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.signal(t, schemas.OpCreateIntegration)

	event, signals := e.received(t)
	require.Empty(t, signals)
	started := event.GetWorkflowExecutionStartedEventAttributes()
	require.Equal(t, schemas.WorkflowIntegration, started.GetWorkflowType().GetName())
	require.Equal(t, schemas.TaskQueueControl, started.GetTaskQueue().GetName())
	require.Equal(t, schemas.IntegrationInput{OrgID: e.org, IntegrationID: e.id}, decode[schemas.IntegrationInput](t, started.GetInput()))
	require.Zero(t, started.GetWorkflowExecutionTimeout().AsDuration())
	require.Contains(t, string(event.GetUserMetadata().GetSummary().GetData()), e.id.String())
	found := map[string]string{}
	for name, payload := range started.GetSearchAttributes().GetIndexedFields() {
		var value string
		require.NoError(t, converter.GetDefaultDataConverter().FromPayload(payload, &value))
		found[name] = value
	}
	require.Equal(t, map[string]string{schemas.SearchOrg: e.org.String(), schemas.SearchIntegration: e.id.String()}, found)
}

// Invariant 4: however often and in whatever order messages come, there is one
// workflow.
func TestSignalConcurrently(t *testing.T) {
	t.Parallel()
	e := setup(t)
	var senders sync.WaitGroup
	for i := range 12 {
		kind := []schemas.OperationKind{schemas.OpCreateIntegration, schemas.OpCheckAccess, schemas.OpProvision}[i%3]
		senders.Go(func() { assert.NoError(t, e.signals.Signal(t.Context(), e.operation(kind))) })
	}
	senders.Wait()
	_, signals := e.received(t)
	require.Len(t, signals, 8)
}

// A workflow that somebody terminated comes back with the next command.
func TestSignalRevivesATerminatedWorkflow(t *testing.T) {
	t.Parallel()
	for _, kind := range []schemas.OperationKind{schemas.OpCreateIntegration, schemas.OpDeleteIntegration} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			e := setup(t)
			e.signal(t, schemas.OpCreateIntegration)
			id := schemas.IntegrationWorkflowID(e.id)
			require.NoError(t, server.TerminateWorkflow(t.Context(), id, "", "by hand"))
			e.signal(t, kind)
			description, err := server.DescribeWorkflowExecution(t.Context(), id, "")
			require.NoError(t, err)
			require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, description.GetWorkflowExecutionInfo().GetStatus())
		})
	}
}

// Invariant 4: a deleted integration stays deleted, and says so.
func TestSignalToACompletedWorkflow(t *testing.T) {
	t.Parallel()
	e := setup(t)
	e.complete(t)
	for _, kind := range []schemas.OperationKind{
		schemas.OpCreateIntegration, schemas.OpProvision, schemas.OpUpdateDestination, schemas.OpCheckAccess, schemas.OpDeleteIntegration,
	} {
		require.ErrorIs(t, e.signals.Signal(t.Context(), e.operation(kind)), schemas.ErrIntegrationDeleted, kind)
	}
}

// complete runs the integration's workflow to its end, on a task queue of its
// own so that no other test's workflow is worked on.
func (e *entity) complete(t *testing.T) {
	t.Helper()
	queue := "test-" + e.id.String()
	w := worker.New(server, queue, worker.Options{})
	w.RegisterWorkflowWithOptions(func(workflow.Context, schemas.IntegrationInput) error { return nil },
		workflow.RegisterOptions{Name: schemas.WorkflowIntegration})
	require.NoError(t, w.Start())
	defer w.Stop()
	run, err := server.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: schemas.IntegrationWorkflowID(e.id), TaskQueue: queue,
	}, schemas.WorkflowIntegration, schemas.IntegrationInput{OrgID: e.org, IntegrationID: e.id})
	require.NoError(t, err)
	require.NoError(t, run.Get(t.Context(), nil))
}

func TestSignalRefusesWhatIsNotForAnIntegration(t *testing.T) {
	t.Parallel()
	e := setup(t)
	require.Error(t, e.signals.Signal(t.Context(), e.operation(schemas.OpPauseExport)))
	require.Error(t, e.signals.Signal(t.Context(), schemas.Operation{Kind: schemas.OpCheckAccess}))
	op := e.operation(schemas.OpProvision)
	op.Params.Credentials = nil
	require.Error(t, e.signals.Signal(t.Context(), op))
}
