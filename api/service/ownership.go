package service

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// ProveOwnership is a request to accept that the destination is the
// organization's own. Code is what its challenge says.
type ProveOwnership struct {
	IntegrationID uuid.UUID
	Code          string
}

// ProveOwnership notes the proof and restarts the access check, which may write
// from then on. Asked again, it returns that check's operation, or begins
// another check. It is a Conflict where no proof is needed, and before there is
// a challenge. A wrong code is recorded. Admins may.
func (s *Service) ProveOwnership(ctx context.Context, call Call, in ProveOwnership) (schemas.Operation, error) {
	org, err := call.admin()
	if err != nil {
		return schemas.Operation{}, err
	}
	return s.command(ctx, org, call, in, func(tx *postgres.Tx) (schemas.Operation, error) {
		return proveOwnership(ctx, tx, call.Caller, in)
	})
}

func proveOwnership(ctx context.Context, tx *postgres.Tx, caller Caller, in ProveOwnership) (schemas.Operation, error) {
	_, open, err := lockLive(ctx, tx, in.IntegrationID)
	if err != nil {
		return schemas.Operation{}, err
	}
	// Read again: whoever the lock was waited for may have proven it, and that
	// stands in another row than the locked one.
	integration, err := tx.Integration(ctx, in.IntegrationID)
	if err != nil {
		return schemas.Operation{}, err
	}
	if integration.Credentials == nil {
		return schemas.Operation{}, notProvisioned(integration)
	}
	check := func() (schemas.Operation, error) {
		return askIntegration(ctx, tx, caller, integration, schemas.OpCheckAccess, schemas.OperationParams{})
	}
	switch integration.Ownership.State {
	case schemas.OwnershipImplied:
		return schemas.Operation{}, conflict("A proof is not needed: the identity that writes to the destination is your organization's own.")
	case schemas.OwnershipOpen:
		return schemas.Operation{}, conflict("No challenge has been written yet; the access check does that. Grant access in your cloud, and try again when the state of the integration's ownership is waiting.")
	case schemas.OwnershipProven:
		if earlier, checking := find(open, schemas.OpCheckAccess); checking {
			return earlier, nil
		}
		return check()
	}
	if err := prove(ctx, tx, integration, in.Code); err != nil {
		return schemas.Operation{}, err
	}
	op, err := check()
	if err != nil {
		return schemas.Operation{}, err
	}
	_, err = audit(ctx, tx, caller, "integration.ownership_proven", integrationTarget(integration),
		map[string]any{"operation_id": op.ID, "destination": integration.Destination})
	return op, err
}

// prove notes the proof, or fails with a *refusedError.
func prove(ctx context.Context, tx *postgres.Tx, integration schemas.Integration, code string) error {
	claim, err := tx.Claim(ctx, integration.ID, integration.Destination)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(strings.TrimSpace(code)))
	if subtle.ConstantTimeCompare(sum[:], claim.ChallengeHash) != 1 {
		return wrongCode(integration)
	}
	return tx.ProveClaim(ctx, integration.ID, integration.Destination)
}

func wrongCode(integration schemas.Integration) error {
	return &refusedError{
		refusal: refusal{
			action:   "integration.ownership_refused",
			reason:   "the code is not the challenge's",
			target:   integrationTarget(integration),
			metadata: map[string]any{"destination": integration.Destination},
		},
		answer: invalid(&schemas.FieldError{
			Field: "code",
			Message: fmt.Sprintf("is not what the object %s says; open that object in your cloud, and copy all that it says",
				integration.Ownership.Challenge),
		}),
	}
}
