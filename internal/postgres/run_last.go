package postgres

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/auditferry/auditferry/schemas"
)

// LastRuns finds the newest run of each export's live deliveries, in one query.
// Exports that have had none are left out.
func (t *Tx) LastRuns(ctx context.Context, exports []uuid.UUID) ([]schemas.Run, error) {
	return queryAll(ctx, t, "find the last runs", scanRun, `
		SELECT last.* FROM unnest($1::uuid[]) AS wanted(id) CROSS JOIN LATERAL (`+selectRun+`
			WHERE r.export_id = wanted.id AND w.backfill_id IS NULL ORDER BY r.id DESC LIMIT 1
		) AS last`, exports)
}

// StoredExports tells which of the exports have delivered an object to where
// they deliver now; those of backfills do not count.
func (t *Tx) StoredExports(ctx context.Context, exports []uuid.UUID) ([]uuid.UUID, error) {
	return queryAll(ctx, t, "find the exports that have stored anything", pgx.RowTo[uuid.UUID], `
		SELECT wanted.id FROM unnest($1::uuid[]) AS wanted(id) WHERE EXISTS (
			SELECT FROM export_run AS r JOIN export_window AS w ON w.id = r.window_id JOIN export AS e ON e.id = r.export_id
			WHERE e.id = wanted.id AND w.destination = e.destination AND r.status = 'succeeded' AND r.objects > 0 AND w.backfill_id IS NULL)`, exports)
}
