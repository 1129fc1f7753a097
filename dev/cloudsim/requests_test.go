package cloudsim_test

import (
	"net/http"
	"strings"
	"testing"

	"cloud.google.com/go/storage"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/cloudsim"
)

// Every request is in the log with who came, what it needed, on what, and the
// answer, also those that are refused before any of it counts.
func TestEveryRequestIsLogged(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ctx, bucket, gcs, n := t.Context(), w.bucket(t), w.gcsBucket(t), w.tenant(t)
	arn := w.putRole(t, trustPolicy, everythingPolicy)
	c := w.s3Client(w.at.S3, w.assume(arn))
	require.NoError(t, put(ctx, c, bucket, "a"))
	require.Error(t, ownerCalls(t, c, bucket, aws.String("999900001111"))["list"]())
	require.NoError(t, n.Consent(n.id, clientID))
	require.Error(t, n.upload(t, n.client(t, "app-secret"), "a"))
	require.NoError(t, w.BindServiceAccount(gcs, member, cloudsim.GCPExportPermissions(), 0))
	handle := w.storageClient(t, w.impersonated(t, serviceAccount, storageScope), w.at.Storage+"/storage/v1/").Bucket(gcs)
	require.NoError(t, upload(ctx, handle.Object("a").If(storage.Conditions{DoesNotExist: true}), 256<<10, strings.Repeat("event", 100_000)))
	for _, url := range []string{
		w.at.STS, w.at.S3 + "/" + bucket, w.at.Authority + "/elsewhere", w.at.IAM + "/v1/elsewhere",
		strings.Replace(w.at.Blob, "{account}", account, 1) + "/" + n.container + "/a", w.at.Storage + "/storage/v1/b/" + gcs,
	} {
		require.GreaterOrEqual(t, w.get(t, url, ""), http.StatusBadRequest, url)
	}

	all := w.Requests()
	for _, r := range all {
		require.NotEmpty(t, r.Cloud, "%+v", r)
		require.NotEmpty(t, r.Principal, "%+v", r)
		require.NotEmpty(t, r.Permission, "%+v", r)
		require.NotEmpty(t, r.Resource, "%+v", r)
		require.NotZero(t, r.Status, "%+v", r)
		require.NotEmpty(t, r.Method, "%+v", r)
	}
	type seen struct {
		principal, permission, resource string
		status                          int
	}
	var entries []seen
	for _, r := range all {
		entries = append(entries, seen{r.Principal, r.Permission, r.Resource, r.Status})
	}
	session := strings.NewReplacer(":iam::", ":sts::", ":role/", ":assumed-role/").Replace(arn)
	for _, want := range []seen{
		{serviceUser, "sts:AssumeRole", arn, http.StatusOK},
		{"anonymous", "s3:ListBucket", "arn:aws:s3:::" + bucket, http.StatusForbidden},
		{"anonymous", "token", n.id, http.StatusOK},
		{clientID, "token", n.id, http.StatusOK},
		{clientID + " in " + n.id, "containers/blobs/write", account + "/" + n.container + "/a", http.StatusForbidden},
		{"anonymous", "containers/blobs/read", account + "/" + n.container + "/a", http.StatusUnauthorized},
		{"auditferry-worker@auditferry-dev.iam.gserviceaccount.com", "iam.serviceAccounts.getAccessToken", serviceAccount, http.StatusOK},
		{serviceAccount, "storage.objects.create", "buckets/" + gcs + "/objects/a", http.StatusOK},
		{"anonymous", "storage.buckets.get", "buckets/" + gcs, http.StatusUnauthorized},
		{"anonymous", "unknown", "/elsewhere", http.StatusNotFound},
		{"anonymous", "unknown", "/v1/elsewhere", http.StatusUnauthorized},
	} {
		require.Contains(t, entries, want)
	}
	var ofSession []string
	for _, r := range all {
		if strings.HasPrefix(r.Principal, session) {
			ofSession = append(ofSession, r.Permission)
		}
	}
	require.Equal(t, []string{"s3:PutObject", "s3:ListBucket"}, ofSession)
}
