package cloudsim_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/cloudsim"
)

// ownerCalls are what an exporter does in a bucket that it takes for owner's.
func ownerCalls(t *testing.T, c *s3.Client, bucket string, owner *string) map[string]func() error {
	t.Helper()
	ctx := t.Context()
	return map[string]func() error{
		"put": func() error {
			_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("logs/a b+c=ü.ndjson"), Body: strings.NewReader("event"), ExpectedBucketOwner: owner})
			return err
		},
		"list": func() error {
			_, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: aws.String("logs/a b+c=ü"), ExpectedBucketOwner: owner})
			return err
		},
		"delete": func() error {
			_, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: aws.String("logs/a b+c=ü.ndjson"), ExpectedBucketOwner: owner})
			return err
		},
		"location": func() error {
			_, err := c.GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: &bucket, ExpectedBucketOwner: owner})
			return err
		},
	}
}

// The owner that a caller expects is compared with the bucket's, for sessions
// and for the root key, on every call.
func TestExpectedBucketOwner(t *testing.T) {
	t.Parallel()
	w := setup(t)
	bucket, moved := w.bucket(t), w.bucket(t)
	require.NoError(t, w.SetBucketOwner(moved, "444455556666"))
	root := credentials.NewStaticCredentialsProvider(w.stores.S3.AccessKeyID, w.stores.S3.SecretAccessKey, "")
	session := w.assume(w.putRole(t, trustPolicy, everythingPolicy))
	for name, provider := range map[string]aws.CredentialsProvider{"root": root, "session": session} {
		c := w.s3Client(w.at.S3, provider)
		for place, owner := range map[string]string{bucket: cloudsim.DefaultBucketOwner, moved: "444455556666"} {
			for _, right := range []*string{&owner, nil} {
				for call, do := range ownerCalls(t, c, place, right) {
					require.NoError(t, do(), "%s %s", name, call)
				}
			}
			for call, do := range ownerCalls(t, c, place, aws.String("999900001111")) {
				err := do()
				requireCode(t, "AccessDenied", err)
				var response interface{ HTTPStatusCode() int }
				require.ErrorAs(t, err, &response)
				require.Equal(t, http.StatusForbidden, response.HTTPStatusCode(), "%s %s", name, call)
			}
		}
	}
	require.NoError(t, w.SetBucketOwner(bucket, "444455556666"))
	requireCode(t, "AccessDenied", ownerCalls(t, w.s3Client(w.at.S3, session), bucket, aws.String(cloudsim.DefaultBucketOwner))["put"]())
	require.Error(t, w.SetBucketOwner(bucket, "acme"))
	require.Error(t, w.SetBucketOwner("", "444455556666"))
}

// The owner's name opens no door: keys, signatures and policies count as ever,
// and a bucket that does not exist has no owner to be wrong about.
func TestExpectedBucketOwnerGivesNothing(t *testing.T) {
	t.Parallel()
	w := setup(t)
	bucket, owner := w.bucket(t), aws.String(cloudsim.DefaultBucketOwner)
	arn := w.putRole(t, trustPolicy, fmt.Sprintf(referencePolicy, bucket, "elsewhere"))
	session := w.assume(arn)
	for _, do := range ownerCalls(t, w.s3Client(w.at.S3, session), bucket, owner) {
		requireCode(t, "AccessDenied", do())
	}
	keys, err := session.Retrieve(t.Context())
	require.NoError(t, err)
	for _, expected := range []*string{owner, aws.String("999900001111")} {
		forged := w.s3Client(w.at.S3, credentials.NewStaticCredentialsProvider(keys.AccessKeyID, "wrong", ""))
		requireCode(t, "SignatureDoesNotMatch", ownerCalls(t, forged, bucket, expected)["put"]())
		unknown := w.s3Client(w.at.S3, credentials.NewStaticCredentialsProvider("AKIANOBODY", "wrong", ""))
		requireCode(t, "InvalidAccessKeyId", ownerCalls(t, unknown, bucket, expected)["put"]())
		requireCode(t, "NoSuchBucket", ownerCalls(t, w.s3Client(w.at.S3, session), unique("none"), expected)["list"]())
	}
	requireCode(t, "InvalidBucketOwnerAWSAccountID", ownerCalls(t, w.s3Client(w.at.S3, session), bucket, aws.String("acme"))["put"]())
}

