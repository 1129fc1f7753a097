package setup_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/setup"
	"github.com/auditferry/auditferry/schemas"
)

// The text that admins know from documentation of such integrations.
const referencePolicy = `{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Action": [
                "s3:ListBucket",
                "s3:GetBucketLocation"
            ],
            "Effect": "Allow",
            "Resource": "arn:aws:s3:::{{bucket}}",
            "Condition": {
                "StringLike": {
                    "s3:prefix": [
                        "{{prefix}}/*"
                    ]
                }
            }
        },
        {
            "Action": [
                "s3:PutObject",
                "s3:DeleteObject"
            ],
            "Effect": "Allow",
            "Resource": "arn:aws:s3:::{{bucket}}/{{prefix}}/*"
        }
    ]
}
`

const referenceTrust = `{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {
                "AWS": "<iam_user_arn>"
            },
            "Action": "sts:AssumeRole",
            "Condition": {
                "StringEquals": {
                    "sts:ExternalId": "<external_id>"
                }
            }
        }
    ]
}
`

func TestReferencePolicyIsItsText(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"audit", "audit/logs", oddPrefix} {
		want := strings.NewReplacer("{{bucket}}", "acme-logs", "{{prefix}}", prefix).Replace(referencePolicy)
		require.Equal(t, want, document(t, integration(t, "s3://acme-logs/"+prefix), setup.AWSPermissionPolicyReference))
	}
}

func TestTrustPolicyIsItsText(t *testing.T) {
	t.Parallel()
	want := strings.NewReplacer("<iam_user_arn>", userARN, "<external_id>", externalID).Replace(referenceTrust)
	require.Equal(t, want, document(t, integration(t, onAWS), setup.AWSTrustPolicy))
}

// Before there are credentials, the role trusts its own account.
func TestTrustPolicyBeforeCredentials(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		integration schemas.Integration
		principal   string
	}{
		{without(integration(t, onAWS)), "arn:aws:iam::210987654321:root"},
		{preview(integration(t, onAWS)), "arn:aws:iam::<your AWS account ID>:root"},
	} {
		want := strings.NewReplacer("<iam_user_arn>", c.principal, "<external_id>", "0000").Replace(referenceTrust)
		require.Equal(t, want, document(t, c.integration, setup.AWSTrustPolicy))
	}
}

type object = map[string]any
type list = []any

// permissionsOf is what the permission policy has to say, word for word.
func permissionsOf(bucket, prefix string) object {
	location := object{"Effect": "Allow", "Action": list{"s3:GetBucketLocation"}, "Resource": bucket}
	listing := object{"Effect": "Allow", "Action": list{"s3:ListBucket"}, "Resource": bucket}
	write := object{"Effect": "Allow", "Action": list{"s3:PutObject", "s3:DeleteObject"}, "Resource": bucket + "/*"}
	if prefix != "" {
		listing["Condition"] = object{"StringLike": object{"s3:prefix": list{prefix + "/*"}}}
		write["Resource"] = bucket + "/" + prefix + "/*"
	}
	return object{"Version": "2012-10-17", "Statement": list{location, listing, write}}
}

func trustOf(principal, external string) object {
	return object{"Version": "2012-10-17", "Statement": list{object{
		"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": object{"AWS": principal},
		"Condition": object{"StringEquals": object{"sts:ExternalId": external}},
	}}}
}

func parsed(t *testing.T, text string) object {
	t.Helper()
	var v object
	require.NoError(t, json.Unmarshal([]byte(text), &v))
	return v
}

func TestPermissionPolicy(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"", "audit/logs", oddPrefix} {
		i := integration(t, "s3://acme-logs/"+prefix)
		require.Equal(t, permissionsOf("arn:aws:s3:::acme-logs", prefix), parsed(t, document(t, i, setup.AWSPermissionPolicy)), prefix)
		i.Grant.RoleARN = "arn:aws-us-gov:iam::210987654321:role/audit-export"
		require.Equal(t, permissionsOf("arn:aws-us-gov:s3:::acme-logs", prefix), parsed(t, document(t, i, setup.AWSPermissionPolicy)), "the role's partition is the bucket's")
	}
}

// Without a folder, nothing limits what is listed.
func TestReferencePolicyWithoutPrefix(t *testing.T) {
	t.Parallel()
	got := parsed(t, document(t, integration(t, "s3://acme-logs/"), setup.AWSPermissionPolicyReference))
	require.Equal(t, object{"Version": "2012-10-17", "Statement": list{
		object{"Effect": "Allow", "Action": list{"s3:ListBucket", "s3:GetBucketLocation"}, "Resource": "arn:aws:s3:::acme-logs"},
		object{"Effect": "Allow", "Action": list{"s3:PutObject", "s3:DeleteObject"}, "Resource": "arn:aws:s3:::acme-logs/*"},
	}}, got)
}

// A bucket of another account has to let the role in; one of the role's own
// needs no more than the role's policy.
func TestBucketPolicy(t *testing.T) {
	t.Parallel()
	want := permissionsOf("arn:aws:s3:::acme-logs", "audit/logs")
	for n, sid := range []string{"AuditferryLocation", "AuditferryList", "AuditferryWrite"} {
		statement := want["Statement"].(list)[n].(object)
		statement["Sid"], statement["Principal"] = sid, object{"AWS": roleARN}
	}
	other := inBucketOf(integration(t, onAWS), "555566667777")
	require.Equal(t, want, parsed(t, document(t, other, setup.AWSBucketPolicy)))

	for _, i := range []schemas.Integration{integration(t, onAWS), inBucketOf(integration(t, onAWS), "210987654321")} {
		_, ok := guide(t, i).Document(setup.AWSBucketPolicy)
		require.False(t, ok)
	}
}

// IAM takes no character beyond Latin-1 in a policy, but reads escaped ones.
func TestPoliciesAreLatin1(t *testing.T) {
	t.Parallel()
	const prefix = "監査/🦀/ü"
	i := integration(t, "s3://acme-logs/"+prefix)
	text := document(t, i, setup.AWSPermissionPolicy)
	for _, r := range text {
		require.LessOrEqual(t, r, rune(unicode.MaxLatin1))
	}
	require.Equal(t, permissionsOf("arn:aws:s3:::acme-logs", prefix), parsed(t, text))
}
