package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// lockCommand locks an integration and the operation it is asked to carry out.
// A non-empty refusal says why the operation must not be carried out: it is
// unknown, of another integration or kind, or has ended. One that comes after
// the integration has begun to go away is ended here, because nobody else will.
func lockCommand(ctx context.Context, tx *postgres.Tx, in schemas.OperationRef, kinds ...schemas.OperationKind) (
	integration schemas.Integration, op schemas.Operation, refusal string, err error,
) {
	integration, err = tx.LockIntegration(ctx, in.IntegrationID)
	if err != nil {
		return integration, op, "", err
	}
	op, err = tx.LockOperation(ctx, in.OperationID)
	switch {
	case errors.Is(err, postgres.ErrNotFound):
		return integration, op, "there is no such operation", nil
	case err != nil:
		return integration, op, "", err
	case op.IntegrationID == nil || *op.IntegrationID != in.IntegrationID:
		return integration, op, "the operation is of another integration", nil
	case !slices.Contains(kinds, op.Kind):
		return integration, op, fmt.Sprintf("the operation is of kind %s", op.Kind), nil
	case op.Status.Ended():
		return integration, op, fmt.Sprintf("the operation has %s", op.Status), nil
	case !integration.Live() && op.Kind != schemas.OpDeleteIntegration:
		refusal = schemas.ErrIntegrationDeleted.Error()
		return integration, op, refusal, tx.EndOperation(ctx, op.ID, schemas.OperationFailed, refusal)
	}
	return integration, op, "", nil
}

// audit records what the service itself did as an event of the org.
func audit(ctx context.Context, tx *postgres.Tx, action string, integration schemas.Integration) error {
	return record(ctx, tx, integration, schemas.Event{Action: action, Outcome: schemas.OutcomeSuccess}, nil)
}

// record completes an event about an integration, and appends it.
func record(ctx context.Context, tx *postgres.Tx, integration schemas.Integration, event schemas.Event, details map[string]any) (err error) {
	if event.ID, err = uuid.NewV7(); err != nil {
		return fmt.Errorf("make an event ID: %w", err)
	}
	metadata := map[string]any{"cloud": integration.Cloud}
	maps.Copy(metadata, details)
	if event.Metadata, err = json.Marshal(metadata); err != nil {
		return fmt.Errorf("serialize metadata: %w", err)
	}
	event.OccurredAt = time.Now().UTC()
	event.Actor = schemas.Actor{Type: "service", ID: "auditferry", Name: "Auditferry"}
	event.Targets = []schemas.Target{{Type: "integration", ID: integration.ID.String(), Name: integration.Name}}
	_, err = tx.AppendEvents(ctx, []schemas.Event{event})
	return err
}
