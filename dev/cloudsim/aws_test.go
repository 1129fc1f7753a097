package cloudsim_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/cloudsim"
)

const (
	ourExternalID = "acme-7Yw2"

	// The documents of the reference, placeholders filled in.
	trustPolicy = `{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {
                "AWS": "` + serviceUser + `"
            },
            "Action": "sts:AssumeRole",
            "Condition": {
                "StringEquals": {
                    "sts:ExternalId": "` + ourExternalID + `"
                }
            }
        }
    ]
}`
	referencePolicy = `{
       "Version": "2012-10-17",
       "Statement": [
           {
               "Action": [
                   "s3:ListBucket",
                   "s3:GetBucketLocation"
               ],
               "Effect": "Allow",
               "Resource": "arn:aws:s3:::%[1]s",
               "Condition": {
                   "StringLike": {
                       "s3:prefix": [
                           "%[2]s/*"
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
               "Resource": "arn:aws:s3:::%[1]s/%[2]s/*"
           }
       ]
   }`
	everythingPolicy = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`
)

func newRoleARN() string { return "arn:aws:iam::111122223333:role/" + unique("audit") }

func (w world) root() *s3.Client {
	return w.s3Client(w.stores.S3.Endpoint, credentials.NewStaticCredentialsProvider(w.stores.S3.AccessKeyID, w.stores.S3.SecretAccessKey, ""))
}

func (w world) s3Client(endpoint string, provider aws.CredentialsProvider) *s3.Client {
	return s3.New(s3.Options{
		Region: w.stores.S3.Region, BaseEndpoint: aws.String(endpoint), UsePathStyle: true,
		Credentials: provider, RetryMaxAttempts: 1,
	})
}

func (w world) stsClient(accessKeyID, secret string) *sts.Client {
	return sts.New(sts.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(w.at.STS), HTTPClient: w.HTTPClient(),
		Credentials: credentials.NewStaticCredentialsProvider(accessKeyID, secret, ""), RetryMaxAttempts: 1,
	})
}

// assume gives the role's credentials as the product gets them.
func (w world) assume(arn string, options ...func(*stscreds.AssumeRoleOptions)) *aws.CredentialsCache {
	ours := func(o *stscreds.AssumeRoleOptions) { o.ExternalID = aws.String(ourExternalID) }
	return aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(
		w.stsClient("AKIASERVICE", "service-secret"), arn, append([]func(*stscreds.AssumeRoleOptions){ours}, options...)...))
}

func (w world) bucket(t *testing.T) string {
	t.Helper()
	name := unique("audit")
	_, err := w.root().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name})
	require.NoError(t, err)
	return name
}

func (w world) putRole(t *testing.T, trust, permissions string) (arn string) {
	t.Helper()
	arn = newRoleARN()
	require.NoError(t, w.PutRole(t.Context(), cloudsim.Role{ARN: arn, TrustPolicy: trust, PermissionPolicy: permissions}))
	return arn
}

func put(ctx context.Context, c *s3.Client, bucket, key string) error {
	_, err := c.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &bucket, Key: &key, Body: strings.NewReader("event"), IfNoneMatch: aws.String("*"),
	})
	return err
}

func list(ctx context.Context, c *s3.Client, bucket, prefix string) ([]string, error) {
	out, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
	if err != nil {
		return nil, err
	}
	var keys []string
	for _, object := range out.Contents {
		keys = append(keys, *object.Key)
	}
	return keys, nil
}

// requireCode checks the cloud's own error code.
func requireCode(t *testing.T, code string, err error) {
	t.Helper()
	var api smithy.APIError
	require.ErrorAs(t, err, &api)
	require.Equal(t, code, api.ErrorCode(), "%v", err)
}

func TestAssumeRoleAsksTheTrustPolicy(t *testing.T) {
	t.Parallel()
	w := setup(t)
	withoutCondition := strings.Replace(trustPolicy, "StringEquals", "StringLike", 1)
	withoutCondition = strings.Replace(withoutCondition, `"`+ourExternalID+`"`, `"*"`, 1)
	anyone := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":%q},"Action":"sts:AssumeRole"}]}`, serviceUser)
	placeholder := strings.NewReplacer(serviceUser, "arn:aws:iam::111122223333:root", ourExternalID, "0000").Replace(trustPolicy)
	denies := strings.Replace(anyone, `"Statement":[`, fmt.Sprintf(`"Statement":[{"Effect":"Deny","Principal":{"AWS":%q},"Action":"sts:*"},`, serviceUser), 1)

	for name, c := range map[string]struct {
		trust                 string
		right, wrong, missing bool
	}{
		"reference":            {trustPolicy, true, false, false},
		"no condition":         {anyone, true, true, true},
		"any external ID":      {withoutCondition, true, true, false},
		"placeholder values":   {placeholder, false, false, false},
		"our account":          {strings.Replace(trustPolicy, serviceUser, "arn:aws:iam::999988887777:root", 1), true, false, false},
		"explicit deny":        {denies, false, false, false},
		"everybody":            {strings.Replace(anyone, fmt.Sprintf("{\"AWS\":%q}", serviceUser), `"*"`, 1), true, true, true},
		"another service user": {strings.Replace(trustPolicy, "user/auditferry", "user/else", 1), false, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			arn := w.putRole(t, c.trust, everythingPolicy)
			for id, want := range map[*string]bool{aws.String(ourExternalID): c.right, aws.String("wrong"): c.wrong, nil: c.missing} {
				_, err := w.assume(arn, func(o *stscreds.AssumeRoleOptions) { o.ExternalID = id }).Retrieve(t.Context())
				if want {
					require.NoError(t, err)
					continue
				}
				requireCode(t, "AccessDenied", err)
				require.ErrorContains(t, err, "is not authorized to perform: sts:AssumeRole")
			}
		})
	}
}

