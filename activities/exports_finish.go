package activities

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/temporal"

	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// settleTimeout bounds the transaction that follows a manifest which is
// written: nothing may keep it from being recorded, not even that the run is
// cancelled.
const settleTimeout = 15 * time.Second

// FinishRun settles a window. First its manifest is sealed in the ledger, then
// it is written, and at last one transaction makes the window delivered. Only
// the run that holds the window may, and only while its export may deliver.
//
// A repetition finds the seal and writes the same manifest, whatever key it was
// made with.
func (a *Exports) FinishRun(ctx context.Context, in schemas.FinishRunInput) (schemas.FinishRunResult, error) {
	result, err := a.finishRun(ctx, in)
	err = toTemporal(ctx, err)
	a.noteAttempt(ctx, in.ExportInput, in.RunID, err)
	return result, err
}

func (a *Exports) finishRun(ctx context.Context, in schemas.FinishRunInput) (result schemas.FinishRunResult, err error) {
	d, err := a.seal(ctx, in)
	if err != nil {
		return result, err
	}
	if !d.delivered {
		attended, stop := a.attend(ctx, in.OrgID, in.RunID, func() any { return nil })
		err := toTemporal(attended, a.Places.publish(attended, d.integration, d.window.Destination, d.sealed))
		stop()
		if err != nil {
			return result, err
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	err = a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) (err error) {
		result.More, err = settle(ctx, tx, in)
		return err
	})
	return result, err
}

// delivery is a window that is about to be settled.
type delivery struct {
	integration schemas.Integration
	window      schemas.Window
	sealed      schemas.SealedManifest
	delivered   bool // this is a repetition
}

// seal fixes the manifest of the window, before it is written for the first
// time.
func (a *Exports) seal(ctx context.Context, in schemas.FinishRunInput) (d delivery, err error) {
	err = a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) error {
		export, err := tx.LockExport(ctx, in.ExportID)
		if err != nil {
			return err
		}
		run, err := tx.LockRun(ctx, in.RunID)
		if err != nil {
			return err
		}
		if d.delivered = run.Status == schemas.RunSucceeded; d.delivered {
			return nil
		}
		if run.Status != schemas.RunRunning {
			return ended(run.Status)
		}
		if export.State == schemas.ExportDeleted || export.PauseReason == schemas.PausedByIntegrationDeleted {
			return superseded("the export or its integration has been deleted")
		}
		if d.integration, err = tx.Integration(ctx, export.IntegrationID); err != nil {
			return err
		}
		if d.window, err = tx.Window(ctx, in.WindowID); err != nil {
			return err
		}
		sealed, err := tx.SealedManifest(ctx, in.WindowID)
		if err != nil {
			return err
		}
		if sealed != nil {
			d.sealed = *sealed
			return nil
		}
		d.sealed, err = a.sealWindow(ctx, tx, d)
		return err
	})
	return d, err
}

func (a *Exports) sealWindow(ctx context.Context, tx *postgres.Tx, d delivery) (schemas.SealedManifest, error) {
	parts, err := tx.Parts(ctx, d.window.ID)
	if err != nil {
		return schemas.SealedManifest{}, err
	}
	if err := postgres.Covers(d.window, parts); err != nil {
		return schemas.SealedManifest{}, err
	}
	m := manifestOf(d.window, parts)
	m.OrgID, m.IntegrationID = d.integration.OrgID, d.integration.ID
	if d.window.BackfillID != nil {
		if m.Backfill, err = backfillRange(ctx, tx, *d.window.BackfillID); err != nil {
			return schemas.SealedManifest{}, err
		}
	}
	if m.Previous, err = tx.PreviousManifest(ctx, d.window); err != nil {
		return schemas.SealedManifest{}, err
	}
	if m.Replaces, err = tx.VoidManifest(ctx, d.window); err != nil {
		return schemas.SealedManifest{}, err
	}
	sealed, err := manifest.Seal(a.Signer, m)
	if err != nil {
		return schemas.SealedManifest{}, fmt.Errorf("seal the manifest of window %s: %w", d.window.ID, err)
	}
	return sealed, tx.SealWindow(ctx, d.window.ID, sealed)
}

// backfillRange is what manifests tell of the backfill that they are of.
func backfillRange(ctx context.Context, tx *postgres.Tx, id uuid.UUID) (*schemas.BackfillRange, error) {
	b, err := tx.Backfill(ctx, id)
	return &schemas.BackfillRange{ID: b.ID, FirstSeq: b.FirstSeq, LastSeq: b.LastSeq}, err
}

// manifestOf tells what became of a window's events.
func manifestOf(w schemas.Window, parts []schemas.Object) schemas.Manifest {
	m := schemas.Manifest{
		Version:      schemas.ManifestVersion,
		Kind:         schemas.ManifestWindow,
		ExportID:     w.ExportID,
		Destination:  w.Place(),
		FirstSeq:     w.FirstSeq,
		LastSeq:      w.LastSeq,
		RecordedFrom: w.RecordedFrom,
		RecordedTo:   w.RecordedTo,
		Format:       w.Format,
		Compression:  w.Compression,
	}
	if !w.Filter.IsZero() {
		m.Filter = &w.Filter
	}
	for _, part := range parts {
		object := schemas.ManifestObject{
			FirstSeq: part.FirstSeq,
			LastSeq:  part.LastSeq,
			Rows:     part.Rows,
			Excluded: part.Excluded,
			Expired:  part.Expired,
			Bytes:    part.Bytes,
			SHA256:   part.SHA256,
		}
		if part.Key != "" {
			object.Key = m.Destination.Below(part.Key)
		}
		m.Objects = append(m.Objects, object)
		m.Rows += part.Rows
		m.Excluded += part.Excluded
		m.Expired += part.Expired
		m.Bytes += part.Bytes
	}
	return m
}

// settle makes the window delivered. What has been published counts, even when
// the export was paused or deleted a moment ago. It tells whether events wait
// that were there when the run began; what came in since is the next run's.
func settle(ctx context.Context, tx *postgres.Tx, in schemas.FinishRunInput) (more bool, err error) {
	export, err := tx.LockExport(ctx, in.ExportID)
	if err != nil {
		return false, err
	}
	run, err := tx.LockRun(ctx, in.RunID)
	if err != nil {
		return false, err
	}
	switch run.Status {
	case schemas.RunSucceeded: // a repetition
	case schemas.RunRunning:
		if err := tx.DeliverWindow(ctx, in.WindowID, in.RunID); err != nil {
			return false, err
		}
		run.Status, run.ErrorKind, run.Error = schemas.RunSucceeded, "", ""
		if err := tx.EndRun(ctx, run); err != nil {
			return false, err
		}
		if err := recordLoss(ctx, tx, export, run); err != nil {
			return false, err
		}
	default:
		return false, ended(run.Status)
	}
	mayGoOn := in.BackfillID != nil || export.State == schemas.ExportActive
	return mayGoOn && run.LastSeq < in.UpTo, nil
}

func ended(status schemas.RunStatus) error {
	return superseded("the run has ended meanwhile: it is %s", status)
}

func superseded(format string, args ...any) error {
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf(format, args...), schemas.ErrorRunSuperseded, nil)
}
