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
// ago and returns the names of the dropped partitions. Which numbers the days
// held stays on record, for LedgerDays.
//
// A day of which a run is delivering a window is kept until that has ended, and
// so are those after it; for two days at most, because the retention is a
// promise as well. For a statement that is reading the events it waits a few
// seconds at most and fails then; nothing is dropped and the call may be
// repeated.
func (s *Store) DropPartitions(ctx context.Context, olderThan time.Duration) (dropped []string, err error) {
	err = s.AsOperator(ctx, func(t *Tx) error {
		dropped, err = queryAll(ctx, t, "drop old partitions of audit events", pgx.RowTo[string], `
			SELECT auditferry_drop_partitions(((now() - $1::interval) AT TIME ZONE 'UTC')::date)`, olderThan)
		return err
	})
	return dropped, err
}
