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
	columns, err := toColumns(events)
	if err != nil {
		return schemas.Appended{}, fmt.Errorf("%s: %w", attempt, err)
	}
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
	if err := columns.number(appended, totalBytes); err != nil {
		return schemas.Appended{}, fmt.Errorf("%s: %w", attempt, err)
	}
	return appended, wrap(attempt, t.insertEvents(ctx, appended, columns))
}

// eventColumns are events turned on their side, one slice a column.
type eventColumns struct {
	occurredAt                  []time.Time
	action, actorEmail, outcome []string
	members                     [][]byte // of the bodies: what is known before the org is locked
	membersBytes                int
	totalBytes                  []int64
	body                        [][]byte
}

func toColumns(events []schemas.Event) (eventColumns, error) {
	c := eventColumns{
		occurredAt: make([]time.Time, len(events)),
		action:     make([]string, len(events)),
		actorEmail: make([]string, len(events)),
		outcome:    make([]string, len(events)),
		members:    make([][]byte, len(events)),
	}
	var all []byte
	for i, e := range events {
		c.occurredAt[i] = e.OccurredAt
		c.action[i] = searchable(e.Action)
		c.actorEmail[i] = searchable(e.Actor.Email)
		c.outcome[i] = string(e.Outcome)
		if cap(all)-len(all) < membersRoom {
			all = make([]byte, 0, membersRoom*min(len(events)-i, 64))
		}
		start := len(all)
		var err error
		if all, err = e.AppendMembers(all); err != nil {
			return eventColumns{}, err
		}
		c.members[i] = all[start:len(all):len(all)]
		c.membersBytes += len(c.members[i])
	}
	return c, nil
}

const membersRoom = 1 << 10

// canonicalHead is at least what a body holds besides its members.
const canonicalHead = len(`{"seq":9223372036854775807,"recorded_at":"2026-01-02T03:04:05.123456789Z",`)

// number makes the bodies. It runs while the org is locked.
func (c *eventColumns) number(a schemas.Appended, totalBytes int64) error {
	c.totalBytes = make([]int64, len(c.members))
	c.body = make([][]byte, len(c.members))
	all := make([]byte, 0, c.membersBytes+canonicalHead*len(c.members))
	for i, members := range c.members {
		start := len(all)
		var err error
		if all, err = schemas.AppendCanonical(all, a.FirstSeq+int64(i), a.RecordedAt, members); err != nil {
			return err
		}
		c.body[i] = all[start:]
		totalBytes += int64(len(c.body[i]))
		c.totalBytes[i] = totalBytes
	}
	return nil
}

// searchable drops NUL characters, which Postgres keeps in the body (escaped)
// but not in text.
func searchable(text string) string { return strings.ReplaceAll(text, "\x00", "") }

// insertEvents writes the rows and moves the org on in one round trip. Rows
// come as arrays because COPY FROM does not work under row level security.
func (t *Tx) insertEvents(ctx context.Context, a schemas.Appended, c eventColumns) error {
	var batch pgx.Batch
	batch.Queue(`
		INSERT INTO audit_event (org_id, seq, recorded_at, occurred_at, action, actor_email, outcome, total_bytes, body)
		SELECT $1, $2::bigint + e.n - 1, $3, e.occurred_at, e.action, e.actor_email, e.outcome, e.total_bytes, e.body
		FROM unnest($4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::json[])
			WITH ORDINALITY AS e (occurred_at, action, actor_email, outcome, total_bytes, body, n)`,
		t.org, a.FirstSeq, a.RecordedAt, c.occurredAt, c.action, c.actorEmail, c.outcome, c.totalBytes, c.body)
	batch.Queue(`
		UPDATE org SET last_seq = $2, total_bytes = $3, last_recorded_at = $4 WHERE id = $1`,
		t.org, a.LastSeq, c.totalBytes[len(c.totalBytes)-1], a.RecordedAt)
	return t.tx.SendBatch(ctx, &batch).Close()
}

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

func searchSQL(org uuid.UUID, q schemas.EventQuery) (sql string, args []any) {
	before := q.BeforeSeq
	if before <= 0 {
		before = math.MaxInt64
	}
	args = []any{org, before}
	var conditions strings.Builder
	where := func(comparison string, value any) {
		args = append(args, value)
		fmt.Fprintf(&conditions, " AND %s $%d", comparison, len(args))
	}
	if q.From != nil {
		where("occurred_at >=", *q.From)
	}
	if q.To != nil {
		where("occurred_at <", *q.To)
	}
	if q.Action != "" {
		where("action =", searchable(q.Action))
	}
	if q.ActorEmail != "" {
		where("actor_email =", searchable(q.ActorEmail))
	}
	if q.Outcome != "" {
		where("outcome =", q.Outcome)
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
