package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/auditferry/auditferry/schemas"
)

const day = 24 * time.Hour

// remindAfter is how long an export has to go on failing until its org is told
// again.
const remindAfter = day

// DueNotices lists at most limit notices about exports that have to be given at
// that time: of failures and their end first, then of events that expire
// undelivered, keep after they were recorded. In either group those that are
// late come first. It changes nothing: what it lists is due until MarkTold. It
// needs an operator's transaction.
//
// A streak of failures is told once, then daily while it lasts, then that it has
// ended. Of expiring events the present stage is told: 7, 3 or 1 days, or 0 when
// some have expired; earlier stages that nobody was told of are left out.
func (t *Tx) DueNotices(ctx context.Context, at time.Time, keep time.Duration, limit int) ([]schemas.DueNotice, error) {
	due, err := t.dueFailures(ctx, at, limit)
	if err != nil || len(due) == limit {
		return due, err
	}
	expiring, err := t.dueExpiries(ctx, at, keep, limit-len(due))
	return append(due, expiring...), err
}

// dueFailures goes by the partial index export_failing, which holds exports
// with a streak only.
func (t *Tx) dueFailures(ctx context.Context, at time.Time, limit int) ([]schemas.DueNotice, error) {
	return queryAll(ctx, t, "list due notices of failures", func(row pgx.CollectableRow) (due schemas.DueNotice, err error) {
		var export uuid.UUID
		var since time.Time
		n := &due.Notice
		err = row.Scan(&n.OrgID, &n.IntegrationID, &export, &n.Kind, &since)
		n.ExportID, n.Since = &export, &since
		due.Occasion = fmt.Sprintf("%s/%d", export, since.UnixMicro())
		if n.Kind == schemas.NoticeExportStillFailing {
			due.Occasion += fmt.Sprintf("/%d", at.Sub(since)/day)
		}
		return due, err
	}, `
		SELECT org_id, integration_id, id, kind, since FROM (
			SELECT org_id, integration_id, id, coalesce(failing_since, told_failing_since) AS since, CASE
				WHEN failing_since IS NULL THEN $3
				WHEN state <> 'active' THEN NULL
				WHEN failing_since IS DISTINCT FROM told_failing_since THEN $4
				WHEN told_failing_at <= $1 THEN $5
			END AS kind
			FROM export
			WHERE (failing_since IS NOT NULL OR told_failing_since IS NOT NULL) AND state <> 'deleted'
		) AS streak
		WHERE kind IS NOT NULL ORDER BY since, id LIMIT $2`,
		at.Add(-remindAfter), limit,
		schemas.NoticeExportRecovered, schemas.NoticeExportFailing, schemas.NoticeExportStillFailing)
}

// oldestUndelivered is when the oldest event was recorded that an export e has
// not delivered; null when it is not retained any more. It looks into every
// partition, so it should be asked for few exports at a time.
const oldestUndelivered = `(
	SELECT a.recorded_at FROM audit_event AS a WHERE a.org_id = e.org_id AND a.seq = e.delivered_seq + 1 LIMIT 1)`

// deliveredUpTo is when the last event was recorded that an export e has
// delivered, from its last window; null when no window tells.
const deliveredUpTo = `(
	SELECT w.recorded_to FROM export_window AS w
	WHERE w.export_id = e.id AND w.backfill_id IS NULL AND w.abandoned_at IS NULL AND w.delivered_at IS NOT NULL
	ORDER BY w.first_seq DESC LIMIT 1)`

