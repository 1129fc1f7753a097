package postgres

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/auditferry/auditferry/schemas"
)

// Event reads the event of the transaction's org with this number; ErrNotFound
// when there is none, or none any more.
func (t *Tx) Event(ctx context.Context, seq int64) (schemas.RecordedEvent, error) {
	return queryOne(ctx, t, "read an audit event", scanEvent, `
		SELECT seq, body FROM audit_event WHERE org_id = $1 AND seq = $2`, t.org, seq)
}

// EachEvent hands over the events that SearchEvents would give, in the same
// order, one by one as they are read, so that memory does not grow with their
// number. It ends with the first error that each returns, as it is. The
// transaction can do nothing else until then.
func (t *Tx) EachEvent(ctx context.Context, q schemas.EventQuery, each func(schemas.RecordedEvent) error) error {
	const attempt = "read audit events one by one"
	if t.org == uuid.Nil {
		return fmt.Errorf("%s: %w", attempt, errNeedsOrg)
	}
	sql, args := searchSQL(t.org, q)
	return forEach(ctx, t, attempt, scanEvent, each, sql, args...)
}

func scanEvent(row pgx.CollectableRow) (e schemas.RecordedEvent, err error) {
	err = row.Scan(&e.Seq, &e.Body)
	return e, err
}
