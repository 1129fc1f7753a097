package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"

	"github.com/auditferry/auditferry/dev/actor"
	"github.com/auditferry/auditferry/schemas"
)

// temporalRun is what Temporal knows of one run of an export, from the workflow that
// the schedule started to the last one that it continued as.
type temporalRun struct {
	start, end time.Time // Temporal's own: when the first execution started and the last one closed
	events     int       // of all histories
	executions int
	activities []string // types, in the order in which they were scheduled
	retries    int
	timers     int
	signals    int
	writing    time.Duration // in WriteParts
}

func (r temporalRun) wall() time.Duration { return r.end.Sub(r.start) }

// actions counts as Temporal Cloud bills: two for the schedule, one for each
// execution, activity, retry, timer and signal. Heartbeats that reach the
// server count as well but are in no history.
// https://docs.temporal.io/cloud/actions
func (r temporalRun) actions() int {
	return 2 + r.executions + len(r.activities) + r.retries + r.timers + r.signals
}

// runNow asks for a run as an admin does.
func (b *bench) runNow(ctx context.Context, c *customer, export uuid.UUID) (temporalRun, error) {
	return b.follow(ctx, export, func(client.ScheduleHandle) error {
		return c.admin.Done(ctx)(c.admin.RunNow(ctx, export))
	})
}

// runDue starts a run as the schedule does when one is due. An admin's asking
// is itself an event to deliver; this is none.
func (b *bench) runDue(ctx context.Context, export uuid.UUID) (temporalRun, error) {
	return b.follow(ctx, export, func(schedule client.ScheduleHandle) error {
		return schedule.Trigger(ctx, client.ScheduleTriggerOptions{Overlap: enums.SCHEDULE_OVERLAP_POLICY_SKIP})
	})
}

// follow asks for a run, waits until the workflow that the schedule started for
// it has ended, and reads what Temporal knows of it.
func (b *bench) follow(ctx context.Context, export uuid.UUID, ask func(client.ScheduleHandle) error) (temporalRun, error) {
	schedule := b.temporal.ScheduleClient().GetHandle(ctx, schemas.ExportScheduleID(export))
	before, err := schedule.Describe(ctx)
	if err != nil {
		return temporalRun{}, fmt.Errorf("run an export: %w", err)
	}
	if err := ask(schedule); err != nil {
		return temporalRun{}, fmt.Errorf("run an export: %w", err)
	}
	var started *client.ScheduleWorkflowExecution
	err = actor.Until(ctx, func() (string, error) {
		now, err := schedule.Describe(ctx)
		if err != nil {
			return "", err
		}
		if n := len(now.Info.RecentActions); n > len(before.Info.RecentActions) {
			started = now.Info.RecentActions[n-1].StartWorkflowResult
			return "", nil
		}
		return "the schedule to start a run", nil
	})
	if err != nil {
		return temporalRun{}, fmt.Errorf("run an export: %w", err)
	}
	if err := b.temporal.GetWorkflow(ctx, started.WorkflowID, started.FirstExecutionRunID).Get(ctx, nil); err != nil {
		return temporalRun{}, fmt.Errorf("run an export: %w", err)
	}
	return b.readRun(ctx, started.WorkflowID, started.FirstExecutionRunID)
}

func (b *bench) readRun(ctx context.Context, workflowID, runID string) (r temporalRun, err error) {
	for runID != "" {
		events := b.temporal.GetWorkflowHistory(ctx, workflowID, runID, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		runID = ""
		writing := map[int64]time.Time{} // scheduled event -> when it was started
		for events.HasNext() {
			event, err := events.Next()
			if err != nil {
				return r, fmt.Errorf("read the history of %s: %w", workflowID, err)
			}
			r.count(event, writing)
			if next := event.GetWorkflowExecutionContinuedAsNewEventAttributes(); next != nil {
				runID = next.GetNewExecutionRunId()
			}
		}
	}
	return r, nil
}

func (r *temporalRun) count(event *history.HistoryEvent, writing map[int64]time.Time) {
	at := event.GetEventTime().AsTime()
	r.events++
	r.end = at
	switch event.GetEventType() {
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
		if r.executions++; r.executions == 1 {
			r.start = at
		}
	case enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
		name := event.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName()
		r.activities = append(r.activities, name)
		if name == "WriteParts" {
			writing[event.GetEventId()] = at
		}
	case enums.EVENT_TYPE_ACTIVITY_TASK_STARTED:
		r.retries += int(event.GetActivityTaskStartedEventAttributes().GetAttempt()) - 1
	case enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
		if began, ok := writing[event.GetActivityTaskCompletedEventAttributes().GetScheduledEventId()]; ok {
			r.writing += at.Sub(began)
		}
	case enums.EVENT_TYPE_TIMER_STARTED:
		r.timers++
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
		r.signals++
	}
}
