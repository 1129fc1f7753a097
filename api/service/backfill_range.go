package service

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// BackfillRange names events in one of two ways: by their numbers from FirstSeq
// to LastSeq, or by when they were recorded, at From or later and before To.
type BackfillRange struct {
	FirstSeq, LastSeq *int64
	From, To          *time.Time
}

func (r BackfillRange) byNumber() bool { return r.FirstSeq != nil || r.LastSeq != nil }
func (r BackfillRange) byTime() bool   { return r.From != nil || r.To != nil }

// check looks for what is wrong whatever has been recorded.
func (r BackfillRange) check() error {
	switch {
	case r.byNumber() && r.byTime():
		return rangeError("first_seq", "and last_seq are one way to name the range, from and to the other; leave one of them out")
	case r.byNumber():
		return r.checkNumbers()
	case r.byTime():
		return r.checkTimes()
	default:
		return rangeError("first_seq", "is required, together with last_seq; or name a range of time by from and to")
	}
}

func (r BackfillRange) checkNumbers() error {
	switch {
	case r.FirstSeq == nil:
		return rangeError("first_seq", "is required, together with last_seq")
	case r.LastSeq == nil:
		return rangeError("last_seq", "is required, together with first_seq")
	case *r.FirstSeq < 1:
		return rangeError("first_seq", "must be at least 1")
	case *r.FirstSeq > *r.LastSeq:
		return rangeError("first_seq", "must not be beyond the end of the range")
	}
	return nil
}

func (r BackfillRange) checkTimes() error {
	switch {
	case r.From == nil:
		return rangeError("from", "is required, together with to")
	case r.To == nil:
		return rangeError("to", "is required, together with from")
	}
	return checkOrder(*r.From, *r.To)
}

// checkOrder refuses a range of time that ends before anything can be in it.
func checkOrder(from, to time.Time) error {
	if !from.Before(to) {
		return rangeError("from", "must be earlier than the end of the range")
	}
	return nil
}

func rangeError(field, format string, args ...any) error {
	return &schemas.FieldError{Field: field, Message: fmt.Sprintf(format, args...)}
}

// note adds the range, as it was asked for, to an audit event's metadata.
func (r BackfillRange) note(metadata map[string]any) map[string]any {
	if r.byNumber() {
		metadata["first_seq"], metadata["last_seq"] = r.FirstSeq, r.LastSeq
	} else {
		metadata["from"], metadata["to"] = r.From, r.To
	}
	return metadata
}

// resolve finds the numbers of the range. All of it must have been recorded
// before the request, and be retained. Request is the event that was recorded of
// it; the transaction holds the log since.
func (r BackfillRange) resolve(ctx context.Context, tx *postgres.Tx, request schemas.Appended) (first, last int64, err error) {
	kept, err := keptBefore(ctx, tx, request.FirstSeq)
	if err != nil {
		return 0, 0, err
	}
	if r.byNumber() {
		return *r.FirstSeq, *r.LastSeq, invalid(kept.holds(*r.FirstSeq, *r.LastSeq))
	}
	if err := invalid(kept.spans(*r.From, *r.To, request.RecordedAt)); err != nil {
		return 0, 0, err
	}
	if first, err = tx.SeqAt(ctx, wholeMicros(*r.From)); err != nil {
		return 0, 0, err
	}
	behind, err := tx.SeqAt(ctx, wholeMicros(*r.To))
	if err != nil {
		return 0, 0, err
	}
	last = min(behind, request.FirstSeq) - 1
	if first > last {
		return 0, 0, invalid(rangeError("from", "begins a range without events; %s", kept))
	}
	return first, last, nil
}

// wholeMicros is the first whole microsecond at or after a time. Events are
// recorded at such, and Postgres would cut the rest off.
func wholeMicros(at time.Time) time.Time {
	whole := at.Truncate(time.Microsecond)
	if whole.Before(at) {
		whole = whole.Add(time.Microsecond)
	}
	return whole
}

// kept is what is retained of an org's events.
type kept struct {
	oldest, newest int64 // oldest is newest+1 when nothing is
	from, to       time.Time
}

// keptBefore is what is retained of the events before a number.
func keptBefore(ctx context.Context, tx *postgres.Tx, seq int64) (k kept, err error) {
	k = kept{oldest: seq, newest: seq - 1}
	oldest, from, err := tx.FirstRetained(ctx, 1, k.newest)
	if errors.Is(err, postgres.ErrNotFound) {
		return k, nil
	}
	if err != nil {
		return k, err
	}
	k.oldest, k.from = oldest, from
	k.to, err = tx.RecordedAt(ctx, k.newest)
	return k, err
}

// String completes a sentence that says what is wrong with a range.
func (k kept) String() string {
	if k.oldest > k.newest {
		return "no event is retained"
	}
	return fmt.Sprintf("retained are event %d, recorded at %s, to event %d, recorded at %s",
		k.oldest, k.from.Format(time.RFC3339Nano), k.newest, k.to.Format(time.RFC3339Nano))
}

func (k kept) holds(first, last int64) error {
	switch {
	case last > k.newest:
		return rangeError("last_seq", "is beyond the newest event; %s", k)
	case first < k.oldest:
		return rangeError("first_seq", "is before the oldest event that is retained; %s", k)
	}
	return nil
}

// spans checks a range of time. Whole days expire together, so the day of the
// oldest event is retained from its beginning. Before the very first event there
// was nothing that could have expired.
func (k kept) spans(from, to, now time.Time) error {
	switch {
	case to.After(now):
		return rangeError("to", "is in the future, which cannot be delivered yet; %s", k)
	case k.oldest > k.newest && k.newest > 0, k.oldest > 1 && from.Before(k.from.UTC().Truncate(24*time.Hour)):
		return rangeError("from", "is before the oldest event that is retained; %s", k)
	}
	return nil
}
