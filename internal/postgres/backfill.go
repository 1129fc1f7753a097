package postgres

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/auditferry/auditferry/schemas"
)

const selectBackfill = `
	SELECT b.id, b.org_id, b.export_id, b.folder, b.destination, b.first_seq, b.last_seq, b.delivered_seq, b.format,
		b.compression, b.path_template, b.filter, b.status, b.error, b.requested_by, b.created_at, b.ended_at
	FROM export_backfill AS b `

func scanBackfill(row pgx.CollectableRow) (b schemas.Backfill, err error) {
	err = row.Scan(&b.ID, &b.OrgID, &b.ExportID, &b.Folder, asURL(&b.Destination), &b.FirstSeq, &b.LastSeq, &b.DeliveredSeq,
		&b.Format, &b.Compression, &b.PathTemplate, &b.Filter, &b.Status, &b.Error, &b.RequestedBy, &b.CreatedAt, &b.EndedAt)
	return b, err
}

// InsertBackfill begins a backfill of an export: it is running, and nothing of
// it is delivered. A zero CreatedAt is now. A second running one of the same
// export is a *ConflictError.
func (t *Tx) InsertBackfill(ctx context.Context, b schemas.Backfill) error {
	return t.execOne(ctx, "begin a backfill", `
		INSERT INTO export_backfill (id, org_id, export_id, folder, destination, first_seq, last_seq, delivered_seq, format,
			compression, path_template, filter, status, requested_by, created_at)
		SELECT $2, org_id, id, $3, $4, $5, $6, $5::bigint - 1, $7, $8, $9, $10, $11, $12, coalesce($13, now())
		FROM export WHERE id = $1`,
		b.ExportID, b.ID, b.Folder, asURL(&b.Destination), b.FirstSeq, b.LastSeq, b.Format,
		b.Compression, b.PathTemplate, b.Filter, schemas.BackfillRunning, b.RequestedBy, orNow(b.CreatedAt))
}

// Backfill reads a backfill, or gives ErrNotFound.
func (t *Tx) Backfill(ctx context.Context, id uuid.UUID) (schemas.Backfill, error) {
	return queryOne(ctx, t, "read a backfill", scanBackfill, selectBackfill+`WHERE b.id = $1`, id)
}

// LockBackfill reads a backfill and keeps others from changing it until the
// transaction ends.
func (t *Tx) LockBackfill(ctx context.Context, id uuid.UUID) (schemas.Backfill, error) {
	return queryOne(ctx, t, "lock a backfill", scanBackfill, selectBackfill+`WHERE b.id = $1 FOR UPDATE`, id)
}

// Backfills lists at most limit backfills of an export, newest first, beginning
// with those older than after, or with the newest when after is the nil UUID.
func (t *Tx) Backfills(ctx context.Context, export, after uuid.UUID, limit int) ([]schemas.Backfill, error) {
	if after == uuid.Nil {
		after = uuid.Max
	}
	return queryAll(ctx, t, "list backfills", scanBackfill, selectBackfill+`
		WHERE b.export_id = $1 AND b.id < $2 ORDER BY b.id DESC LIMIT $3`, export, after, limit)
}

// RunningBackfills lists the running backfills of an integration's exports,
// deleted ones too, by ID.
func (t *Tx) RunningBackfills(ctx context.Context, integration uuid.UUID) ([]schemas.Backfill, error) {
	return queryAll(ctx, t, "list running backfills", scanBackfill, selectBackfill+`
		JOIN export AS e ON e.id = b.export_id
		WHERE e.integration_id = $1 AND b.status = 'running' ORDER BY b.id`, integration)
}

// AdvanceBackfill notes that a backfill has delivered everything up to seq.
// When that is all of it, a running one has succeeded, and so has the operation
// that asked for it. Less than what is noted already changes nothing.
func (t *Tx) AdvanceBackfill(ctx context.Context, id uuid.UUID, seq int64) error {
	const attempt = "advance a backfill"
	var done bool
	err := t.scan(ctx, attempt, []any{&done}, `
		UPDATE export_backfill SET delivered_seq = greatest(delivered_seq, least($2::bigint, last_seq))
		WHERE id = $1 RETURNING delivered_seq = last_seq`, id, seq)
	if err != nil || !done {
		return err
	}
	return t.EndBackfill(ctx, id, schemas.BackfillSucceeded, "")
}

// EndBackfill gives a running backfill its outcome, and the operation that
// asked for it with it: anything but success is a failure for the reason that
// message gives, and its chain is to be closed where it ends. One that has ended
// already keeps the outcome it has.
func (t *Tx) EndBackfill(ctx context.Context, id uuid.UUID, status schemas.BackfillStatus, message string) error {
	const attempt = "end a backfill"
	if status == schemas.BackfillRunning {
		return fmt.Errorf("%s: %q is not an outcome", attempt, status)
	}
	rows, err := t.exec(ctx, attempt, `
		UPDATE export_backfill SET status = $2, error = $3, ended_at = now()
		WHERE id = $1 AND status = 'running'`, id, status, message)
	if err != nil {
		return err
	}
	if rows == 0 {
		return t.scan(ctx, attempt, []any{&id}, `SELECT id FROM export_backfill WHERE id = $1`, id)
	}
	outcome := schemas.OperationFailed
	if status == schemas.BackfillSucceeded {
		outcome = schemas.OperationSucceeded
	} else if err := t.closeBackfill(ctx, id); err != nil {
		return err
	}
	_, err = t.exec(ctx, attempt, `
		UPDATE operation SET status = $2, error = $3, ended_at = now()
		WHERE backfill_id = $1 AND kind = $4 AND ended_at IS NULL`, id, outcome, message, schemas.OpBackfillExport)
	return err
}

// CancelBackfillRuns ends every running run of a backfill, so that none of them
// can deliver any more. Why is what the admin reads.
func (t *Tx) CancelBackfillRuns(ctx context.Context, backfill uuid.UUID, why string) error {
	_, err := t.exec(ctx, "cancel a backfill's runs", `
		UPDATE export_run AS r SET status = 'cancelled', error_kind = '', error = $2, ended_at = now()
		FROM export_backfill AS b, export_window AS w
		WHERE b.id = $1 AND r.export_id = b.export_id AND r.status = 'running'
		  AND w.id = r.window_id AND w.backfill_id = b.id`, backfill, why)
	return err
}
