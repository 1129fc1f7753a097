package service

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// Caller is who asks. OrgID is nil for operators and set for all others.
type Caller struct {
	OrgID *uuid.UUID
	Role  schemas.Role
	Actor schemas.Actor // as audit events name them

	// Origin is where the request came from; audit events repeat it.
	Origin schemas.EventContext
}

// maxUserAgent is more bytes than browsers and SDKs send. The server takes
// headers of a megabyte, and an audit event has at most 64 KiB.
const maxUserAgent = 512

// Origin is what audit events say of where a request came from.
func Origin(ip, userAgent, requestID string) schemas.EventContext {
	return schemas.EventContext{
		IP:        ip,
		UserAgent: strings.ToValidUTF8(userAgent[:min(len(userAgent), maxUserAgent)], "\uFFFD"),
		RequestID: requestID,
	}
}

type headersOnlyKey struct{}

// HeadersOnly is the context of a request that is answered without what it asks
// for, such as HEAD: nothing is written to files, and nobody is recorded to have
// seen it.
func HeadersOnly(ctx context.Context) context.Context {
	return context.WithValue(ctx, headersOnlyKey{}, true)
}

func headersOnly(ctx context.Context) bool { return ctx.Value(headersOnlyKey{}) != nil }

// Authenticate finds out who holds an API key. The error is an *Error of kind
// Unauthenticated when nobody does any more.
func (s *Service) Authenticate(ctx context.Context, secret string) (Caller, error) {
	key, err := s.store.APIKeyByHash(ctx, hashSecret(secret))
	if errors.Is(err, postgres.ErrNotFound) {
		return Caller{}, &Error{Kind: Unauthenticated, Detail: "The API key is unknown. Check that it was copied whole."}
	}
	if err != nil {
		return Caller{}, err
	}
	if key.RevokedAt != nil {
		return Caller{}, &Error{Kind: Unauthenticated, Detail: "The API key has been revoked. Ask an admin of your organization for another."}
	}
	return Caller{OrgID: key.OrgID, Role: key.Role, Actor: schemas.Actor{Type: "api_key", ID: key.ID.String(), Name: key.Name}}, nil
}

// hashSecret is the only form in which keys are stored. They are random and
// long, so that a fast hash is enough.
func hashSecret(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// in gives the caller's organization if the caller has one of the roles there.
func (c Caller) in(roles ...schemas.Role) (uuid.UUID, error) {
	if c.OrgID == nil || !slices.Contains(roles, c.Role) {
		return uuid.Nil, c.forbidden(roles...)
	}
	return *c.OrgID, nil
}

// reader gives the organization whose data the caller may read.
func (c Caller) reader() (uuid.UUID, error) { return c.in(schemas.RoleAdmin, schemas.RoleViewer) }

// admin gives the organization that the caller may command.
func (c Caller) admin() (uuid.UUID, error) { return c.in(schemas.RoleAdmin) }

// operator lets only operators pass.
func (c Caller) operator() error {
	if c.Role != schemas.RoleOperator || c.OrgID != nil {
		return c.forbidden(schemas.RoleOperator)
	}
	return nil
}

func (c Caller) forbidden(roles ...schemas.Role) error {
	names := make([]string, len(roles))
	for i, role := range roles {
		names[i] = string(role)
	}
	return &Error{
		Kind:   Forbidden,
		Detail: "This call is for the role " + strings.Join(names, " or ") + "; yours is " + string(c.Role) + ".",
	}
}
