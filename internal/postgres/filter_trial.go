package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/auditferry/auditferry/schemas"
)

// TriedEvent is an event that a filter was tried on.
type TriedEvent struct {
	Seq        int64
	RecordedAt time.Time
	Action     string
	Outcome    schemas.Outcome
	Passes     bool
}

// TryFilter tells which of the org's newest events, at most limit, a filter lets
// pass; newest first. The condition is the one that exports read by.
func (t *Tx) TryFilter(ctx context.Context, filter schemas.Filter, limit int) ([]TriedEvent, error) {
	const attempt = "try a filter"
	passes, err := t.filtered("true", filter)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", attempt, err)
	}
	return queryAll(ctx, t, attempt, func(row pgx.CollectableRow) (e TriedEvent, err error) {
		err = row.Scan(&e.Seq, &e.RecordedAt, &e.Action, &e.Outcome, &e.Passes)
		return e, err
	}, `
		SELECT seq, recorded_at, action, outcome, coalesce(`+passes+`, false) FROM audit_event
		WHERE org_id = $1 ORDER BY seq DESC LIMIT $2`, t.org, limit)
}
