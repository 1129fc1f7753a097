package activities

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// Schedules makes Temporal do what the rows of exports say.
type Schedules struct {
	Store    *postgres.Store
	Temporal ScheduleApplier
}

// ScheduleApplier makes one export's Temporal schedule equal its row.
type ScheduleApplier interface {
	Apply(ctx context.Context, export schemas.Export) error
}

// ApplyLinked applies every linked export whose row has changed since it was
// last applied. One that fails does not keep the rest back.
func (a *Schedules) ApplyLinked(ctx context.Context, in schemas.IntegrationRef) error {
	var unapplied []schemas.Export
	err := a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) (err error) {
		unapplied, err = tx.UnappliedLinked(ctx, in.IntegrationID)
		return err
	})
	if err != nil {
		return toTemporal(ctx, err)
	}
	var errs []error
	for _, export := range unapplied {
		errs = append(errs, a.Store.ApplyExport(ctx, in.OrgID, export.ID, a.Temporal.Apply))
	}
	return toTemporal(ctx, errors.Join(errs...))
}

// StopRuns reports whether runs of the integration's exports are still under
// way, after ApplyLinked has asked them to cancel: as an error, which Temporal
// repeats until it is over.
func (a *Schedules) StopRuns(ctx context.Context, in schemas.IntegrationRef) error {
	var running int
	err := a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) (err error) {
		running, err = tx.RunningRuns(ctx, in.IntegrationID)
		return err
	})
	if err != nil || running == 0 {
		return toTemporal(ctx, err)
	}
	return temporal.NewApplicationError(fmt.Sprintf("%d runs have not ended yet", running), schemas.ErrorStillRunning)
}
