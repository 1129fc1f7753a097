// Package setup words what an admin does in their own cloud so that an
// integration may write: the steps through the console, and the same as
// policies, commands and Terraform, with every value filled in.
//
// Nothing here reads a clock, a file or a network: the same integration gives
// the same guide.
package setup

import (
	"errors"
	"fmt"

	"github.com/auditferry/auditferry/schemas"
)

// The names of the documents. They are stable: pages and API clients ask for
// documents by them.
const (
	AWSPermissionPolicy          = "aws-permission-policy"
	AWSPermissionPolicyReference = "aws-permission-policy-reference"
	AWSBucketPolicy              = "aws-bucket-policy" // only when the bucket is in another account than the role
	AWSTrustPolicy               = "aws-trust-policy"
	AWSCLI                       = "aws-cli"
	AWSTerraform                 = "aws-terraform"
	AzureCLI                     = "azure-cli"
	AzureTerraform               = "azure-terraform"
	GCPCustomRole                = "gcp-custom-role"
	GCPCLI                       = "gcp-cli"
	GCPTerraform                 = "gcp-terraform"
)

// Guide is what the admin of this integration does in their cloud.
//
// Only ID, cloud, destination, grant, credentials and ownership are read, so a
// guide can be shown before the integration exists; the grant may then be empty,
// and the ID and ownership zero. Without
// credentials the guide is not Ready: documents and steps have placeholders,
// and Values holds only what the admin has entered. It fails when
// destination, grant or credentials are malformed or of another cloud, because commands are made of them.
func Guide(i schemas.Integration) (schemas.SetupGuide, error) {
	if err := check(i); err != nil {
		return schemas.SetupGuide{}, fmt.Errorf("write the setup guide: %w", err)
	}
	guide := schemas.SetupGuide{
		Cloud:       i.Cloud,
		Destination: i.Destination,
		Ready:       i.Credentials != nil,
		Values:      []schemas.SetupValue{{Name: "Destination", Value: i.Destination.URL()}},
	}
	var err error
	switch i.Cloud {
	case schemas.AWS:
		guide.Documents, err = newAWS(i).describe(&guide)
	case schemas.Azure:
		guide.Documents, err = newAzure(i).describe(&guide)
	default:
		guide.Documents, err = newGCP(i).describe(&guide)
	}
	if err != nil {
		return schemas.SetupGuide{}, fmt.Errorf("write the setup guide: %w", err)
	}
	guide.Steps = append(guide.Steps, proof(i)...)
	return guide, nil
}

// proof is the step that shows whose the destination is, where that is yet to
// be shown. It comes with the others, because nothing else tells of it in time.
func proof(i schemas.Integration) []schemas.SetupStep {
	const handIn = "Open it, and hand in the code that it holds on the integration's page. Until then nothing is exported."
	switch {
	case i.Credentials == nil:
		return nil
	case i.Ownership.State == schemas.OwnershipOpen:
		return []schemas.SetupStep{{
			Text: "Several organizations are served with the same identity, so show that this destination is yours. As soon as Auditferry may write, it puts an object there. " + handIn + " The name of the object begins with:",
			Copy: i.Destination.Key("_auditferry/ownership-"),
		}}
	case i.Ownership.State == schemas.OwnershipWaiting:
		return []schemas.SetupStep{{
			Text: "Several organizations are served with the same identity, so show that this destination is yours. Auditferry has put an object there. " + handIn + " The object:",
			Copy: i.Ownership.Challenge,
		}}
	}
	return nil
}

// check makes sure that nothing gets into a command that the contract would
// have refused.
func check(i schemas.Integration) error {
	d, err := schemas.ParseDestination(i.Destination.URL())
	if err != nil {
		return err
	}
	if d != i.Destination || d.Cloud != i.Cloud {
		return fmt.Errorf("the destination %q is none on %q", i.Destination, i.Cloud)
	}
	grant := i.Grant
	switch { // what is not known yet is not wrong
	case i.Cloud == schemas.AWS && grant.RoleARN == "":
		grant.RoleARN = anyRole
	case i.Cloud == schemas.Azure && grant.TenantID == "":
		grant.TenantID = anyTenant
	}
	errs := []error{grant.Validate(i.Cloud)}
	if i.Credentials != nil {
		errs = append(errs, i.Credentials.Validate(i.Cloud))
	}
	return errors.Join(errs...)
}

// anyTenant and anyRole stand in for what is still to be entered; they are
// shown nowhere.
const (
	anyTenant = "11111111-1111-4111-8111-111111111111"
	anyRole   = "arn:aws:iam::123456789012:role/any"
)
