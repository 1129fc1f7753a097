package setup

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/auditferry/auditferry/schemas"
)

// placeholderRoleARN stands for a role that the admin has not made yet.
const placeholderRoleARN = "arn:aws:iam::" + placeholderAccount + ":role/auditferry-audit-export"

const (
	// placeholderAccount is no account ID: pasted as it is, it lets nobody in.
	placeholderAccount    = "<your AWS account ID>"
	placeholderExternalID = "0000"
)

// inlinePolicyName is the same for all: a role serves one integration, because
// its trust policy names one external ID.
const inlinePolicyName = "auditferry-audit-export"

// awsSetup is what the documents and steps of AWS are made of.
type awsSetup struct {
	Destination schemas.Destination
	Ready       bool // the credentials are there
	RoleKnown   bool // the role ARN is there
	SelfTrust   bool // the role has to trust its own account, which is not known

	RoleARN    string
	RolePath   string // begins and ends with a slash
	RoleName   string
	Account    string // the role's
	Owner      string // the bucket's account, if it is another
	Partition  string // aws, aws-cn, aws-us-gov
	Trusted    string // who may assume the role
	ExternalID string
	PolicyName string

	BucketARN  string
	ObjectsARN string // of everything in the folder
	Listed     string // pattern of the prefixes to list; "" is any

	PermissionPolicy string
	TrustPolicy      string
}

func newAWS(i schemas.Integration) awsSetup {
	a := awsSetup{
		Destination: i.Destination,
		Ready:       i.Credentials != nil,
		RoleKnown:   i.Grant.RoleARN != "",
		RoleARN:     i.Grant.RoleARN,
		PolicyName:  inlinePolicyName,
	}
	if !a.RoleKnown {
		a.RoleARN = placeholderRoleARN
		a.SelfTrust = !a.Ready
	}
	parts := strings.SplitN(a.RoleARN, ":", 6) // arn:partition:iam::account:role/path/name
	a.Partition, a.Account = parts[1], parts[4]
	path := strings.TrimPrefix(parts[5], "role")
	name := strings.LastIndex(path, "/") + 1
	a.RolePath, a.RoleName = path[:name], path[name:]
	if i.Grant.BucketOwner != a.Account {
		a.Owner = i.Grant.BucketOwner
	}
	a.Trusted, a.ExternalID = fmt.Sprintf("arn:%s:iam::%s:root", a.Partition, a.Account), placeholderExternalID
	if a.Ready {
		a.Trusted, a.ExternalID = i.Credentials.AWS.IAMUserARN, i.Credentials.AWS.ExternalID
	}
	a.BucketARN = fmt.Sprintf("arn:%s:s3:::%s", a.Partition, i.Destination.Bucket)
	a.ObjectsARN = a.BucketARN + "/" + i.Destination.Key("*")
	if i.Destination.Prefix != "" {
		a.Listed = i.Destination.Key("*")
	}
	return a
}

// describe adds values and steps to the guide, and returns the documents.
func (a awsSetup) describe(guide *schemas.SetupGuide) ([]schemas.SetupDocument, error) {
	if a.Ready {
		guide.Values = append(guide.Values,
			schemas.SetupValue{Name: "External ID", Value: a.ExternalID},
			schemas.SetupValue{Name: "IAM user ARN", Value: a.Trusted})
	}
	if a.RoleKnown {
		guide.Values = append(guide.Values, schemas.SetupValue{Name: "Role ARN", Value: a.RoleARN})
	}
	if a.Owner != "" {
		guide.Values = append(guide.Values, schemas.SetupValue{Name: "Bucket owner", Value: a.Owner})
	}
	guide.Steps = a.steps()
	return a.documents()
}

func (a awsSetup) steps() []schemas.SetupStep {
	if a.Ready {
		return append(a.stepsOfRole(), a.stepsOfTrust()...)
	}
	steps := []schemas.SetupStep{
		{Text: "In the AWS console, open IAM > Policies, choose Create policy, then JSON, and replace the document with this one. Call the policy " + a.PolicyName + ".",
			Link: a.console("#/policies"), Document: AWSPermissionPolicy},
		{Text: fmt.Sprintf("Open IAM > Roles and choose Create role, then AWS account. As the account, keep your own for now%s.", a.inBrackets()),
			Link: a.console("#/roles")},
		{Text: "Select Require external ID, and enter a placeholder for now:", Copy: a.ExternalID},
		{Text: "Choose Next, select the policy " + a.PolicyName + ", choose Next, and create the role under this name:", Copy: a.RoleName},
	}
	steps = append(steps, a.stepsOfBucket()...)
	if !a.RoleKnown {
		steps = append(steps, schemas.SetupStep{Text: "Copy the ARN from the role's page and enter it as the integration's role ARN. Then create the integration."})
	}
	return append(steps, schemas.SetupStep{
		Text: "Wait until the credentials are there. This guide then has the trust policy that lets Auditferry assume the role, in place of your own account and the placeholder.",
	})
}

