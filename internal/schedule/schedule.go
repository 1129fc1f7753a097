// Package schedule makes Temporal schedules equal what the database says, and
// knows when an export is due.
package schedule

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/auditferry/auditferry/schemas"
)

// catchUp is how long after its time a missed action is still taken when
// Temporal was down. More would be of no use: what to deliver comes from the
// ledger, so one late run delivers what all missed ones would have.
const catchUp = time.Hour

// Adapter works on the schedules of one Temporal namespace. It is safe for
// concurrent use, but two calls for the same schedule at once leave it as one
// of them wanted it; callers that may disagree hold a lock.
type Adapter struct{ Client client.Client }

// Apply makes the Temporal schedule of an export equal its row, whatever state
// it is in: it creates, updates, pauses, unpauses or deletes, and does nothing
// when they are equal already. Actions that were due before, or while the
// export was paused, are not made up for.
//
// It also asks the export's running workflows to cancel when none may go on:
// the export is deleted, or its integration is.
func (a Adapter) Apply(ctx context.Context, export schemas.Export) error {
	if err := a.apply(ctx, export); err != nil {
		return fmt.Errorf("apply the schedule of export %s: %w", export.ID, err)
	}
	return nil
}

func (a Adapter) apply(ctx context.Context, export schemas.Export) error {
	if export.State == schemas.ExportDeleted {
		return a.remove(ctx, schemas.ExportScheduleID(export.ID))
	}
	want, err := ofExport(export)
	if err != nil {
		return err
	}
	if err := a.ensure(ctx, want); err != nil {
		return err
	}
	if export.PauseReason == schemas.PausedByIntegrationDeleted {
		return a.cancelRuns(ctx, want.id)
	}
	return nil
}

// Trigger starts a run of the export now; if one is running already, that one
// counts. It does so for a paused schedule, too.
func (a Adapter) Trigger(ctx context.Context, export uuid.UUID) error {
	handle := a.Client.ScheduleClient().GetHandle(ctx, schemas.ExportScheduleID(export))
	err := handle.Trigger(ctx, client.ScheduleTriggerOptions{Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP})
	if err != nil {
		return fmt.Errorf("trigger the schedule of export %s: %w", export, err)
	}
	return nil
}

// EnsureFixed makes sure that a schedule of the service itself exists and
// starts the workflow, without arguments, every so often. Whether it is paused
// is left alone: that is up to the operators.
func (a Adapter) EnsureFixed(ctx context.Context, id string, every time.Duration, workflow, taskQueue string) error {
	want := desired{
		id:   id,
		spec: frequency{every: every, zone: time.UTC}.spec(),
		action: client.ScheduleWorkflowAction{
			ID:            id,
			Workflow:      workflow,
			TaskQueue:     taskQueue,
			StaticSummary: fmt.Sprintf("%s, every %s", workflow, every),
		},
		keepState: true,
	}
	if err := a.ensure(ctx, want); err != nil {
		return fmt.Errorf("ensure schedule %s: %w", id, err)
	}
	return nil
}

// ensure updates the schedule, or creates it when there is none.
func (a Adapter) ensure(ctx context.Context, want desired) error {
	err := a.update(ctx, want)
	if !isNotFound(err) {
		return err
	}
	_, err = a.Client.ScheduleClient().Create(ctx, want.options())
	if errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return a.update(ctx, want) // somebody was quicker, maybe with something else
	}
	return err
}

func (a Adapter) update(ctx context.Context, want desired) error {
	handle := a.Client.ScheduleClient().GetHandle(ctx, want.id)
	return handle.Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			if want.equals(in.Description) {
				return nil, temporal.ErrSkipScheduleUpdate
			}
			return want.update(in.Description), nil
		},
	})
}

// remove cancels first: once the schedule is gone, nobody knows its running
// workflows. A run that starts in between finds the row deleted and stops.
func (a Adapter) remove(ctx context.Context, id string) error {
	if err := a.cancelRuns(ctx, id); err != nil {
		return err
	}
	err := a.Client.ScheduleClient().GetHandle(ctx, id).Delete(ctx)
	if isNotFound(err) {
		return nil
	}
	return err
}

func (a Adapter) cancelRuns(ctx context.Context, id string) error {
	description, err := a.Client.ScheduleClient().GetHandle(ctx, id).Describe(ctx)
	if isNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, run := range description.Info.RunningWorkflows {
		// Without a run ID, so that a run continued as new is found as well.
		err := a.Client.CancelWorkflow(ctx, run.WorkflowID, "")
		if err != nil && !isNotFound(err) {
			return fmt.Errorf("cancel run %s: %w", run.WorkflowID, err)
		}
	}
	return nil
}

func isNotFound(err error) bool {
	var notFound *serviceerror.NotFound
	return errors.As(err, &notFound)
}
