package temporalclient

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
)

// Watcher sees how Temporal and the workers are. What it is asked fails when
// the server cannot be reached before the context ends.
type Watcher struct{ Client client.Client }

// Namespace names the namespace that the client works in, once the server has
// told of it.
func (w Watcher) Namespace(ctx context.Context) (string, error) {
	options, err := environment()
	if err != nil {
		return "", err
	}
	_, err = w.Client.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: options.Namespace})
	if err != nil {
		return "", fmt.Errorf("describe the namespace %s: %w", options.Namespace, err)
	}
	return options.Namespace, nil
}

// Poller is a process that asks for tasks.
type Poller struct {
	Identity string // process and host
	SeenAt   time.Time
}

// Pollers lists who has asked for activities of a task queue in the last
// minutes.
func (w Watcher) Pollers(ctx context.Context, queue string) ([]Poller, error) {
	described, err := w.Client.DescribeTaskQueue(ctx, queue, enumspb.TASK_QUEUE_TYPE_ACTIVITY)
	if err != nil {
		return nil, fmt.Errorf("describe the task queue %s: %w", queue, err)
	}
	pollers := make([]Poller, len(described.GetPollers()))
	for i, poller := range described.GetPollers() {
		pollers[i] = Poller{poller.GetIdentity(), poller.GetLastAccessTime().AsTime()}
	}
	return pollers, nil
}

// ScheduleState is how a schedule of the service does.
type ScheduleState struct {
	Exists  bool
	Paused  bool
	LastAt  *time.Time // when it started a workflow last
	Outcome string     // of that workflow, such as completed or failed; "" when nobody knows any more
}

// Schedule tells how a schedule does.
func (w Watcher) Schedule(ctx context.Context, id string) (ScheduleState, error) {
	described, err := w.Client.ScheduleClient().GetHandle(ctx, id).Describe(ctx)
	if isNotFound(err) {
		return ScheduleState{}, nil
	}
	if err != nil {
		return ScheduleState{}, fmt.Errorf("describe the schedule %s: %w", id, err)
	}
	state := ScheduleState{Exists: true, Paused: described.Schedule.State != nil && described.Schedule.State.Paused}
	recent := described.Info.RecentActions
	if len(recent) == 0 {
		return state, nil
	}
	last := recent[len(recent)-1]
	state.LastAt = &last.ActualTime
	if last.StartWorkflowResult != nil {
		state.Outcome, err = w.outcome(ctx, last.StartWorkflowResult.WorkflowID)
	}
	return state, err
}

// outcome asks without a run ID: the run may have continued as new.
func (w Watcher) outcome(ctx context.Context, workflow string) (string, error) {
	described, err := w.Client.DescribeWorkflowExecution(ctx, workflow, "")
	if isNotFound(err) {
		return "", nil // it is kept no longer
	}
	if err != nil {
		return "", fmt.Errorf("describe the workflow %s: %w", workflow, err)
	}
	return outcomes[described.GetWorkflowExecutionInfo().GetStatus()], nil
}

var outcomes = map[enumspb.WorkflowExecutionStatus]string{
	enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING:    "running",
	enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:  "completed",
	enumspb.WORKFLOW_EXECUTION_STATUS_FAILED:     "failed",
	enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED:   "cancelled",
	enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED: "terminated",
	enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:  "timed out",
}

func isNotFound(err error) bool {
	var notFound *serviceerror.NotFound
	return errors.As(err, &notFound)
}
