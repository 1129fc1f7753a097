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
	SELECT w.id, w.export_id, w.backfill_id, w.slug, w.first_seq, w.last_seq, w.recorded_from, w.recorded_to, w.rows_per_part,
		w.format, w.compression, w.path_template, w.filter, w.destination, w.folder
	FROM export_window AS w `

func scanWindow(row pgx.CollectableRow) (w schemas.Window, err error) {
	err = row.Scan(&w.ID, &w.ExportID, &w.BackfillID, &w.Slug, &w.FirstSeq, &w.LastSeq, &w.RecordedFrom, &w.RecordedTo, &w.RowsPerPart,
		&w.Format, &w.Compression, &w.PathTemplate, &w.Filter, asURL(&w.Destination), &w.Folder)
	return w, err
}

// open is the condition for a window that is still to be delivered.
const open = `w.delivered_at IS NULL AND w.abandoned_at IS NULL`

// chain is the condition for windows that follow each other: of an export's
// live deliveries, or of a backfill. $1 is the export, $2 the backfill. Written
// this way both find their partial indexes.
func chain(backfill *uuid.UUID) string {
	if backfill == nil {
		return `w.export_id = $1 AND w.backfill_id IS NULL AND $2::uuid IS NULL AND w.abandoned_at IS NULL`
	}
	return `w.export_id = $1 AND w.backfill_id = $2 AND w.abandoned_at IS NULL`
}

// UndeliveredWindow is the window that an export, or its backfill, still has to
// deliver; nil when there is none.
func (t *Tx) UndeliveredWindow(ctx context.Context, export uuid.UUID, backfill *uuid.UUID) (*schemas.Window, error) {
	w, err := queryOne(ctx, t, "read the undelivered window", scanWindow,
		selectWindow+`WHERE `+chain(backfill)+` AND `+open, export, backfill)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &w, nil
}

// Window reads a window, or gives ErrNotFound.
func (t *Tx) Window(ctx context.Context, id uuid.UUID) (schemas.Window, error) {
	return queryOne(ctx, t, "read a window", scanWindow, selectWindow+`WHERE w.id = $1`, id)
}

// InsertWindow allocates a window. A second undelivered one of the same export
// or backfill, or a second one that begins with the same event, is a
// *ConflictError.
func (t *Tx) InsertWindow(ctx context.Context, w schemas.Window) error {
	return t.insertWindow(ctx, w, nil)
}

// ReplaceWindow abandons a window that is not delivered, and allocates another
// of the same range instead. What was written of the former stays where it is
// and in the ledger, and is in no manifest.
func (t *Tx) ReplaceWindow(ctx context.Context, old uuid.UUID, w schemas.Window) error {
	if err := t.abandonWindow(ctx, old); err != nil {
		return err
	}
	return t.insertWindow(ctx, w, &old)
}

// FormerWindow is the abandoned window of the same range that was to be
// delivered to a place before this one; nil when there is none. The place may
// hold its parts and its manifest under the keys that another window of this
// range would have there.
func (t *Tx) FormerWindow(ctx context.Context, w schemas.Window, at schemas.Destination) (*schemas.Window, error) {
	former, err := queryOne(ctx, t, "find a former window", scanWindow, selectWindow+`
		WHERE w.export_id = $1 AND w.backfill_id IS NOT DISTINCT FROM $2 AND w.first_seq = $3 AND w.last_seq = $4
		  AND w.destination = $5 AND w.abandoned_at IS NOT NULL ORDER BY w.id DESC LIMIT 1`,
		w.ExportID, w.BackfillID, w.FirstSeq, w.LastSeq, asURL(&at))
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &former, nil
}

// ReturnToWindow abandons a window that is not delivered, and takes up its
// former one again, with the parts and the manifest that it had.
func (t *Tx) ReturnToWindow(ctx context.Context, old, former uuid.UUID) error {
	if err := t.abandonWindow(ctx, old); err != nil {
		return err
	}
	return t.execOne(ctx, "take up a former window", `
		UPDATE export_window SET abandoned_at = NULL, replaces = $2 WHERE id = $1 AND abandoned_at IS NOT NULL`, former, old)
}

func (t *Tx) abandonWindow(ctx context.Context, id uuid.UUID) error {
	return t.execOne(ctx, "abandon a window", `
		UPDATE export_window AS w SET abandoned_at = now() WHERE w.id = $1 AND `+open, id)
}

func (t *Tx) insertWindow(ctx context.Context, w schemas.Window, replaces *uuid.UUID) error {
	return t.execOne(ctx, "allocate a window", `
		INSERT INTO export_window (id, org_id, export_id, backfill_id, slug, first_seq, last_seq, recorded_from, recorded_to,
			rows_per_part, format, compression, path_template, filter, destination, folder, replaces)
		SELECT $2, org_id, id, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16 FROM export WHERE id = $1`,
		w.ExportID, w.ID, w.BackfillID, w.Slug, w.FirstSeq, w.LastSeq, w.RecordedFrom, w.RecordedTo,
		w.RowsPerPart, w.Format, w.Compression, w.PathTemplate, w.Filter, asURL(&w.Destination), w.Folder, replaces)
}

// sealedColumns are those of a sealed manifest. Before it is sealed they are
// null, and once it has been settled content and signature are again.
type sealedColumns struct {
	key, sha256, signature *string
	content                []byte
}

func (c sealedColumns) manifest() *schemas.SealedManifest {
	if c.key == nil || c.sha256 == nil || c.signature == nil {
		return nil
	}
	return &schemas.SealedManifest{Key: *c.key, SHA256: *c.sha256, Content: c.content, Signature: *c.signature}
}

// SealedManifest is the manifest that was made for a window which is not
// delivered yet; nil when there is none.
func (t *Tx) SealedManifest(ctx context.Context, window uuid.UUID) (*schemas.SealedManifest, error) {
	var sealed sealedColumns
	err := t.scan(ctx, "read a window's manifest", []any{&sealed.key, &sealed.sha256, &sealed.content, &sealed.signature}, `
		SELECT manifest_key, manifest_sha256, manifest_content, manifest_signature FROM export_window WHERE id = $1`, window)
	return sealed.manifest(), err
}

// SealWindow keeps the manifest of a window that is not delivered yet, before
// it is written for the first time. Whoever writes it again writes the same.
func (t *Tx) SealWindow(ctx context.Context, window uuid.UUID, m schemas.SealedManifest) error {
	return t.execOne(ctx, "seal a window", `
		UPDATE export_window AS w
		SET manifest_key = $2, manifest_sha256 = $3, manifest_content = $4, manifest_signature = $5
		WHERE w.id = $1 AND `+open+` AND w.manifest_key IS NULL`, window, m.Key, m.SHA256, m.Content, m.Signature)
}

// PreviousManifest is the manifest of the window before this one; nil when the
// chain begins here. The ref's destination is set if it is another place.
func (t *Tx) PreviousManifest(ctx context.Context, w schemas.Window) (*schemas.ManifestRef, error) {
	return t.manifestRef(ctx, "find the previous manifest", w, chain(w.BackfillID)+`
		AND w.first_seq < $3 AND w.delivered_at IS NOT NULL ORDER BY w.first_seq DESC LIMIT 1`,
		w.ExportID, w.BackfillID, w.FirstSeq)
}

// VoidManifest is the manifest that was sealed last for the windows which this
// one replaces, one after the other. It may or may not have been written where
// it was to go. It is nil when there is none.
func (t *Tx) VoidManifest(ctx context.Context, w schemas.Window) (*schemas.ManifestRef, error) {
	return t.manifestRef(ctx, "find the manifest that is replaced", w, sealedLast("id = $1", 1), w.ID)
}

// UnsettledManifest is the manifest that was sealed last for the window which a
// chain has not delivered, or for those that it replaces. It may have been
// written, and the record of that is missing. It is nil when there is none.
func (t *Tx) UnsettledManifest(ctx context.Context, c Closing) (*schemas.ManifestRef, error) {
	seen := schemas.Window{Destination: c.Place()}
	return t.manifestRef(ctx, "find an unsettled manifest", seen, sealedLast(`
		export_id = $1 AND backfill_id IS NOT DISTINCT FROM $2 AND delivered_at IS NULL AND abandoned_at IS NULL`, 0),
		c.ExportID, c.BackfillID)
}

// sealedLast is the condition that a window is the first with a sealed manifest
// among one and those that it replaces, one after the other, from that depth on.
func sealedLast(one string, depth int) string {
	return fmt.Sprintf(`w.id = (
		WITH RECURSIVE former (id, replaces, depth) AS (
			SELECT id, replaces, 0 FROM export_window WHERE %s
			UNION ALL
			SELECT o.id, o.replaces, former.depth + 1 FROM former JOIN export_window AS o ON o.id = former.replaces
		) CYCLE id SET again USING path
		SELECT former.id FROM former JOIN export_window AS o ON o.id = former.id
		WHERE former.depth >= %d AND NOT former.again AND o.manifest_key IS NOT NULL
		ORDER BY former.depth LIMIT 1)`, one, depth)
}

func (t *Tx) manifestRef(ctx context.Context, attempt string, seen schemas.Window, where string, args ...any) (*schemas.ManifestRef, error) {
	var at schemas.Window
	var key, sum string
	err := t.scan(ctx, attempt, []any{asURL(&at.Destination), &at.Folder, &key, &sum}, `
		SELECT w.destination, w.folder, w.manifest_key, w.manifest_sha256 FROM export_window AS w
		WHERE w.manifest_key IS NOT NULL AND `+where, args...)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	ref := schemas.ManifestRef{Key: at.Place().Below(key), SHA256: sum}
	if at.Place() != seen.Place() {
		ref.Destination = at.Place()
	}
	return &ref, nil
}

// DeliverWindow settles a window whose manifest is sealed: its parts together
// must account for every event of the window exactly once. It moves the export
// on, or its backfill, and a live window ends a streak of failures. The run must
// be the one that is running for this window. Parts that do not make up the
// window, a run that has been superseded or has ended, and a window that another
// run has delivered are a *ConflictError. A window that this very run has
// delivered before is left as it is.
func (t *Tx) DeliverWindow(ctx context.Context, window, run uuid.UUID) error {
	const attempt = "deliver a window"
	var deliveredBy *uuid.UUID
	var key *string
	err := t.scan(ctx, attempt, []any{&deliveredBy, &key}, `
		SELECT delivered_by, manifest_key FROM export_window WHERE id = $1 FOR UPDATE`, window)
	if err != nil {
		return err
	}
	if deliveredBy != nil {
		if *deliveredBy == run {
			return nil
		}
		return fmt.Errorf("%s: %w", attempt, &ConflictError{"The window has been delivered by another run."})
	}
	if key == nil {
		return fmt.Errorf("%s: %w", attempt, &ConflictError{"The window has no manifest."})
	}
	if err := t.mustRun(ctx, attempt, window, run); err != nil {
		return err
	}
	w, err := t.Window(ctx, window)
	if err != nil {
		return err
	}
	parts, err := t.Parts(ctx, window)
	if err != nil {
		return err
	}
	if err := Covers(w, parts); err != nil {
		return fmt.Errorf("%s: %w", attempt, err)
	}
	return t.settle(ctx, attempt, w, run)
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

// Covers checks that parts follow each other from the window's first event to
// its last, and that each of them accounts for all of its range. If not, that
// is a *ConflictError.
func Covers(w schemas.Window, parts []schemas.Object) error {
	if len(parts) != w.Parts() {
		return &ConflictError{fmt.Sprintf("Of the window's %d parts %d are settled.", w.Parts(), len(parts))}
	}
	for n, o := range parts {
		first, last := w.Part(n)
		if o.Part != n || o.FirstSeq != first || o.LastSeq != last || o.Rows+o.Excluded+o.Expired != last-first+1 {
			return &ConflictError{fmt.Sprintf("Part %d (%d) accounts for %d rows, %d excluded and %d expired from %d to %d; it is to account for all from %d to %d.",
				n, o.Part, o.Rows, o.Excluded, o.Expired, o.FirstSeq, o.LastSeq, first, last)}
		}
	}
	return nil
}

func (t *Tx) settle(ctx context.Context, attempt string, w schemas.Window, run uuid.UUID) error {
	_, err := t.exec(ctx, attempt, `
		UPDATE export_window SET delivered_at = now(), delivered_by = $2, manifest_content = NULL, manifest_signature = NULL
		WHERE id = $1`, w.ID, run)
	if err != nil {
		return err
	}
	if w.BackfillID != nil {
		return t.AdvanceBackfill(ctx, *w.BackfillID, w.LastSeq)
	}
	return t.execOne(ctx, attempt, `
		UPDATE export SET delivered_seq = greatest(delivered_seq, $2), failing_since = NULL WHERE id = $1`, w.ExportID, w.LastSeq)
}
