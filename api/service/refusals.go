package service

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// refusal is what the audit log says of something that a caller tried and was
// not let do. It must not depend on another organization's rows beyond what the
// caller is told.
type refusal struct {
	action   string
	reason   string
	target   schemas.Target
	metadata map[string]any
}

// refusedError undoes a command's transaction. The refusal is recorded in one
// of its own, and then the caller gets the answer. It does not unwrap to the
// answer, so that none gets past the record.
type refusedError struct {
	refusal refusal
	answer  error
}

func (e *refusedError) Error() string { return e.refusal.action + ": " + e.refusal.reason }

// recorded records the refusal that err may be, and returns what the caller is
// told.
func (s *Service) recorded(ctx context.Context, org uuid.UUID, caller Caller, err error) error {
	var refused *refusedError
	if !errors.As(err, &refused) {
		return err
	}
	if err := s.record(ctx, org, caller, refused.refusal); err != nil {
		return err
	}
	return refused.answer
}

// recordTimeout bounds how long a refusal waits for its record.
const recordTimeout = 10 * time.Second

// record outlives the request, so that nobody can try unseen by hanging up.
func (s *Service) record(ctx context.Context, org uuid.UUID, caller Caller, refused refusal) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	return s.store.InOrg(ctx, org, func(tx *postgres.Tx) error {
		return auditRefusal(ctx, tx, caller, refused)
	})
}

// claimPlace reserves a place for an integration, or fails with a *refusedError when
// the place overlaps another integration's. Target is what the attempt was on.
func claimPlace(ctx context.Context, tx *postgres.Tx, integration uuid.UUID, place schemas.Destination, target schemas.Target) error {
	err := tx.ClaimDestination(ctx, integration, place)
	var taken *postgres.ConflictError
	if !errors.As(err, &taken) {
		return err
	}
	return &refusedError{
		refusal: refusal{
			action:   "integration.destination_refused",
			reason:   taken.Message,
			target:   target,
			metadata: map[string]any{"destination": place, "cloud": place.Cloud},
		},
		answer: forCaller(taken),
	}
}

// Request is what the audit log says of a call. Route is the path's pattern, as
// the contract has it. ID is the last one in the path; "" when there is none.
type Request struct {
	Method, Route, ID string
}

// RecordRefused records in the caller's organization that a call ended with
// cause, if that is Forbidden or NotFound. Whoever looks for IDs or rights that
// are not theirs is seen, and the event is the same whether an ID is another
// organization's or nobody's. One event a minute is recorded for each actor and
// route; it says how many calls were left out since the one before. Operators
// have no audit log, and unknown callers no organization.
func (s *Service) RecordRefused(ctx context.Context, caller Caller, request Request, cause error) error {
	var refused *Error
	if caller.OrgID == nil || !errors.As(cause, &refused) || refused.Kind != Forbidden && refused.Kind != NotFound {
		return nil
	}
	call := refusedCall{*caller.OrgID, caller.Actor.ID, request.Method, request.Route}
	suppressed, due := s.refusals.due(call)
	if !due {
		return nil
	}
	metadata := map[string]any{"method": request.Method, "route": request.Route}
	note(metadata, "id", cmp.Or(refused.Missing, request.ID))
	note(metadata, "suppressed", suppressed)
	err := s.record(ctx, *caller.OrgID, caller, refusal{
		action:   "request_refused",
		reason:   refused.Detail,
		target:   schemas.Target{Type: "route", ID: request.Method + " " + request.Route},
		metadata: metadata,
	})
	if err != nil {
		s.refusals.putBack(call, suppressed+1)
	}
	return err
}

// refusalPause is how long an actor's refusals on one route are only counted after
// one has been recorded: a loop must not fill an audit log, which is kept for
// weeks and exported.
const refusalPause = time.Minute

// refusalMemory is how long a count waits for the next refusal. Without an end
// every actor that was ever refused would stay in memory.
const refusalMemory = time.Hour

// refusals counts what is left out, in memory: each program counts for itself,
// so that an actor gets an event a minute from each, and what one has counted is
// lost when it ends. The access log has every request.
type refusals struct {
	now func() time.Time

	mu     sync.Mutex
	counts map[refusedCall]refusedCount
	swept  time.Time
}

type refusedCall struct {
	org                  uuid.UUID
	actor, method, route string
}

type refusedCount struct {
	recorded   time.Time // when an event was last due
	suppressed int       // since then
}

func newRefusals() *refusals {
	return &refusals{now: time.Now, counts: map[refusedCall]refusedCount{}}
}

// due tells whether a refused call is to be recorded, and how many before it
// were not. If it is not, it is counted.
func (r *refusals) due(call refusedCall) (suppressed int, due bool) {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweep(now)
	count, known := r.counts[call]
	if known && now.Sub(count.recorded) < refusalPause {
		count.suppressed++
		r.counts[call] = count
		return 0, false
	}
	r.counts[call] = refusedCount{recorded: now}
	return count.suppressed, true
}

// putBack undoes a due that could not be recorded: the next call is due, and
// will tell of it.
func (r *refusals) putBack(call refusedCall, suppressed int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	count := r.counts[call]
	count.recorded = count.recorded.Add(-refusalPause)
	count.suppressed += suppressed
	r.counts[call] = count
}

func (r *refusals) sweep(now time.Time) {
	if now.Sub(r.swept) < refusalPause {
		return
	}
	r.swept = now
	maps.DeleteFunc(r.counts, func(_ refusedCall, count refusedCount) bool {
		return now.Sub(count.recorded) >= refusalMemory
	})
}