func TestAssumeRoleRefusals(t *testing.T) {
	t.Parallel()
	w := setup(t)
	arn := w.putRole(t, trustPolicy, everythingPolicy)
	input := func(change func(*sts.AssumeRoleInput)) *sts.AssumeRoleInput {
		in := &sts.AssumeRoleInput{RoleArn: &arn, RoleSessionName: aws.String("test"), ExternalId: aws.String(ourExternalID)}
		change(in)
		return in
	}
	for name, c := range map[string]struct {
		key, secret string
		in          *sts.AssumeRoleInput
		code        string
	}{
		"unknown role":     {"AKIASERVICE", "service-secret", input(func(in *sts.AssumeRoleInput) { in.RoleArn = aws.String(arn + "x") }), "AccessDenied"},
		"unknown key":      {"AKIAOTHER", "service-secret", input(func(*sts.AssumeRoleInput) {}), "InvalidClientTokenId"},
		"wrong secret":     {"AKIASERVICE", "other", input(func(*sts.AssumeRoleInput) {}), "SignatureDoesNotMatch"},
		"short duration":   {"AKIASERVICE", "service-secret", input(func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(60) }), "ValidationError"},
		"bad session name": {"AKIASERVICE", "service-secret", input(func(in *sts.AssumeRoleInput) { in.RoleSessionName = aws.String("a b") }), "ValidationError"},
		"bad policy":       {"AKIASERVICE", "service-secret", input(func(in *sts.AssumeRoleInput) { in.Policy = aws.String("{}") }), "MalformedPolicyDocument"},
		"long policy":      {"AKIASERVICE", "service-secret", input(func(in *sts.AssumeRoleInput) { in.Policy = aws.String(strings.Repeat(" ", 2049)) }), "ValidationError"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := w.stsClient(c.key, c.secret).AssumeRole(t.Context(), c.in)
			requireCode(t, c.code, err)
		})
	}
}

