// Package setup words what an admin does in their own cloud so that an
// integration may write: the steps through the console, and the same as
// policies, commands and Terraform, with every value filled in.
//
// Nothing here reads a clock, a file or a network: the same integration gives
// the same guide.
package setup

import (
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
// Only cloud, destination, grant and credentials are read, so a guide can be
// shown before the integration exists. Without credentials it is not Ready:
// documents and steps have placeholders, and Values holds only what the admin
// has entered. It fails when cloud, destination and credentials are not of one
// cloud.
func Guide(i schemas.Integration) (schemas.SetupGuide, error) {
	guide := schemas.SetupGuide{
		Cloud:       i.Cloud,
		Destination: i.Destination,
		Ready:       i.Credentials != nil,
		Values:      []schemas.SetupValue{{Name: "Destination", Value: i.Destination.URL()}},
		Steps:       []schemas.SetupStep{},
		Documents:   []schemas.SetupDocument{},
	}
	if i.Destination.Cloud != i.Cloud {
		return schemas.SetupGuide{}, fmt.Errorf("write the setup guide: the destination %q is not on %q", i.Destination, i.Cloud)
	}
	return guide, nil
}
