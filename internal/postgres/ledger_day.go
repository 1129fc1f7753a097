package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/auditferry/auditferry/schemas"
)

// LedgerDays tells, for each UTC day from that of from to that of to on which
// the export's org recorded anything, what became of those events; newest day
// first. It goes by numbers: a day is a range of them, and so is a part of a
// delivered window, and each number is counted once. Backfills do not count.
//
// Of a day that was dropped before the numbers of dropped days were noted
// nothing is known, and it is left out. A window of that time may reach over
// midnight: its bytes are then split like its rows.
func (t *Tx) LedgerDays(ctx context.Context, export uuid.UUID, from, to time.Time) ([]schemas.LedgerDay, error) {
	return queryAll(ctx, t, "add up the days of the ledger", func(row pgx.CollectableRow) (d schemas.LedgerDay, err error) {
		var at time.Time
		err = row.Scan(&at, &d.FirstSeq, &d.LastSeq, &d.Recorded, &d.Before, &d.Delivered, &d.Excluded, &d.Expired, &d.Bytes)
		d.Day = at.Format(time.DateOnly)
		d.Undelivered = d.Recorded - d.Before - d.Delivered - d.Excluded - d.Expired
		return d, err
	}, ledgerDays, export, from, to)
}

// Days that are still there are looked up in audit_event, two rows a day, each
// in the partition of that day. A day's windows are those that begin in it and
// the one that its first number is in.
const ledgerDays = `
	WITH retained AS (
		SELECT begins::date AS day, oldest.seq AS first_seq, newest.seq AS last_seq
		FROM export AS e JOIN org AS o ON o.id = e.org_id
		CROSS JOIN LATERAL (
			SELECT recorded_at FROM audit_event WHERE org_id = e.org_id ORDER BY seq LIMIT 1
		) AS earliest
		CROSS JOIN LATERAL generate_series(
			date_trunc('day', greatest($2, earliest.recorded_at) AT TIME ZONE 'UTC'),
			least($3, o.last_recorded_at) AT TIME ZONE 'UTC', interval '1 day'
		) AS begins
		CROSS JOIN LATERAL (
			SELECT seq FROM audit_event WHERE org_id = e.org_id
			  AND recorded_at >= begins AT TIME ZONE 'UTC' AND recorded_at < (begins + interval '1 day') AT TIME ZONE 'UTC'
			ORDER BY seq LIMIT 1
		) AS oldest
		CROSS JOIN LATERAL (
			SELECT seq FROM audit_event WHERE org_id = e.org_id
			  AND recorded_at >= begins AT TIME ZONE 'UTC' AND recorded_at < (begins + interval '1 day') AT TIME ZONE 'UTC'
			ORDER BY seq DESC LIMIT 1
		) AS newest
		WHERE e.id = $1
	), recorded AS (
		SELECT day, min(first_seq) AS first_seq, max(last_seq) AS last_seq FROM (
			SELECT day, first_seq, last_seq FROM retained
			UNION ALL
			SELECT d.day, d.first_seq, d.last_seq FROM audit_day AS d JOIN export AS e ON e.org_id = d.org_id
			WHERE e.id = $1 AND d.day BETWEEN ($2 AT TIME ZONE 'UTC')::date AND ($3 AT TIME ZONE 'UTC')::date
		) AS known
		GROUP BY day
	)
	SELECT d.day, d.first_seq, d.last_seq, d.last_seq - d.first_seq + 1,
		greatest(0, least(d.last_seq, e.start_seq - 1) - d.first_seq + 1), settled.rows, settled.excluded, settled.expired, settled.bytes
	FROM recorded AS d
	JOIN export AS e ON e.id = $1
	CROSS JOIN LATERAL (
		SELECT coalesce(sum(p.rows * inside / span), 0)::bigint AS rows, coalesce(sum(p.excluded * inside / span), 0)::bigint AS excluded,
			coalesce(sum(p.expired * inside / span), 0)::bigint AS expired, coalesce(sum(p.bytes::numeric * inside / span), 0)::bigint AS bytes
		FROM export_window AS w JOIN export_object AS p ON p.window_id = w.id
		CROSS JOIN LATERAL (
			SELECT least(p.last_seq, d.last_seq) - greatest(p.first_seq, d.first_seq) + 1 AS inside, p.last_seq - p.first_seq + 1 AS span
		) AS part
		WHERE w.export_id = $1 AND w.backfill_id IS NULL AND w.abandoned_at IS NULL AND w.delivered_at IS NOT NULL
		  AND w.first_seq <= d.last_seq AND w.first_seq >= coalesce((
			SELECT b.first_seq FROM export_window AS b
			WHERE b.export_id = $1 AND b.backfill_id IS NULL AND b.abandoned_at IS NULL AND b.first_seq <= d.first_seq
			ORDER BY b.first_seq DESC LIMIT 1), d.first_seq)
		  AND inside > 0
	) AS settled
	ORDER BY d.day DESC`

// LossClock tells when events will be lost to an export that are kept for that
// long after they were recorded; nil when it has nothing to deliver. When the
// oldest undelivered event is not retained any more, nothing says when it was
// recorded, and both times are zero: the loss has begun, which is also what an
// ExpiresAt in the past means.
func (t *Tx) LossClock(ctx context.Context, e schemas.Export, keep time.Duration) (*schemas.LossClock, error) {
	clocks, err := t.LossClocks(ctx, []schemas.Export{e}, keep)
	if clock, ok := clocks[e.ID]; ok {
		return &clock, err
	}
	return nil, err
}

// LossClocks is LossClock for many, in one query. Exports that have nothing to
// deliver, as deleted ones have not, are left out.
func (t *Tx) LossClocks(ctx context.Context, exports []schemas.Export, keep time.Duration) (map[uuid.UUID]schemas.LossClock, error) {
	ids := make([]uuid.UUID, len(exports))
	for i, e := range exports {
		ids[i] = e.ID
	}
	clocks := make(map[uuid.UUID]schemas.LossClock)
	_, err := queryAll(ctx, t, "read data-loss clocks", func(row pgx.CollectableRow) (id uuid.UUID, err error) {
		var clock schemas.LossClock
		var recordedAt *time.Time
		err = row.Scan(&id, &clock.Seq, &clock.Events, &recordedAt)
		if recordedAt != nil {
			clock.RecordedAt, clock.ExpiresAt = *recordedAt, recordedAt.Add(keep)
		}
		clocks[id] = clock
		return id, err
	}, `
		SELECT e.id, e.delivered_seq + 1, o.last_seq - e.delivered_seq, `+oldestUndelivered+` FROM export AS e JOIN org AS o ON o.id = e.org_id
		WHERE e.id = ANY($1) AND e.state <> 'deleted' AND e.delivered_seq < o.last_seq`, ids)
	return clocks, err
}
