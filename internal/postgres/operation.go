package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/auditferry/auditferry/schemas"
)

const selectOperation = `
	SELECT id, org_id, kind, integration_id, export_id, backfill_id, params, status, outcome, error, requested_by,
		spec_version, created_at, ended_at
	FROM operation `

func scanOperation(row pgx.CollectableRow) (o schemas.Operation, err error) {
	err = row.Scan(&o.ID, &o.OrgID, &o.Kind, &o.IntegrationID, &o.ExportID, &o.BackfillID, &o.Params, &o.Status, &o.Outcome,
		&o.Error, &o.RequestedBy, &o.SpecVersion, &o.CreatedAt, &o.EndedAt)
	return o, err
}

// InsertOperation adds an operation. A zero CreatedAt is now.
func (t *Tx) InsertOperation(ctx context.Context, o schemas.Operation) error {
	const attempt = "insert an operation"
	org, err := t.owner(o.OrgID)
	if err != nil {
		return fmt.Errorf("%s: %w", attempt, err)
	}
	_, err = t.exec(ctx, attempt, `
		INSERT INTO operation (id, org_id, kind, integration_id, export_id, backfill_id, params, status, error, requested_by,
			spec_version, created_at, ended_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, coalesce($12, now()), $13)`,
		o.ID, org, o.Kind, o.IntegrationID, o.ExportID, o.BackfillID, o.Params, o.Status, o.Error, o.RequestedBy,
		o.SpecVersion, orNow(o.CreatedAt), o.EndedAt)
	return err
}

// Operation reads an operation, or gives ErrNotFound.
func (t *Tx) Operation(ctx context.Context, id uuid.UUID) (schemas.Operation, error) {
	return queryOne(ctx, t, "read an operation", scanOperation, selectOperation+`WHERE id = $1`, id)
}

// LockOperation reads an operation and keeps others from changing it until the
// transaction ends.
func (t *Tx) LockOperation(ctx context.Context, id uuid.UUID) (schemas.Operation, error) {
	return queryOne(ctx, t, "lock an operation", scanOperation, selectOperation+`WHERE id = $1 FOR UPDATE`, id)
}

// Operations lists at most limit operations, newest first: those of an
// integration, of an export, of both together, or all.
func (t *Tx) Operations(ctx context.Context, integration, export *uuid.UUID, limit int) ([]schemas.Operation, error) {
	where := t.ours()
	args := []any{t.org, limit}
	if integration != nil {
		args = append(args, *integration)
		where += fmt.Sprintf(" AND integration_id = $%d", len(args))
	}
	if export != nil {
		args = append(args, *export)
		where += fmt.Sprintf(" AND export_id = $%d", len(args))
	}
	return queryAll(ctx, t, "list operations", scanOperation,
		selectOperation+`WHERE `+where+` ORDER BY id DESC LIMIT $2`, args...)
}

// OpenOperations lists the operations of an integration that have not ended,
// oldest first.
func (t *Tx) OpenOperations(ctx context.Context, integration uuid.UUID) ([]schemas.Operation, error) {
	return queryAll(ctx, t, "list open operations", scanOperation, selectOperation+`
		WHERE integration_id = $1 AND ended_at IS NULL ORDER BY id`, integration)
}

// MarkOperationRunning notes that a pending operation is being carried out. One
// that is running or has ended stays as it is.
func (t *Tx) MarkOperationRunning(ctx context.Context, id uuid.UUID) error {
	return t.changeOperation(ctx, "mark an operation as running", `
		UPDATE operation SET status = 'running' WHERE id = $1 AND status = 'pending'`, id)
}

// EndOperation gives an operation its outcome. One that has ended already keeps
// the one it has.
func (t *Tx) EndOperation(ctx context.Context, id uuid.UUID, status schemas.OperationStatus, message string) error {
	return t.changeOperation(ctx, "end an operation", `
		UPDATE operation SET status = $2, error = $3, ended_at = now() WHERE id = $1 AND ended_at IS NULL`,
		id, status, message)
}

// SetOperationOutcome notes what an operation did beyond what was asked for.
func (t *Tx) SetOperationOutcome(ctx context.Context, id uuid.UUID, outcome schemas.OperationOutcome) error {
	return t.changeOperation(ctx, "note an operation's outcome", `
		UPDATE operation SET outcome = $2 WHERE id = $1`, id, outcome)
}

// MarkOperationSent notes that Temporal has an operation, since now.
func (t *Tx) MarkOperationSent(ctx context.Context, id uuid.UUID) error {
	return t.changeOperation(ctx, "mark an operation as sent", `
		UPDATE operation SET sent_at = now() WHERE id = $1`, id)
}

// changeOperation runs an UPDATE of the operation $1 that may find nothing to
// do. An operation that does not exist is ErrNotFound all the same.
func (t *Tx) changeOperation(ctx context.Context, attempt, sql string, id uuid.UUID, args ...any) error {
	rows, err := t.exec(ctx, attempt, sql, append([]any{id}, args...)...)
	if err != nil || rows == 1 {
		return err
	}
	return t.scan(ctx, attempt, []any{&id}, `SELECT id FROM operation WHERE id = $1`, id)
}

// StrandedOperations lists at most limit operations that have not ended and
// seem to be forgotten: those that Temporal did not get within unsent, oldest
// first, and then those that it got longer than silent ago, in turn.
func (t *Tx) StrandedOperations(ctx context.Context, unsent, silent time.Duration, limit int) ([]schemas.Operation, error) {
	return queryAll(ctx, t, "list stranded operations", scanOperation, selectOperation+`
		WHERE ended_at IS NULL AND
			CASE WHEN sent_at IS NULL THEN created_at <= now() - $1::interval ELSE sent_at <= now() - $2::interval END
		ORDER BY sent_at NULLS FIRST, created_at LIMIT $3`, unsent, silent, limit)
}
