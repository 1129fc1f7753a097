// Package dispatch carries a written operation to Temporal. The API does it
// right after its transaction, and the reconcile schedule does the same again
// when a crash came in between; both may do so at once.
package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/schemas"
)

// sendTimeout bounds one dispatch: a request waits for it, and an export's
// schedule lock is held meanwhile. What did not get through in this time is
// finished by reconcile.
const sendTimeout = 10 * time.Second

// Ledger is what the dispatcher needs of the database.
type Ledger interface {
	// MarkOperationSent records that Temporal has the operation.
	MarkOperationSent(ctx context.Context, op schemas.Operation) error

	// ApplyExport runs apply with the export's row as it is now, while holding
	// the export's schedule lock, and records the row's spec version as
	// applied when apply succeeds. That ends the operations which asked for
	// this version or an earlier one. Apply may be called more than once.
	ApplyExport(ctx context.Context, org, export uuid.UUID, apply func(context.Context, schemas.Export) error) error

	// EndOperation gives an operation its outcome; one that has ended keeps
	// the one it has.
	EndOperation(ctx context.Context, op schemas.Operation, status schemas.OperationStatus, message string) error
}

// Schedules makes Temporal schedules equal export rows.
type Schedules interface {
	Apply(ctx context.Context, export schemas.Export) error
	Trigger(ctx context.Context, export uuid.UUID) error
}

// Signaler hands operations to Integration workflows. Its error is
// schemas.ErrIntegrationDeleted when the workflow has completed.
type Signaler interface {
	Signal(ctx context.Context, op schemas.Operation) error
}

// Starter starts the workflows of backfills.
type Starter interface {
	StartBackfill(ctx context.Context, op schemas.Operation) error
}

// Dispatcher carries operations to Temporal. It is safe for concurrent use.
type Dispatcher struct {
	ledger    Ledger
	schedules Schedules
	signaler  Signaler
	starter   Starter
}

// New makes a dispatcher.
func New(ledger Ledger, schedules Schedules, signaler Signaler, starter Starter) *Dispatcher {
	return &Dispatcher{ledger: ledger, schedules: schedules, signaler: signaler, starter: starter}
}

// Dispatch gives the operation to Temporal. It may be repeated, also after it
// succeeded; an operation is carried out once. An error means that it may not
// have got through and has to be dispatched again; an operation that can never
// be carried out ends as failed instead.
func (d *Dispatcher) Dispatch(ctx context.Context, op schemas.Operation) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	if err := d.dispatch(ctx, op); err != nil {
		return fmt.Errorf("dispatch %s operation %s: %w", op.Kind, op.ID, err)
	}
	return nil
}

func (d *Dispatcher) dispatch(ctx context.Context, op schemas.Operation) error {
	switch {
	case op.Kind.OfIntegration():
		return d.signal(ctx, op)
	case op.ExportID == nil:
		return errors.New("it names no export")
	case op.Kind == schemas.OpRunExport:
		return d.runNow(ctx, op)
	case op.Kind == schemas.OpBackfillExport:
		return d.backfill(ctx, op)
	default:
		return d.ledger.ApplyExport(ctx, op.OrgID, *op.ExportID, d.schedules.Apply)
	}
}

func (d *Dispatcher) signal(ctx context.Context, op schemas.Operation) error {
	err := d.signaler.Signal(ctx, op)
	if errors.Is(err, schemas.ErrIntegrationDeleted) {
		return d.ledger.EndOperation(ctx, op, schemas.OperationFailed, schemas.ErrIntegrationDeleted.Error())
	}
	if err != nil {
		return err
	}
	return d.ledger.MarkOperationSent(ctx, op)
}

// runNow triggers under the schedule lock: Temporal would also trigger a
// paused schedule, and no run may start once a pause has been confirmed.
func (d *Dispatcher) runNow(ctx context.Context, op schemas.Operation) error {
	var status schemas.OperationStatus
	var message string
	err := d.ledger.ApplyExport(ctx, op.OrgID, *op.ExportID, func(ctx context.Context, export schemas.Export) error {
		if err := d.schedules.Apply(ctx, export); err != nil {
			return err
		}
		if export.State != schemas.ExportActive {
			status, message = schemas.OperationFailed, fmt.Sprintf("the export is %s", export.State)
			return nil
		}
		status, message = schemas.OperationSucceeded, ""
		return d.schedules.Trigger(ctx, export.ID)
	})
	if err != nil {
		return err
	}
	return d.ledger.EndOperation(ctx, op, status, message)
}

func (d *Dispatcher) backfill(ctx context.Context, op schemas.Operation) error {
	if err := d.starter.StartBackfill(ctx, op); err != nil {
		return err
	}
	return d.ledger.MarkOperationSent(ctx, op)
}
