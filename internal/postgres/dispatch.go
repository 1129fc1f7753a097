package postgres

import (
	"context"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/schemas"
)

// The methods below are what carrying operations to Temporal needs: one
// transaction each, in the operation's own org.

// MarkOperationSent notes that Temporal has the operation.
func (s *Store) MarkOperationSent(ctx context.Context, op schemas.Operation) error {
	return s.InOrg(ctx, op.OrgID, func(tx *Tx) error {
		return tx.MarkOperationSent(ctx, op.ID)
	})
}

// EndOperation gives the operation its outcome. One that has ended already
// keeps the one it has.
func (s *Store) EndOperation(ctx context.Context, op schemas.Operation, status schemas.OperationStatus, message string) error {
	return s.InOrg(ctx, op.OrgID, func(tx *Tx) error {
		return tx.EndOperation(ctx, op.ID, status, message)
	})
}

// ApplyExport runs apply with the export's row as it is now, and when that
// succeeds notes the row's spec version as applied, which ends the operations
// that asked for it. It waits until it is the only one to do so for this
// export. Apply may run more than once; it runs inside the transaction, so it
// should be brief, and its error undoes everything.
func (s *Store) ApplyExport(ctx context.Context, org, export uuid.UUID, apply func(context.Context, schemas.Export) error) error {
	return s.InOrg(ctx, org, func(tx *Tx) error {
		if err := tx.LockSchedule(ctx, export); err != nil {
			return err
		}
		// Read only now: whoever held the lock may have waited long.
		row, err := tx.Export(ctx, export)
		if err != nil {
			return err
		}
		if err := apply(ctx, row); err != nil {
			return err
		}
		return tx.MarkApplied(ctx, export, row.SpecVersion)
	})
}
