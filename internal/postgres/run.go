package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/auditferry/auditferry/schemas"
)

const selectRun = `
	SELECT r.id, r.export_id, r.window_id, w.backfill_id, r.workflow_id, r.status, w.first_seq, w.last_seq,
		(w.last_seq - w.first_seq + w.rows_per_part) / w.rows_per_part, r.settled, r.objects, r.rows, r.excluded, r.expired, r.bytes,
		r.attempts, r.error_kind, r.error, r.started_at, r.ended_at
	FROM export_run AS r JOIN export_window AS w ON w.id = r.window_id `

func scanRun(row pgx.CollectableRow) (r schemas.Run, err error) {
	err = row.Scan(&r.ID, &r.ExportID, &r.WindowID, &r.BackfillID, &r.WorkflowID, &r.Status, &r.FirstSeq, &r.LastSeq,
		&r.Parts, &r.Settled, &r.Objects, &r.Rows, &r.Excluded, &r.Expired, &r.Bytes,
		&r.Attempts, &r.ErrorKind, &r.Error, &r.StartedAt, &r.EndedAt)
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

// SupersedeRuns fails every running run of an export's live deliveries, or of a
// backfill, so that none of them can deliver any more. Why is what the admin
// reads.
func (t *Tx) SupersedeRuns(ctx context.Context, export uuid.UUID, backfill *uuid.UUID, why string) error {
	_, err := t.exec(ctx, "supersede runs", `
		UPDATE export_run AS r SET status = 'failed', error_kind = '', error = $3, ended_at = now()
		FROM export_window AS w
		WHERE w.id = r.window_id AND w.export_id = $1 AND w.backfill_id IS NOT DISTINCT FROM $2
			AND r.export_id = $1 AND r.status = 'running'`, export, backfill, why)
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

// BeginWriting notes the n-th attempt of a running run to write its window, and
// returns the parts that are settled already, by this run or an earlier one.
// The run's numbers count those as well. Nothing may be written before: a window
// of which no run has an attempt has left nothing anywhere; see ChainEnd.
func (t *Tx) BeginWriting(ctx context.Context, run uuid.UUID, attempt int) ([]schemas.Object, error) {
	var window uuid.UUID
	err := t.scan(ctx, "begin to write a window", []any{&window}, `
		UPDATE export_run AS r SET attempts = greatest(r.attempts, $2, 1), (settled, objects, rows, excluded, expired, bytes) = (
			SELECT count(*), count(*) FILTER (WHERE o.key <> ''), coalesce(sum(o.rows), 0), coalesce(sum(o.excluded), 0),
				coalesce(sum(o.expired), 0), coalesce(sum(o.bytes), 0)
			FROM export_object AS o WHERE o.window_id = r.window_id)
		WHERE r.id = $1 AND r.status = 'running' RETURNING r.window_id`, run, attempt)
	if err != nil {
		return nil, err
	}
	return t.Parts(ctx, window)
}

// NoteAttempt keeps why a running run's last attempt did not succeed, for those
// who watch.
func (t *Tx) NoteAttempt(ctx context.Context, run uuid.UUID, kind schemas.ErrorKind, message string) error {
	_, err := t.exec(ctx, "note a failed attempt", `
		UPDATE export_run SET error_kind = $2, error = $3 WHERE id = $1 AND status = 'running'`, run, kind, message)
	return err
}

// RecordPart notes a part that the run has settled. One that is noted already
// stays as it is. It is a *ConflictError when the run has ended: another has
// taken the window over, and may write it otherwise.
func (t *Tx) RecordPart(ctx context.Context, run uuid.UUID, o schemas.Object) error {
	const attempt = "note a part"
	var status schemas.RunStatus
	err := t.scan(ctx, attempt, []any{&status}, `
		WITH run AS (
			SELECT id, org_id, window_id, status FROM export_run WHERE id = $1 FOR UPDATE
		), part AS (
			INSERT INTO export_object (org_id, window_id, run_id, part, key, first_seq, last_seq, rows, excluded, expired, bytes, sha256)
			SELECT org_id, window_id, id, $2, $3, $4, $5, $6, $7, $8, $9, $10 FROM run WHERE status = 'running'
			ON CONFLICT (window_id, part) DO NOTHING
			RETURNING key, rows, excluded, expired, bytes
		), counted AS (
			UPDATE export_run AS r SET settled = r.settled + 1, objects = r.objects + (p.key <> '')::integer, rows = r.rows + p.rows,
				excluded = r.excluded + p.excluded, expired = r.expired + p.expired, bytes = r.bytes + p.bytes
			FROM part AS p WHERE r.id = $1
		)
		SELECT status FROM run`,
		run, o.Part, o.Key, o.FirstSeq, o.LastSeq, o.Rows, o.Excluded, o.Expired, o.Bytes, o.SHA256)
	if err == nil && status != schemas.RunRunning {
		err = fmt.Errorf("%s: %w", attempt, &ConflictError{fmt.Sprintf("The run has ended meanwhile: it is %s.", status)})
	}
	return err
}

// EndRun stores how a running run ended: Status, ErrorKind, Error and EndedAt,
// of which a nil one is now. A run that has ended already keeps the outcome it
// has; one that does not exist is ErrNotFound.
func (t *Tx) EndRun(ctx context.Context, r schemas.Run) error {
	const attempt = "end a run"
	rows, err := t.exec(ctx, attempt, `
		UPDATE export_run SET status = $2, error_kind = $3, error = $4, ended_at = coalesce($5, now())
		WHERE id = $1 AND status = 'running'`, r.ID, r.Status, r.ErrorKind, r.Error, r.EndedAt)
	if err != nil || rows == 1 {
		return err
	}
	return t.scan(ctx, attempt, []any{&r.ID}, `SELECT id FROM export_run WHERE id = $1`, r.ID)
}

// Runs lists at most limit runs of an export and its backfills, newest first,
// beginning with those older than after, or with the newest when after is the
// nil UUID.
func (t *Tx) Runs(ctx context.Context, export, after uuid.UUID, limit int) ([]schemas.Run, error) {
	if after == uuid.Nil {
		after = uuid.Max
	}
	return queryAll(ctx, t, "list runs", scanRun, selectRun+`
		WHERE r.export_id = $1 AND r.id < $2 ORDER BY r.id DESC LIMIT $3`, export, after, limit)
}

const selectObject = `
	SELECT o.part, o.key, o.first_seq, o.last_seq, o.rows, o.excluded, o.expired, o.bytes, o.sha256 FROM export_object AS o `

func scanObject(row pgx.CollectableRow) (o schemas.Object, err error) {
	err = row.Scan(&o.Part, &o.Key, &o.FirstSeq, &o.LastSeq, &o.Rows, &o.Excluded, &o.Expired, &o.Bytes, &o.SHA256)
	return o, err
}

// Parts lists the parts of a window that are settled, in order.
func (t *Tx) Parts(ctx context.Context, window uuid.UUID) ([]schemas.Object, error) {
	return queryAll(ctx, t, "list parts", scanObject, selectObject+`WHERE o.window_id = $1 ORDER BY o.part`, window)
}

// Objects lists what a run has stored, part by part; of one that has delivered
// its window, all objects of the window, also those that an earlier run had
// stored.
func (t *Tx) Objects(ctx context.Context, run uuid.UUID) ([]schemas.Object, error) {
	return queryAll(ctx, t, "list objects", scanObject, selectObject+`
		JOIN export_run AS r ON r.window_id = o.window_id
		WHERE r.id = $1 AND o.key <> '' AND (r.status = 'succeeded' OR o.run_id = r.id) ORDER BY o.part`, run)
}

// RunningRuns counts the runs in flight of an integration's exports, deleted
// ones and backfills too.
func (t *Tx) RunningRuns(ctx context.Context, integration uuid.UUID) (running int, err error) {
	err = t.scan(ctx, "count running runs", []any{&running}, `
		SELECT count(*) FROM export_run AS r JOIN export AS e ON e.id = r.export_id
		WHERE e.integration_id = $1 AND r.status = 'running'`, integration)
	return running, err
}

// LastFailure is the live run of an export that failed last, or ErrNotFound.
func (t *Tx) LastFailure(ctx context.Context, export uuid.UUID) (schemas.Run, error) {
	return queryOne(ctx, t, "find the last failed run", scanRun, selectRun+`
		WHERE r.export_id = $1 AND r.status = 'failed' AND w.backfill_id IS NULL ORDER BY r.id DESC LIMIT 1`, export)
}
