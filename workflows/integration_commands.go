package workflows

import (
	"github.com/google/uuid"
	"go.temporal.io/sdk/workflow"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/schemas"
)

// carryOut runs one command. begin, called with input, answers whether it is
// still to be done now that its turn has come: a signal may be delivered twice,
// name an operation that does not exist, or one that another command has ended
// meanwhile. When a step fails for good the operation ends as failed, so that
// no admin waits for ever.
func (e *integration) carryOut(ctx workflow.Context, name string, op schemas.OperationRef, begin, input any, steps func() error) error {
	var begun schemas.BeginCommandResult
	if err := workflow.ExecuteActivity(recording(ctx, name), begin, input).Get(ctx, &begun); err != nil {
		return e.fail(ctx, op, err)
	}
	if !begun.Proceed {
		workflow.GetLogger(ctx).Info("Command ignored", "command", name, "operation", op.OperationID, "reason", begun.Reason)
		return nil
	}
	e.state.LastCommand = name
	e.state.Attention = ""
	if err := steps(); err != nil {
		return e.fail(ctx, op, err)
	}
	var a *activities.Integrations
	return workflow.ExecuteActivity(recording(ctx, "finish "+name), a.FinishOperation, op).Get(ctx, nil)
}

// fail ends an operation that cannot be carried out, and hands the cause on.
func (e *integration) fail(ctx workflow.Context, op schemas.OperationRef, cause error) error {
	if ctx.Err() != nil {
		return cause // the operation is still open, and will be taken up again
	}
	var a *activities.Integrations
	input := schemas.FailOperationInput{OperationRef: op, Message: reason(cause)}
	if err := workflow.ExecuteActivity(recording(ctx, "record failure"), a.FailOperation, input).Get(ctx, nil); err != nil {
		return err
	}
	return cause
}

// updateDestination moves the integration, and its linked exports as the admin
// chose, to another place in the same cloud.
func (e *integration) updateDestination(ctx workflow.Context, command schemas.Command) error {
	var a *activities.Integrations
	op := e.operation(command.OperationID)
	return e.carryOut(ctx, "update destination", op, a.UpdateDestination, op, func() error {
		if err := e.applyExports(ctx); err != nil {
			return err
		}
		if e.state.Status == schemas.IntegrationProvisioning {
			e.tell(ctx, schemas.NoticeDestinationUpdated, op.OperationID)
			return nil // there are no credentials to check access with
		}
		return e.askForAccess(ctx, schemas.NoticeDestinationUpdated, op.OperationID)
	})
}

// recheckAccess begins a new access check, whatever the last one found.
func (e *integration) recheckAccess(ctx workflow.Context, command schemas.Command) error {
	var a *activities.Integrations
	op := e.operation(command.OperationID)
	return e.carryOut(ctx, "check access", op, a.BeginAccessCheck, op, func() error {
		return e.checkAccess(ctx)
	})
}

// delete ends the integration. Nothing of it can be undone, so the order is
// that of growing consequence: stop, close, revoke, forget.
func (e *integration) delete(ctx workflow.Context, command schemas.Command) error {
	var a *activities.Integrations
	var p *activities.Provisioning
	op := e.operation(command.OperationID)
	return e.carryOut(ctx, "delete", op, a.BeginDelete, op, func() error {
		e.state.Status = schemas.IntegrationDeleting
		if e.cancelRequest != nil {
			e.cancelRequest()
		}
		if err := e.stopEverything(ctx); err != nil {
			return err
		}
		if err := e.closeChains(ctx); err != nil {
			return err
		}
		if err := workflow.ExecuteActivity(revoking(ctx, "revoke credentials"), p.RevokeCredentials, e.ref).Get(ctx, nil); err != nil {
			if ctx.Err() != nil {
				return err
			}
			// The credentials are forgotten, so nothing can be written with them.
			// What is left of them in the cloud is the operators' to remove.
			e.needAttention(ctx, "revoke credentials", err)
		}
		if err := workflow.ExecuteActivity(recording(ctx, "forget"), a.FinishDelete, op).Get(ctx, nil); err != nil {
			return err
		}
		e.tell(ctx, schemas.NoticeIntegrationDeleted, op.OperationID)
		e.state.Status = schemas.IntegrationDeleted
		return nil
	})
}

// stopEverything ends the access check, the schedules and the runs of the
// linked exports.
func (e *integration) stopEverything(ctx workflow.Context) error {
	e.stopAccessCheck(ctx)
	if err := e.applyExports(ctx); err != nil {
		return err
	}
	var a *activities.Schedules
	err := workflow.ExecuteActivity(stopping(ctx, "stop running exports"), a.StopRuns, e.ref).Get(ctx, nil)
	if err != nil && ctx.Err() == nil {
		// A run that does not stop in time cannot deliver any more: what it
		// would record is refused.
		workflow.GetLogger(ctx).Warn("Runs left behind", "error", err)
		return nil
	}
	return err
}

// closeChains writes the final manifests while there still are credentials. What
// cannot be written in time is given up with the integration.
func (e *integration) closeChains(ctx workflow.Context) error {
	// Deletes that began when there were no manifests go on without. They are
	// short: when none is open any more, this may go.
	if workflow.GetVersion(ctx, "close chains", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return nil
	}
	var a *activities.Exports
	err := workflow.ExecuteActivity(closing(ctx, "write final manifests"), a.CloseChains, e.ref).Get(ctx, nil)
	if err != nil && ctx.Err() == nil {
		workflow.GetLogger(ctx).Warn("Chains stay open", "error", err)
		return nil
	}
	return err
}

// applyExports makes the Temporal schedules of the linked exports equal their
// rows.
func (e *integration) applyExports(ctx workflow.Context) error {
	var a *activities.Schedules
	return workflow.ExecuteActivity(applying(ctx, "apply linked exports"), a.ApplyLinked, e.ref).Get(ctx, nil)
}

func (e *integration) operation(id uuid.UUID) schemas.OperationRef {
	return schemas.OperationRef{OrgID: e.ref.OrgID, IntegrationID: e.ref.IntegrationID, OperationID: id}
}
