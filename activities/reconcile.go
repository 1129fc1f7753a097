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

	// reconcileBatch bounds one pass; the next one comes within a minute.
	reconcileBatch = 200
)

// Dispatcher carries a written operation to Temporal.
type Dispatcher interface {
	Dispatch(ctx context.Context, op schemas.Operation) error
}

// Reconcile finishes what a crash left between Postgres and Temporal.
type Reconcile struct {
	Store     *postgres.Store
	Dispatch  Dispatcher
	Schedules ScheduleApplier
}

// Sweep sends the operations that were written but never sent and applies the
// exports whose schedule is not like their row. What fails does not keep the
// rest back, and is tried again.
func (a *Reconcile) Sweep(ctx context.Context) (result schemas.ReconcileResult, err error) {
	var unsent []schemas.Operation
	var unapplied []schemas.Export
	err = a.Store.AsOperator(ctx, func(tx *postgres.Tx) (err error) {
		if unsent, err = tx.UnsentOperations(ctx, reconcileAfter, reconcileBatch); err != nil {
			return err
		}
		unapplied, err = tx.UnappliedExports(ctx, reconcileAfter, reconcileBatch)
		return err
	})
	if err != nil {
		return result, toTemporal(ctx, err)
	}
	var errs []error
	for _, op := range unsent {
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
	return result, toTemporal(ctx, errors.Join(errs...))
}
