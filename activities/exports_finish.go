package activities

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// FinishRun settles a window in one transaction: objects, window, run. Only
// the run that holds the window may, and only while its export may deliver.
func (a *Exports) FinishRun(ctx context.Context, in schemas.FinishRunInput) (result schemas.FinishRunResult, err error) {
	err = a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) error {
		export, err := tx.LockExport(ctx, in.ExportID)
		if err != nil {
			return err
		}
		run, err := tx.LockRun(ctx, in.RunID)
		if err != nil {
			return err
		}
		if run.Status != schemas.RunSucceeded { // else this is a repetition
			if err := settle(ctx, tx, export, run, in); err != nil {
				return err
			}
		}
		result.More, err = a.more(ctx, tx, export, run, in)
		return err
	})
	return result, toTemporal(ctx, err)
}

func settle(ctx context.Context, tx *postgres.Tx, export schemas.Export, run schemas.Run, in schemas.FinishRunInput) error {
	if run.Status != schemas.RunRunning {
		return superseded("the run has %s meanwhile", run.Status)
	}
	if export.State == schemas.ExportDeleted || export.PauseReason == schemas.PausedByIntegrationDeleted {
		return superseded("the export or its integration has been deleted")
	}
	if err := tx.DeliverWindow(ctx, in.WindowID, in.RunID, in.Objects); err != nil {
		return err
	}
	ended := time.Now().UTC()
	run.Status = schemas.RunSucceeded
	run.EndedAt = &ended
	run.Objects = len(in.Objects)
	for _, object := range in.Objects {
		run.Rows += object.Rows
		run.Bytes += object.Bytes
	}
	return tx.EndRun(ctx, run)
}

func superseded(format string, args ...any) error {
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf(format, args...), schemas.ErrorRunSuperseded, nil)
}

// more tells whether events wait that were there when the run began: behind a
// window that an earlier run had left, or beyond the size of a full one. What
// came in since is the next run's.
func (a *Exports) more(ctx context.Context, tx *postgres.Tx, export schemas.Export, run schemas.Run, in schemas.FinishRunInput) (bool, error) {
	full := run.LastSeq-run.FirstSeq+1 >= a.Limits.WindowRows || len(in.Objects) >= maxParts
	if export.State != schemas.ExportActive || !full && !in.Resumed {
		return false, nil
	}
	last, _, err := tx.Backlog(ctx, run.LastSeq+1, 1)
	return last > run.LastSeq, err
}

// RecordFailure ends a run that did not deliver. Its window stays undelivered,
// and the next run takes it up.
func (a *Exports) RecordFailure(ctx context.Context, in schemas.RecordFailureInput) error {
	err := a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) error {
		run, err := tx.LockRun(ctx, in.RunID)
		if err != nil {
			return err
		}
		if run.Status != schemas.RunRunning {
			return nil // superseded, or a repetition
		}
		ended := time.Now().UTC()
		run.Status = schemas.RunFailed
		if in.Cancelled {
			run.Status = schemas.RunCancelled
		}
		run.EndedAt = &ended
		run.ErrorKind = in.Kind
		run.Error = in.Message
		return tx.EndRun(ctx, run)
	})
	return toTemporal(ctx, err)
}
