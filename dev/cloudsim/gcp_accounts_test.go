package cloudsim_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
	"google.golang.org/api/iam/v1"
	"google.golang.org/api/option"

	"github.com/auditferry/auditferry/dev/cloudsim"
)

const project = "auditferry-dev"

// iamService is Google's own client, as the service's base identity or with
// another token.
func (w world) iamService(t *testing.T, tokens oauth2.TokenSource) *iam.ProjectsServiceAccountsService {
	t.Helper()
	if tokens == nil {
		key, err := os.ReadFile(w.at.GoogleKeyFile)
		require.NoError(t, err)
		config, err := google.JWTConfigFromJSON(key, iam.CloudPlatformScope)
		require.NoError(t, err)
		tokens = config.TokenSource(w.googleContext(t))
	}
	service, err := iam.NewService(t.Context(),
		option.WithHTTPClient(oauth2.NewClient(w.googleContext(t), tokens)), option.WithEndpoint(w.at.IAM))
	require.NoError(t, err)
	return service.Projects.ServiceAccounts
}

func createRequest(name string) *iam.CreateServiceAccountRequest {
	return &iam.CreateServiceAccountRequest{AccountId: name, ServiceAccount: &iam.ServiceAccount{DisplayName: "Audit export of acme"}}
}

// One account for each integration: made, granted to, used, and gone with
// everything that it had.
func TestGCPServiceAccounts(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ctx, bucket, accounts := t.Context(), w.gcsBucket(t), w.iamService(t, nil)
	made, err := accounts.Create("projects/"+project, createRequest("af-acme-0001")).Do()
	require.NoError(t, err)
	require.Equal(t, "af-acme-0001@"+project+".iam.gserviceaccount.com", made.Email)
	require.Equal(t, "projects/"+project+"/serviceAccounts/"+made.Email, made.Name)
	require.Equal(t, "Audit export of acme", made.DisplayName)
	require.Regexp(t, `^\d{21}$`, made.UniqueId)
	_, err = accounts.Create("projects/"+project, createRequest("af-acme-0001")).Do()
	requireGoogleError(t, http.StatusConflict, "already exists", err)
	for _, name := range []string{made.Name, "projects/-/serviceAccounts/" + made.Email} {
		got, err := accounts.Get(name).Do()
		require.NoError(t, err)
		require.Equal(t, made.UniqueId, got.UniqueId)
	}

	tokens := w.impersonated(t, made.Email, storageScope)
	write := func() error {
		return upload(ctx, w.storageClient(t, tokens, w.at.Storage+"/storage/v1/").Bucket(bucket).Object(unique("a")), 0, "event")
	}
	requireGoogleError(t, http.StatusForbidden, "storage.objects.create", write())
	require.NoError(t, w.BindServiceAccount(bucket, "serviceAccount:"+made.Email, cloudsim.GCPExportPermissions(), 0))
	require.NoError(t, write())
	require.NoError(t, w.AllowImpersonation(false))
	_, err = w.impersonated(t, made.Email, storageScope).Token()
	require.ErrorContains(t, err, "iam.serviceAccounts.getAccessToken")
	require.NoError(t, w.AllowImpersonation(true))

	_, err = accounts.Delete(made.Name).Do()
	require.NoError(t, err)
	require.Empty(t, w.Grants().ServiceAccounts)
	require.Empty(t, w.Grants().Bindings)
	requireGoogleError(t, http.StatusUnauthorized, "was deleted", write())
	_, err = w.impersonated(t, made.Email, storageScope).Token()
	require.ErrorContains(t, err, "iam.serviceAccounts.getAccessToken")
	for _, again := range []func() error{
		func() error { _, err := accounts.Delete(made.Name).Do(); return err },
		func() error { _, err := accounts.Get(made.Name).Do(); return err },
	} {
		requireGoogleError(t, http.StatusNotFound, "Unknown service account", again())
	}

	require.NoError(t, w.CreateServiceAccount(made.Email))
	require.NoError(t, w.BindServiceAccount(bucket, "serviceAccount:"+made.Email, cloudsim.GCPExportPermissions(), 0))
	requireGoogleError(t, http.StatusUnauthorized, "was deleted", write()) // the token is another account's
	tokens = w.impersonated(t, made.Email, storageScope)
	require.NoError(t, write())
}

