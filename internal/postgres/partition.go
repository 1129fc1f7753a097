package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// EnsurePartitions makes the partitions of audit_event from yesterday up to
// daysAhead days from now (UTC), as far as they are missing. It holds up neither
// appends nor exports.
func (s *Store) EnsurePartitions(ctx context.Context, daysAhead int) error {
	_, err := s.pool.Exec(ctx, `
		SELECT auditferry_ensure_partitions(today - 1, today + $1::integer)
		FROM (SELECT (now() AT TIME ZONE 'UTC')::date) AS clock (today)`, daysAhead)
	return wrap("make the partitions of audit events", err)
}

// DropPartitions drops the events of all UTC days that ended at least olderThan
// ago and returns the names of the dropped partitions. It waits a few seconds
// at most for running exports and fails then; nothing is dropped and the call
// may be repeated.
func (s *Store) DropPartitions(ctx context.Context, olderThan time.Duration) (dropped []string, err error) {
	rows, _ := s.pool.Query(ctx, `
		SELECT auditferry_drop_partitions(((now() - $1::interval) AT TIME ZONE 'UTC')::date)`, olderThan)
	dropped, err = pgx.CollectRows(rows, pgx.RowTo[string])
	return dropped, wrap("drop old partitions of audit events", err)
}
