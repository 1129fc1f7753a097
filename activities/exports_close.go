package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"

	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// CloseChains writes the final manifests of the places that an integration's
// exports have left, until none is left to be written. One that fails does not
// keep the others back, and a repetition goes on with those that are left. The
// error is the first that is worth another try; only when there is none it is
// one that is not, because that gives all of them up. While a run still delivers
// to such a place its chain may go on, and that is to be tried again as well.
func (a *Exports) CloseChains(ctx context.Context, in schemas.IntegrationRef) error {
	defer beat(ctx)()
	for {
		open, err := a.closeOpen(ctx, in)
		if err != nil || open == 0 {
			return err
		}
	}
}

// closeOpen writes the final manifests that are to be written now, and tells how
// many those are. One that is settled may be followed by another.
func (a *Exports) closeOpen(ctx context.Context, in schemas.IntegrationRef) (int, error) {
	var open []postgres.Closing
	var integration schemas.Integration
	err := a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) (err error) {
		if integration, err = tx.Integration(ctx, in.IntegrationID); err != nil {
			return err
		}
		open, err = tx.OpenClosings(ctx, in.IntegrationID)
		return err
	})
	if err != nil {
		return 0, toTemporal(ctx, err)
	}
	var passing, lasting error
	for _, closing := range open {
		err := a.closeChain(ctx, integration, closing)
		if err == nil {
			continue
		}
		err = toTemporal(ctx, fmt.Errorf("close the chain of export %s in %s: %w", closing.ExportID, closing.Destination, err))
		if lasts(err) {
			lasting = cmp.Or(lasting, err)
		} else {
			passing = cmp.Or(passing, err)
		}
	}
	return len(open), cmp.Or(passing, lasting)
}

// lasts tells whether Temporal does not try again.
func lasts(err error) bool {
	var application *temporal.ApplicationError
	return errors.As(err, &application) && application.NonRetryable()
}

func (a *Exports) closeChain(ctx context.Context, integration schemas.Integration, c postgres.Closing) error {
	if c.Busy {
		return temporal.NewApplicationError("a run still delivers there", schemas.ErrorStillRunning)
	}
	sealed, err := a.sealFinal(ctx, c)
	if errors.Is(err, postgres.ErrNotFound) {
		return a.settleClosing(ctx, c) // nothing was written there after all
	}
	if err != nil {
		return err
	}
	if err := a.Places.publish(ctx, integration, c.Destination, sealed); err != nil {
		return err
	}
	return a.settleClosing(ctx, c)
}

// settleClosing ends a closing. While its final manifest could not be written
// the export may have come back, delivered more and left again, for which no
// second closing was noted beside the open one: it is noted now, unless the
// integration has given up its closings meanwhile, for then nobody would end it.
func (a *Exports) settleClosing(ctx context.Context, c postgres.Closing) error {
	return a.Store.InOrg(ctx, c.OrgID, func(tx *postgres.Tx) error {
		integration, err := tx.LockIntegration(ctx, c.IntegrationID)
		if err != nil {
			return err
		}
		export, err := tx.LockExport(ctx, c.ExportID)
		if err != nil {
			return err
		}
		err = tx.SettleClosing(ctx, c.ID, "")
		if err != nil || c.BackfillID != nil || integration.Status == schemas.IntegrationDeleted || !hasLeft(export, c) {
			return err
		}
		export.IntegrationID, export.Destination = c.IntegrationID, c.Destination
		return tx.RequestClosing(ctx, export, c.Reason)
	})
}

// hasLeft tells whether nothing more is delivered to the place of a closing. A
// backfill that has ended delivers nothing.
func hasLeft(export schemas.Export, c postgres.Closing) bool {
	return c.BackfillID != nil || export.IntegrationID != c.IntegrationID || export.Destination != c.Destination || export.State == schemas.ExportDeleted ||
		export.PauseReason == schemas.PausedByDestinationUpdate || export.PauseReason == schemas.PausedByIntegrationDeleted
}

// sealFinal fixes the final manifest, before it is written for the first time.
// The window that is still to be delivered there counts as given up, unless the
// export has come back meanwhile.
func (a *Exports) sealFinal(ctx context.Context, c postgres.Closing) (sealed schemas.SealedManifest, err error) {
	if c.Sealed != nil {
		return *c.Sealed, nil
	}
	err = a.Store.InOrg(ctx, c.OrgID, func(tx *postgres.Tx) error {
		export, err := tx.LockExport(ctx, c.ExportID) // no run begins, nor moves a window, at this moment
		if err != nil {
			return err
		}
		end, err := tx.ChainEnd(ctx, c, hasLeft(export, c))
		if err != nil {
			return err
		}
		m := schemas.Manifest{
			Version:       schemas.ManifestVersion,
			Kind:          schemas.ManifestFinal,
			OrgID:         c.OrgID,
			IntegrationID: c.IntegrationID,
			ExportID:      c.ExportID,
			Destination:   c.Place(),
			LastSeq:       end.LastSeq,
			Previous:      end.Previous,
			Reason:        c.Reason,
			GivenUp:       end.GivenUp,
		}
		if c.BackfillID != nil || export.State == schemas.ExportDeleted { // nobody will settle what is open
			if m.Replaces, err = tx.UnsettledManifest(ctx, c); err != nil {
				return err
			}
		}
		if c.BackfillID != nil {
			if m.Backfill, err = backfillRange(ctx, tx, *c.BackfillID); err != nil {
				return err
			}
		}
		final, err := manifest.Seal(a.Signer, m)
		if err != nil {
			return fmt.Errorf("seal the final manifest of closing %s: %w", c.ID, err)
		}
		sealed, err = tx.SealClosing(ctx, c.ID, final)
		return err
	})
	return sealed, err
}

// AbandonClosings gives up the final manifests that could not be written. The
// chains stay as they are: open at their ends.
func (a *Exports) AbandonClosings(ctx context.Context, in schemas.AbandonClosingsInput) error {
	err := a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) error {
		return tx.AbandonClosings(ctx, in.IntegrationID, in.Message)
	})
	return toTemporal(ctx, err)
}
