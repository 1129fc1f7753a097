package service

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// maxReported bounds the wrong events that one answer names; who sends ten
// thousand wrong ones needs the first few.
const maxReported = 20

// RawEvent is one event as a product sent it. It is not kept.
type RawEvent struct {
	Place Place
	JSON  []byte
}

// Place is where in a request an event stood: on a line, counted from 1, or
// else in an array, counted from 0.
type Place struct{ Line, Index int }

func (p Place) String() string {
	if p.Line > 0 {
		return fmt.Sprintf("line %d", p.Line)
	}
	return fmt.Sprintf("[%d]", p.Index)
}

// AppendEvents records a batch of audit events, all or none. Products (role
// ingest) and admins may.
func (s *Service) AppendEvents(ctx context.Context, call Call, batch []RawEvent) (schemas.Appended, error) {
	org, err := call.in(schemas.RoleIngest, schemas.RoleAdmin)
	if err != nil {
		return schemas.Appended{}, err
	}
	events, err := decodeBatch(batch)
	if err != nil {
		return schemas.Appended{}, err
	}
	var request appendRequest
	if call.IdempotencyKey != "" {
		request.SHA256 = batchSum(batch)
	}
	return inOrg(ctx, s, org, func(tx *postgres.Tx) (schemas.Appended, error) {
		return once(ctx, tx, call.IdempotencyKey, request, func() (schemas.Appended, error) {
			return tx.AppendEvents(ctx, events)
		})
	})
}

// appendRequest is what an idempotency key of an append stands for: the bytes
// as they were sent, because decoding makes IDs.
type appendRequest struct{ SHA256 [sha256.Size]byte }

func batchSum(batch []RawEvent) [sha256.Size]byte {
	hash := sha256.New()
	var length [8]byte
	for _, event := range batch {
		binary.BigEndian.PutUint64(length[:], uint64(len(event.JSON)))
		hash.Write(length[:])
		hash.Write(event.JSON)
	}
	return [sha256.Size]byte(hash.Sum(nil))
}

func decodeBatch(batch []RawEvent) ([]schemas.Event, error) {
	switch {
	case len(batch) == 0:
		return nil, invalid(&schemas.FieldError{Field: "events", Message: "must hold at least one event"})
	case len(batch) > schemas.MaxEventsPerAppend:
		return nil, invalid(&schemas.FieldError{
			Field:   "events",
			Message: fmt.Sprintf("are more than %d; send at most that many at a time", schemas.MaxEventsPerAppend),
		})
	}
	events := make([]schemas.Event, len(batch))
	var wrong []error
	for i, raw := range batch {
		var err error
		if events[i], err = decodeEvent(raw.JSON); err == nil {
			continue
		}
		var field *schemas.FieldError
		if !errors.As(err, &field) {
			return nil, err
		}
		wrong = append(wrong, &schemas.FieldError{Field: raw.Place.String() + ": " + field.Field, Message: field.Message})
		if len(wrong) == maxReported {
			break
		}
	}
	return events, invalid(wrong...)
}

func decodeEvent(data []byte) (schemas.Event, error) {
	event, err := schemas.DecodeEvent(data)
	// Searches find an action without its NULs, as Postgres has no text for them.
	if err == nil && strings.HasPrefix(strings.ReplaceAll(event.Action, "\x00", ""), ownActions) {
		err = &schemas.FieldError{Field: "action", Message: "must not begin with " + ownActions + ", which is kept for the service's own events"}
	}
	return event, err
}

// EventFilter selects audit events. Zero members select all.
type EventFilter struct {
	From       *time.Time // occurred_at, inclusive
	To         *time.Time // occurred_at, exclusive
	Action     string     // exact
	ActorEmail string     // exact
	ActorID    string     // exact
	Actor      string     // the one or the other
	Outcome    schemas.Outcome
}

// searchTimeout bounds how long the database looks for events. A person waits
// for them, and whoever asks for what is rare, or asks often, must not keep the
// connections from those who append.
const searchTimeout = 5 * time.Second

// inSearchTime is inOrg for what looks at events. What takes too long is Busy;
// advice says how to ask for less.
func inSearchTime[T any](ctx context.Context, s *Service, org uuid.UUID, advice string, do func(*postgres.Tx) (T, error)) (T, error) {
	done, err := s.searches.take(ctx, org)
	if err != nil {
		var none T
		return none, err
	}
	defer done()
	found, err := inOrg(ctx, s, org, func(tx *postgres.Tx) (found T, err error) {
		if err := tx.LimitTime(ctx, s.searchTimeout); err != nil {
			return found, err
		}
		return do(tx)
	})
	if errors.Is(err, postgres.ErrTooLong) {
		err = &Error{Kind: Busy, Detail: advice}
	}
	return found, err
}

// SearchEvents lists audit events, newest first. Admins and viewers may.
func (s *Service) SearchEvents(ctx context.Context, caller Caller, filter EventFilter, page Page) (List[schemas.RecordedEvent], error) {
	org, err := caller.reader()
	if err != nil {
		return List[schemas.RecordedEvent]{}, err
	}
	before, err := page.beforeSeq()
	if err != nil {
		return List[schemas.RecordedEvent]{}, err
	}
	if err := filter.check(); err != nil {
		return List[schemas.RecordedEvent]{}, err
	}
	const advice = "That is too much to search at once. Search from a later time on, or leave a condition out, so that newer events match."
	return inSearchTime(ctx, s, org, advice, func(tx *postgres.Tx) (List[schemas.RecordedEvent], error) {
		events, err := tx.SearchEvents(ctx, filter.query(before, page.limit()+1))
		return listOf(page, events, func(e schemas.RecordedEvent) []byte { return seqCursor(e.Seq) }), err
	})
}

func (f EventFilter) query(before int64, limit int) schemas.EventQuery {
	return schemas.EventQuery{
		From:       f.From,
		To:         f.To,
		Action:     f.Action,
		ActorEmail: f.ActorEmail,
		ActorID:    f.ActorID,
		Actor:      f.Actor,
		Outcome:    f.Outcome,
		BeforeSeq:  before,
		Limit:      limit,
	}
}

func (f EventFilter) check() error {
	text := func(field, value string) error {
		if !printable(value) {
			return &schemas.FieldError{Field: field, Message: "must not hold control characters"}
		}
		return nil
	}
	var order error
	if f.From != nil && f.To != nil {
		order = checkOrder(*f.From, *f.To)
	}
	return invalid(text("action", f.Action), text("actor_email", f.ActorEmail), text("actor_id", f.ActorID), text("actor", f.Actor), order)
}
