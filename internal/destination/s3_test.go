package destination_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/cloudsim"
	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/internal/destination/destinationtest"
	"github.com/auditferry/auditferry/schemas"
)

// referencePolicy is the reference document's, word for word.
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
   }`

// referenceTrust is the reference document's, word for word.
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
}`

func permissionPolicy(at schemas.Destination) string {
	return strings.NewReplacer("{{bucket}}", at.Bucket, "{{prefix}}", at.Prefix).Replace(referencePolicy)
}

func trustPolicy(externalID string) string {
	return strings.NewReplacer("<iam_user_arn>", serviceUserARN, "<external_id>", externalID).Replace(referenceTrust)
}

// awsTarget is a target whose role has the policy; without one there is no
// role.
func (l lab) awsTarget(t *testing.T, at schemas.Destination, policy string) destination.Target {
	t.Helper()
	target := destination.Target{
		Destination: at,
		Grant:       schemas.Grant{RoleARN: "arn:aws:iam::123456789012:role/" + unique("audit")},
		Credentials: schemas.Credentials{AWS: &schemas.AWSCredentials{ExternalID: unique("external"), IAMUserARN: serviceUserARN}},
	}
	if policy != "" {
		require.NoError(t, l.clouds.PutRole(t.Context(), cloudsim.Role{
			ARN: target.Grant.RoleARN, TrustPolicy: trustPolicy(target.Credentials.AWS.ExternalID), PermissionPolicy: policy,
		}))
	}
	return target
}

// pinned is the target once an owner has been pinned.
func pinned(target destination.Target, owner string) destination.Target {
	target.Owner = owner
	return target
}

func (l lab) awsBucket(t *testing.T) schemas.Destination {
	t.Helper()
	at := schemas.Destination{Cloud: schemas.AWS, Bucket: unique("acme"), Prefix: "audit/logs"}
	require.NoError(t, l.stores.CreateBucket(t.Context(), at))
	return at
}

// The policy of the reference is enough for everything, and versitygw enforces
// it.
func TestS3(t *testing.T) {
	t.Parallel()
	l := openLab(t)
	destinationtest.Run(t, func(t *testing.T) destinationtest.Place {
		at := l.awsBucket(t)
		missing := schemas.Destination{Cloud: schemas.AWS, Bucket: unique("missing"), Prefix: at.Prefix}
		network := &flaky{}
		o := l.opener(t, network, nil)
		undeletable := strings.ReplaceAll(permissionPolicy(at), `"s3:PutObject",
                   "s3:DeleteObject"`, `"s3:PutObject"`)
		require.NotContains(t, undeletable, "DeleteObject")
		return destinationtest.Place{
			Destination:  at,
			Owner:        "123456789012",
			Open:         open(o, l.awsTarget(t, at, permissionPolicy(at))),
			Changed:      open(o, pinned(l.awsTarget(t, at, permissionPolicy(at)), "210987654321")),
			Denied:       open(o, l.awsTarget(t, at, "")),
			Missing:      open(o, l.awsTarget(t, missing, permissionPolicy(missing))),
			Undeletable:  open(o, l.awsTarget(t, at, undeletable)),
			LoseResponse: func(*testing.T) { network.lose.Store(1) },
			Read:         l.read(at), Keys: l.keys(at), Store: l.store(at),
		}
	})
}

// What the admin has not granted is denied, step by step.
func TestS3ProbeNamesTheMissingPermission(t *testing.T) {
	t.Parallel()
	l := openLab(t)
	at := l.awsBucket(t)
	o := l.opener(t, &flaky{}, nil)
	elsewhere := at
	elsewhere.Prefix = "another/folder"
	unlisted := strings.Replace(permissionPolicy(at), "s3:ListBucket", "s3:GetObject", 1)

	wrongID := l.awsTarget(t, at, permissionPolicy(at))
	wrongID.Credentials.AWS = &schemas.AWSCredentials{ExternalID: "another-id", IAMUserARN: serviceUserARN}

	tests := map[string]struct {
		target destination.Target
		step   schemas.Step
		tells  string
	}{
		"no role":           {l.awsTarget(t, at, ""), "authenticate", "sts:AssumeRole"},
		"wrong external ID": {wrongID, "authenticate", "sts:ExternalId equals"},
		"other folder":      {l.awsTarget(t, at, permissionPolicy(elsewhere)), "write", "s3:PutObject on arn:aws:s3:::" + at.Bucket + "/audit/logs/*"},
		"no listing":        {l.awsTarget(t, at, unlisted), "list", "s3:ListBucket on arn:aws:s3:::" + at.Bucket},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := open(o, test.target)(t)
			report, err := d.Probe(t.Context(), nil)
			require.NoError(t, err)
			require.False(t, report.Granted)
			failure, _ := report.Failure()
			require.Equal(t, test.step, failure.Name, "%+v", report)
			require.Equal(t, schemas.KindDenied, failure.Kind)
			require.Equal(t, "AccessDenied", failure.Code)
			require.Contains(t, failure.Fix, test.tells)
			require.NotContains(t, failure.Explanation+failure.Fix, test.target.Credentials.AWS.ExternalID)
		})
	}
}

