package service

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// ProvisioningRequest is an integration that waits for credentials from
// outside.
type ProvisioningRequest struct {
	OrgID           uuid.UUID
	OrgName         string
	IntegrationID   uuid.UUID
	IntegrationName string
	Cloud           schemas.Cloud
	Destination     schemas.Destination
	Grant           schemas.Grant
	CreatedAt       time.Time
}

// ProvisioningRequests lists what waits for credentials from outside, of all
// organizations, the oldest first. Operators may.
func (s *Service) ProvisioningRequests(ctx context.Context, caller Caller, page Page) (List[ProvisioningRequest], error) {
	if err := caller.operator(); err != nil {
		return List[ProvisioningRequest]{}, err
	}
	after, err := page.after()
	if err != nil {
		return List[ProvisioningRequest]{}, err
	}
	return asOperator(ctx, s, func(tx *postgres.Tx) (List[ProvisioningRequest], error) {
		waiting, err := tx.WaitingIntegrations(ctx, after, page.limit()+1)
		if err != nil {
			return List[ProvisioningRequest]{}, err
		}
		requests, err := requestsOf(ctx, tx, waiting)
		return listOf(page, requests, func(r ProvisioningRequest) []byte { return idCursor(r.IntegrationID) }), err
	})
}

func requestsOf(ctx context.Context, tx *postgres.Tx, waiting []schemas.Integration) ([]ProvisioningRequest, error) {
	orgs := make([]uuid.UUID, len(waiting))
	for i, integration := range waiting {
		orgs[i] = integration.OrgID
	}
	names, err := tx.OrgNames(ctx, orgs)
	requests := make([]ProvisioningRequest, len(waiting))
	for i, integration := range waiting {
		requests[i] = ProvisioningRequest{
			OrgID:           integration.OrgID,
			OrgName:         names[integration.OrgID],
			IntegrationID:   integration.ID,
			IntegrationName: integration.Name,
			Cloud:           integration.Cloud,
			Destination:     integration.Destination,
			Grant:           integration.Grant,
			CreatedAt:       integration.CreatedAt,
		}
	}
	return requests, err
}

// Provisioning is what an operator sees before they hand in credentials.
type Provisioning struct {
	schemas.Integration // with the credentials that were handed in last, stored already or not
	OrgName             string
	Exclusive           bool               // no other organization may be given their identity
	Version             string             // of both, or of there being none
	HandedIn            *schemas.Operation // how they came; nil: not by an operator, or long ago
}

// Provisioning returns what has been handed in for an integration of any
// organization, and records who looked. Operators may.
func (s *Service) Provisioning(ctx context.Context, caller Caller, org, id uuid.UUID) (Provisioning, error) {
	of, err := s.Org(ctx, caller, org)
	if err != nil {
		return Provisioning{}, err
	}
	return inOrg(ctx, s, org, func(tx *postgres.Tx) (Provisioning, error) {
		integration, err := tx.Integration(ctx, id)
		if err != nil {
			return Provisioning{}, missing(err, "integration", id)
		}
		open, err := tx.OpenOperations(ctx, id)
		if err != nil {
			return Provisioning{}, err
		}
		found := Provisioning{Integration: integration, OrgName: of.Name}
		found.Credentials, found.Exclusive = handedIn(integration, open)
		found.Version = schemas.CredentialsVersion(found.Credentials, found.Exclusive)
		if found.Credentials == nil {
			return found, nil
		}
		latest, err := tx.Operations(ctx, &id, nil, lookBack)
		if err != nil {
			return Provisioning{}, err
		}
		for _, op := range latest {
			if op.Kind == schemas.OpProvision && op.Status != schemas.OperationFailed {
				op = withoutCredentials(op)
				found.HandedIn = &op
				break
			}
		}
		return found, auditView(ctx, tx, caller, integration, nil)
	})
}

// handedIn is the credentials that an integration will have once its open
// operations, oldest first, have been carried out, and whether they are for its
// organization alone.
func handedIn(integration schemas.Integration, open []schemas.Operation) (credentials *schemas.Credentials, exclusive bool) {
	credentials, exclusive = integration.Credentials, integration.Ownership.State == schemas.OwnershipImplied
	for _, op := range open {
		if op.Kind == schemas.OpProvision {
			credentials, exclusive = op.Params.Credentials, op.Params.Exclusive
		}
	}
	return credentials, exclusive
}

