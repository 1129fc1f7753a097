package service

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// CreateBackfill is a request to deliver a range of the past once more. Format,
// Compression, PathTemplate and Filter are the export's where they are nil.
type CreateBackfill struct {
	ExportID     uuid.UUID
	Range        BackfillRange
	Format       *schemas.Format
	Compression  *schemas.Compression
	PathTemplate *schemas.PathTemplate
	Filter       *schemas.Filter
}

// apply gives an export as the backfill's objects are to look.
func (in CreateBackfill) apply(export schemas.Export) schemas.Export {
	set(&export.Format, in.Format)
	set(&export.Compression, in.Compression)
	set(&export.PathTemplate, in.PathTemplate)
	set(&export.Filter, in.Filter)
	return export
}

// CreateBackfill begins to deliver the range into a folder of its own, beside
// the live deliveries, which go on. The range has to be retained as a whole. It
// is a Conflict while another backfill of the export is running, and when there
// is no place that the export may write to. Admins may.
func (s *Service) CreateBackfill(ctx context.Context, call Call, in CreateBackfill) (schemas.Operation, error) {
	org, err := call.admin()
	if err != nil {
		return schemas.Operation{}, err
	}
	return s.command(ctx, org, call, in, func(tx *postgres.Tx) (schemas.Operation, error) {
		export, err := lockExport(ctx, tx, in.ExportID)
		if err != nil {
			return schemas.Operation{}, err
		}
		if err := mayBackfill(ctx, tx, export); err != nil {
			return schemas.Operation{}, err
		}
		export = in.apply(export)
		if err := invalid(append(checkShape(export, in.Compression == nil), in.Range.check())...); err != nil {
			return schemas.Operation{}, err
		}
		return startBackfill(ctx, tx, call.Caller, export, in.Range)
	})
}

// mayBackfill is a Conflict when a backfill of the export could not be carried
// out now.
func mayBackfill(ctx context.Context, tx *postgres.Tx, export schemas.Export) error {
	if export.State == schemas.ExportDeleted {
		return alreadyDeleted()
	}
	integration, open, err := lockLive(ctx, tx, export.IntegrationID)
	if isKind(err, Conflict) {
		return conflict("The export's integration has been deleted, or is being deleted. Relink the export to another one first.")
	}
	if err != nil {
		return err
	}
	if export.Destination != integration.Destination || export.PauseReason == schemas.PausedByDestinationUpdate {
		return conflict("The integration's destination is now %s, and the export still delivers to %s. Resume the export with retarget first.",
			integration.Destination, export.Destination)
	}
	if update, updating := find(open, schemas.OpUpdateDestination); updating {
		return conflict("The integration's destination is being updated, by operation %s. Try again when that has ended.", update.ID)
	}
	running, err := tx.RunningBackfill(ctx, export.ID)
	if err != nil {
		return err
	}
	if running != nil {
		return conflict("Backfill %s of this export is running, from event %d to %d. Wait for its end, or cancel it.",
			running.ID, running.FirstSeq, running.LastSeq)
	}
	return nil
}

// startBackfill writes a backfill and its operation. The audit event comes
// first, as with startExport: all that was recorded before a time that has
// passed can be seen once its transaction holds the log. It therefore tells the
// range as it was asked for.
func startBackfill(ctx context.Context, tx *postgres.Tx, caller Caller, export schemas.Export, asked BackfillRange) (schemas.Operation, error) {
	backfill := schemas.Backfill{
		ID:           newID(),
		OrgID:        export.OrgID,
		ExportID:     export.ID,
		Destination:  export.Destination,
		Format:       export.Format,
		Compression:  export.Compression,
		PathTemplate: export.PathTemplate,
		Filter:       export.Filter,
		RequestedBy:  caller.Actor.Name,
		CreatedAt:    now(),
	}
	op := newOperation(export.OrgID, schemas.OpBackfillExport, caller)
	op.ExportID, op.BackfillID = &export.ID, &backfill.ID
	recorded, err := audit(ctx, tx, caller, actionOf[op.Kind], exportTarget(export), asked.note(backfillNote(op, export)))
	if err != nil {
		return op, err
	}
	if backfill.FirstSeq, backfill.LastSeq, err = asked.resolve(ctx, tx, recorded); err != nil {
		return op, err
	}
	backfill.Folder = backfillFolder(export.Slug, backfill)
	if err := tx.InsertBackfill(ctx, backfill); err != nil {
		return op, err
	}
	return op, tx.InsertOperation(ctx, op)
}

