package workflows

import (
	"errors"
	"fmt"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/schemas"
)

// tell mails the outcome of an operation.
func (e *integration) tell(ctx workflow.Context, kind schemas.NoticeKind, operation uuid.UUID) {
	e.notify(ctx, operation.String(), schemas.NoticeInput{Kind: kind, OperationID: &operation})
}

// notify starts the mail of an occasion and goes on: a mail server that is
// down delays the mail and nothing else. The same occasion is never mailed
// twice (startNotice).
func (e *integration) notify(ctx workflow.Context, occasion string, notice schemas.NoticeInput) {
	notice.OrgID, notice.IntegrationID = e.ref.OrgID, e.ref.IntegrationID
	if err := startNotice(ctx, occasion, notice); err != nil {
		e.needAttention(ctx, "mail "+string(notice.Kind), err)
	}
}

// askForAccess mails what asks the admins to grant access, and begins to watch
// for it.
func (e *integration) askForAccess(ctx workflow.Context, kind schemas.NoticeKind, operation uuid.UUID) error {
	e.tell(ctx, kind, operation)
	e.state.Asked = workflow.Now(ctx)
	e.state.Told = ""
	e.state.Status = schemas.IntegrationAwaitingAccess
	return e.checkAccess(ctx)
}

// checkAccess begins an access check that supersedes any earlier one.
func (e *integration) checkAccess(ctx workflow.Context) error {
	e.state.Check++
	e.state.Access = schemas.AccessChecking
	e.state.CheckDue = true
	if err := e.recordAccess(ctx); err != nil {
		return err
	}
	return e.startCheck(ctx)
}

// startCheck starts the workflow of the newest check, unless this run has
// started one before: a run cannot start a second child with the same ID, so
// that is the next run's first act.
func (e *integration) startCheck(ctx workflow.Context) error {
	if e.leaving() {
		e.state.CheckDue = false // else the runs would go on as new without end
	}
	if !e.state.CheckDue || e.checked {
		return nil
	}
	e.checked = true
	e.state.CheckDue = false
	child := beside(ctx, schemas.AccessCheckWorkflowID(e.ref.IntegrationID), "watch for access",
		enumspb.WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING, //nolint:staticcheck // what supersedes it does not exist for children
		e.ref)
	err := workflow.ExecuteChildWorkflow(child, schemas.WorkflowAccessCheck, schemas.AccessCheckInput{
		IntegrationRef: e.ref,
		Check:          e.state.Check,
	}).GetChildWorkflowExecution().Get(ctx, nil)
	var again *temporal.ChildWorkflowExecutionAlreadyStartedError
	if errors.As(err, &again) { // the one to be terminated has just ended by itself
		e.state.CheckDue = true
		return nil
	}
	return err
}

// accessChanged takes the report of the newest access check, or a writer's hint
// that its report does not hold any more.
func (e *integration) accessChanged(ctx workflow.Context, signal schemas.AccessChanged) error {
	report := signal.Access != schemas.AccessUnknown
	checking := e.state.Access == schemas.AccessChecking
	early := e.state.Status == schemas.IntegrationProvisioning // no credentials to check access with
	if signal.Check != e.state.Check || report != checking || early || e.leaving() {
		workflow.GetLogger(ctx).Info("News of access ignored", "check", signal.Check, "access", signal.Access)
		return nil
	}
	if !report {
		return e.checkAccess(ctx)
	}
	e.state.Access = signal.Access
	if signal.Access == schemas.AccessGranted {
		e.state.Status = schemas.IntegrationActive
	}
	if err := e.recordAccess(ctx); err != nil {
		return err
	}
	e.tellAccess(ctx)
	return nil
}

// tellAccess mails what a check has found, unless the admins know: because
// nothing has changed, or because it worked at once, while they still read the
// mail that asked them for it.
func (e *integration) tellAccess(ctx workflow.Context) {
	// Runs that began under the logic that told nothing end that way. They are
	// short: when none is open any more, this may go.
	if workflow.GetVersion(ctx, "tell access", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return
	}
	if e.state.Told == e.state.Access {
		return
	}
	e.state.Told = e.state.Access
	kind := schemas.NoticeAccessDenied
	if e.state.Access == schemas.AccessGranted {
		if workflow.Now(ctx).Sub(e.state.Asked) < verifiedAtOnce {
			return
		}
		kind = schemas.NoticeAccessVerified
	}
	occasion := fmt.Sprintf("%s/%d", e.ref.IntegrationID, e.state.Check)
	e.notify(ctx, occasion, schemas.NoticeInput{Kind: kind, Check: e.state.Check})
}

func (e *integration) recordAccess(ctx workflow.Context) error {
	var a *activities.Integrations
	return workflow.ExecuteActivity(recording(ctx, "record access "+string(e.state.Access)), a.RecordAccess, schemas.RecordAccessInput{
		IntegrationRef: e.ref,
		Status:         e.state.Status,
		Access:         e.state.Access,
		Check:          e.state.Check,
	}).Get(ctx, nil)
}

// stopAccessCheck asks the check to end. One that has ended already is as
// good, and so is one that cannot be reached: its report finds no workflow.
func (e *integration) stopAccessCheck(ctx workflow.Context) {
	id := schemas.AccessCheckWorkflowID(e.ref.IntegrationID)
	if err := workflow.RequestCancelExternalWorkflow(ctx, id, "").Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Info("No access check to stop", "error", err)
	}
}
