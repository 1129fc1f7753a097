package service

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// UpdateDestination is a request to move an integration within its cloud.
// Linked exports are paused, or with Retarget moved along. BucketOwner is the
// AWS account that the bucket is in; "" is the role's. Former is the destination
// that the caller has seen; "" moves the integration from wherever it is.
type UpdateDestination struct {
	IntegrationID uuid.UUID
	Destination   string
	BucketOwner   string `json:",omitempty"`
	Retarget      bool
	Former        string `json:",omitempty"`
}

// UpdateDestination claims the new destination at once; the integration's
// workflow does the rest. To expect the same bucket in another account is an
// update too. It is a Conflict while another update is open, when the caller has
// seen another destination, and when the new one overlaps another integration's;
// the last is recorded. Admins may.
func (s *Service) UpdateDestination(ctx context.Context, call Call, in UpdateDestination) (schemas.Operation, error) {
	org, err := call.admin()
	if err != nil {
		return schemas.Operation{}, err
	}
	return s.command(ctx, org, call, in, func(tx *postgres.Tx) (schemas.Operation, error) {
		integration, open, err := lockLive(ctx, tx, in.IntegrationID)
		if err != nil {
			return schemas.Operation{}, err
		}
		if in.Former != "" && in.Former != integration.Destination.String() {
			return schemas.Operation{}, conflict("The destination has been changed meanwhile, to %s. Look at it, and save again to change it to yours.", integration.Destination)
		}
		destination, err := moved(integration, in)
		if err != nil {
			return schemas.Operation{}, err
		}
		if update, updating := find(open, schemas.OpUpdateDestination); updating {
			return schemas.Operation{}, conflict("The destination is being updated already, by operation %s. Try again when that has ended.", update.ID)
		}
		if err := claimPlace(ctx, tx, integration.ID, destination, integrationTarget(integration)); err != nil {
			return schemas.Operation{}, err
		}
		return askIntegration(ctx, tx, call.Caller, integration, schemas.OpUpdateDestination,
			schemas.OperationParams{Destination: &destination, BucketOwner: in.BucketOwner, Retarget: in.Retarget})
	})
}

// moved is the destination that an integration is to have.
func moved(integration schemas.Integration, in UpdateDestination) (schemas.Destination, error) {
	to, badPlace := integration.Cloud.ParseDestination(in.Destination)
	grant := integration.Grant
	grant.BucketOwner = in.BucketOwner
	if err := invalid(badPlace, grant.Validate(integration.Cloud)); err != nil {
		return to, err
	}
	if to == integration.Destination && grant.BucketAccount() == integration.Grant.BucketAccount() {
		return to, invalid(&schemas.FieldError{Field: "destination", Message: "is the integration's destination already"})
	}
	return to, nil
}

// CheckAccess is a request to probe an integration's destination now. With
// AcceptOwner, whoever owns the bucket now is trusted from then on.
type CheckAccess struct {
	IntegrationID uuid.UUID
	AcceptOwner   bool `json:",omitempty"`
}

// CheckAccess restarts the access check. It is a Conflict before credentials
// have been provisioned. Admins may.
func (s *Service) CheckAccess(ctx context.Context, call Call, in CheckAccess) (schemas.Operation, error) {
	org, err := call.admin()
	if err != nil {
		return schemas.Operation{}, err
	}
	return s.command(ctx, org, call, in, func(tx *postgres.Tx) (schemas.Operation, error) {
		integration, _, err := lockLive(ctx, tx, in.IntegrationID)
		if err != nil {
			return schemas.Operation{}, err
		}
		if integration.Credentials == nil {
			return schemas.Operation{}, notProvisioned(integration)
		}
		if in.AcceptOwner && integration.Cloud != schemas.GCP {
			return schemas.Operation{}, invalid(&schemas.FieldError{
				Field: "accept_owner", Message: "belongs to GCP integrations only; leave it out. On AWS, update the destination with the bucket_owner that is right",
			})
		}
		return askIntegration(ctx, tx, call.Caller, integration, schemas.OpCheckAccess,
			schemas.OperationParams{AcceptOwner: in.AcceptOwner})
	})
}

// DeleteIntegration is a request to delete an integration for good. Linked
// exports are paused, or with DeleteExports deleted as well. Linked are the ones
// that the caller has seen; nil is whichever there are.
type DeleteIntegration struct {
	IntegrationID uuid.UUID
	DeleteExports bool
	Linked        []uuid.UUID `json:",omitempty"`
}

// DeleteIntegration asks the integration's workflow to wind it up. Asked again,
// it returns the operation of the first request, whatever that said of the
// exports. It is a Conflict when an export would be deleted that the caller has
// not seen. Admins may.
func (s *Service) DeleteIntegration(ctx context.Context, call Call, in DeleteIntegration) (schemas.Operation, error) {
	org, err := call.admin()
	if err != nil {
		return schemas.Operation{}, err
	}
	return s.command(ctx, org, call, in, func(tx *postgres.Tx) (schemas.Operation, error) {
		integration, err := tx.LockIntegration(ctx, in.IntegrationID)
		if err != nil {
			return schemas.Operation{}, missing(err, "integration", in.IntegrationID)
		}
		earlier, err := tx.Operations(ctx, &integration.ID, nil, lookBack)
		if err != nil {
			return schemas.Operation{}, err
		}
		if first, asked := find(earlier, schemas.OpDeleteIntegration); asked && first.Status != schemas.OperationFailed {
			return first, nil
		}
		if err := in.seen(ctx, tx); err != nil {
			return schemas.Operation{}, err
		}
		return askIntegration(ctx, tx, call.Caller, integration, schemas.OpDeleteIntegration,
			schemas.OperationParams{DeleteLinks: in.DeleteExports})
	})
}

func (in DeleteIntegration) seen(ctx context.Context, tx *postgres.Tx) error {
	if !in.DeleteExports || in.Linked == nil {
		return nil
	}
	linked, err := tx.LinkedExports(ctx, in.IntegrationID, false)
	for _, export := range linked {
		if !slices.Contains(in.Linked, export.ID) {
			return conflict("The export %s has been linked meanwhile, and would be deleted as well. Look at the linked exports, and ask once more.", export.Name)
		}
	}
	return err
}

// lookBack is how many of the newest operations may hold a delete. Once it has
// been accepted no other command is, so that few can come after it.
const lookBack = 20

// lockLive locks an integration that takes commands, and returns its open
// operations. It is a Conflict when the integration is being deleted, also when
// the workflow has not begun with that.
func lockLive(ctx context.Context, tx *postgres.Tx, id uuid.UUID) (schemas.Integration, []schemas.Operation, error) {
	integration, err := tx.LockIntegration(ctx, id)
	if err != nil {
		return schemas.Integration{}, nil, missing(err, "integration", id)
	}
	open, err := tx.OpenOperations(ctx, id)
	if err != nil {
		return schemas.Integration{}, nil, err
	}
	_, deleting := find(open, schemas.OpDeleteIntegration)
	if deleting || !integration.Live() {
		return schemas.Integration{}, nil, conflict("The integration has been deleted, or is being deleted. Create a new one.")
	}
	return integration, open, nil
}

func find(ops []schemas.Operation, kind schemas.OperationKind) (schemas.Operation, bool) {
	for _, op := range ops {
		if op.Kind == kind {
			return op, true
		}
	}
	return schemas.Operation{}, false
}
