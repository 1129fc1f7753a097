package workflows

import (
	"time"

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
	e.request = workflow.ExecuteActivity(requesting(requestCtx, "ask for credentials"), a.RequestProvisioning, e.ref)
	e.inbox.AddFuture(e.request, func(f workflow.Future) {
		e.request = nil
		if err := f.Get(ctx, nil); err != nil {
			if temporal.IsCanceledError(err) {
				return
			}
			// An operator may still provision by hand, or mend what was wrong.
			e.needAttention(ctx, "ask for credentials", err)
			e.remindOperators(ctx)
			e.state.AskAgain = workflow.Now(ctx).Add(askAgainAfter)
		}
		e.state.Requested = true
	})
}

// askAgain repeats a request that the provisioner could not fulfill.
func (e *integration) askAgain(ctx workflow.Context) {
	if e.again != nil || e.state.AskAgain.IsZero() || e.state.Status != schemas.IntegrationProvisioning {
		return
	}
	wait := e.state.AskAgain.Sub(workflow.Now(ctx))
	e.again = workflow.NewTimerWithOptions(ctx, max(wait, 0), workflow.TimerOptions{Summary: "ask for credentials again"})
	e.inbox.AddFuture(e.again, func(f workflow.Future) {
		if f.Get(ctx, nil) != nil || e.state.Status != schemas.IntegrationProvisioning {
			return
		}
		e.changed = true
		e.again = nil
		e.state.Requested, e.state.AskAgain = false, time.Time{}
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
		e.remindOperators(ctx)
	})
}

// remindOperators mails them once in the life of an integration.
func (e *integration) remindOperators(ctx workflow.Context) {
	if e.state.Reminded {
		return
	}
	e.state.Reminded = true
	e.notify(ctx, e.ref.IntegrationID.String(), schemas.NoticeInput{Kind: schemas.NoticeProvisioningWaiting})
}

// provisioned stores the credentials, tells the admins what to do with them
// and begins to watch for access. Later credentials replace earlier ones; the
// same ones again are no news.
func (e *integration) provisioned(ctx workflow.Context, signal schemas.Provisioned) error {
	var a *activities.Integrations
	op := e.operation(signal.OperationID)
	input := schemas.StoreCredentialsInput{OperationRef: op, Credentials: signal.Credentials, Exclusive: signal.Exclusive}
	return e.carryOut(ctx, "provisioned", op, a.StoreCredentials, input, func() error {
		return e.askForAccess(ctx, schemas.NoticeIntegrationReady, op.OperationID)
	})
}
