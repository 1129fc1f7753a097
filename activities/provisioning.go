package activities

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"net/url"
	"strings"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// Provisioning gets credentials made, and takes them back.
type Provisioning struct {
	Store    *postgres.Store
	Temporal client.Client
	Identity Identity
}

// Identity is what the auto provisioner builds credentials from: the service's
// own names in the three clouds.
type Identity struct {
	AWSUserARN     string
	AzureAuthority string // "" is Microsoft's public cloud
	AzureClientID  string
	AzureAppName   string
	ServiceAccount string
}

const azurePublicAuthority = "https://login.microsoftonline.com"

// RequestProvisioning hands the request to the integration's provisioner. The
// automatic one answers at once, with the same signal that an operator's call
// would send; an external one finds the request in the API.
func (a *Provisioning) RequestProvisioning(ctx context.Context, in schemas.IntegrationRef) error {
	var integration schemas.Integration
	var creation uuid.UUID
	err := a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) (err error) {
		if integration, err = tx.Integration(ctx, in.IntegrationID); err != nil {
			return err
		}
		creation, err = creationOf(ctx, tx, in.IntegrationID)
		return err
	})
	if err != nil || integration.Provisioner == schemas.ProvisionerExternal || creation == uuid.Nil {
		return toTemporal(ctx, err)
	}
	credentials := a.Identity.credentials(integration)
	if err := credentials.Validate(integration.Cloud); err != nil {
		return toTemporal(ctx, fmt.Errorf("the service's own configuration for %s is wrong: %w", integration.Cloud, err))
	}
	signal := schemas.Provisioned{OperationID: creation, Credentials: credentials}
	id := schemas.IntegrationWorkflowID(in.IntegrationID)
	if err := a.Temporal.SignalWorkflow(ctx, id, "", schemas.SignalProvisioned.Name, signal); err != nil {
		return toTemporal(ctx, fmt.Errorf("send the provisioning signal: %w", err))
	}
	return nil
}

// creationOf is the open create operation; the nil UUID when it has ended,
// because then the credentials are there already.
func creationOf(ctx context.Context, tx *postgres.Tx, integration uuid.UUID) (uuid.UUID, error) {
	open, err := tx.OpenOperations(ctx, integration)
	for _, op := range open {
		if op.Kind == schemas.OpCreateIntegration {
			return op.ID, nil
		}
	}
	return uuid.Nil, err
}

// RevokeCredentials makes sure that the service can use the credentials no
// more. They were no secret, and nobody else can use them either.
func (a *Provisioning) RevokeCredentials(ctx context.Context, in schemas.IntegrationRef) error {
	err := a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) error {
		return tx.ClearCredentials(ctx, in.IntegrationID)
	})
	return toTemporal(ctx, err)
}

func (i Identity) credentials(integration schemas.Integration) schemas.Credentials {
	switch integration.Cloud {
	case schemas.AWS:
		return schemas.Credentials{AWS: &schemas.AWSCredentials{
			ExternalID: externalID(integration.ID),
			IAMUserARN: i.AWSUserARN,
		}}
	case schemas.Azure:
		return schemas.Credentials{Azure: &schemas.AzureCredentials{
			ConsentURL:         i.consentURL(integration.Grant.TenantID),
			MultiTenantAppName: i.AzureAppName,
		}}
	case schemas.GCP:
		return schemas.Credentials{GCP: &schemas.GCPCredentials{ServiceAccount: i.ServiceAccount}}
	default:
		return schemas.Credentials{}
	}
}

// externalID is made from the integration's random ID, so that a repeated
// activity gives the same one and no two integrations ever share one. AWS asks
// that it be unique and not chosen by the customer; it is not a secret.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_common-scenarios_third-party.html
func externalID(integration uuid.UUID) string {
	sum := sha256.Sum256(append([]byte("auditferry external id "), integration[:]...))
	return "auditferry-" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:20]))
}

// consentURL is Entra's page on which an admin lets an app into their tenant.
// https://learn.microsoft.com/entra/identity/enterprise-apps/grant-admin-consent
func (i Identity) consentURL(tenant string) string {
	authority := azurePublicAuthority
	if i.AzureAuthority != "" {
		authority = strings.TrimSuffix(i.AzureAuthority, "/")
	}
	return fmt.Sprintf("%s/%s/adminconsent?client_id=%s", authority, tenant, url.QueryEscape(i.AzureClientID))
}
