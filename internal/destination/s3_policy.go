package destination

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

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
			// S3 asks for this in the session's name when the bucket encrypts
			// with KMS. It adds nothing to the role; without it the session
			// would lack what the role or the key's own policy allows.
			{Effect: "Allow", Action: []string{"kms:GenerateDataKey"}, Resource: "*", Condition: map[string]map[string]string{
				"StringLike": {"kms:ViaService": "s3.*.amazonaws.com*"},
			}},
		},
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // STS takes 2,048 characters
	if err := encoder.Encode(document); err != nil {
		return "", fmt.Errorf("write the session policy: %w", err)
	}
	return asciiJSON(strings.TrimSpace(text.String())), nil
}

// asciiJSON escapes what STS does not take in a policy: all characters above
// U+00FF.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
func asciiJSON(text string) string {
	var ascii strings.Builder
	for _, r := range text {
		if r < utf8.RuneSelf {
			ascii.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&ascii, `\u%04x`, unit)
		}
	}
	return ascii.String()
}

// bucketARN is in the role's partition, since no grant reaches across.
func bucketARN(t Target) string {
	partition := "aws"
	if role, err := arn.Parse(t.Grant.RoleARN); err == nil {
		partition = role.Partition
	}
	return "arn:" + partition + ":s3:::" + t.Destination.Bucket
}
