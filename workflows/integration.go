package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/schemas"
)

// Integration is the entity workflow: one execution per integration, open from
// creation until deletion. Everything that must outlive a run is in its state
// and nowhere else, so continue-as-new is one line.
func Integration(ctx workflow.Context, in schemas.IntegrationInput) error {
	e := &integration{ref: schemas.IntegrationRef{OrgID: in.OrgID, IntegrationID: in.IntegrationID}}
	if in.State != nil {
		e.state = *in.State
	}
	// Registered first: even a failing run can be read.
	if err := workflow.SetQueryHandler(ctx, schemas.QueryState, e.query); err != nil {
		return fmt.Errorf("register query: %w", err)
	}
	e.listen(ctx)
	if in.State == nil {
		if err := e.load(ctx); err != nil {
			return err
		}
	}
	return e.run(ctx)
}

// integration is one run of the entity.
type integration struct {
	ref   schemas.IntegrationRef
	state schemas.IntegrationState

	inbox   workflow.Selector
	changed bool // a signal or timer has been handled in this run
	checked bool // an access check has been started in this run

	request       workflow.Future // the request to the provisioner, while it is under way
	cancelRequest workflow.CancelFunc
	reminder      workflow.Future
	again         workflow.Future // the timer before the request is repeated
}

func (e *integration) run(ctx workflow.Context) error {
	if err := e.startCheck(ctx); err != nil {
		e.needAttention(ctx, "check access", err)
	}
	// A command that is there although all is deleted is answered all the same:
	// the run that carried it out may have been terminated before it said so.
	for e.state.Status != schemas.IntegrationDeleted || e.inbox.HasPending() {
		e.requestProvisioning(ctx)
		e.remind(ctx)
		e.askAgain(ctx)
		workflow.SetCurrentDetails(ctx, e.state.Markdown())
		// A signal still in the inbox would be lost by continuing as new, so
		// those are handled first.
		if (e.changed || e.state.CheckDue) && e.request == nil && !e.inbox.HasPending() {
			return workflow.NewContinueAsNewError(ctx, Integration, e.input())
		}
		e.inbox.Select(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	workflow.SetCurrentDetails(ctx, e.state.Markdown())
	return nil
}

func (e *integration) query() (schemas.IntegrationState, error) { return e.state, nil }

func (e *integration) input() schemas.IntegrationInput {
	return schemas.IntegrationInput{OrgID: e.ref.OrgID, IntegrationID: e.ref.IntegrationID, State: &e.state}
}

// leaving tells whether the deletion has begun, which nothing takes back.
func (e *integration) leaving() bool {
	return e.state.Status == schemas.IntegrationDeleting || e.state.Status == schemas.IntegrationDeleted
}

// load finds out where the integration stands. That is "provisioning", unless
// this run replaces one that somebody terminated.
func (e *integration) load(ctx workflow.Context) error {
	var a *activities.Integrations
	var found schemas.LoadIntegrationResult
	err := workflow.ExecuteActivity(recording(ctx, "load"), a.LoadIntegration, e.ref).Get(ctx, &found)
	if err != nil {
		return err
	}
	e.state = schemas.IntegrationState{
		Cloud:       found.Cloud,
		Status:      found.Status,
		Access:      found.Access,
		Check:       found.Check,
		WaitingFrom: workflow.Now(ctx),
		Told:        found.Access,
	}
	if e.state.Access == schemas.AccessChecking && !e.leaving() {
		return e.checkAccess(ctx)
	}
	return nil
}

// listen puts the signals into the inbox. Deleting stands last: what else has
// arrived by then is done before it.
func (e *integration) listen(ctx workflow.Context) {
	e.inbox = workflow.NewSelector(ctx)
	on(ctx, e, schemas.SignalProvisioned, e.provisioned)
	on(ctx, e, schemas.SignalUpdateDestination, e.updateDestination)
	on(ctx, e, schemas.SignalCheckAccess, e.recheckAccess)
	on(ctx, e, schemas.SignalAccessChanged, e.accessChanged)
	on(ctx, e, schemas.SignalDelete, e.delete)
}

// on calls handle for each signal. A failing step never fails the entity: what
// went wrong is put before a person, and the integration waits.
func on[T any](ctx workflow.Context, e *integration, signal schemas.Signal[T], handle func(workflow.Context, T) error) {
	e.inbox.AddReceive(workflow.GetSignalChannel(ctx, signal.Name), func(c workflow.ReceiveChannel, _ bool) {
		var payload T
		if !c.ReceiveAsync(&payload) {
			return // undecodable; the SDK has logged it
		}
		e.changed = true
		e.state.Handled++
		if err := handle(ctx, payload); err != nil {
			e.needAttention(ctx, signal.Name, err)
		}
	})
}

func (e *integration) needAttention(ctx workflow.Context, during string, err error) {
	if temporal.IsCanceledError(err) {
		return // the workflow itself is being cancelled
	}
	workflow.GetLogger(ctx).Error("Integration needs attention", "during", during, "error", err)
	e.state.Attention = fmt.Sprintf("%s: %s", during, reason(err))
}

// reason is the innermost application error's text, without the layers that
// Temporal puts around it.
func reason(err error) string {
	var application *temporal.ApplicationError
	if errors.As(err, &application) {
		return application.Message()
	}
	return err.Error()
}
