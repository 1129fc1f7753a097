package temporalclient

import (
	"context"
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/auditferry/auditferry/schemas"
)

// Starter starts the workflows that nothing else starts.
type Starter struct{ Client client.Client }

// StartBackfill starts the workflow of the backfill that the operation asks
// for, unless it is running. It may be repeated: a workflow whose backfill has
// ended finds nothing to do.
func (s Starter) StartBackfill(ctx context.Context, op schemas.Operation) error {
	if op.ExportID == nil || op.BackfillID == nil {
		return errors.New("start a backfill: the operation names none")
	}
	in := schemas.ExportInput{OrgID: op.OrgID, ExportID: *op.ExportID, BackfillID: op.BackfillID}
	_, err := s.Client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                       schemas.BackfillWorkflowID(*op.BackfillID),
		TaskQueue:                schemas.TaskQueueControl,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		TypedSearchAttributes:    SearchAttributes(op.OrgID, nil, op.ExportID),
		StaticSummary:            "Backfill of export " + op.ExportID.String(),
	}, schemas.WorkflowBackfill, in)
	if err != nil {
		return fmt.Errorf("start backfill %s: %w", op.BackfillID, err)
	}
	return nil
}

// StartClosing starts the workflow that closes the chains of manifests in the
// places which the integration's exports have left, unless it is running. It may
// be repeated.
func (s Starter) StartClosing(ctx context.Context, integration schemas.IntegrationRef) error {
	_, err := s.Client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                       schemas.ClosingWorkflowID(integration.IntegrationID),
		TaskQueue:                schemas.TaskQueueControl,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		TypedSearchAttributes:    SearchAttributes(integration.OrgID, &integration.IntegrationID, nil),
		StaticSummary:            "Final manifests of integration " + integration.IntegrationID.String(),
	}, schemas.WorkflowClosing, integration)
	if err != nil {
		return fmt.Errorf("start closing the chains of integration %s: %w", integration.IntegrationID, err)
	}
	return nil
}
