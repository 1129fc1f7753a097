package setup

// Policies of IAM, with their members in the order in which its documentation
// and the console write them.

const policyVersion = "2012-10-17" // of the policy language; not a date of ours

type policy[S any] struct {
	Version   string
	Statement []S
}

type permission struct {
	Sid       string     `json:",omitempty"`
	Principal *principal `json:",omitempty"`
	Action    []string
	Effect    string
	Resource  string
	Condition *prefixCondition `json:",omitempty"`
}

type principal struct{ AWS string }

type prefixCondition struct{ StringLike prefixes }

type prefixes struct {
	Prefix []string `json:"s3:prefix"`
}

type trust struct {
	Effect    string
	Principal principal
	Action    string
	Condition trustCondition
}

type trustCondition struct{ StringEquals externalIDs }

type externalIDs struct {
	ExternalID string `json:"sts:ExternalId"`
}

const allow = "Allow"

// permissionPolicy lets a role write, list and delete in the folder, and find
// out where the bucket is. A request for a bucket's location has no prefix, so
// under the condition of listing it would never be granted: it stands alone.
func (a awsSetup) permissionPolicy() (string, error) {
	return indentedJSON(policy[permission]{policyVersion, a.permissions()})
}

func (a awsSetup) permissions() []permission {
	return []permission{
		{Action: []string{"s3:GetBucketLocation"}, Effect: allow, Resource: a.BucketARN},
		{Action: []string{"s3:ListBucket"}, Effect: allow, Resource: a.BucketARN, Condition: a.inFolder()},
		{Action: []string{"s3:PutObject", "s3:DeleteObject"}, Effect: allow, Resource: a.ObjectsARN},
	}
}

// referencePolicy is the form that such integrations are usually documented
// with.
func (a awsSetup) referencePolicy() (string, error) {
	return indentedJSON(policy[permission]{policyVersion, []permission{
		{Action: []string{"s3:ListBucket", "s3:GetBucketLocation"}, Effect: allow, Resource: a.BucketARN, Condition: a.inFolder()},
		{Action: []string{"s3:PutObject", "s3:DeleteObject"}, Effect: allow, Resource: a.ObjectsARN},
	}})
}

// bucketPolicy is what the bucket's account has to say when it is not the
// role's: both must allow.
func (a awsSetup) bucketPolicy() (string, error) {
	statements := a.permissions()
	for i, sid := range []string{"AuditferryLocation", "AuditferryList", "AuditferryWrite"} {
		statements[i].Sid = sid // so that they are recognized among others
		statements[i].Principal = &principal{a.RoleARN}
	}
	return indentedJSON(policy[permission]{policyVersion, statements})
}

// inFolder needs no escaping: a destination's folder has none of the
// characters that IAM reads as wildcards or variables.
func (a awsSetup) inFolder() *prefixCondition {
	if a.Listed == "" {
		return nil
	}
	return &prefixCondition{prefixes{[]string{a.Listed}}}
}

func (a awsSetup) trustPolicy() (string, error) {
	return indentedJSON(policy[trust]{policyVersion, []trust{{
		Effect:    allow,
		Principal: principal{a.Trusted},
		Action:    "sts:AssumeRole",
		Condition: trustCondition{externalIDs{a.ExternalID}},
	}}})
}
