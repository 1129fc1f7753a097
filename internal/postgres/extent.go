package postgres

import (
	"context"
	"errors"
	"time"
)

// Extent is a range of an org's events for one window: retained, and recorded
// on one UTC day, or expired.
type Extent struct {
	FirstSeq, LastSeq        int64
	RecordedFrom, RecordedTo *time.Time // of the first and the last event; nil: they have expired
	Bytes                    int64      // of the bodies
}

// NewestSeq is the number of the org's newest event; 0 if it never had one.
func (t *Tx) NewestSeq(ctx context.Context) (newest int64, err error) {
	err = t.scan(ctx, "read the newest audit event", []any{&newest}, `SELECT last_seq FROM org WHERE id = $1`, t.org)
	return newest, err
}

// NextExtent is what the next window can hold: the events from from on, up to
// upTo at most and at most limit of them, as far as they were recorded on one
// day; or all from there on that have expired, however many. It is nil when from
// is beyond upTo. It reads two rows, whatever the size, and keeps the days from
// being dropped until the transaction ends.
func (t *Tx) NextExtent(ctx context.Context, from, upTo, limit int64) (*Extent, error) {
	const attempt = "measure the next window"
	if from > upTo {
		return nil, nil
	}
	var oldest, before int64
	var at time.Time
	err := t.scan(ctx, attempt, []any{&oldest, &at, &before}, `
		SELECT seq, recorded_at, total_bytes - octet_length(body::text) FROM audit_event
		WHERE org_id = $1 AND seq BETWEEN $2 AND $3 ORDER BY seq LIMIT 1`, t.org, from, upTo)
	if errors.Is(err, ErrNotFound) {
		return &Extent{FirstSeq: from, LastSeq: upTo}, nil
	}
	if err != nil {
		return nil, err
	}
	if oldest > from {
		return &Extent{FirstSeq: from, LastSeq: oldest - 1}, nil
	}
	if limit <= upTo-from { // without overflow: upTo > from+limit-1
		upTo = from + limit - 1
	}
	day := at.UTC().Truncate(24 * time.Hour)
	extent := Extent{FirstSeq: from, RecordedFrom: &at, RecordedTo: new(time.Time)}
	var through int64
	err = t.scan(ctx, attempt, []any{&extent.LastSeq, extent.RecordedTo, &through}, `
		SELECT seq, recorded_at, total_bytes FROM audit_event
		WHERE org_id = $1 AND seq BETWEEN $2 AND $3 AND recorded_at >= $4 AND recorded_at < $5 ORDER BY seq DESC LIMIT 1`,
		t.org, from, upTo, day, day.AddDate(0, 0, 1))
	extent.Bytes = through - before
	return &extent, err
}

// SeqAt is the number of the first event that was recorded at that time or
// later; one beyond the newest when there is none. Events that are not retained
// any more do not count.
func (t *Tx) SeqAt(ctx context.Context, at time.Time) (seq int64, err error) {
	err = t.scan(ctx, "find the audit event of a time", []any{&seq}, `
		SELECT coalesce(
			(SELECT seq FROM audit_event WHERE org_id = $1 AND recorded_at >= $2 ORDER BY seq LIMIT 1),
			(SELECT last_seq + 1 FROM org WHERE id = $1))`, t.org, at)
	return seq, err
}

// HoldEvents keeps the days of events from being dropped until the transaction
// ends. Dropping waits for it, and then sees what this transaction has written.
func (t *Tx) HoldEvents(ctx context.Context) error {
	_, err := t.exec(ctx, "hold the audit events", `LOCK TABLE ONLY audit_event IN ACCESS SHARE MODE`)
	return err
}

// FirstRetained is the first of the org's events from first to last that is
// retained, and when it was recorded; ErrNotFound when none is.
func (t *Tx) FirstRetained(ctx context.Context, first, last int64) (seq int64, at time.Time, err error) {
	err = t.scan(ctx, "find the first retained audit event", []any{&seq, &at}, `
		SELECT seq, recorded_at FROM audit_event
		WHERE org_id = $1 AND seq BETWEEN $2 AND $3 ORDER BY seq LIMIT 1`, t.org, first, last)
	return seq, at, err
}
