package activities

import (
	"context"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// BeginDelete marks the integration as going away and pauses or deletes its
// exports as the admin chose. From here on no command is accepted any more.
func (a *Integrations) BeginDelete(ctx context.Context, in schemas.OperationRef) (result schemas.BeginCommandResult, err error) {
	err = a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) error {
		_, op, refusal, err := lockCommand(ctx, tx, in, schemas.OpDeleteIntegration)
		if err != nil || refusal != "" {
			result.Reason = refusal
			return err
		}
		result.Proceed = true
		if op.Status == schemas.OperationRunning {
			return nil // this is a repetition; the rows are as they should be
		}
		if err := tx.SetIntegrationStatus(ctx, in.IntegrationID, schemas.IntegrationDeleting); err != nil {
			return err
		}
		if err := letGo(ctx, tx, op); err != nil {
			return err
		}
		return tx.MarkOperationRunning(ctx, op.ID)
	})
	return result, toTemporal(ctx, err)
}

func letGo(ctx context.Context, tx *postgres.Tx, op schemas.Operation) error {
	linked, err := tx.LinkedExports(ctx, *op.IntegrationID, false)
	if err != nil {
		return err
	}
	var outcome schemas.OperationOutcome
	for n := range linked {
		export := &linked[n]
		if err := tx.RequestClosing(ctx, *export, schemas.ClosedByIntegrationDeleted); err != nil {
			return err
		}
		if op.Params.DeleteLinks {
			export.State, export.PauseReason = schemas.ExportDeleted, ""
			outcome.ExportsDeleted++
		} else {
			// Whatever it was paused for before: it now needs another integration.
			export.State, export.PauseReason = schemas.ExportPaused, schemas.PausedByIntegrationDeleted
			outcome.ExportsPaused++
		}
	}
	if err := tx.UpdateExports(ctx, linked); err != nil {
		return err
	}
	// Behind the exports' locks, as a run settles: neither waits for what the other holds.
	if err := cancelBackfills(ctx, tx, *op.IntegrationID); err != nil {
		return err
	}
	return tx.SetOperationOutcome(ctx, op.ID, outcome)
}

// cancelBackfills ends what is being delivered once more. A run of it that is
// under way notices by itself.
func cancelBackfills(ctx context.Context, tx *postgres.Tx, integration uuid.UUID) error {
	running, err := tx.RunningBackfills(ctx, integration)
	if err != nil {
		return err
	}
	for _, backfill := range running {
		if err := tx.EndBackfill(ctx, backfill.ID, schemas.BackfillCancelled, schemas.ErrIntegrationDeleted.Error()); err != nil {
			return err
		}
		if err := tx.CancelBackfillRuns(ctx, backfill.ID, schemas.ErrIntegrationDeleted.Error()); err != nil {
			return err
		}
	}
	return nil
}

// FinishDelete makes the deletion final: the row stays as history, the
// destination is free again, and whatever else had been asked of the
// integration ends. A run that did not stop in time can record nothing any
// more, not even when its export is linked to another integration.
func (a *Integrations) FinishDelete(ctx context.Context, in schemas.OperationRef) error {
	err := a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) error {
		integration, err := tx.LockIntegration(ctx, in.IntegrationID)
		if err != nil {
			return err
		}
		if integration.Status == schemas.IntegrationDeleted {
			return nil // this is a repetition
		}
		if err := tx.SetIntegrationStatus(ctx, in.IntegrationID, schemas.IntegrationDeleted); err != nil {
			return err
		}
		if err := tx.ClearCredentials(ctx, in.IntegrationID); err != nil { // revoked or not
			return err
		}
		if err := tx.CancelLinkedRuns(ctx, in.IntegrationID); err != nil {
			return err
		}
		if err := tx.AbandonClosings(ctx, in.IntegrationID, schemas.ErrIntegrationDeleted.Error()); err != nil {
			return err
		}
		if err := tx.ReleaseDestinations(ctx, in.IntegrationID, nil); err != nil {
			return err
		}
		if err := endOthers(ctx, tx, in); err != nil {
			return err
		}
		return audit(ctx, tx, "auditferry.integration.deleted", integration)
	})
	return toTemporal(ctx, err)
}

// endOthers ends every operation but the delete itself, which is not over yet.
func endOthers(ctx context.Context, tx *postgres.Tx, in schemas.OperationRef) error {
	open, err := tx.OpenOperations(ctx, in.IntegrationID)
	if err != nil {
		return err
	}
	for _, op := range open {
		if op.ID == in.OperationID {
			continue
		}
		if err := tx.EndOperation(ctx, op.ID, schemas.OperationFailed, schemas.ErrIntegrationDeleted.Error()); err != nil {
			return err
		}
	}
	return nil
}
