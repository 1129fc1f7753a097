// Package service is what an admin, an operator or a product can ask of
// Auditferry: one method per command or query. Each begins with its permission
// check. A command is one transaction that writes what should be, the
// operation and an audit event; afterwards the operation is handed to
// Temporal. Whatever a crash leaves between the two, reconcile finishes.
//
// Errors of kind *Error are for the caller; every other error is the service's
// own fault and not for outside eyes.
package service

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// Dispatcher hands a written operation to Temporal. It may be repeated.
type Dispatcher interface {
	Dispatch(ctx context.Context, op schemas.Operation) error
}

// Options is what a Service works with.
type Options struct {
	Store      *postgres.Store
	Dispatcher Dispatcher
	Log        *zap.Logger

	// Provisioners says who makes the credentials of new integrations. A cloud
	// that is not in it has no integrations here.
	Provisioners map[schemas.Cloud]schemas.Provisioner

	// Retention is how long events are kept after they were recorded.
	Retention time.Duration

	// Temporal is asked for Health only; nil: what depends on it is left out.
	Temporal Temporal

	// AzureAuthority is where consent URLs must lead; "" is Microsoft's public
	// cloud.
	AzureAuthority string

	// Stopping is closed when the program is to end: whoever waits for an
	// operation is answered then. It may be nil.
	Stopping <-chan struct{}
}

// Service answers commands and queries. It is safe for concurrent use.
type Service struct {
	store        *postgres.Store
	dispatcher   Dispatcher
	log          *zap.Logger
	temporal     Temporal
	provisioners map[schemas.Cloud]schemas.Provisioner
	retention    time.Duration
	authority    string
	stopping     <-chan struct{}
	refusals     *refusals
	downloads    *turns
	searches     *turns

	searchTimeout time.Duration
}

// New makes a service.
func New(o Options) *Service {
	return &Service{
		store:        o.Store,
		dispatcher:   o.Dispatcher,
		log:          o.Log,
		temporal:     o.Temporal,
		provisioners: o.Provisioners,
		retention:    o.Retention,
		authority:    cmp.Or(o.AzureAuthority, publicAuthority),
		stopping:     o.Stopping,
		refusals:     newRefusals(),
		downloads:    newTurns(downloading),
		searches:     newTurns(searching),

		searchTimeout: searchTimeout,
	}
}

// Ready tells whether requests can be served. Temporal is not asked: without
// it commands are still accepted, and carried out when it is back.
func (s *Service) Ready(ctx context.Context) error { return s.store.Ping(ctx) }

// Call is a caller with the idempotency key of the request; "" is none.
type Call struct {
	Caller
	IdempotencyKey string
}

// command writes what should be and the operation in one transaction, and then
// hands the operation to Temporal. Request is what the idempotency key stands
// for.
func (s *Service) command(ctx context.Context, org uuid.UUID, call Call, request any, write func(*postgres.Tx) (schemas.Operation, error)) (schemas.Operation, error) {
	var written *schemas.Operation
	op, err := inOrg(ctx, s, org, func(tx *postgres.Tx) (schemas.Operation, error) {
		written = nil // the transaction may be a second attempt
		return once(ctx, tx, call.IdempotencyKey, request, func() (schemas.Operation, error) {
			op, err := write(tx)
			written = &op
			return withoutCredentials(op), err
		})
	})
	if err != nil {
		return schemas.Operation{}, s.recorded(ctx, org, call.Caller, err)
	}
	if written != nil && !written.Status.Ended() {
		s.dispatch(ctx, *written)
	}
	return op, nil
}

// dispatch outlives the request: its caller may hang up once the command has
// been written, and that must not delay it. A failure does not concern the
// caller either, because reconcile sends the operation again.
func (s *Service) dispatch(ctx context.Context, op schemas.Operation) {
	if err := s.dispatcher.Dispatch(context.WithoutCancel(ctx), op); err != nil {
		s.log.Warn("operation not dispatched; reconcile will",
			zap.Stringer("org", op.OrgID), zap.Stringer("operation", op.ID), zap.String("kind", string(op.Kind)), zap.Error(err))
	}
}

// once runs write unless an earlier request with the same key has; then it
// returns that one's answer.
func once[T any](ctx context.Context, tx *postgres.Tx, key string, request any, write func() (T, error)) (T, error) {
	var answer T
	if key == "" {
		return write()
	}
	fingerprint, err := fingerprintOf(request)
	if err != nil {
		return answer, err
	}
	earlier, found, err := tx.Remember(ctx, key, fingerprint)
	if err != nil {
		return answer, err
	}
	if found {
		if err := json.Unmarshal(earlier, &answer); err != nil {
			return answer, fmt.Errorf("read the answer kept under an idempotency key: %w", err)
		}
		return answer, nil
	}
	if answer, err = write(); err != nil {
		return answer, err
	}
	kept, err := json.Marshal(answer)
	if err != nil {
		return answer, fmt.Errorf("serialize the answer of an idempotency key: %w", err)
	}
	return answer, tx.SaveAnswer(ctx, key, kept)
}

// fingerprintOf tells requests apart by their type and all their members. A
// member that comes later than its type is omitempty: a request that was sent
// before an upgrade, and is sent again after it, stays the same.
func fingerprintOf(request any) ([]byte, error) {
	members, err := json.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("serialize %T: %w", request, err)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%T %s", request, members))
	return sum[:], nil
}

// inOrg runs one transaction that sees one organization, and turns what it
// found wrong into an error for the caller.
func inOrg[T any](ctx context.Context, s *Service, org uuid.UUID, do func(*postgres.Tx) (T, error)) (T, error) {
	var result T
	err := s.store.InOrg(ctx, org, func(tx *postgres.Tx) (err error) {
		result, err = do(tx)
		return err
	})
	return result, forCaller(err)
}

// asOperator runs one transaction that sees every organization.
func asOperator[T any](ctx context.Context, s *Service, do func(*postgres.Tx) (T, error)) (T, error) {
	var result T
	err := s.store.AsOperator(ctx, func(tx *postgres.Tx) (err error) {
		result, err = do(tx)
		return err
	})
	return result, forCaller(err)
}

// newID makes a UUIDv7. It cannot fail: Go ends a program that has no
// randomness.
func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// now is what the rows are dated with: Postgres keeps microseconds.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
