package service

import (
	"context"
	"crypto/rand"
	"fmt"
	"math/big"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// CreateAPIKey is a request for an API key.
type CreateAPIKey struct {
	OrgID *uuid.UUID // nil: the caller's own
	Name  string
	Role  schemas.Role
}

// CreatedAPIKey is a new key. Secret is what its holder shows; it is not kept
// anywhere.
type CreatedAPIKey struct {
	Key    schemas.APIKey
	Secret string
}

// CreateAPIKey makes an API key. Because its secret is not kept, a repeated
// idempotency key cannot get the first answer again; it is a Conflict. Admins
// may for their own organization, operators for any.
func (s *Service) CreateAPIKey(ctx context.Context, call Call, in CreateAPIKey) (CreatedAPIKey, error) {
	org, err := s.keeper(ctx, call.Caller, in.OrgID)
	if err != nil {
		return CreatedAPIKey{}, err
	}
	if err := invalid(checkName(in.Name), checkKeyRole(in.Role)); err != nil {
		return CreatedAPIKey{}, err
	}
	secret, err := newSecret(in.Role)
	if err != nil {
		return CreatedAPIKey{}, err
	}
	key := schemas.APIKey{ID: newID(), OrgID: &org, Role: in.Role, Name: in.Name, CreatedAt: now(), CreatedBy: call.Actor.Name}
	kept, err := inOrg(ctx, s, org, func(tx *postgres.Tx) (schemas.APIKey, error) {
		return once(ctx, tx, call.IdempotencyKey, in, func() (schemas.APIKey, error) {
			if err := tx.InsertAPIKey(ctx, key, hashSecret(secret)); err != nil {
				return key, err
			}
			_, err := audit(ctx, tx, call.Caller, "api_key.created", keyTarget(key.ID, key.Name), map[string]any{"role": key.Role})
			return key, err
		})
	})
	if err != nil {
		return CreatedAPIKey{}, err
	}
	if kept.ID != key.ID {
		return CreatedAPIKey{}, conflict("An earlier request with this Idempotency-Key has created API key %s, and its secret was shown only then. If it was lost, revoke that key and create another with a new Idempotency-Key.", kept.ID)
	}
	return CreatedAPIKey{Key: key, Secret: secret}, nil
}

// APIKeys lists the keys of an organization, also revoked ones; of is nil for
// the caller's own. Admins may for their own organization, operators for any.
func (s *Service) APIKeys(ctx context.Context, caller Caller, of *uuid.UUID) ([]schemas.APIKey, error) {
	org, err := s.keeper(ctx, caller, of)
	if err != nil {
		return nil, err
	}
	return inOrg(ctx, s, org, func(tx *postgres.Tx) ([]schemas.APIKey, error) {
		keys, err := tx.APIKeys(ctx)
		return append([]schemas.APIKey{}, keys...), err
	})
}

// RevokeAPIKey makes a key useless at once; again, it changes nothing. Of is
// nil for the caller's own organization. Admins may for that one, operators for
// any.
func (s *Service) RevokeAPIKey(ctx context.Context, caller Caller, of *uuid.UUID, id uuid.UUID) error {
	org, err := s.keeper(ctx, caller, of)
	if err != nil {
		return err
	}
	_, err = inOrg(ctx, s, org, func(tx *postgres.Tx) (struct{}, error) {
		if err := tx.RevokeAPIKey(ctx, id); err != nil {
			return struct{}{}, missing(err, "API key", id)
		}
		_, err := audit(ctx, tx, caller, "api_key.revoked", keyTarget(id, ""), nil)
		return struct{}{}, err
	})
	return err
}

// KeepOperatorKey makes sure that the first operator's key exists, with which
// all others are made. It is for the program's start, not for callers.
func (s *Service) KeepOperatorKey(ctx context.Context, secret string) error {
	return s.store.AsOperator(ctx, func(tx *postgres.Tx) error {
		return tx.UpsertOperatorKey(ctx, "first operator", hashSecret(secret))
	})
}

// keeper gives the organization whose keys the caller may keep.
func (s *Service) keeper(ctx context.Context, caller Caller, org *uuid.UUID) (uuid.UUID, error) {
	if org == nil {
		return caller.admin()
	}
	_, err := s.Org(ctx, caller, *org)
	return *org, err
}

func checkKeyRole(role schemas.Role) error {
	switch role {
	case schemas.RoleIngest, schemas.RoleViewer, schemas.RoleAdmin:
		return nil
	}
	return &schemas.FieldError{Field: "role", Message: "must be ingest, viewer or admin"}
}

func keyTarget(id uuid.UUID, name string) schemas.Target {
	return schemas.Target{Type: "api_key", ID: id.String(), Name: name}
}

const (
	secretLength = 32 // of 62 characters each: 190 bits
	base62       = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// newSecret makes a key that people and secret scanners recognize.
func newSecret(role schemas.Role) (string, error) {
	characters := make([]byte, secretLength)
	for i := range characters {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(base62))))
		if err != nil {
			return "", fmt.Errorf("make an API key: %w", err)
		}
		characters[i] = base62[n.Int64()]
	}
	return fmt.Sprintf("af_%s_%s", role, characters), nil
}
