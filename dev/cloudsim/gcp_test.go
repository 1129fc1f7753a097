package cloudsim_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/storage"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/iamcredentials/v1"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"

	"github.com/auditferry/auditferry/dev/cloudsim"
)

const (
	storageScope = "https://www.googleapis.com/auth/devstorage.read_write"
	member       = "serviceAccount:" + serviceAccount
)

func (w world) gcsBucket(t *testing.T) string {
	t.Helper()
	name := unique("audit")
	resp, err := http.Post(w.stores.GCS.Endpoint+"/storage/v1/b?project=p", "application/json", strings.NewReader(fmt.Sprintf(`{"name":%q}`, name)))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
	return name
}

func (w world) googleContext(t *testing.T) context.Context {
	t.Helper()
	return context.WithValue(t.Context(), oauth2.HTTPClient, w.HTTPClient())
}

// impersonated gives tokens of the service account by way of Google's own
// library and an impersonation file, as gcloud writes them.
func (w world) impersonated(t *testing.T, email string, scopes ...string) oauth2.TokenSource {
	t.Helper()
	key, err := os.ReadFile(w.at.GoogleKeyFile)
	require.NoError(t, err)
	file, err := json.Marshal(map[string]any{
		"type":                              "impersonated_service_account",
		"service_account_impersonation_url": w.at.IAMCredentials + "/v1/projects/-/serviceAccounts/" + email + ":generateAccessToken",
		"source_credentials":                json.RawMessage(key),
	})
	require.NoError(t, err)
	found, err := google.CredentialsFromJSONWithType(w.googleContext(t), file, google.ImpersonatedServiceAccount, scopes...)
	require.NoError(t, err)
	return found.TokenSource
}

func (w world) storageClient(t *testing.T, tokens oauth2.TokenSource, endpoint string) *storage.Client {
	t.Helper()
	c, err := storage.NewClient(t.Context(),
		option.WithHTTPClient(oauth2.NewClient(w.googleContext(t), tokens)), option.WithEndpoint(endpoint), storage.WithJSONReads())
	require.NoError(t, err)
	c.SetRetry(storage.WithMaxAttempts(1))
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// upload writes in one request, or with a chunk size in several.
func upload(ctx context.Context, o *storage.ObjectHandle, chunk int, body string) error {
	w := o.NewWriter(ctx)
	w.ChunkSize = chunk
	_, err := w.Write([]byte(body))
	return errors.Join(err, w.Close())
}

func listed(ctx context.Context, b *storage.BucketHandle, prefix string) ([]string, error) {
	var names []string
	objects := b.Objects(ctx, &storage.Query{Prefix: prefix})
	for {
		object, err := objects.Next()
		if errors.Is(err, iterator.Done) {
			return names, nil
		}
		if err != nil {
			return nil, err
		}
		names = append(names, object.Name)
	}
}

func requireGoogleError(t *testing.T, status int, message string, err error) {
	t.Helper()
	var refused *googleapi.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, status, refused.Code, "%v", err)
	require.Contains(t, refused.Message+refused.Body, message) // a reader leaves the answer unread
}

// The way of the reference: a custom role with four permissions on the bucket.
func TestGCPGrant(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ctx, name := t.Context(), w.gcsBucket(t)
	bucket := w.storageClient(t, w.impersonated(t, serviceAccount, storageScope), w.at.Storage+"/storage/v1/").Bucket(name)
	object := bucket.Object("folder/a b+c=ü&d.ndjson")
	fresh := object.If(storage.Conditions{DoesNotExist: true})

	requireGoogleError(t, http.StatusForbidden, "Permission 'storage.objects.create' denied", upload(ctx, fresh, 0, "event"))
	require.NoError(t, w.BindServiceAccount(name, member, cloudsim.GCPExportPermissions(), time.Hour))
	requireGoogleError(t, http.StatusForbidden, "Permission 'storage.objects.create' denied", upload(ctx, fresh, 0, "event"))
	require.NoError(t, w.BindServiceAccount(name, member, cloudsim.GCPExportPermissions(), 200*time.Millisecond))
	eventually(t, func() bool { return upload(ctx, fresh, 0, "event") == nil })

	requireGoogleError(t, http.StatusPreconditionFailed, "", upload(ctx, fresh, 0, "event"))
	require.NoError(t, upload(ctx, object, 0, "written over"))
	require.NoError(t, upload(ctx, bucket.Object("folder/large"), 256<<10, strings.Repeat("event", 100_000)))
	names, err := listed(ctx, bucket, "folder/")
	require.NoError(t, err)
	require.Equal(t, []string{"folder/a b+c=ü&d.ndjson", "folder/large"}, names)
	_, err = bucket.Attrs(ctx)
	require.NoError(t, err)
	_, err = object.NewReader(ctx)
	requireGoogleError(t, http.StatusForbidden, "storage.objects.get", err)
	_, err = object.Attrs(ctx)
	requireGoogleError(t, http.StatusForbidden, "storage.objects.get", err)
	require.NoError(t, object.Delete(ctx))

	require.NoError(t, w.Unbind(name, member))
	requireGoogleError(t, http.StatusForbidden, "storage.objects.list", func() error { _, err := listed(ctx, bucket, ""); return err }())
}

