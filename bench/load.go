package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/auditferry/auditferry/schemas"
)

// maker makes the n-th event of an organization.
type maker func(n int64, recordedAt time.Time) schemas.Event

// loaded is an organization's log as it was put into the database.
type loaded struct {
	events int64
	bytes  int64 // of all canonical bodies
}

// appended is how many events a product hands in at a time; they share the
// time at which they were recorded.
const appended = 500

// load puts events into an organization's log, spread over today in UTC: a
// window holds the events of one day, so that is one window whenever the
// benchmarks run. It copies them in as the superuser, past row level security, which COPY FROM
// does not work under: how they come in is not what is measured here. The
// bodies are the canonical ones, made by the product's own code.
func (b *bench) load(ctx context.Context, org uuid.UUID, events int64, made maker) (log loaded, err error) {
	conn, err := pgx.Connect(ctx, b.stack.Database.SuperuserURL)
	if err != nil {
		return log, fmt.Errorf("load events: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()

	// The log begins with these events: what Auditferry recorded when the
	// organization was made would come before, with a later time.
	if _, err := conn.Exec(ctx, `DELETE FROM audit_event WHERE org_id = $1`, org); err != nil {
		return log, fmt.Errorf("load events: %w", err)
	}
	rows := newRows(b, org, events, made)
	defer rows.stop()
	columns := []string{"org_id", "seq", "recorded_at", "occurred_at", "action", "actor_email", "outcome", "total_bytes", "body"}
	if _, err := conn.CopyFrom(ctx, pgx.Identifier{"audit_event"}, columns, rows); err != nil {
		return log, fmt.Errorf("load events: %w", err)
	}
	log = loaded{events: events, bytes: rows.bytes}
	_, err = conn.Exec(ctx, `UPDATE org SET last_seq = $2, total_bytes = $3, last_recorded_at = $4 WHERE id = $1`,
		org, log.events, log.bytes, rows.at(events))
	return log, err
}

// rows makes an organization's events while the last ones are being copied.
type rows struct {
	org    uuid.UUID
	first  time.Time // when the first event was recorded
	step   time.Duration
	made   maker
	blocks chan []row
	done   chan struct{}
	block  []row
	next   int
	bytes  int64
	err    error // of the goroutine; read after blocks is closed
}

// row is what a row of audit_event is made of.
type row struct {
	seq   int64
	event schemas.Event
	body  []byte
}

func newRows(b *bench, org uuid.UUID, events int64, made maker) *rows {
	r := &rows{
		org: org, made: made, blocks: make(chan []row, 4), done: make(chan struct{}),
		first: b.began.UTC().Truncate(24 * time.Hour),
	}
	r.step = (b.began.Sub(r.first) / time.Duration(events/appended+1)).Truncate(time.Microsecond)
	go r.run(events)
	return r
}

// at is when an event was recorded.
func (r *rows) at(seq int64) time.Time {
	return r.first.Add(r.step * time.Duration((seq-1)/appended))
}

func (r *rows) run(events int64) {
	defer close(r.blocks)
	for seq := int64(1); seq <= events; {
		block := make([]row, 0, 1_000)
		for ; len(block) < cap(block) && seq <= events; seq++ {
			event := r.made(seq, r.at(seq))
			body, err := event.Canonical(seq, r.at(seq))
			if err != nil {
				r.err = err
				return
			}
			block = append(block, row{seq, event, body})
		}
		select {
		case r.blocks <- block:
		case <-r.done:
			return
		}
	}
}

func (r *rows) stop() { close(r.done) }

// Next implements pgx.CopyFromSource.
func (r *rows) Next() bool {
	if r.next++; r.next < len(r.block) {
		return true
	}
	r.block, r.next = <-r.blocks, 0
	return len(r.block) > 0
}

// Values implements pgx.CopyFromSource.
func (r *rows) Values() ([]any, error) {
	row := r.block[r.next]
	r.bytes += int64(len(row.body))
	e := row.event
	return []any{r.org, row.seq, r.at(row.seq), e.OccurredAt, e.Action, e.Actor.Email, string(e.Outcome), r.bytes, row.body}, nil
}

// Err implements pgx.CopyFromSource.
func (r *rows) Err() error { return r.err }

// settle leaves the tables as autovacuum would in time, so that no contender
// does it on the side.
func (b *bench) settle(ctx context.Context, tables ...string) error {
	conn, err := pgx.Connect(ctx, b.stack.Database.SuperuserURL)
	if err != nil {
		return fmt.Errorf("vacuum: %w", err)
	}
	for _, table := range append(tables, "CHECKPOINT") {
		if table != "CHECKPOINT" {
			table = "VACUUM (FREEZE, ANALYZE) " + table
		}
		if _, err := conn.Exec(ctx, table); err != nil {
			return errors.Join(fmt.Errorf("vacuum: %w", err), conn.Close(ctx))
		}
	}
	return conn.Close(ctx)
}

// createTyped is a product's table of the same events as one would write it
// without Auditferry: a column for everything.
const createTyped = `
	CREATE TABLE bench_event (
		seq bigint PRIMARY KEY, recorded_at timestamptz NOT NULL, id uuid NOT NULL, occurred_at timestamptz NOT NULL,
		action text NOT NULL, actor_type text, actor_id text NOT NULL, actor_name text, actor_email text,
		targets json NOT NULL, outcome text NOT NULL, reason text, ip text, user_agent text, request_id text, session_id text,
		metadata json)`

var typedColumns = []string{
	"seq", "recorded_at", "id", "occurred_at", "action", "actor_type", "actor_id", "actor_name", "actor_email",
	"targets", "outcome", "reason", "ip", "user_agent", "request_id", "session_id", "metadata",
}

// loadTyped makes the table that the contenders read, from the usual
// organization's log.
func (b *bench) loadTyped(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, b.stack.Database.SuperuserURL)
	if err != nil {
		return fmt.Errorf("load typed columns: %w", err)
	}
	_, err = conn.Exec(ctx, createTyped)
	if err == nil {
		_, err = conn.Exec(ctx, `
			INSERT INTO bench_event
			SELECT e.seq, e.recorded_at, j.id, e.occurred_at, e.action, a.type, a.id, a.name, a.email, j.targets, e.outcome, j.reason,
				c.ip, c.user_agent, c.request_id, c.session_id, j.metadata
			FROM audit_event AS e,
				json_to_record(e.body) AS j (id uuid, actor json, targets json, reason text, context json, metadata json),
				json_to_record(j.actor) AS a (type text, id text, name text, email text),
				json_to_record(j.context) AS c (ip text, user_agent text, request_id text, session_id text)
			WHERE e.org_id = $1 AND e.seq <= $2
			ORDER BY e.seq`, b.usual.org, b.usual.log.events)
	}
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		return fmt.Errorf("load typed columns: %w", err)
	}
	return b.settle(ctx, "bench_event")
}