func TestGCPServiceAccountRefusals(t *testing.T) {
	t.Parallel()
	w := setup(t)
	accounts := w.iamService(t, nil)
	create := func(project, name string) error {
		_, err := accounts.Create("projects/"+project, createRequest(name)).Do()
		return err
	}
	for _, name := range []string{"short", "Upper-case", "1-digit-first", "ends-with-", strings.Repeat("a", 31), ""} {
		requireGoogleError(t, http.StatusBadRequest, "format", create(project, name))
		require.Error(t, w.CreateServiceAccount(name+"@"+project+".iam.gserviceaccount.com"))
	}
	requireGoogleError(t, http.StatusForbidden, "iam.serviceAccounts.create", create("somebody-elses", "af-acme-0001"))
	exporter, _, _ := strings.Cut(serviceAccount, "@")
	requireGoogleError(t, http.StatusConflict, "already exists", create(project, exporter))
	_, err := accounts.Delete("projects/" + project + "/serviceAccounts/" + serviceAccount).Do()
	requireGoogleError(t, http.StatusForbidden, "iam.serviceAccounts.delete", err)
	require.Error(t, w.DeleteServiceAccount(serviceAccount))
	require.Error(t, w.DeleteServiceAccount("nobody-0001@"+project+".iam.gserviceaccount.com"))
	_, err = accounts.Get("projects/other-project/serviceAccounts/" + serviceAccount).Do()
	requireGoogleError(t, http.StatusForbidden, "iam.serviceAccounts.get", err)

	for name, tokens := range map[string]oauth2.TokenSource{
		"an account that customers grant access to": w.impersonated(t, serviceAccount, iam.CloudPlatformScope),
		"nonsense": oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "nonsense"}),
	} {
		_, err := w.iamService(t, tokens).Create("projects/"+project, createRequest("af-acme-0001")).Do()
		require.Error(t, err, name)
	}
	require.Empty(t, w.Grants().ServiceAccounts)
}

// Accounts and projects outlive the simulator, and tokens do too.
func TestGCPServiceAccountsSurviveARestart(t *testing.T) {
	t.Parallel()
	w := world{stores: startStores(t)}
	dir, bucket, email := t.TempDir(), w.gcsBucket(t), "af-acme-0001@"+project+".iam.gserviceaccount.com"
	w.Server = start(t, w.config(dir))
	w.at = w.Endpoints()
	require.NoError(t, w.CreateServiceAccount(email))
	require.NoError(t, w.SetBucketProject(bucket, "200000000002"))
	before := w.Grants()
	token, err := w.impersonated(t, email, storageScope).Token()
	require.NoError(t, err)

	w.Server = start(t, w.config(dir))
	w.at = w.Endpoints()
	require.Equal(t, before, w.Grants())
	require.NoError(t, w.BindServiceAccount(bucket, "serviceAccount:"+email, cloudsim.GCPExportPermissions(), 0))
	attrs, err := w.storageClient(t, oauth2.StaticTokenSource(token), w.at.Storage+"/storage/v1/").Bucket(bucket).Attrs(t.Context())
	require.NoError(t, err)
	require.Equal(t, uint64(200000000002), attrs.ProjectNumber)
}

// The project that a bucket is in is told to those who may see the bucket.
func TestGCPBucketProject(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ctx, name := t.Context(), w.gcsBucket(t)
	bucket := w.storageClient(t, w.impersonated(t, serviceAccount, storageScope), w.at.Storage+"/storage/v1/").Bucket(name)
	require.NoError(t, w.BindServiceAccount(name, member, []string{"storage.objects.create", "storage.objects.list"}, 0))
	_, err := bucket.Attrs(ctx)
	requireGoogleError(t, http.StatusForbidden, "Permission 'storage.buckets.get' denied", err)

	require.NoError(t, w.BindServiceAccount(name, member, cloudsim.GCPExportPermissions(), 0))
	attrs, err := bucket.Attrs(ctx)
	require.NoError(t, err)
	require.Equal(t, uint64(100000000001), attrs.ProjectNumber)
	require.NoError(t, w.SetBucketProject(name, "200000000002"))
	attrs, err = bucket.Attrs(ctx)
	require.NoError(t, err)
	require.Equal(t, uint64(200000000002), attrs.ProjectNumber)
	require.Equal(t, name, attrs.Name)
	for _, wrong := range []string{"", "acme", "-1", "0"} {
		require.Error(t, w.SetBucketProject(name, wrong))
	}
	require.Error(t, w.SetBucketProject("", "200000000002"))

	last := w.Requests()[len(w.Requests())-1]
	require.Equal(t, cloudsim.Request{
		Time: last.Time, Cloud: "gcp", Principal: serviceAccount, Method: http.MethodGet, Path: last.Path,
		Permission: "storage.buckets.get", Resource: "buckets/" + name, Status: http.StatusOK,
	}, last)
}