// Exporters ask without credentials where a bucket is; the log tells these
// requests from the session's own.
func TestAnonymousHeadBucketNamesTheRegion(t *testing.T) {
	t.Parallel()
	w := setup(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodHead, w.at.S3+"/"+w.bucket(t), nil)
	require.NoError(t, err)
	req.Header.Set("X-Amz-Expected-Bucket-Owner", "999900001111")
	resp, err := w.HTTPClient().Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusForbidden, resp.StatusCode)
	require.Equal(t, w.stores.S3.Region, resp.Header.Get("X-Amz-Bucket-Region"))
	seen := w.Requests()
	require.Len(t, seen, 1)
	require.Equal(t, "anonymous", seen[0].Principal)
	require.Equal(t, "s3:ListBucket", seen[0].Permission)
	require.Equal(t, http.StatusForbidden, seen[0].Status)
}

// A role that was just made, or changed, takes effect later: until then it is
// as it was, for new sessions and for open ones.
func TestRolesTakeEffectLater(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ctx, bucket, arn := t.Context(), w.bucket(t), newRoleARN()
	role := func(folder string) cloudsim.Role {
		return cloudsim.Role{ARN: arn, TrustPolicy: trustPolicy, PermissionPolicy: fmt.Sprintf(referencePolicy, bucket, folder)}
	}
	fails := func() error { _, err := w.assume(arn).Retrieve(ctx); return err }

	require.NoError(t, w.PutRoleAfter(ctx, role("old"), time.Hour))
	requireCode(t, "AccessDenied", fails())
	require.NoError(t, w.PutRoleAfter(ctx, role("old"), 200*time.Millisecond))
	require.Len(t, w.Grants().Roles, 1, "the later order replaces the one that waits")
	eventually(t, func() bool { return fails() == nil })
	c := w.s3Client(w.at.S3, w.assume(arn))
	require.NoError(t, put(ctx, c, bucket, "old/1"))

	require.NoError(t, w.PutRoleAfter(ctx, role("new"), time.Hour))
	require.Len(t, w.Grants().Roles, 2)
	require.NoError(t, put(ctx, c, bucket, "old/2"))
	requireCode(t, "AccessDenied", put(ctx, c, bucket, "new/1"))
	require.NoError(t, w.PutRoleAfter(ctx, role("new"), 200*time.Millisecond))
	eventually(t, func() bool { return put(ctx, c, bucket, "new/"+unique("1")) == nil })
	requireCode(t, "AccessDenied", put(ctx, c, bucket, "old/3"))
	require.Len(t, w.Grants().Roles, 1, "what was replaced is forgotten")

	require.NoError(t, w.PutRoleAfter(ctx, role("newer"), time.Hour))
	require.NoError(t, w.PutRole(ctx, role("newest")))
	require.Equal(t, role("newest").PermissionPolicy, w.Grants().Roles[0].PermissionPolicy)
	require.Len(t, w.Grants().Roles, 1, "what is put at once takes the place of what waits")

	require.NoError(t, w.PutRoleAfter(ctx, role("newer"), time.Hour))
	require.NoError(t, w.DeleteRole(ctx, arn))
	require.Empty(t, w.Grants().Roles)
}

// What waits, and who owns what, outlives the simulator.
func TestWaitingRolesAndOwnersSurviveARestart(t *testing.T) {
	t.Parallel()
	w := world{stores: startStores(t)}
	ctx, bucket, dir, arn := t.Context(), w.bucket(t), t.TempDir(), newRoleARN()
	w.Server = start(t, w.config(dir))
	require.NoError(t, w.SetBucketOwner(bucket, "444455556666"))
	role := cloudsim.Role{ARN: arn, TrustPolicy: trustPolicy, PermissionPolicy: fmt.Sprintf(referencePolicy, bucket, "old")}
	require.NoError(t, w.PutRole(ctx, role))
	role.PermissionPolicy = everythingPolicy
	require.NoError(t, w.PutRoleAfter(ctx, role, 2*time.Second))
	before := w.Grants()
	require.Len(t, before.Roles, 2)

	w.Server = start(t, w.config(dir))
	w.at = w.Endpoints()
	require.Equal(t, before.BucketOwners, w.Grants().BucketOwners)
	c := w.s3Client(w.at.S3, w.assume(arn))
	require.NoError(t, put(ctx, c, bucket, "old/1"))
	eventually(t, func() bool { return put(ctx, c, bucket, "anywhere") == nil })
	require.NoError(t, ownerCalls(t, c, bucket, aws.String("444455556666"))["put"]())
}
