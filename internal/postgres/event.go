package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/auditferry/auditferry/schemas"
)

// AppendEvents records events under the next numbers of the transaction's org,
// in the order given. It holds the org's row until the transaction ends, so
// appends to one org take turns: numbers have no gaps, follow the order of
// commits, and come back when the transaction rolls back. RecordedAt never
// runs backwards within an org, whatever the clock does.
//
// An event that is handed in twice is recorded twice, even under the same ID;
// it is Remember that tells a repeated request.
func (t *Tx) AppendEvents(ctx context.Context, events []schemas.Event) (schemas.Appended, error) {
	const attempt = "append audit events"
	if t.org == uuid.Nil {
		return schemas.Appended{}, fmt.Errorf("%s: %w", attempt, errNeedsOrg)
	}
	if len(events) == 0 {
		return schemas.Appended{}, errors.New("append audit events: there are none")
	}
	rows, err := newEventRows(events)
	if err != nil {
		return schemas.Appended{}, fmt.Errorf("%s: %w", attempt, err)
	}
	defer rows.free()
	var lastSeq, totalBytes int64
	var recordedAt time.Time
	// The clock is read outside the locking subquery: it must not show the time
	// before the wait for the lock.
	err = t.scan(ctx, attempt, []any{&lastSeq, &totalBytes, &recordedAt}, `
		WITH locked AS (
			SELECT last_seq, total_bytes, last_recorded_at FROM org WHERE id = $1 FOR NO KEY UPDATE
		)
		SELECT last_seq, total_bytes, greatest(clock_timestamp(), last_recorded_at) FROM locked`, t.org)
	if err != nil {
		return schemas.Appended{}, err
	}
	appended := schemas.Appended{
		FirstSeq: lastSeq + 1, LastSeq: lastSeq + int64(len(events)), RecordedAt: recordedAt,
	}
	if err := rows.number(appended, totalBytes); err != nil {
		return schemas.Appended{}, fmt.Errorf("%s: %w", attempt, err)
	}
	return appended, wrap(attempt, t.insertEvents(ctx, appended, rows))
}

// searchable drops NUL characters, which Postgres keeps in the body (escaped)
// but not in text.
func searchable(text string) string { return strings.ReplaceAll(text, "\x00", "") }

// SearchEvents gives at most q.Limit events of the transaction's org, newest
// first. The next page is the same query with BeforeSeq set to the last seq of
// this one.
func (t *Tx) SearchEvents(ctx context.Context, q schemas.EventQuery) ([]schemas.RecordedEvent, error) {
	const attempt = "search audit events"
	if t.org == uuid.Nil {
		return nil, fmt.Errorf("%s: %w", attempt, errNeedsOrg)
	}
	sql, args := searchSQL(t.org, q)
	return queryAll(ctx, t, attempt, func(row pgx.CollectableRow) (e schemas.RecordedEvent, err error) {
		err = row.Scan(&e.Seq, &e.Body)
		return e, err
	}, sql, args...)
}

// hasActorID is the condition that an event's actor has an ID, given as a
// canonical string. Only a few ask for it, so there is no column for it, which
// every append would have to fill. The body is looked at as text: Postgres
// cannot take JSON apart that has a NUL anywhere, and in the canonical form
// nothing in quotes looks like the beginning of a member.
const hasActorID = `starts_with(split_part(split_part(body::text, '"actor":{', 2), '"id":', 2), $?)`

// clockAhead is how far an event may be dated ahead of its recording for a
// search from a later time on to find it still.
const clockAhead = 24 * time.Hour

func searchSQL(org uuid.UUID, q schemas.EventQuery) (sql string, args []any) {
	before := q.BeforeSeq
	if before <= 0 {
		before = math.MaxInt64
	}
	args = []any{org, before}
	var conditions strings.Builder
	// Each $? in a condition is one of the values, in their order.
	where := func(condition string, values ...any) {
		conditions.WriteString(" AND ")
		for _, value := range values {
			args = append(args, value)
			condition = strings.Replace(condition, "$?", fmt.Sprintf("$%d", len(args)), 1)
		}
		conditions.WriteString(condition)
	}
	if q.From != nil {
		where("occurred_at >= $?", *q.From)
		// An event is recorded after it occurred. This keeps a search of the last
		// days away from all the partitions of the days before.
		where("recorded_at >= $?", q.From.Add(-clockAhead))
	}
	if q.To != nil {
		where("occurred_at < $?", *q.To)
	}
	if q.Action != "" {
		where("action = $?", searchable(q.Action))
	}
	if q.ActorEmail != "" {
		where("actor_email = $?", searchable(q.ActorEmail))
	}
	if q.ActorID != "" {
		where(hasActorID, schemas.CanonicalString(q.ActorID))
	}
	if q.Actor != "" {
		where("(actor_email = $? OR "+hasActorID+")", searchable(q.Actor), schemas.CanonicalString(q.Actor))
	}
	if q.Outcome != "" {
		where("outcome = $?", q.Outcome)
	}
	args = append(args, q.Limit)
	return fmt.Sprintf(`
		SELECT seq, body FROM audit_event WHERE org_id = $1 AND seq < $2%s
		ORDER BY seq DESC LIMIT $%d`, conditions.String(), len(args)), args
}

// RecordedAt is when the org's event with this number was recorded; ErrNotFound
// when there is none, or none any more.
func (t *Tx) RecordedAt(ctx context.Context, seq int64) (at time.Time, err error) {
	err = t.scan(ctx, "read when an audit event was recorded", []any{&at}, `
		SELECT recorded_at FROM audit_event WHERE org_id = $1 AND seq = $2`, t.org, seq)
	return at, err
}

// RetainedEvents gives the numbers of the org's oldest event that is still
// retained and of its newest event. Without any retained event, oldest is the
// number that comes next; newest is 0 for an org that never had one.
func (t *Tx) RetainedEvents(ctx context.Context) (oldest, newest int64, err error) {
	err = t.scan(ctx, "read which audit events are retained", []any{&oldest, &newest}, `
		SELECT coalesce((SELECT seq FROM audit_event WHERE org_id = $1 ORDER BY seq LIMIT 1), last_seq + 1), last_seq
		FROM org WHERE id = $1`, t.org)
	return oldest, newest, err
}