// dueExpiries has to be fast when nothing is due, with any number of exports,
// of which most have something undelivered at any time. An org's events are
// recorded in the order of their numbers. So none that an export has not
// delivered is older than the last that it has delivered, and that is one step
// down an index, where the event itself is one into each partition. Only
// exports that this leaves in doubt have their oldest undelivered event looked
// up: those that lag, those that have never delivered, and those whose last
// window was made of expired events or before the time was noted.
func (t *Tx) dueExpiries(ctx context.Context, at time.Time, keep time.Duration, limit int) ([]schemas.DueNotice, error) {
	return queryAll(ctx, t, "list due notices of expiring events", func(row pgx.CollectableRow) (due schemas.DueNotice, err error) {
		var export uuid.UUID
		var recordedAt *time.Time
		n := &due.Notice
		err = row.Scan(&n.OrgID, &n.IntegrationID, &export, &recordedAt, &n.Days)
		n.ExportID, n.Kind = &export, schemas.NoticeEventsExpiring
		if n.Days == 0 {
			n.Kind = schemas.NoticeEventsExpired
		}
		expiry := at
		if recordedAt != nil {
			expiry = recordedAt.Add(keep)
		}
		due.Occasion = fmt.Sprintf("%s/%d/%s", export, n.Days, expiry.UTC().Format(time.DateOnly))
		return due, err
	}, `
		SELECT org_id, integration_id, id, recorded_at, days FROM (
			SELECT org_id, integration_id, id, told_days, recorded_at, CASE
				WHEN recorded_at IS NULL OR recorded_at <= $1::timestamptz THEN 0
				WHEN recorded_at <= $1::timestamptz + interval '24 hours' THEN 1
				WHEN recorded_at <= $1::timestamptz + interval '72 hours' THEN 3
				WHEN recorded_at <= $1::timestamptz + interval '168 hours' THEN 7
			END AS days
			FROM (
				SELECT e.*, `+oldestUndelivered+` AS recorded_at
				FROM export AS e JOIN org AS o ON o.id = e.org_id
				WHERE e.delivered_seq < o.last_seq AND e.state <> 'deleted' AND coalesce(e.told_days, 7) > 0
				  AND coalesce(`+deliveredUpTo+`, '-infinity') <= $1::timestamptz + interval '168 hours'
				OFFSET 0 -- a subquery of its own, so that the event is looked up once
			) AS lagging
		) AS loss
		WHERE days < coalesce(told_days, 8) ORDER BY recorded_at NULLS FIRST, id LIMIT $2`,
		at.Add(-keep), limit)
}

// MarkTold notes which notices have been given at that time, so that they are
// not due any more. Repeating it changes nothing.
func (t *Tx) MarkTold(ctx context.Context, at time.Time, told []schemas.DueNotice) error {
	const attempt = "note which notices have been given"
	var batch pgx.Batch
	for _, due := range told {
		n := due.Notice
		switch n.Kind {
		case schemas.NoticeExportFailing:
			batch.Queue(`
				UPDATE export SET told_failing_since = $2, told_failing_at = $3
				WHERE id = $1 AND (told_failing_since IS NULL OR told_failing_since < $2)`, n.ExportID, n.Since, at)
		case schemas.NoticeExportStillFailing:
			batch.Queue(`
				UPDATE export SET told_failing_at = greatest(told_failing_at, $3)
				WHERE id = $1 AND told_failing_since = $2`, n.ExportID, n.Since, at)
		case schemas.NoticeExportRecovered:
			batch.Queue(`
				UPDATE export SET told_failing_since = NULL, told_failing_at = NULL
				WHERE id = $1 AND told_failing_since = $2`, n.ExportID, n.Since)
		case schemas.NoticeEventsExpiring, schemas.NoticeEventsExpired:
			batch.Queue(`
				UPDATE export SET told_days = $2 WHERE id = $1 AND (told_days IS NULL OR told_days > $2)`, n.ExportID, n.Days)
		default:
			return fmt.Errorf("%s: %q is not about an export", attempt, n.Kind)
		}
	}
	return wrap(attempt, t.tx.SendBatch(ctx, &batch).Close())
}

// ForgetStages lets exports be told anew of expiring events, from the first
// stage on, that have delivered everything, or whose oldest undelivered event
// has more than eight days left: one more than the first stage, so that an
// export on the brink is not told of it every day. It needs an operator's
// transaction.
func (t *Tx) ForgetStages(ctx context.Context, at time.Time, keep time.Duration) error {
	_, err := t.exec(ctx, "forget which expiring events were told of", `
		UPDATE export AS e SET told_days = NULL FROM org AS o
		WHERE o.id = e.org_id AND e.told_days IS NOT NULL
		  AND (e.delivered_seq >= o.last_seq OR `+oldestUndelivered+` > $1)`, at.Add(8*day-keep))
	return err
}