// Provision is a request to store an integration's credentials. OrgID names
// its organization, so that row level security binds operators too. Exclusive
// says that no other organization will ever be given the same identity.
// Replaces is the version of what may be replaced, as Provisioning gave it; ""
// replaces whatever is there.
type Provision struct {
	OrgID         uuid.UUID
	IntegrationID uuid.UUID
	Credentials   schemas.Credentials
	Exclusive     bool   `json:",omitempty"`
	Replaces      string `json:",omitempty"`
}

// Provision sends the provisioning signal. It is a Conflict when something else
// has been handed in than what may be replaced. Whether another organization has
// the same identity is found out by the integration's workflow, and fails the
// operation; so does what the workflow finds stored by then, if it may not be
// replaced. Operators may.
func (s *Service) Provision(ctx context.Context, call Call, in Provision) (schemas.Operation, error) {
	if _, err := s.Org(ctx, call.Caller, in.OrgID); err != nil {
		return schemas.Operation{}, err
	}
	return s.command(ctx, in.OrgID, call, in, func(tx *postgres.Tx) (schemas.Operation, error) {
		integration, open, err := lockLive(ctx, tx, in.IntegrationID)
		if err != nil {
			return schemas.Operation{}, err
		}
		if in.Replaces != "" && in.Replaces != schemas.CredentialsVersion(handedIn(integration, open)) {
			return schemas.Operation{}, conflict("Other credentials have been handed in since you looked. Look at them, and hand yours in again if they are to take their place.")
		}
		if err := invalid(s.checkCredentials(integration, in.Credentials)); err != nil {
			return schemas.Operation{}, err
		}
		return askIntegration(ctx, tx, call.Caller, integration, schemas.OpProvision,
			schemas.OperationParams{Credentials: &in.Credentials, Exclusive: in.Exclusive, Replaces: in.Replaces})
	})
}

// checkCredentials checks that credentials are well formed, and that their
// consent URL does not lead the admin elsewhere.
func (s *Service) checkCredentials(integration schemas.Integration, c schemas.Credentials) error {
	err := c.Validate(integration.Cloud)
	if c.Azure == nil || integration.Cloud != schemas.Azure {
		return err
	}
	return errors.Join(checkConsentURL(c.Azure.ConsentURL, s.authority, integration.Grant.TenantID), err)
}

const publicAuthority = "https://login.microsoftonline.com"

// anyTenant are the words that Entra takes instead of a tenant: whoever signs in
// is asked for the consent of their own.
// https://learn.microsoft.com/entra/identity-platform/v2-admin-consent
var anyTenant = []string{"organizations", "common"}

// uriCharacters are those of RFC 3986, section 2.
var uriCharacters = regexp.MustCompile(`^[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+$`)

// checkConsentURL checks that a consent URL is a page of the authority for this
// tenant. An admin follows the link and signs in there, so that any other host
// could ask for their password, and any other tenant would get the consent.
func checkConsentURL(raw, authority, tenant string) error {
	bad := func(format string, args ...any) error {
		return &schemas.FieldError{Field: "credentials.azure.consent_url", Message: fmt.Sprintf(format, args...)}
	}
	trusted, err := url.Parse(authority)
	if err != nil {
		return fmt.Errorf("read the Azure authority of the configuration: %w", err)
	}
	u, err := url.Parse(raw)
	if err != nil || !uriCharacters.MatchString(raw) {
		return bad("must be a URL, with anything unusual percent-encoded")
	}
	if !strings.EqualFold(u.Host, trusted.Host) || u.User != nil {
		return bad("must be a page of %s", trusted.Host)
	}
	base := strings.TrimSuffix(trusted.Path, "/") + "/"
	path, below := strings.CutPrefix(u.Path, base)
	segment, _, _ := strings.Cut(path, "/")
	if !below || !strings.EqualFold(segment, tenant) && !slices.Contains(anyTenant, segment) {
		return bad("must be for the integration's tenant: https://%s%s%s/...", trusted.Host, base, tenant)
	}
	// The client ID says which app it is. Written in two ways it would pass for
	// two apps, and given twice nobody knows which one Entra means.
	query, err := url.ParseQuery(u.RawQuery)
	ids := query["client_id"]
	if err != nil || len(ids) != 1 || !isCanonical(ids[0]) {
		return bad("must have one client_id, a UUID in lower-case letters")
	}
	return nil
}

// isCanonical tells whether a text is a UUID as RFC 9562 writes it.
func isCanonical(text string) bool {
	id, err := uuid.Parse(text)
	return err == nil && id.String() == text
}
