package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

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

// audit records what the service itself did to an integration as an event of
// the org.
func audit(ctx context.Context, tx *postgres.Tx, action string, integration schemas.Integration) error {
	return recordIntegration(ctx, tx, integration, schemas.Event{Action: action, Outcome: schemas.OutcomeSuccess}, nil)
}

// recordIntegration completes an event about an integration, and appends it.
func recordIntegration(ctx context.Context, tx *postgres.Tx, integration schemas.Integration, event schemas.Event, details map[string]any) error {
	metadata := map[string]any{"cloud": integration.Cloud}
	maps.Copy(metadata, details)
	target := schemas.Target{Type: "integration", ID: integration.ID.String(), Name: integration.Name}
	return record(ctx, tx, target, event, metadata)
}

// recordExport completes an event about an export, and appends it.
func recordExport(ctx context.Context, tx *postgres.Tx, export schemas.Export, event schemas.Event, details map[string]any) error {
	target := schemas.Target{Type: "export", ID: export.ID.String(), Name: export.Name}
	return record(ctx, tx, target, event, details)
}

func record(ctx context.Context, tx *postgres.Tx, target schemas.Target, event schemas.Event, details map[string]any) (err error) {
	if event.ID, err = newID(); err != nil {
		return err
	}
	if event.Metadata, err = json.Marshal(details); err != nil {
		return fmt.Errorf("serialize metadata: %w", err)
	}
	event.OccurredAt = time.Now().UTC()
	event.Actor = schemas.Actor{Type: "service", ID: "auditferry", Name: "Auditferry"}
	event.Targets = []schemas.Target{target}
	_, err = tx.AppendEvents(ctx, []schemas.Event{event})
	return err
}
