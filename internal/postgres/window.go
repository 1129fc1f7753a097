package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/auditferry/auditferry/schemas"
)

const selectWindow = `
	SELECT id, export_id, slug, first_seq, last_seq, rows_per_part, format, compression, path_template, destination
	FROM export_window `

func scanWindow(row pgx.CollectableRow) (w schemas.Window, err error) {
	err = row.Scan(&w.ID, &w.ExportID, &w.Slug, &w.FirstSeq, &w.LastSeq, &w.RowsPerPart, &w.Format, &w.Compression,
		&w.PathTemplate, asURL(&w.Destination))
	return w, err
}

// UndeliveredWindow is the window that an export still has to deliver; nil when
// there is none.
func (t *Tx) UndeliveredWindow(ctx context.Context, export uuid.UUID) (*schemas.Window, error) {
	w, err := queryOne(ctx, t, "read the undelivered window", scanWindow,
		selectWindow+`WHERE export_id = $1 AND delivered_at IS NULL`, export)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &w, nil
}

// InsertWindow allocates a window. A second undelivered one of the same export,
// or a second one that begins with the same event, is a *ConflictError.
func (t *Tx) InsertWindow(ctx context.Context, w schemas.Window) error {
	return t.execOne(ctx, "allocate a window", `
		INSERT INTO export_window (id, org_id, export_id, slug, first_seq, last_seq, rows_per_part, format, compression,
			path_template, destination)
		SELECT $2, org_id, id, $3, $4, $5, $6, $7, $8, $9, $10 FROM export WHERE id = $1`,
		w.ExportID, w.ID, w.Slug, w.FirstSeq, w.LastSeq, w.RowsPerPart, w.Format, w.Compression,
		w.PathTemplate, asURL(&w.Destination))
}

// SetWindowDestination moves a window that is not delivered to another place.
// Between two runs only: what a failed run has written stays behind.
func (t *Tx) SetWindowDestination(ctx context.Context, window uuid.UUID, d schemas.Destination) error {
	return t.execOne(ctx, "move a window", `
		UPDATE export_window SET destination = $2 WHERE id = $1 AND delivered_at IS NULL`, window, asURL(&d))
}

// DeliverWindow settles a window: it records its objects, which together must
// hold every event of the window exactly once, and moves the export on. The run
// must be the one that is running for this window. Objects that do not make up
// the window, a run that has been superseded or has ended, and a window that
// another run has delivered are a *ConflictError. A window that this very run
// has delivered before is left as it is.
func (t *Tx) DeliverWindow(ctx context.Context, window, run uuid.UUID, objects []schemas.Object) error {
	const attempt = "deliver a window"
	var w schemas.Window
	var deliveredBy *uuid.UUID
	err := t.scan(ctx, attempt, []any{&w.ExportID, &w.FirstSeq, &w.LastSeq, &deliveredBy}, `
		SELECT export_id, first_seq, last_seq, delivered_by FROM export_window WHERE id = $1 FOR UPDATE`, window)
	if err != nil {
		return err
	}
	if deliveredBy != nil {
		if *deliveredBy == run {
			return nil
		}
		return fmt.Errorf("%s: %w", attempt, &ConflictError{"The window has been delivered by another run."})
	}
	if err := t.mustRun(ctx, attempt, window, run); err != nil {
		return err
	}
	if err := covers(objects, w.FirstSeq, w.LastSeq); err != nil {
		return fmt.Errorf("%s: %w", attempt, err)
	}
	return t.settle(ctx, attempt, window, run, w, objects)
}

// mustRun fences off runs that have been superseded, and keeps this one from
// being so until the transaction ends.
func (t *Tx) mustRun(ctx context.Context, attempt string, window, run uuid.UUID) error {
	var status schemas.RunStatus
	err := t.scan(ctx, attempt, []any{&status}, `
		SELECT status FROM export_run WHERE id = $1 AND window_id = $2 FOR UPDATE`, run, window)
	if err == nil && status != schemas.RunRunning {
		err = fmt.Errorf("%s: %w", attempt, &ConflictError{fmt.Sprintf("The run is %s already.", status)})
	}
	return err
}

// covers checks that objects follow each other, part by part, from first to
// last without a gap or an overlap.
func covers(objects []schemas.Object, first, last int64) error {
	next := first
	for i, o := range objects {
		if o.Part != i {
			return &ConflictError{fmt.Sprintf("Object %d of the window is part %d.", i, o.Part)}
		}
		if o.FirstSeq != next || o.LastSeq < o.FirstSeq || o.Rows != o.LastSeq-o.FirstSeq+1 {
			return &ConflictError{fmt.Sprintf("Part %d holds %d rows from %d to %d; it must begin with %d.", i, o.Rows, o.FirstSeq, o.LastSeq, next)}
		}
		next = o.LastSeq + 1
	}
	if next != last+1 {
		return &ConflictError{fmt.Sprintf("The objects end with %d; the window ends with %d.", next-1, last)}
	}
	return nil
}

func (t *Tx) settle(ctx context.Context, attempt string, window, run uuid.UUID, w schemas.Window, objects []schemas.Object) error {
	var batch pgx.Batch
	for _, o := range objects {
		batch.Queue(`
			INSERT INTO export_object (org_id, window_id, run_id, part, key, first_seq, last_seq, rows, bytes, sha256)
			SELECT org_id, id, $2, $3, $4, $5, $6, $7, $8, $9 FROM export_window WHERE id = $1`,
			window, run, o.Part, o.Key, o.FirstSeq, o.LastSeq, o.Rows, o.Bytes, o.SHA256)
	}
	batch.Queue(`UPDATE export_window SET delivered_at = now(), delivered_by = $2 WHERE id = $1`, window, run)
	// Never lowered: a window of the past must not bring back what came after it.
	batch.Queue(`UPDATE export SET delivered_seq = $2 WHERE id = $1 AND delivered_seq < $2`, w.ExportID, w.LastSeq)
	return wrap(attempt, t.tx.SendBatch(ctx, &batch).Close())
}
