package service

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// Integrations lists the integrations of the caller's organization in the
// order of their creation. Admins and viewers may.
func (s *Service) Integrations(ctx context.Context, caller Caller, page Page, includeDeleted bool) (List[schemas.Integration], error) {
	org, err := caller.reader()
	if err != nil {
		return List[schemas.Integration]{}, err
	}
	return s.integrationsOf(ctx, org, page, includeDeleted)
}

// OrgIntegrations lists the integrations of any organization. Operators may.
func (s *Service) OrgIntegrations(ctx context.Context, caller Caller, org uuid.UUID, page Page) (List[schemas.Integration], error) {
	if _, err := s.Org(ctx, caller, org); err != nil {
		return List[schemas.Integration]{}, err
	}
	return s.integrationsOf(ctx, org, page, false)
}

func (s *Service) integrationsOf(ctx context.Context, org uuid.UUID, page Page, includeDeleted bool) (List[schemas.Integration], error) {
	after, err := page.after()
	if err != nil {
		return List[schemas.Integration]{}, err
	}
	return inOrg(ctx, s, org, func(tx *postgres.Tx) (List[schemas.Integration], error) {
		integrations, err := tx.Integrations(ctx, after, page.limit()+1, includeDeleted)
		for i := range integrations {
			integrations[i].Credentials = nil
		}
		return listOf(page, integrations, func(i schemas.Integration) []byte { return idCursor(i.ID) }), err
	})
}

// Integration returns one integration, without its credentials: to see those
// is an act of its own. Admins and viewers may.
func (s *Service) Integration(ctx context.Context, caller Caller, id uuid.UUID) (schemas.Integration, error) {
	org, err := caller.reader()
	if err != nil {
		return schemas.Integration{}, err
	}
	return inOrg(ctx, s, org, func(tx *postgres.Tx) (schemas.Integration, error) {
		integration, err := tx.Integration(ctx, id)
		integration.Credentials = nil
		return integration, missing(err, "integration", id)
	})
}

// Credentials returns what the admin needs to grant access, and records who
// looked. It is a Conflict before they have been provisioned. Admins and
// viewers may.
func (s *Service) Credentials(ctx context.Context, caller Caller, id uuid.UUID) (schemas.Credentials, error) {
	org, err := caller.reader()
	if err != nil {
		return schemas.Credentials{}, err
	}
	return inOrg(ctx, s, org, func(tx *postgres.Tx) (schemas.Credentials, error) {
		integration, err := tx.Integration(ctx, id)
		if err != nil {
			return schemas.Credentials{}, missing(err, "integration", id)
		}
		if integration.Credentials == nil {
			return schemas.Credentials{}, notProvisioned(integration)
		}
		return *integration.Credentials, auditView(ctx, tx, caller, integration, nil)
	})
}

func notProvisioned(integration schemas.Integration) error {
	if !integration.Live() {
		return conflict("The integration has been deleted, or is being deleted, and has no credentials any more.")
	}
	return conflict("The integration has no credentials yet. A mail goes to the organization's notice_emails when they are ready.")
}

// LinkedExports lists the exports that are linked to an integration. Admins and
// viewers may.
func (s *Service) LinkedExports(ctx context.Context, caller Caller, id uuid.UUID, includeDeleted bool) ([]ExportView, error) {
	org, err := caller.reader()
	if err != nil {
		return nil, err
	}
	return inOrg(ctx, s, org, func(tx *postgres.Tx) ([]ExportView, error) {
		if _, err := tx.Integration(ctx, id); err != nil {
			return nil, missing(err, "integration", id)
		}
		exports, err := tx.LinkedExports(ctx, id, includeDeleted)
		if err != nil {
			return nil, err
		}
		return s.viewExports(ctx, tx, exports)
	})
}

// AccessAttempts lists what the access checks of an integration have tried,
// newest first. Admins and viewers may.
func (s *Service) AccessAttempts(ctx context.Context, caller Caller, id uuid.UUID, page Page) (List[schemas.AccessReport], error) {
	org, err := caller.reader()
	if err != nil {
		return List[schemas.AccessReport]{}, err
	}
	before, err := page.beforeAttempt()
	if err != nil {
		return List[schemas.AccessReport]{}, err
	}
	return inOrg(ctx, s, org, func(tx *postgres.Tx) (List[schemas.AccessReport], error) {
		if _, err := tx.Integration(ctx, id); err != nil {
			return List[schemas.AccessReport]{}, missing(err, "integration", id)
		}
		reports, err := tx.AccessAttempts(ctx, id, before, page.limit()+1)
		return listOf(page, reports, attemptCursor), err
	})
}

