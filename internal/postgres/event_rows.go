package postgres

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/auditferry/auditferry/schemas"
)

// eventRows are events turned on their side, one slice a column, because COPY
// FROM does not work under row level security.
type eventRows struct {
	occurredAt                  []time.Time
	action, actorEmail, outcome []string
	totalBytes                  []int64
	bodies                      []byte // a json[] as Postgres reads it

	// What is known of the bodies before the org is locked: their members, one
	// behind the other, and where each ends.
	members []byte
	ends    []int
}

// freeRows are kept for other appends: a busy API would otherwise make and
// collect megabytes for each.
var freeRows = sync.Pool{New: func() any { return new(eventRows) }}

// newEventRows takes all from events that does not depend on their numbers. The
// rows must be freed.
func newEventRows(events []schemas.Event) (*eventRows, error) {
	r := freeRows.Get().(*eventRows)
	for _, e := range events {
		r.occurredAt = append(r.occurredAt, e.OccurredAt)
		r.action = append(r.action, searchable(e.Action))
		r.actorEmail = append(r.actorEmail, searchable(e.Actor.Email))
		r.outcome = append(r.outcome, string(e.Outcome))
		members, err := e.AppendMembers(r.members)
		if err != nil {
			r.free()
			return nil, err
		}
		r.members = members
		r.ends = append(r.ends, len(members))
	}
	return r, nil
}

// free gives the memory to other appends, without a trace of the events.
func (r *eventRows) free() {
	clear(r.action)
	clear(r.actorEmail)
	*r = eventRows{
		occurredAt: r.occurredAt[:0], action: r.action[:0], actorEmail: r.actorEmail[:0], outcome: r.outcome[:0],
		totalBytes: r.totalBytes[:0], bodies: r.bodies[:0], members: r.members[:0], ends: r.ends[:0],
	}
	freeRows.Put(r)
}

// number makes the bodies. Others wait while it runs, because the org is
// locked, so the array is written at once in the form in which it is sent.
func (r *eventRows) number(a schemas.Appended, totalBytes int64) (err error) {
	count := uint32(len(r.ends)) //nolint:gosec // an append has fewer
	for _, word := range []uint32{1 /* dimension */, 0 /* nulls */, pgtype.JSONOID, count, 1 /* the first index */} {
		r.bodies = binary.BigEndian.AppendUint32(r.bodies, word)
	}
	begin := 0
	for i, end := range r.ends {
		length := len(r.bodies)
		r.bodies = binary.BigEndian.AppendUint32(r.bodies, 0) // known when the body is
		r.bodies, err = schemas.AppendCanonical(r.bodies, a.FirstSeq+int64(i), a.RecordedAt, r.members[begin:end])
		if err != nil {
			return err
		}
		size := len(r.bodies) - length - 4
		binary.BigEndian.PutUint32(r.bodies[length:], uint32(size)) //nolint:gosec // far below
		totalBytes += int64(size)
		r.totalBytes = append(r.totalBytes, totalBytes)
		begin = end
	}
	return nil
}

// insertEventsSQL moves the org on and writes the rows in one round trip. Sets
// in the select list run side by side and are not collected first, as sets in
// FROM are, where large batches would go to the disk and back.
const insertEventsSQL = `
	WITH moved AS (
		UPDATE org SET last_seq = $3, total_bytes = $4, last_recorded_at = $5 WHERE id = $1
	)
	INSERT INTO audit_event (org_id, seq, recorded_at, occurred_at, action, actor_email, outcome, total_bytes, body)
	SELECT $1, generate_series($2::bigint, $3), $5, unnest($6::timestamptz[]),
		unnest($7::text[]), unnest($8::text[]), unnest($9::text[]), unnest($10::bigint[]), unnest($11::json[])`

// insertEvents goes past pgx's own encoding of parameters, which copies a body
// several times.
func (t *Tx) insertEvents(ctx context.Context, a schemas.Appended, r *eventRows) error {
	conn := t.tx.Conn()
	statement, err := conn.Prepare(ctx, "insert_events", insertEventsSQL)
	if err != nil {
		return err
	}
	values := []any{
		t.org, a.FirstSeq, a.LastSeq, r.totalBytes[len(r.totalBytes)-1], a.RecordedAt,
		r.occurredAt, r.action, r.actorEmail, r.outcome, r.totalBytes,
	}
	params := make([][]byte, len(values), len(values)+1)
	for i, value := range values {
		params[i], err = conn.TypeMap().Encode(statement.ParamOIDs[i], pgx.BinaryFormatCode, value, make([]byte, 0, 256))
		if err != nil {
			return fmt.Errorf("encode a column of events: %w", err)
		}
	}
	params = append(params, r.bodies)
	_, err = conn.PgConn().ExecPrepared(ctx, statement.Name, params, []int16{pgx.BinaryFormatCode}, nil).Close()
	return err
}
