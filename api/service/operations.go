package service

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// MaxWait is the longest that a caller may wait for an operation in one
// request; below the idle timeouts of common proxies.
const MaxWait = 60 * time.Second

// The pauses between two looks at an operation that somebody waits for. Most
// end within a second; who waits longer bears a second more.
const (
	firstLook = 50 * time.Millisecond
	laterLook = time.Second
)

// Operation returns an operation once it has ended, but no later than after
// wait, at most MaxWait. The wait ends early, without an error, when ctx ends
// or the program does.
// Admins and viewers may; operators see those of all organizations.
func (s *Service) Operation(ctx context.Context, caller Caller, id uuid.UUID, wait time.Duration) (schemas.Operation, error) {
	look, err := s.operationReader(caller, id)
	if err != nil {
		return schemas.Operation{}, err
	}
	end := time.NewTimer(min(wait, MaxWait))
	defer end.Stop()
	op, err := look(ctx)
	for pause := firstLook; err == nil && !op.Status.Ended(); pause = min(2*pause, laterLook) {
		select {
		case <-end.C:
			return op, nil
		case <-s.stopping:
			return op, nil
		case <-ctx.Done():
			return op, nil
		case <-time.After(pause):
		}
		var newer schemas.Operation
		if newer, err = look(ctx); ctx.Err() != nil {
			return op, nil
		}
		op = newer
	}
	return op, err
}

func (s *Service) operationReader(caller Caller, id uuid.UUID) (func(context.Context) (schemas.Operation, error), error) {
	read := func(ctx context.Context, tx *postgres.Tx) (schemas.Operation, error) {
		op, err := tx.Operation(ctx, id)
		return withoutCredentials(op), missing(err, "operation", id)
	}
	if caller.operator() == nil {
		return func(ctx context.Context) (schemas.Operation, error) {
			return asOperator(ctx, s, func(tx *postgres.Tx) (schemas.Operation, error) { return read(ctx, tx) })
		}, nil
	}
	org, err := caller.reader()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (schemas.Operation, error) {
		return inOrg(ctx, s, org, func(tx *postgres.Tx) (schemas.Operation, error) { return read(ctx, tx) })
	}, nil
}

func newOperation(org uuid.UUID, kind schemas.OperationKind, caller Caller) schemas.Operation {
	return schemas.Operation{
		ID:          newID(),
		OrgID:       org,
		Kind:        kind,
		Status:      schemas.OperationPending,
		RequestedBy: caller.Actor.Name,
		CreatedAt:   now(),
	}
}

// withoutCredentials is an operation as callers see it: every view of
// credentials is to be recorded, and this is none.
func withoutCredentials(op schemas.Operation) schemas.Operation {
	op.Params.Credentials, op.Params.Replaces = nil, ""
	return op
}

// latestOperations is how many operations are listed: what somebody who looks
// for the last change wants to see.
const latestOperations = 25

// IntegrationOperations lists the latest operations of an integration, newest
// first. Admins and viewers may.
func (s *Service) IntegrationOperations(ctx context.Context, caller Caller, integration uuid.UUID) ([]schemas.Operation, error) {
	return s.latest(ctx, caller, &integration, nil)
}

// ExportOperations lists the latest operations of an export, newest first.
// Admins and viewers may.
func (s *Service) ExportOperations(ctx context.Context, caller Caller, export uuid.UUID) ([]schemas.Operation, error) {
	return s.latest(ctx, caller, nil, &export)
}

func (s *Service) latest(ctx context.Context, caller Caller, integration, export *uuid.UUID) ([]schemas.Operation, error) {
	org, err := caller.reader()
	if err != nil {
		return nil, err
	}
	return inOrg(ctx, s, org, func(tx *postgres.Tx) ([]schemas.Operation, error) {
		operations, err := tx.Operations(ctx, integration, export, latestOperations)
		for i := range operations {
			operations[i] = withoutCredentials(operations[i])
		}
		return operations, err
	})
}