// CreateIntegration is a request for a new integration. RoleARN and BucketOwner
// belong to AWS, and TenantID to Azure.
type CreateIntegration struct {
	Name        string
	Cloud       schemas.Cloud
	Destination string
	RoleARN     string
	BucketOwner string `json:",omitempty"`
	TenantID    string
}

// CreateIntegration claims the destination and begins provisioning. It is a
// Conflict when the destination overlaps another integration's, and recorded.
// Admins may.
func (s *Service) CreateIntegration(ctx context.Context, call Call, in CreateIntegration) (schemas.Operation, error) {
	org, err := call.admin()
	if err != nil {
		return schemas.Operation{}, err
	}
	integration, err := s.integrationOf(in)
	if err != nil {
		return schemas.Operation{}, err
	}
	return s.command(ctx, org, call, in, func(tx *postgres.Tx) (schemas.Operation, error) {
		integration.ID, integration.OrgID = newID(), org
		integration.CreatedAt = now()
		integration.UpdatedAt = integration.CreatedAt
		if err := tx.InsertIntegration(ctx, integration); err != nil {
			return schemas.Operation{}, err
		}
		if err := claimPlace(ctx, tx, integration.ID, integration.Destination, placeTarget(integration.Destination)); err != nil {
			return schemas.Operation{}, err
		}
		return askIntegration(ctx, tx, call.Caller, integration, schemas.OpCreateIntegration, schemas.OperationParams{})
	})
}

func (s *Service) integrationOf(in CreateIntegration) (schemas.Integration, error) {
	provisioner, destination, err := s.placeOf(in.Cloud, in.Destination)
	grant := schemas.Grant{RoleARN: in.RoleARN, BucketOwner: in.BucketOwner, TenantID: in.TenantID}
	return schemas.Integration{
		Name:        in.Name,
		Cloud:       in.Cloud,
		Destination: destination,
		Grant:       grant,
		Provisioner: provisioner,
		Status:      schemas.IntegrationProvisioning,
		Access:      schemas.AccessUnknown,
	}, invalid(checkName(in.Name), err, grant.Validate(in.Cloud))
}

// placeOf reads where an integration writes to, and finds who makes credentials
// there.
func (s *Service) placeOf(cloud schemas.Cloud, url string) (schemas.Provisioner, schemas.Destination, error) {
	provisioner, known := s.provisioners[cloud]
	if !known {
		return "", schemas.Destination{}, &schemas.FieldError{Field: "cloud", Message: fmt.Sprintf("must be one of %v", schemas.Clouds())}
	}
	destination, err := cloud.ParseDestination(url)
	return provisioner, destination, err
}

// askIntegration writes an operation for the integration's workflow.
func askIntegration(ctx context.Context, tx *postgres.Tx, caller Caller, integration schemas.Integration, kind schemas.OperationKind, params schemas.OperationParams) (schemas.Operation, error) {
	op := newOperation(integration.OrgID, kind, caller)
	op.IntegrationID = &integration.ID
	op.Params = params
	if err := tx.InsertOperation(ctx, op); err != nil {
		return op, err
	}
	metadata := map[string]any{"operation_id": op.ID}
	switch kind {
	case schemas.OpCreateIntegration:
		metadata["destination"] = integration.Destination
		note(metadata, "bucket_owner", integration.Grant.BucketOwner)
	case schemas.OpProvision:
		metadata["exclusive"] = params.Exclusive
	case schemas.OpUpdateDestination:
		metadata["destination"], metadata["retarget"] = params.Destination, params.Retarget
		note(metadata, "bucket_owner", params.BucketOwner)
	case schemas.OpCheckAccess:
		note(metadata, "accept_owner", params.AcceptOwner)
	case schemas.OpDeleteIntegration:
		metadata["delete_exports"] = params.DeleteLinks
	}
	_, err := audit(ctx, tx, caller, actionOf[kind], integrationTarget(integration), metadata)
	return op, err
}

// note adds what was said to an audit event's metadata, if it was.
func note[T comparable](metadata map[string]any, name string, said T) {
	var nothing T
	if said != nothing {
		metadata[name] = said
	}
}