// The reference's policy is all that an exporter has, and it is enforced.
func TestReferencePolicyIsEnforced(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ctx, bucket := t.Context(), w.bucket(t)
	arn := w.putRole(t, trustPolicy, fmt.Sprintf(referencePolicy, bucket, "logs/acme"))
	c := w.s3Client(w.at.S3, w.assume(arn))

	require.NoError(t, put(ctx, c, bucket, "logs/acme/a b+c=ü.ndjson"))
	requireCode(t, "PreconditionFailed", put(ctx, c, bucket, "logs/acme/a b+c=ü.ndjson"))
	requireCode(t, "AccessDenied", put(ctx, c, bucket, "logs/other/a"))
	requireCode(t, "AccessDenied", put(ctx, c, bucket, "logs/acme"))

	keys, err := list(ctx, c, bucket, "logs/acme/")
	require.NoError(t, err)
	require.Equal(t, []string{"logs/acme/a b+c=ü.ndjson"}, keys)
	for _, prefix := range []string{"", "logs/", "logs/acme", "logs/other/"} {
		_, err = list(ctx, c, bucket, prefix)
		requireCode(t, "AccessDenied", err)
	}

	key := "logs/acme/a b+c=ü.ndjson"
	_, err = c.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	requireCode(t, "AccessDenied", err)
	_, err = c.GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: &bucket})
	requireCode(t, "AccessDenied", err)
	upload, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: &key})
	require.NoError(t, err)
	_, err = c.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &bucket, Key: &key, UploadId: upload.UploadId})
	requireCode(t, "AccessDenied", err)
	_, err = c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: &key})
	require.NoError(t, err)

	require.Equal(t, []string{
		"sts:AssumeRole", "s3:PutObject", "s3:ListBucket", "s3:GetObject", "s3:GetBucketLocation",
		"s3:AbortMultipartUpload", "s3:DeleteObject",
	}, w.permissions("aws"))
}

