package temporalclient

import (
	"context"
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/auditferry/auditferry/schemas"
)

// Signaler hands operations to Integration workflows.
type Signaler struct{ Client client.Client }

// Signal gives the operation to the workflow of its integration. Every kind
// also starts the workflow when it is not running, so that one that was lost
// comes back; its state is in Postgres. The same operation may be given any
// number of times: the workflow acts on it once.
//
// The error is schemas.ErrIntegrationDeleted when the workflow has completed,
// and can never carry the operation out.
func (s Signaler) Signal(ctx context.Context, op schemas.Operation) error {
	if op.IntegrationID == nil {
		return fmt.Errorf("signal operation %s: it names no integration", op.ID)
	}
	err := s.deliver(ctx, op)
	var completed *serviceerror.WorkflowExecutionAlreadyStarted
	if errors.As(err, &completed) {
		return schemas.ErrIntegrationDeleted
	}
	if err != nil {
		return fmt.Errorf("signal %s to integration %s: %w", op.Kind, op.IntegrationID, err)
	}
	return nil
}

func (s Signaler) deliver(ctx context.Context, op schemas.Operation) error {
	command := schemas.Command{OperationID: op.ID}
	switch op.Kind {
	case schemas.OpCreateIntegration:
		_, err := s.Client.ExecuteWorkflow(ctx, startOptions(op), schemas.WorkflowIntegration, input(op))
		return err
	case schemas.OpProvision:
		if op.Params.Credentials == nil {
			return errors.New("the operation holds no credentials")
		}
		return send(ctx, s.Client, op, schemas.SignalProvisioned, schemas.Provisioned{
			OperationID: op.ID,
			Credentials: *op.Params.Credentials,
			Exclusive:   op.Params.Exclusive,
		})
	case schemas.OpUpdateDestination:
		return send(ctx, s.Client, op, schemas.SignalUpdateDestination, command)
	case schemas.OpCheckAccess:
		return send(ctx, s.Client, op, schemas.SignalCheckAccess, command)
	case schemas.OpDeleteIntegration:
		return send(ctx, s.Client, op, schemas.SignalDelete, command)
	default:
		return fmt.Errorf("an integration does not know the operation kind %q", op.Kind)
	}
}

// LookAgain asks the workflow of an integration for another access check, unless
// one has begun since the given one. An integration whose workflow is not
// running is not there to look.
func (s Signaler) LookAgain(ctx context.Context, integration schemas.IntegrationRef, check int) error {
	id := schemas.IntegrationWorkflowID(integration.IntegrationID)
	err := s.Client.SignalWorkflow(ctx, id, "", schemas.SignalAccessChanged.Name,
		schemas.AccessChanged{Check: check, Access: schemas.AccessUnknown})
	var absent *serviceerror.NotFound
	if err != nil && !errors.As(err, &absent) {
		return fmt.Errorf("signal integration %s to look at its access again: %w", integration.IntegrationID, err)
	}
	return nil
}

// send is a function and not a method because only functions can tie a
// signal's name to its payload's type.
func send[T any](ctx context.Context, c client.Client, op schemas.Operation, signal schemas.Signal[T], payload T) error {
	options := startOptions(op)
	_, err := c.SignalWithStartWorkflow(ctx, options.ID, signal.Name, payload, options, schemas.WorkflowIntegration, input(op))
	return err
}

func input(op schemas.Operation) schemas.IntegrationInput {
	return schemas.IntegrationInput{OrgID: op.OrgID, IntegrationID: *op.IntegrationID}
}

func startOptions(op schemas.Operation) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID:        schemas.IntegrationWorkflowID(*op.IntegrationID),
		TaskQueue: schemas.TaskQueueControl,
		// Running: that is the one. Completed: the integration is deleted, and
		// must not come back. Terminated or failed, which we never do
		// ourselves: start again from what Postgres says.
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
		// The SDK would otherwise report a completed workflow as a success.
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		TypedSearchAttributes:                    SearchAttributes(op.OrgID, op.IntegrationID, nil),
		StaticSummary:                            "Storage integration " + op.IntegrationID.String(),
		StaticDetails: fmt.Sprintf("Entity of integration `%s` of org `%s`: open from creation to deletion. Cancel it by deleting the integration, never by terminating.",
			op.IntegrationID, op.OrgID),
	}
}
