package destination

import (
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

type policyDocument struct {
	Version   string
	Statement []policyStatement
}

type policyStatement struct {
	Effect    string
	Action    []string
	Resource  string
	Condition map[string]map[string]string `json:",omitempty"`
}

// sessionPolicy narrows the assumed session to what one destination needs, so
// that a role which allows more than asked for gives nothing more away.
func sessionPolicy(t Target) (string, error) {
	bucket := bucketARN(t)
	list := policyStatement{Effect: "Allow", Action: []string{"s3:ListBucket"}, Resource: bucket}
	if t.Destination.Prefix != "" {
		list.Condition = map[string]map[string]string{"StringLike": {"s3:prefix": t.Destination.Key("*")}}
	}
	document := policyDocument{
		Version: "2012-10-17",
		Statement: []policyStatement{
			list,
			{Effect: "Allow", Action: []string{"s3:PutObject", "s3:DeleteObject"}, Resource: bucket + "/" + t.Destination.Key("*")},
		},
	}
	text, err := json.Marshal(document)
	if err != nil {
		return "", fmt.Errorf("write the session policy: %w", err)
	}
	return string(text), nil
}

// bucketARN is in the role's partition, since no grant reaches across.
func bucketARN(t Target) string {
	partition := "aws"
	if role, err := arn.Parse(t.Grant.RoleARN); err == nil {
		partition = role.Partition
	}
	return "arn:" + partition + ":s3:::" + t.Destination.Bucket
}
