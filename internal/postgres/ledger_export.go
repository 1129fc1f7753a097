package postgres

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/auditferry/auditferry/schemas"
)

// EachObject calls each with every part that an export has delivered, also
// those without an object: live ones first, in the order of their events, then
// backfill by backfill. The run is the one that delivered the window; see
// Objects.
//
// Rows come as they are read, so memory stays bounded. Each must not use the
// transaction; its error ends the listing and is returned as it is.
func (t *Tx) EachObject(ctx context.Context, export uuid.UUID, each func(schemas.DeliveredObject) error) error {
	return forEach(ctx, t, "read the delivered objects", func(row pgx.CollectableRow) (o schemas.DeliveredObject, err error) {
		err = row.Scan(&o.Part, &o.Key, &o.FirstSeq, &o.LastSeq, &o.Rows, &o.Excluded, &o.Expired, &o.Bytes, &o.SHA256,
			&o.RunID, &o.BackfillID, &o.Manifest, &o.DeliveredAt)
		return o, err
	}, each, `
		SELECT o.part, o.key, o.first_seq, o.last_seq, o.rows, o.excluded, o.expired, o.bytes, o.sha256,
			w.delivered_by::text, coalesce(w.backfill_id::text, ''), coalesce(w.manifest_key, ''), w.delivered_at
		FROM export_window AS w JOIN export_object AS o ON o.window_id = w.id
		WHERE w.export_id = $1 AND w.delivered_at IS NOT NULL
		ORDER BY w.backfill_id NULLS FIRST, w.first_seq, o.part`, export)
}

// EachRun calls each with every run of an export and its backfills, oldest
// first, under the same terms as EachObject.
func (t *Tx) EachRun(ctx context.Context, export uuid.UUID, each func(schemas.Run) error) error {
	return forEach(ctx, t, "read the runs", scanRun, each, selectRun+`WHERE r.export_id = $1 ORDER BY r.id`, export)
}

func forEach[T any](ctx context.Context, t *Tx, attempt string, scan pgx.RowToFunc[T], each func(T) error, sql string, args ...any) error {
	rows, err := t.tx.Query(ctx, sql, args...)
	if err != nil {
		return wrap(attempt, err)
	}
	defer rows.Close()
	for rows.Next() {
		value, err := scan(rows)
		if err != nil {
			return wrap(attempt, err)
		}
		if err := each(value); err != nil {
			return err
		}
	}
	return wrap(attempt, rows.Err())
}
