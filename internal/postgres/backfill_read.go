package postgres

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/auditferry/auditferry/schemas"
)

// BackfillSum adds up what is known of a backfill's events, part by part, so it
// may be ahead of DeliveredSeq by what the present window has settled.
type BackfillSum struct {
	Objects                 int
	Rows, Excluded, Expired int64
	Bytes                   int64 // as stored
}

// BackfillSums adds up many backfills, in one query. Those of which nothing is
// settled are left out.
func (t *Tx) BackfillSums(ctx context.Context, backfills []uuid.UUID) (map[uuid.UUID]BackfillSum, error) {
	sums := make(map[uuid.UUID]BackfillSum)
	_, err := queryAll(ctx, t, "add up backfills", func(row pgx.CollectableRow) (id uuid.UUID, err error) {
		var sum BackfillSum
		err = row.Scan(&id, &sum.Objects, &sum.Rows, &sum.Excluded, &sum.Expired, &sum.Bytes)
		sums[id] = sum
		return id, err
	}, `
		SELECT w.backfill_id, count(*) FILTER (WHERE o.key <> ''), sum(o.rows)::bigint, sum(o.excluded)::bigint,
			sum(o.expired)::bigint, sum(o.bytes)::bigint
		FROM export_window AS w JOIN export_object AS o ON o.window_id = w.id
		WHERE w.backfill_id = ANY($1) AND w.abandoned_at IS NULL
		GROUP BY w.backfill_id`, backfills)
	return sums, err
}

// RunningBackfill is the backfill of an export that is running; nil when there
// is none.
func (t *Tx) RunningBackfill(ctx context.Context, export uuid.UUID) (*schemas.Backfill, error) {
	b, err := queryOne(ctx, t, "find the running backfill", scanBackfill,
		selectBackfill+`WHERE b.export_id = $1 AND b.status = 'running'`, export)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &b, nil
}

// BackfillOperation is the first operation of a kind that speaks of a backfill,
// or ErrNotFound.
func (t *Tx) BackfillOperation(ctx context.Context, backfill uuid.UUID, kind schemas.OperationKind) (schemas.Operation, error) {
	return queryOne(ctx, t, "find an operation of a backfill", scanOperation,
		selectOperation+`WHERE backfill_id = $1 AND kind = $2 ORDER BY id LIMIT 1`, backfill, kind)
}
