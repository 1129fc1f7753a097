package service

import (
	"context"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/internal/setup"
	"github.com/auditferry/auditferry/schemas"
)

// Setup returns what the admin does in their cloud for an integration. Once
// that shows the credentials, it is recorded like any view of them. It is a
// Conflict when the integration has been deleted. Admins and viewers may.
func (s *Service) Setup(ctx context.Context, caller Caller, id uuid.UUID) (schemas.SetupGuide, error) {
	org, err := caller.reader()
	if err != nil {
		return schemas.SetupGuide{}, err
	}
	return inOrg(ctx, s, org, func(tx *postgres.Tx) (schemas.SetupGuide, error) {
		integration, err := tx.Integration(ctx, id)
		if err != nil {
			return schemas.SetupGuide{}, missing(err, "integration", id)
		}
		if !integration.Live() {
			return schemas.SetupGuide{}, notProvisioned(integration)
		}
		guide, err := setup.Guide(integration)
		if err != nil || !guide.Ready {
			return guide, err
		}
		return guide, auditView(ctx, tx, caller, integration, map[string]any{"as": "setup"})
	})
}

// SetupPreview is a request for the guide of an integration that does not exist
// yet. RoleARN and TenantID may be "" while the admin does not know them.
type SetupPreview struct {
	Cloud       schemas.Cloud
	Destination string
	RoleARN     string
	BucketOwner string
	TenantID    string
}

// SetupPreview returns what the admin would do in their cloud, with
// placeholders for the credentials. It claims nothing. Admins and viewers may.
func (s *Service) SetupPreview(caller Caller, in SetupPreview) (schemas.SetupGuide, error) {
	if _, err := caller.reader(); err != nil {
		return schemas.SetupGuide{}, err
	}
	grant := schemas.Grant{RoleARN: in.RoleARN, BucketOwner: in.BucketOwner, TenantID: in.TenantID}
	_, destination, err := s.placeOf(in.Cloud, in.Destination)
	if err := invalid(err, checkKnown(grant, in.Cloud)); err != nil {
		return schemas.SetupGuide{}, err
	}
	return setup.Guide(schemas.Integration{Cloud: in.Cloud, Destination: destination, Grant: grant})
}

// checkKnown checks a grant of which the admin does not know everything yet.
func checkKnown(grant schemas.Grant, cloud schemas.Cloud) error {
	if cloud == schemas.AWS && grant.RoleARN == "" {
		grant.RoleARN = "arn:aws:iam::123456789012:role/unknown"
	}
	if cloud == schemas.Azure && grant.TenantID == "" {
		grant.TenantID = "00000000-0000-0000-0000-000000000001" // the nil UUID is refused
	}
	return grant.Validate(cloud)
}
