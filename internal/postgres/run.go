package postgres

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/auditferry/auditferry/schemas"
)

const selectRun = `
	SELECT r.id, r.export_id, r.window_id, r.workflow_id, r.status, w.first_seq, w.last_seq, r.objects, r.rows, r.bytes,
		r.error_kind, r.error, r.started_at, r.ended_at
	FROM export_run AS r JOIN export_window AS w ON w.id = r.window_id `

func scanRun(row pgx.CollectableRow) (r schemas.Run, err error) {
	err = row.Scan(&r.ID, &r.ExportID, &r.WindowID, &r.WorkflowID, &r.Status, &r.FirstSeq, &r.LastSeq, &r.Objects, &r.Rows,
		&r.Bytes, &r.ErrorKind, &r.Error, &r.StartedAt, &r.EndedAt)
	return r, err
}

// InsertRun begins a run of a window. Its range is the window's. A zero
// StartedAt is now. A second run for the same turn of a Temporal workflow run
// is a *ConflictError.
func (t *Tx) InsertRun(ctx context.Context, r schemas.Run, temporalRunID string, turn int) error {
	return t.execOne(ctx, "begin a run", `
		INSERT INTO export_run (id, org_id, export_id, window_id, workflow_id, temporal_run_id, turn, status, started_at)
		SELECT $3, org_id, export_id, id, $4, $5, $6, $7, coalesce($8, now())
		FROM export_window WHERE id = $1 AND export_id = $2`,
		r.WindowID, r.ExportID, r.ID, r.WorkflowID, temporalRunID, turn, schemas.RunRunning, orNow(r.StartedAt))
}

// RunByTurn finds the run that a turn of a Temporal workflow run has begun.
func (t *Tx) RunByTurn(ctx context.Context, temporalRunID string, turn int) (run schemas.Run, found bool, err error) {
	run, err = queryOne(ctx, t, "find the run of a turn", scanRun,
		selectRun+`WHERE r.temporal_run_id = $1 AND r.turn = $2`, temporalRunID, turn)
	if errors.Is(err, ErrNotFound) {
		return schemas.Run{}, false, nil
	}
	return run, err == nil, err
}

// Run reads a run, or gives ErrNotFound.
func (t *Tx) Run(ctx context.Context, id uuid.UUID) (schemas.Run, error) {
	return queryOne(ctx, t, "read a run", scanRun, selectRun+`WHERE r.id = $1`, id)
}

// LockRun reads a run and keeps others from changing it until the transaction
// ends.
func (t *Tx) LockRun(ctx context.Context, id uuid.UUID) (schemas.Run, error) {
	return queryOne(ctx, t, "lock a run", scanRun, selectRun+`WHERE r.id = $1 FOR UPDATE OF r`, id)
}

// SupersedeRuns fails every running run of an export, so that none of them can
// deliver any more. Why is what the admin reads.
func (t *Tx) SupersedeRuns(ctx context.Context, export uuid.UUID, why string) error {
	_, err := t.exec(ctx, "supersede runs", `
		UPDATE export_run SET status = 'failed', error = $2, ended_at = now()
		WHERE export_id = $1 AND status = 'running'`, export, why)
	return err
}

// CancelLinkedRuns ends every running run of an integration's exports, deleted
// ones too, so that none of them can deliver any more.
func (t *Tx) CancelLinkedRuns(ctx context.Context, integration uuid.UUID) error {
	_, err := t.exec(ctx, "cancel an integration's runs", `
		UPDATE export_run AS r SET status = 'cancelled', error = 'the integration has been deleted', ended_at = now()
		FROM export AS e WHERE e.id = r.export_id AND e.integration_id = $1 AND r.status = 'running'`, integration)
	return err
}

// EndRun stores how a running run went: Status, Objects, Rows, Bytes,
// ErrorKind, Error and EndedAt, of which a nil one is now. A run that has ended
// already keeps the outcome it has; one that does not exist is ErrNotFound.
func (t *Tx) EndRun(ctx context.Context, r schemas.Run) error {
	const attempt = "end a run"
	rows, err := t.exec(ctx, attempt, `
		UPDATE export_run SET status = $2, objects = $3, rows = $4, bytes = $5, error_kind = $6, error = $7,
			ended_at = coalesce($8, now())
		WHERE id = $1 AND status = 'running'`,
		r.ID, r.Status, r.Objects, r.Rows, r.Bytes, r.ErrorKind, r.Error, r.EndedAt)
	if err != nil || rows == 1 {
		return err
	}
	return t.scan(ctx, attempt, []any{&r.ID}, `SELECT id FROM export_run WHERE id = $1`, r.ID)
}

// Runs lists at most limit runs of an export, newest first, beginning with
// those older than after, or with the newest when after is the nil UUID.
func (t *Tx) Runs(ctx context.Context, export, after uuid.UUID, limit int) ([]schemas.Run, error) {
	if after == uuid.Nil {
		after = uuid.Max
	}
	return queryAll(ctx, t, "list runs", scanRun, selectRun+`
		WHERE r.export_id = $1 AND r.id < $2 ORDER BY r.id DESC LIMIT $3`, export, after, limit)
}

// Objects lists what a run has delivered, part by part.
func (t *Tx) Objects(ctx context.Context, run uuid.UUID) ([]schemas.Object, error) {
	return queryAll(ctx, t, "list objects", func(row pgx.CollectableRow) (o schemas.Object, err error) {
		err = row.Scan(&o.Part, &o.Key, &o.FirstSeq, &o.LastSeq, &o.Rows, &o.Bytes, &o.SHA256)
		return o, err
	}, `
		SELECT part, key, first_seq, last_seq, rows, bytes, sha256 FROM export_object WHERE run_id = $1 ORDER BY part`, run)
}

// RunningRuns counts the runs in flight of an integration's exports, deleted
// ones too.
func (t *Tx) RunningRuns(ctx context.Context, integration uuid.UUID) (running int, err error) {
	err = t.scan(ctx, "count running runs", []any{&running}, `
		SELECT count(*) FROM export_run AS r JOIN export AS e ON e.id = r.export_id
		WHERE e.integration_id = $1 AND r.status = 'running'`, integration)
	return running, err
}