func backfillNote(op schemas.Operation, export schemas.Export) map[string]any {
	return map[string]any{
		"operation_id": op.ID, "backfill_id": op.BackfillID, "integration_id": export.IntegrationID, "destination": export.Destination,
	}
}

// backfillFolder is unique by the end of the ID, and tells people the rest.
func backfillFolder(slug string, b schemas.Backfill) string {
	return fmt.Sprintf("%s/%s-%012d-%012d-%x", schemas.BackfillFolder, slug, b.FirstSeq, b.LastSeq, b.ID[13:])
}

// CancelBackfill is a request to end a backfill before it is complete.
type CancelBackfill struct {
	ExportID   uuid.UUID
	BackfillID uuid.UUID
}

// CancelBackfill ends a backfill; what it has delivered stays. A run of it that
// is under way delivers nothing any more, and stops by itself. Asked again, it
// returns the operation of the first request; one that has ended otherwise is a
// Conflict. Admins may.
func (s *Service) CancelBackfill(ctx context.Context, call Call, in CancelBackfill) (schemas.Operation, error) {
	org, err := call.admin()
	if err != nil {
		return schemas.Operation{}, err
	}
	return s.command(ctx, org, call, in, func(tx *postgres.Tx) (schemas.Operation, error) {
		export, backfill, err := lockBackfill(ctx, tx, in.ExportID, in.BackfillID)
		if err != nil {
			return schemas.Operation{}, err
		}
		if backfill.Status != schemas.BackfillRunning {
			return firstCancel(ctx, tx, backfill)
		}
		if err := cancelBackfill(ctx, tx, backfill.ID, "cancelled by "+call.Actor.Name); err != nil {
			return schemas.Operation{}, err
		}
		return recordCancel(ctx, tx, call.Caller, export, backfill)
	})
}

// lockBackfill locks a backfill and, before it, its export: runs that deliver
// take them in this order, too.
func lockBackfill(ctx context.Context, tx *postgres.Tx, export, id uuid.UUID) (schemas.Export, schemas.Backfill, error) {
	found, err := tx.Backfill(ctx, id)
	if err := ofExport(found, err, export, id); err != nil {
		return schemas.Export{}, schemas.Backfill{}, err
	}
	locked, err := tx.LockExport(ctx, export)
	if err != nil {
		return schemas.Export{}, schemas.Backfill{}, err
	}
	backfill, err := tx.LockBackfill(ctx, id)
	return locked, backfill, err
}

func cancelBackfill(ctx context.Context, tx *postgres.Tx, backfill uuid.UUID, why string) error {
	if err := tx.EndBackfill(ctx, backfill, schemas.BackfillCancelled, why); err != nil {
		return err
	}
	return tx.CancelBackfillRuns(ctx, backfill, why)
}

// firstCancel is the operation that cancelled the backfill.
func firstCancel(ctx context.Context, tx *postgres.Tx, backfill schemas.Backfill) (schemas.Operation, error) {
	first, err := tx.BackfillOperation(ctx, backfill.ID, schemas.OpCancelBackfill)
	if !errors.Is(err, postgres.ErrNotFound) {
		return first, err
	}
	switch backfill.Status {
	case schemas.BackfillSucceeded:
		return schemas.Operation{}, conflict("The backfill has succeeded already; everything from event %d to %d is in its folder.",
			backfill.FirstSeq, backfill.LastSeq)
	case schemas.BackfillFailed:
		return schemas.Operation{}, conflict("The backfill has failed already: %s", backfill.Error)
	default:
		return schemas.Operation{}, conflict("The backfill was cancelled already: %s", backfill.Error)
	}
}

// recordCancel writes the operation of a cancel, which has been carried out by
// then: no workflow is asked for it.
func recordCancel(ctx context.Context, tx *postgres.Tx, caller Caller, export schemas.Export, backfill schemas.Backfill) (schemas.Operation, error) {
	op := newOperation(export.OrgID, schemas.OpCancelBackfill, caller)
	op.ExportID, op.BackfillID = &export.ID, &backfill.ID
	op.Status, op.EndedAt = schemas.OperationSucceeded, &op.CreatedAt
	if err := tx.InsertOperation(ctx, op); err != nil {
		return op, err
	}
	metadata := backfillNote(op, export)
	metadata["first_seq"], metadata["last_seq"], metadata["delivered_seq"] = backfill.FirstSeq, backfill.LastSeq, backfill.DeliveredSeq
	_, err := audit(ctx, tx, caller, actionOf[op.Kind], exportTarget(export), metadata)
	return op, err
}
