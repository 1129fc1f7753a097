package postgres

import (
	"context"

	"github.com/google/uuid"

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
