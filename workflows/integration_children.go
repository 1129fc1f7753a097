package workflows

import (
	"errors"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/schemas"
)

// notify starts the mail of an occasion and goes on: a mail server that is
// down delays the mail and nothing else. The same occasion is never mailed
// twice, because its workflow ID is taken.
func (e *integration) notify(ctx workflow.Context, kind schemas.NoticeKind, operation *uuid.UUID) {
	occasion := e.ref.IntegrationID.String()
	if operation != nil {
		occasion = operation.String()
	}
	child := beside(ctx, schemas.NoticeWorkflowID(kind, occasion), "mail: "+string(kind),
		enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE, e.ref)
	err := workflow.ExecuteChildWorkflow(child, schemas.WorkflowNotice, schemas.NoticeInput{
		OrgID:         e.ref.OrgID,
		IntegrationID: e.ref.IntegrationID,
		OperationID:   operation,
		Kind:          kind,
	}).GetChildWorkflowExecution().Get(ctx, nil)
	var again *temporal.ChildWorkflowExecutionAlreadyStartedError
	if err != nil && !errors.As(err, &again) {
		e.needAttention(ctx, "mail "+string(kind), err)
	}
}

// checkAccess starts an access check that supersedes any earlier one.
func (e *integration) checkAccess(ctx workflow.Context) error {
	e.state.Check++
	e.state.Access = schemas.AccessChecking
	if err := e.recordAccess(ctx); err != nil {
		return err
	}
	child := beside(ctx, schemas.AccessCheckWorkflowID(e.ref.IntegrationID), "watch for access",
		enumspb.WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING, //nolint:staticcheck // what supersedes it does not exist for children
		e.ref)
	return workflow.ExecuteChildWorkflow(child, schemas.WorkflowAccessCheck, schemas.AccessCheckInput{
		OrgID:         e.ref.OrgID,
		IntegrationID: e.ref.IntegrationID,
		Check:         e.state.Check,
	}).GetChildWorkflowExecution().Get(ctx, nil)
}

// accessChanged takes the report of the newest access check.
func (e *integration) accessChanged(ctx workflow.Context, signal schemas.AccessChanged) error {
	if signal.Check != e.state.Check || e.state.Access != schemas.AccessChecking || e.leaving() {
		workflow.GetLogger(ctx).Info("Report of a superseded access check ignored", "check", signal.Check)
		return nil
	}
	e.state.Access = signal.Access
	if signal.Access == schemas.AccessGranted {
		e.state.Status = schemas.IntegrationActive
	}
	return e.recordAccess(ctx)
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
