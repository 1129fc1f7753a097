package activities

import (
	"context"
	"time"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// RecordFailure ends a run that did not deliver. Its window stays undelivered,
// and the export's next run takes it up; a backfill has no next run and fails.
// A run whose export was deleted meanwhile counts as cancelled.
func (a *Exports) RecordFailure(ctx context.Context, in schemas.RecordFailureInput) error {
	err := a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) error {
		export, err := tx.LockExport(ctx, in.ExportID)
		if err != nil {
			return err
		}
		run, err := tx.LockRun(ctx, in.RunID)
		if err != nil {
			return err
		}
		if run.Status != schemas.RunRunning {
			return nil // superseded, or a repetition
		}
		run.Status, run.ErrorKind, run.Error = schemas.RunFailed, in.Kind, in.Message
		if in.Cancelled || export.State == schemas.ExportDeleted || export.PauseReason == schemas.PausedByIntegrationDeleted {
			run.Status = schemas.RunCancelled
		}
		if err := tx.EndRun(ctx, run); err != nil {
			return err
		}
		if in.BackfillID != nil {
			return failBackfill(ctx, tx, in, run)
		}
		if run.Status == schemas.RunCancelled {
			return nil
		}
		if err := tx.MarkFailing(ctx, in.ExportID, failedAt(in)); err != nil {
			return err
		}
		return recordExport(ctx, tx, export, schemas.Event{
			Action:  "auditferry.export.run_failed",
			Outcome: schemas.OutcomeFailure,
			Reason:  in.Message,
		}, map[string]any{"run_id": run.ID, "error_kind": in.Kind})
	})
	return toTemporal(ctx, err)
}

func failBackfill(ctx context.Context, tx *postgres.Tx, in schemas.RecordFailureInput, run schemas.Run) error {
	status := schemas.BackfillFailed
	if run.Status == schemas.RunCancelled {
		status = schemas.BackfillCancelled
	}
	return tx.EndBackfill(ctx, *in.BackfillID, status, in.Message)
}

// failedAt is the workflow's time. Workflows that began before they told it
// leave it to us.
func failedAt(in schemas.RecordFailureInput) time.Time {
	if in.At.IsZero() {
		return time.Now().UTC()
	}
	return in.At
}

// recordLoss puts events that expired before they could be delivered into the
// org's log, beside the manifest that tells of them.
func recordLoss(ctx context.Context, tx *postgres.Tx, export schemas.Export, run schemas.Run) error {
	if run.Expired == 0 || run.BackfillID != nil {
		return nil
	}
	return recordExport(ctx, tx, export, schemas.Event{
		Action:  "auditferry.export.events_expired",
		Outcome: schemas.OutcomeFailure,
	}, map[string]any{"events": run.Expired, "first_seq": run.FirstSeq, "last_seq": run.LastSeq})
}