// Writing over an object is deleting the old one.
func TestGCPOverwriteNeedsDelete(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ctx, name := t.Context(), w.gcsBucket(t)
	require.NoError(t, w.BindServiceAccount(name, member, []string{"storage.objects.create"}, 0))
	// The client of an endpoint without the API's path asks for /b/...
	for _, endpoint := range []string{w.at.Storage + "/storage/v1/", w.at.Storage + "/"} {
		object := w.storageClient(t, w.impersonated(t, serviceAccount, storageScope), endpoint).Bucket(name).Object(unique("object"))
		require.NoError(t, upload(ctx, object, 0, "event"))
		requireGoogleError(t, http.StatusForbidden, "storage.objects.delete", upload(ctx, object, 0, "event"))
		requireGoogleError(t, http.StatusPreconditionFailed, "", upload(ctx, object.If(storage.Conditions{DoesNotExist: true}), 0, "event"))
		requireGoogleError(t, http.StatusForbidden, "storage.objects.delete", object.Delete(ctx))
	}
}

func TestGCPRefusals(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ctx, name := t.Context(), w.gcsBucket(t)
	require.NoError(t, w.BindServiceAccount(name, member, cloudsim.GCPExportPermissions(), 0))
	write := func(tokens oauth2.TokenSource, bucket string) error {
		return upload(ctx, w.storageClient(t, tokens, w.at.Storage+"/storage/v1/").Bucket(bucket).Object(unique("a")), 0, "event")
	}
	fixed := func(token string) oauth2.TokenSource {
		return oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token})
	}

	require.NoError(t, write(w.impersonated(t, serviceAccount, storageScope), name))
	requireGoogleError(t, http.StatusNotFound, "bucket does not exist", write(w.impersonated(t, serviceAccount, storageScope), unique("none")))
	requireGoogleError(t, http.StatusUnauthorized, "Invalid Credentials", write(fixed("nonsense"), name))
	requireGoogleError(t, http.StatusForbidden, "scopes", write(w.impersonated(t, serviceAccount, "https://www.googleapis.com/auth/devstorage.read_only"), name))
	require.ErrorContains(t, write(w.impersonated(t, "other@p.iam.gserviceaccount.com", storageScope), name), "iam.serviceAccounts.getAccessToken")
	require.Equal(t, http.StatusUnauthorized, w.get(t, w.at.Storage+"/storage/v1/b/"+name, ""))

	base, err := os.ReadFile(w.at.GoogleKeyFile)
	require.NoError(t, err)
	own, err := google.CredentialsFromJSONWithType(w.googleContext(t), base, google.ServiceAccount, storageScope)
	require.NoError(t, err)
	requireGoogleError(t, http.StatusForbidden, "storage.objects.create", write(own.TokenSource, name))
}

// The product's own way: the IAM Credentials client, with tokens and with a
// self-signed JWT for the base identity.
func TestGCPTokenCreator(t *testing.T) {
	t.Parallel()
	w := setup(t)
	key, err := os.ReadFile(w.at.GoogleKeyFile)
	require.NoError(t, err)
	config, err := google.JWTConfigFromJSON(key, "https://www.googleapis.com/auth/cloud-platform")
	require.NoError(t, err)
	selfSigned, err := google.JWTAccessTokenSourceFromJSON(key, "https://iamcredentials.googleapis.com/")
	require.NoError(t, err)
	for _, tokens := range []oauth2.TokenSource{config.TokenSource(w.googleContext(t)), selfSigned} {
		service, err := iamcredentials.NewService(t.Context(),
			option.WithHTTPClient(oauth2.NewClient(w.googleContext(t), tokens)), option.WithEndpoint(w.at.IAMCredentials))
		require.NoError(t, err)
		generate := func(lifetime string) error {
			_, err := service.Projects.ServiceAccounts.GenerateAccessToken("projects/-/serviceAccounts/"+serviceAccount,
				&iamcredentials.GenerateAccessTokenRequest{Scope: []string{storageScope}, Lifetime: lifetime}).Do()
			return err
		}
		require.NoError(t, generate(""))
		require.NoError(t, generate("600s"))
		requireGoogleError(t, http.StatusBadRequest, "lifetime", generate("7200s"))
		require.NoError(t, w.AllowImpersonation(false))
		requireGoogleError(t, http.StatusForbidden, "iam.serviceAccounts.getAccessToken", generate(""))
		require.NoError(t, w.AllowImpersonation(true))
	}
	config.PrivateKeyID, config.Email = "other", "somebody@else.iam.gserviceaccount.com"
	_, err = config.TokenSource(w.googleContext(t)).Token()
	require.ErrorContains(t, err, "invalid_grant")
}