// A session may do what the role and the session policy both allow.
func TestSessionPolicyNarrows(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ctx, bucket := t.Context(), w.bucket(t)
	narrow := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":["s3:ListBucket"],"Resource":"arn:aws:s3:::%[1]s","Condition":{"StringLike":{"s3:prefix":"logs/*"}}},
		{"Effect":"Allow","Action":["s3:PutObject","s3:DeleteObject"],"Resource":"arn:aws:s3:::%[1]s/logs/*"}]}`, bucket)
	withPolicy := func(policy string) func(*stscreds.AssumeRoleOptions) {
		return func(o *stscreds.AssumeRoleOptions) { o.Policy = &policy }
	}

	t.Run("a wide role", func(t *testing.T) {
		t.Parallel()
		c := w.s3Client(w.at.S3, w.assume(w.putRole(t, trustPolicy, everythingPolicy), withPolicy(narrow)))
		require.NoError(t, put(ctx, c, bucket, "logs/wide"))
		requireCode(t, "AccessDenied", put(ctx, c, bucket, "elsewhere/wide"))
		_, err := list(ctx, c, bucket, "logs/")
		require.NoError(t, err)
		for _, prefix := range []string{"", "elsewhere/"} {
			_, err = list(ctx, c, bucket, prefix)
			requireCode(t, "AccessDenied", err)
		}
		_, err = c.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: aws.String("logs/wide")})
		requireCode(t, "AccessDenied", err)
	})
	t.Run("a narrow role", func(t *testing.T) {
		t.Parallel()
		role := w.putRole(t, trustPolicy, fmt.Sprintf(referencePolicy, bucket, "logs/acme"))
		for _, policy := range []string{everythingPolicy, narrow} {
			c := w.s3Client(w.at.S3, w.assume(role, withPolicy(policy)))
			require.NoError(t, put(ctx, c, bucket, "logs/acme/"+unique("a")))
			requireCode(t, "AccessDenied", put(ctx, c, bucket, "logs/other"))
			_, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: aws.String("logs/acme/a")})
			requireCode(t, "AccessDenied", err)
		}
	})
}

func TestRoleChangesReachOpenSessions(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ctx, bucket := t.Context(), w.bucket(t)
	arn := w.putRole(t, trustPolicy, fmt.Sprintf(referencePolicy, bucket, "old"))
	c := w.s3Client(w.at.S3, w.assume(arn))
	require.NoError(t, put(ctx, c, bucket, "old/1"))

	require.NoError(t, w.PutRole(ctx, cloudsim.Role{ARN: arn, TrustPolicy: trustPolicy, PermissionPolicy: fmt.Sprintf(referencePolicy, bucket, "new")}))
	requireCode(t, "AccessDenied", put(ctx, c, bucket, "old/2"))
	require.NoError(t, put(ctx, c, bucket, "new/1"))

	require.NoError(t, w.DeleteRole(ctx, arn))
	require.NoError(t, w.DeleteRole(ctx, arn))
	requireCode(t, "InvalidAccessKeyId", put(ctx, c, bucket, "new/2"))
}

func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ctx, bucket := t.Context(), w.bucket(t)
	provider := w.assume(w.putRole(t, trustPolicy, everythingPolicy))
	c := w.s3Client(w.at.S3, provider)
	require.NoError(t, put(ctx, c, bucket, "1"))
	keys, err := provider.Retrieve(ctx)
	require.NoError(t, err)
	require.Empty(t, keys.SessionToken)

	require.NoError(t, w.EndExpired(ctx, keys.Expires.Add(-time.Minute)))
	require.NoError(t, put(ctx, c, bucket, "2"))
	require.NoError(t, w.EndExpired(ctx, keys.Expires.Add(time.Minute)))
	requireCode(t, "InvalidAccessKeyId", put(ctx, c, bucket, "3"))
}

func TestCallerIdentity(t *testing.T) {
	t.Parallel()
	w := setup(t)
	own, err := w.stsClient("AKIASERVICE", "service-secret").GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	require.NoError(t, err)
	require.Equal(t, serviceUser, *own.Arn)
	require.Equal(t, "999988887777", *own.Account)

	arn := w.putRole(t, trustPolicy, everythingPolicy)
	keys, err := w.assume(arn, func(o *stscreds.AssumeRoleOptions) { o.RoleSessionName = "run-1" }).Retrieve(t.Context())
	require.NoError(t, err)
	assumed, err := w.stsClient(keys.AccessKeyID, keys.SecretAccessKey).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	require.NoError(t, err)
	require.Equal(t, strings.Replace(arn, ":iam::111122223333:role/", ":sts::111122223333:assumed-role/", 1)+"/run-1", *assumed.Arn)
}

// A simulator that was killed leaves users behind; its next start in the same
// directory ends them, and the grants are still there.
func TestRestart(t *testing.T) {
	t.Parallel()
	w := world{stores: startStores(t)}
	ctx, bucket, dir := t.Context(), w.bucket(t), t.TempDir()
	w.Server = start(t, w.config(dir))
	w.at = w.Endpoints()
	arn := w.putRole(t, trustPolicy, everythingPolicy)
	c := w.s3Client(w.stores.S3.Endpoint, w.assume(arn))
	require.NoError(t, put(ctx, c, bucket, "1"))
	before := w.HTTPClient()

	again := w
	again.Server = start(t, w.config(dir))
	again.at = again.Endpoints()
	require.Equal(t, w.Grants(), again.Grants())
	resp, err := before.Get(again.at.Authority + "/x")
	require.NoError(t, err, "the certificate authority is the same")
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusNotFound, resp.StatusCode)

	_, err = again.assume(arn).Retrieve(ctx)
	require.NoError(t, err)
	requireCode(t, "InvalidAccessKeyId", put(ctx, c, bucket, "2"))
}

func TestUnreachableIAMIsUnavailable(t *testing.T) {
	t.Parallel()
	w := world{stores: startStores(t)}
	cfg := w.config("")
	cfg.AWS.IAMEndpoint = "http://127.0.0.1:1"
	w.Server = start(t, cfg)
	w.at = w.Endpoints()
	_, err := w.assume(w.putRole(t, trustPolicy, everythingPolicy)).Retrieve(t.Context())
	requireCode(t, "ServiceUnavailable", err)
	var response interface{ HTTPStatusCode() int }
	require.True(t, errors.As(err, &response))
	require.Equal(t, http.StatusServiceUnavailable, response.HTTPStatusCode())
}
