package workflows

import (
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/schemas"
)

// requestProvisioning hands the request to the provisioner, once, without
// waiting for it: a delete must not have to. A workflow that comes back does so
// whatever has been provisioned: the creation may still have to be finished.
func (e *integration) requestProvisioning(ctx workflow.Context) {
	if e.state.Requested || e.request != nil || e.leaving() {
		return
	}
	var a *activities.Provisioning
	requestCtx, cancel := workflow.WithCancel(ctx)
	e.cancelRequest = cancel
	e.request = workflow.ExecuteActivity(recording(requestCtx, "ask for credentials"), a.RequestProvisioning, e.ref)
	e.inbox.AddFuture(e.request, func(f workflow.Future) {
		e.request = nil
		if err := f.Get(ctx, nil); err != nil {
			if temporal.IsCanceledError(err) {
				return
			}
			// An operator may still provision by hand, so the wait goes on.
			e.needAttention(ctx, "ask for credentials", err)
			e.notify(ctx, schemas.NoticeProvisioningWaiting, nil)
			e.state.Reminded = true
		}
		e.state.Requested = true
	})
}

// remind tells the operators of an integration that nobody has provisioned.
func (e *integration) remind(ctx workflow.Context) {
	if e.reminder != nil || e.state.Reminded || !e.state.Requested || e.state.Status != schemas.IntegrationProvisioning {
		return
	}
	wait := reminderAfter - workflow.Now(ctx).Sub(e.state.WaitingFrom)
	e.reminder = workflow.NewTimerWithOptions(ctx, max(wait, 0), workflow.TimerOptions{Summary: "remind the operators"})
	e.inbox.AddFuture(e.reminder, func(f workflow.Future) {
		if f.Get(ctx, nil) != nil || e.state.Status != schemas.IntegrationProvisioning {
			return
		}
		e.changed = true
		e.state.Reminded = true
		e.notify(ctx, schemas.NoticeProvisioningWaiting, nil)
	})
}

// provisioned stores the credentials, tells the admins what to do with them
// and begins to watch for access. Later credentials replace earlier ones; the
// same ones again are no news.
func (e *integration) provisioned(ctx workflow.Context, signal schemas.Provisioned) error {
	var a *activities.Integrations
	op := e.operation(signal.OperationID)
	input := schemas.StoreCredentialsInput{OperationRef: op, Credentials: signal.Credentials}
	return e.carryOut(ctx, "provisioned", op, a.StoreCredentials, input, func() error {
		e.state.Status = schemas.IntegrationAwaitingAccess
		e.notify(ctx, schemas.NoticeIntegrationReady, &op.OperationID)
		return e.checkAccess(ctx)
	})
}
