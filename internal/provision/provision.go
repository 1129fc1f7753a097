// Package provision makes what an admin needs in order to grant access, and
// takes it back: external IDs on AWS, apps on Azure, service accounts on Google
// Cloud.
//
// Every provisioner has the same two methods. Provision gives the same
// credentials however often it is repeated; made is false when they will come
// from elsewhere. Revoke ends what Provision began and may be repeated, too.
//
// Credentials are exclusive when no other organization will ever be given the
// same identity. Only then does a granted write show that the destination
// belongs to the one who asked for it.
package provision

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/schemas"
)

// Issued is what a provisioner made. Exclusive says that no other org will ever
// be given the same identity.
type Issued struct {
	Credentials schemas.Credentials
	Exclusive   bool
}

// issue hands out credentials that are well formed. What is wrong with them is
// a *schemas.FieldError, and the operator's to mend.
func issue(i schemas.Integration, c schemas.Credentials, exclusive bool) (issued Issued, made bool, err error) {
	if err := c.Validate(i.Cloud); err != nil {
		return Issued{}, false, fmt.Errorf("the service's own configuration for %s is wrong: %w", i.Cloud, err)
	}
	return Issued{Credentials: c, Exclusive: exclusive}, true, nil
}

// AWS gives every integration an external ID of its own. UserARN is the IAM
// user that roles are to trust.
type AWS struct{ UserARN string }

// Provision derives the integration's external ID.
func (a AWS) Provision(_ context.Context, i schemas.Integration) (issued Issued, made bool, err error) {
	credentials := schemas.Credentials{AWS: &schemas.AWSCredentials{ExternalID: externalID(i.ID), IAMUserARN: a.UserARN}}
	return issue(i, credentials, true)
}

// Revoke has nothing to take back: nobody else ever gets this external ID.
func (a AWS) Revoke(context.Context, schemas.Integration) error { return nil }

// externalID is made from the integration's random ID, so that a repeated
// request gives the same one and no two integrations ever share one. AWS asks
// that it be unique and not chosen by the customer; it is not a secret.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_common-scenarios_third-party.html
func externalID(integration uuid.UUID) string {
	const bytes = 20 // 32 characters, and none left over
	return "auditferry-" + derive("auditferry external id ", integration, bytes)
}

// derive makes a name of letters and digits from an integration's ID. The
// purpose keeps names for different things apart. What it gives for an ID must
// never change: customers have pasted it into their policies.
func derive(purpose string, integration uuid.UUID, bytes int) string {
	sum := sha256.Sum256(append([]byte(purpose), integration[:]...))
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:bytes]))
}

// External stands for operators, or their automation, who hand credentials in
// over the API and take them back themselves.
type External struct{}

// Provision makes nothing.
func (External) Provision(context.Context, schemas.Integration) (issued Issued, made bool, err error) {
	return Issued{}, false, nil
}

// Revoke takes nothing back.
func (External) Revoke(context.Context, schemas.Integration) error { return nil }