// Invariant 6: under a role that allows everything in the bucket, the session
// still reaches the destination's folder alone.
func TestS3SessionIsNarrowedToTheDestination(t *testing.T) {
	t.Parallel()
	l := openLab(t)
	at := l.awsBucket(t)
	everything := strings.NewReplacer("{{bucket}}", at.Bucket).Replace(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":["s3:*"],"Resource":["arn:aws:s3:::{{bucket}}","arn:aws:s3:::{{bucket}}/*"]}]}`)
	target := l.awsTarget(t, at, everything)
	report, err := open(l.opener(t, &flaky{}, nil), target)(t).Probe(t.Context(), nil)
	require.NoError(t, err)
	require.True(t, report.Granted, "%+v", report)

	policy, err := destination.SessionPolicy(target)
	require.NoError(t, err)
	ends := l.clouds.Endpoints()
	tokens := sts.New(sts.Options{
		Region: "us-east-1", BaseEndpoint: &ends.STS, HTTPClient: l.clouds.HTTPClient(),
		Credentials: credentials.NewStaticCredentialsProvider("AKIASERVICE", "service-secret", ""),
	})
	session := s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: &ends.S3, UsePathStyle: true,
		Credentials: stscreds.NewAssumeRoleProvider(tokens, target.Grant.RoleARN, func(o *stscreds.AssumeRoleOptions) {
			o.ExternalID, o.Policy = &target.Credentials.AWS.ExternalID, &policy
		}),
	})
	put := func(key string) error {
		_, err := session.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &at.Bucket, Key: &key, Body: strings.NewReader("x")})
		return err
	}
	require.NoError(t, put(at.Key("part")))
	require.ErrorContains(t, put("elsewhere"), "AccessDenied")
	require.ErrorContains(t, put(at.Prefix+"-other/part"), "AccessDenied")
	_, err = session.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &at.Bucket, Key: aws.String(at.Key("part"))})
	require.ErrorContains(t, err, "AccessDenied")
	_, err = session.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &at.Bucket})
	require.ErrorContains(t, err, "AccessDenied")
}

// A destination without a folder covers the whole bucket.
func TestS3WithoutPrefix(t *testing.T) {
	t.Parallel()
	l := openLab(t)
	at := l.awsBucket(t)
	at.Prefix = ""
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":["s3:ListBucket"],"Resource":"arn:aws:s3:::%[1]s"},
		{"Effect":"Allow","Action":["s3:PutObject","s3:DeleteObject"],"Resource":"arn:aws:s3:::%[1]s/*"}]}`, at.Bucket)
	d := open(l.opener(t, &flaky{}, nil), l.awsTarget(t, at, policy))(t)
	require.NoError(t, d.Put(t.Context(), "date=2026-01-01/part", destinationtest.NewObject([]byte("x"))))
	require.NoError(t, d.Put(t.Context(), "date=2026-01-01/part", destinationtest.NewObject([]byte("x"))))
	report, err := d.Probe(t.Context(), nil)
	require.NoError(t, err)
	require.True(t, report.Granted, "%+v", report)
}

// A policy that is as the reference's, but grants s3:GetBucketLocation where it
// can have an effect, works as well.
func TestS3WithLocationApart(t *testing.T) {
	t.Parallel()
	l := openLab(t)
	at := l.awsBucket(t)
	policy := strings.NewReplacer("{{bucket}}", at.Bucket, "{{prefix}}", at.Prefix).Replace(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"s3:GetBucketLocation","Resource":"arn:aws:s3:::{{bucket}}"},
		{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::{{bucket}}","Condition":{"StringLike":{"s3:prefix":["{{prefix}}/*"]}}},
		{"Effect":"Allow","Action":["s3:PutObject","s3:DeleteObject"],"Resource":"arn:aws:s3:::{{bucket}}/{{prefix}}/*"}]}`)
	report, err := open(l.opener(t, &flaky{}, nil), l.awsTarget(t, at, policy))(t).Probe(t.Context(), nil)
	require.NoError(t, err)
	require.True(t, report.Granted, "%+v", report)
}

// Invariant 6: a role that any customer of the service could name is refused,
// and nothing is written.
func TestS3RefusesRolesThatLetAnybodyIn(t *testing.T) {
	t.Parallel()
	l := openLab(t)
	trusting := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + serviceUserARN + `"},"Action":"sts:AssumeRole"%s}]}`
	tests := map[string]string{
		"no condition":    "",
		"any external ID": `,"Condition":{"StringLike":{"sts:ExternalId":"*"}}`,
		"another way in":  `,"Condition":{"StringEquals":{"sts:ExternalId":"%s"}}},{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"`,
	}
	for name, condition := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := l.awsBucket(t)
			target := l.awsTarget(t, at, permissionPolicy(at))
			condition = strings.ReplaceAll(condition, "%s", target.Credentials.AWS.ExternalID)
			require.NoError(t, l.clouds.PutRole(t.Context(), cloudsim.Role{
				ARN: target.Grant.RoleARN, TrustPolicy: fmt.Sprintf(trusting, condition), PermissionPolicy: permissionPolicy(at),
			}))
			for _, challenge := range []*destination.Challenge{nil, {Key: at.Key("challenge"), Content: []byte("code")}} {
				report, err := open(l.opener(t, &flaky{}, nil), target)(t).Probe(t.Context(), challenge)
				require.NoError(t, err)
				failure, _ := report.Failure()
				require.Equal(t, schemas.StepExternalID, failure.Name, "%+v", report)
				require.Equal(t, schemas.KindDenied, failure.Kind)
				require.Equal(t, destination.CodeExternalIDNotRequired, failure.Code)
				require.Empty(t, report.Owner)
				require.Empty(t, l.keys(at)(t))
			}
		})
	}
}

// Invariant 6: the bucket has to be of the role's account, or of the one that
// was named; the wrong one gets nothing, whatever it grants.
func TestS3RefusesBucketsOfOtherAccounts(t *testing.T) {
	t.Parallel()
	l := openLab(t)
	at := l.awsBucket(t)
	const theirs = "444455556666"
	require.NoError(t, l.clouds.SetBucketOwner(at.Bucket, theirs))
	target := l.awsTarget(t, at, permissionPolicy(at))
	o := l.opener(t, &flaky{}, nil)

	d := open(o, target)(t)
	report, err := d.Probe(t.Context(), nil)
	require.NoError(t, err)
	failure, _ := report.Failure()
	require.Equal(t, schemas.StepOwner, failure.Name, "%+v", report)
	require.Equal(t, destination.CodeOwnerMismatch, failure.Code)
	err = d.Put(t.Context(), at.Key("part"), destinationtest.NewObject([]byte("x")))
	require.Equal(t, destination.CodeOwnerMismatch, destination.CodeOf(err), "%v", err)
	require.Equal(t, schemas.KindDenied, destination.KindOf(err))
	require.Empty(t, l.keys(at)(t))

	target.Grant.BucketOwner = theirs
	report, err = open(o, target)(t).Probe(t.Context(), nil)
	require.NoError(t, err)
	require.True(t, report.Granted, "%+v", report)
	require.Equal(t, theirs, report.Owner)
}

// Nothing but the reference's permissions is ever asked for.
func TestS3AsksForNothingElse(t *testing.T) {
	t.Parallel()
	l := openLab(t)
	at := l.awsBucket(t)
	d := open(l.opener(t, &flaky{}, nil), l.awsTarget(t, at, permissionPolicy(at)))(t)
	l.store(at)(t, at.Key("theirs"), []byte("a"))
	require.Error(t, d.Put(t.Context(), at.Key("theirs"), destinationtest.NewObject([]byte("b"))))
	_, err := d.Probe(t.Context(), nil)
	require.NoError(t, err)
	_, err = d.Probe(t.Context(), &destination.Challenge{Key: at.Key("challenge"), Content: []byte("code")})
	require.NoError(t, err)
	sold := open(l.opener(t, &flaky{}, nil), pinned(l.awsTarget(t, at, permissionPolicy(at)), "210987654321"))(t)
	require.Error(t, sold.Put(t.Context(), at.Key("part"), destinationtest.NewObject(nil)))
	var asked []string
	for _, r := range l.clouds.Requests() {
		if strings.Contains(r.Resource, ":::"+at.Bucket) && !slices.Contains(asked, r.Permission) {
			asked = append(asked, r.Permission)
		}
	}
	require.ElementsMatch(t, []string{"s3:PutObject", "s3:ListBucket", "s3:DeleteObject"}, asked)
}
