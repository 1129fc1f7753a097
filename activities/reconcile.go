package activities

import (
	"context"
	"errors"
	"time"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

const (
	// reconcileAfter leaves the API time to do its own work first.
	reconcileAfter = 10 * time.Second

	// resendAfter is how long an operation that was sent may stay open before it
	// is sent again. Some wait for days, for an operator, and take no harm from
	// it; but one whose workflow was terminated comes back to life with it.
	resendAfter = 10 * time.Minute

	// reconcileBatch bounds one pass; the next one comes within a minute.
	reconcileBatch = 200
)

// Dispatcher carries a written operation to Temporal.
type Dispatcher interface {
	Dispatch(ctx context.Context, op schemas.Operation) error
}

// Closer starts the workflow that closes the chains of manifests in the places
// which an integration's exports have left, unless it is running.
type Closer interface {
	StartClosing(ctx context.Context, integration schemas.IntegrationRef) error
}

// Reconcile finishes what a crash left between Postgres and Temporal.
type Reconcile struct {
	Store     *postgres.Store
	Dispatch  Dispatcher
	Schedules ScheduleApplier
	Closer    Closer
}

// Sweep sends the operations that were never sent or seem lost, applies the
// exports whose schedule is not like their row, has places closed that exports
// have left, and frees those that were given up while a run was writing there.
// What fails does not keep the rest back, and is tried again.
func (a *Reconcile) Sweep(ctx context.Context) (result schemas.ReconcileResult, err error) {
	var stranded []schemas.Operation
	var unapplied []schemas.Export
	var left []schemas.IntegrationRef
	err = a.Store.AsOperator(ctx, func(tx *postgres.Tx) (err error) {
		if stranded, err = tx.StrandedOperations(ctx, reconcileAfter, resendAfter, reconcileBatch); err != nil {
			return err
		}
		if unapplied, err = tx.UnappliedExports(ctx, reconcileAfter, reconcileBatch); err != nil {
			return err
		}
		if left, err = tx.IntegrationsToClose(ctx, reconcileBatch); err != nil {
			return err
		}
		return tx.DropReleasedClaims(ctx)
	})
	if err != nil {
		return result, toTemporal(ctx, err)
	}
	var errs []error
	for _, op := range stranded {
		if err := a.Dispatch.Dispatch(ctx, op); err != nil {
			errs = append(errs, err)
			continue
		}
		result.Operations++
	}
	for _, export := range unapplied {
		if err := a.Store.ApplyExport(ctx, export.OrgID, export.ID, a.Schedules.Apply); err != nil {
			errs = append(errs, err)
			continue
		}
		result.Exports++
	}
	for _, integration := range left {
		if err := a.Closer.StartClosing(ctx, integration); err != nil {
			errs = append(errs, err)
			continue
		}
		result.Closings++
	}
	return result, toTemporal(ctx, errors.Join(errs...))
}