// inBrackets names the account where it is known.
func (a awsSetup) inBrackets() string {
	if !a.RoleKnown {
		return ""
	}
	return " (" + a.Account + ")"
}

// stepsOfRole repeats in short what was to be done before the credentials
// came.
func (a awsSetup) stepsOfRole() []schemas.SetupStep {
	return append([]schemas.SetupStep{{
		Text: fmt.Sprintf("In the AWS console of account %s, open IAM > Roles. If the role %s is missing, create it: AWS account, Require external ID, any placeholder. Make sure that its Permissions tab lists a policy with this content; if not, choose Add permissions > Create inline policy > JSON and paste it:",
			a.Account, a.RoleName),
		Link: a.rolePage("permissions"), Document: AWSPermissionPolicy,
	}}, a.stepsOfBucket()...)
}

func (a awsSetup) stepsOfBucket() []schemas.SetupStep {
	if a.Owner == "" {
		return nil
	}
	return []schemas.SetupStep{{
		Text: fmt.Sprintf("The bucket is in another account than the role. In account %s, open S3 > Buckets > %s > Permissions > Bucket policy > Edit and add these statements to what is there:",
			a.Owner, a.Destination.Bucket),
		Document: AWSBucketPolicy,
	}}
}

func (a awsSetup) stepsOfTrust() []schemas.SetupStep {
	return []schemas.SetupStep{
		{Text: "On the role's page, open the Trust relationships tab, choose Edit trust policy and replace the document with this one:",
			Link: a.rolePage("trust_relationships"), Document: AWSTrustPolicy},
		{Text: "Choose Update policy. It takes effect within a few minutes."},
	}
}

func (a awsSetup) documents() ([]schemas.SetupDocument, error) {
	var documents []schemas.SetupDocument
	for _, d := range []struct {
		name, title, filename string
		content               func() (string, error)
	}{
		{AWSPermissionPolicy, "Permission policy of the role", "permission-policy.json", a.permissionPolicy},
		{AWSPermissionPolicyReference, "Permission policy of the role, short form", "permission-policy-reference.json", a.referencePolicy},
		{AWSBucketPolicy, "Statements for the bucket's policy", "bucket-policy.json", a.bucketPolicy},
		{AWSTrustPolicy, "Trust policy of the role", "trust-policy.json", a.trustPolicy},
	} {
		if d.name == AWSBucketPolicy && a.Owner == "" {
			continue
		}
		content, err := d.content()
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", d.name, err)
		}
		documents = append(documents, schemas.SetupDocument{Name: d.name, Title: d.title, Format: schemas.SetupJSON, Filename: d.filename, Content: content})
		switch d.name {
		case AWSPermissionPolicy:
			a.PermissionPolicy = strings.TrimSpace(content)
		case AWSTrustPolicy:
			a.TrustPolicy = strings.TrimSpace(content)
		}
	}
	return appendFilled(documents, a,
		schemas.SetupDocument{Name: AWSCLI, Title: "Everything, by the AWS CLI", Format: schemas.SetupShell, Filename: "auditferry-aws.sh"},
		schemas.SetupDocument{Name: AWSTerraform, Title: "Everything, by Terraform", Format: schemas.SetupTerraform, Filename: "auditferry-aws.tf"})
}

// appendFilled fills the templates of the given documents.
func appendFilled(documents []schemas.SetupDocument, data any, unfilled ...schemas.SetupDocument) ([]schemas.SetupDocument, error) {
	for _, d := range unfilled {
		filled, err := fill(d, data)
		if err != nil {
			return nil, err
		}
		documents = append(documents, filled)
	}
	return documents, nil
}

// console is a place in the IAM console, which each partition has its own of.
func (a awsSetup) console(fragment string) string {
	host := "console.aws.amazon.com"
	switch a.Partition {
	case "aws-cn":
		host = "console.amazonaws.cn"
	case "aws-us-gov":
		host = "console.amazonaws-us-gov.com"
	}
	return "https://" + host + "/iam/home" + fragment
}

func (a awsSetup) rolePage(section string) string {
	return a.console("#/roles/details/" + url.PathEscape(a.RoleName) + "?section=" + section)
}
