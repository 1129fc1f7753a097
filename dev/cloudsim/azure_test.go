package cloudsim_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/cloudsim"
)

const account = "acmeaudit"

// tenant is one customer's Azure: a directory of its own and a container.
type tenant struct {
	world
	id        string
	container string
}

func (w world) tenant(t *testing.T) tenant {
	t.Helper()
	key, err := azblob.NewSharedKeyCredential(account, w.stores.Azurite.Accounts[account])
	require.NoError(t, err)
	root, err := azblob.NewClientWithSharedKeyCredential(w.stores.Azurite.Endpoint+"/"+account, key, nil)
	require.NoError(t, err)
	n := tenant{world: w, id: uuid.NewString(), container: unique("audit")}
	_, err = root.CreateContainer(t.Context(), n.container, nil)
	require.NoError(t, err)
	return n
}

// client is the product's way in.
func (n tenant) client(t *testing.T, secret string) *container.Client {
	t.Helper()
	return n.clientOf(t, cloudsim.AzureApp{ClientID: clientID, ClientSecret: secret})
}

func (n tenant) clientOf(t *testing.T, app cloudsim.AzureApp) *container.Client {
	t.Helper()
	options := azcore.ClientOptions{
		Transport: n.HTTPClient(),
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: n.at.Authority},
		Retry:     policy.RetryOptions{MaxRetries: -1},
	}
	credential, err := azidentity.NewClientSecretCredential(n.id, app.ClientID, app.ClientSecret, &azidentity.ClientSecretCredentialOptions{
		ClientOptions: options, DisableInstanceDiscovery: true,
	})
	require.NoError(t, err)
	url := strings.Replace(n.at.Blob, "{account}", account, 1) + "/" + n.container
	c, err := container.NewClient(url, credential, &container.ClientOptions{ClientOptions: options})
	require.NoError(t, err)
	return c
}

func (n tenant) order() cloudsim.RoleAssignment {
	return cloudsim.RoleAssignment{
		TenantID: n.id, Member: "auditferry", Role: cloudsim.StorageBlobDataContributor,
		Account: account, Container: n.container,
	}
}

func (n tenant) upload(t *testing.T, c *container.Client, name string) error {
	t.Helper()
	_, err := c.NewBlockBlobClient(name).UploadBuffer(t.Context(), []byte("event"), &blockblob.UploadBufferOptions{
		AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: new(azcore.ETagAny)}},
	})
	return err
}

func requireBlobError(t *testing.T, status int, code string, err error) {
	t.Helper()
	var response *azcore.ResponseError
	require.ErrorAs(t, err, &response)
	require.Equal(t, code, response.ErrorCode, "%v", err)
	require.Equal(t, status, response.StatusCode)
}

func requireEntraError(t *testing.T, code string, err error) {
	t.Helper()
	var refused *azidentity.AuthenticationFailedError
	require.ErrorAs(t, err, &refused)
	require.ErrorContains(t, err, code)
}

// The way of the reference: consent, then a role that takes a while.
func TestAzureGrant(t *testing.T) {
	t.Parallel()
	n := setup(t).tenant(t)
	c := n.client(t, "app-secret")
	requireEntraError(t, "AADSTS700016", n.upload(t, c, "a"))

	require.NoError(t, n.Consent(n.id, clientID))
	require.NoError(t, n.Consent(n.id, clientID))
	requireBlobError(t, http.StatusForbidden, "AuthorizationPermissionMismatch", n.upload(t, c, "a"))

	require.NoError(t, n.AssignRole(n.order(), time.Hour))
	requireBlobError(t, http.StatusForbidden, "AuthorizationPermissionMismatch", n.upload(t, c, "a"))
	require.NoError(t, n.AssignRole(n.order(), 200*time.Millisecond))
	require.Len(t, n.Grants().Assignments, 1)
	eventually(t, func() bool { return n.upload(t, c, "folder/a b+c=ü.ndjson") == nil })

	requireBlobError(t, http.StatusConflict, "BlobAlreadyExists", n.upload(t, c, "folder/a b+c=ü.ndjson"))
	page, err := c.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: new("folder/")}).NextPage(t.Context())
	require.NoError(t, err)
	require.Len(t, page.Segment.BlobItems, 1)
	require.Equal(t, "folder/a b+c=ü.ndjson", *page.Segment.BlobItems[0].Name)
	_, err = c.NewBlobClient("folder/a b+c=ü.ndjson").Delete(t.Context(), nil)
	require.NoError(t, err)

	require.NoError(t, n.RemoveAssignment(n.order()))
	requireBlobError(t, http.StatusForbidden, "AuthorizationPermissionMismatch", n.upload(t, c, "b"))
	require.Equal(t, []string{"token", "containers/blobs/write", "containers/blobs/read", "containers/blobs/delete"}, n.permissions("azure"))
}

func TestAzureRolesAndScopes(t *testing.T) {
	t.Parallel()
	n := setup(t).tenant(t)
	require.NoError(t, n.Consent(n.id, clientID))
	c := n.client(t, "app-secret")
	for name, x := range map[string]struct {
		change        func(*cloudsim.RoleAssignment)
		write, browse bool
	}{
		"contributor of the container": {func(*cloudsim.RoleAssignment) {}, true, true},
		"contributor of the account":   {func(o *cloudsim.RoleAssignment) { o.Container = "" }, true, true},
		"the app's full name":          {func(o *cloudsim.RoleAssignment) { o.Member = appName }, true, true},
		"reader":                       {func(o *cloudsim.RoleAssignment) { o.Role = "Storage Blob Data Reader" }, false, true},
		"a management role":            {func(o *cloudsim.RoleAssignment) { o.Role = "Contributor" }, false, false},
		"another container":            {func(o *cloudsim.RoleAssignment) { o.Container = "else" }, false, false},
		"another account":              {func(o *cloudsim.RoleAssignment) { o.Account = "globexaudit" }, false, false},
	} {
		order := n.order()
		x.change(&order)
		require.NoError(t, n.AssignRole(order, 0), name)
		require.Equal(t, x.write, n.upload(t, c, unique("blob")) == nil, name)
		_, err := c.NewListBlobsFlatPager(nil).NextPage(t.Context())
		require.Equal(t, x.browse, err == nil, name)
		require.NoError(t, n.RemoveAssignment(order), name)
		require.Empty(t, n.Grants().Assignments, name)
	}
}

// Consent that is given again is another principal, without the old roles.
func TestAzureRevokedConsentTakesTheRolesAlong(t *testing.T) {
	t.Parallel()
	n := setup(t).tenant(t)
	c := n.client(t, "app-secret")
	require.NoError(t, n.Consent(n.id, clientID))
	require.NoError(t, n.AssignRole(n.order(), 0))
	require.NoError(t, n.upload(t, c, "a"))
	require.NoError(t, n.RevokeConsent(n.id, clientID))
	requireBlobError(t, http.StatusForbidden, "AuthorizationPermissionMismatch", n.upload(t, c, "b"))
	requireEntraError(t, "AADSTS700016", n.upload(t, n.client(t, "app-secret"), "b"))
	require.Error(t, n.AssignRole(n.order(), 0), "there is no principal to give a role to")
	require.NoError(t, n.Consent(n.id, clientID))
	requireBlobError(t, http.StatusForbidden, "AuthorizationPermissionMismatch", n.upload(t, c, "b"))
}

func TestAzureRefusals(t *testing.T) {
	t.Parallel()
	w := world{stores: startStores(t)}
	cfg := w.config("")
	cfg.Azure.Tenants = []string{uuid.NewString(), uuid.NewString()}
	w.Server = start(t, cfg)
	w.at = w.Endpoints()
	n := w.tenant(t)
	n.id = cfg.Azure.Tenants[0]
	require.NoError(t, n.Consent(n.id, clientID))
	require.NoError(t, n.AssignRole(n.order(), 0))
	require.NoError(t, n.upload(t, n.client(t, "app-secret"), "a"))

	t.Run("wrong secret", func(t *testing.T) {
		t.Parallel()
		requireEntraError(t, "AADSTS7000215", n.upload(t, n.client(t, "other"), "b"))
	})
	t.Run("another tenant", func(t *testing.T) {
		t.Parallel()
		other := n
		other.id = cfg.Azure.Tenants[1]
		requireEntraError(t, "AADSTS700016", other.upload(t, other.client(t, "app-secret"), "b"))
	})
	t.Run("no such tenant", func(t *testing.T) {
		t.Parallel()
		other := n
		other.id = uuid.NewString()
		require.ErrorContains(t, other.upload(t, other.client(t, "app-secret"), "b"), "AADSTS90002")
		require.Error(t, n.Consent(other.id, clientID))
	})
	t.Run("no such container", func(t *testing.T) {
		t.Parallel()
		other := n
		other.container = unique("none")
		order := n.order()
		order.Container = other.container
		require.NoError(t, n.AssignRole(order, 0))
		requireBlobError(t, http.StatusNotFound, "ContainerNotFound", other.upload(t, other.client(t, "app-secret"), "b"))
	})
	t.Run("no token", func(t *testing.T) {
		t.Parallel()
		url := strings.Replace(n.at.Blob, "{account}", account, 1) + "/" + n.container + "/a"
		require.Equal(t, http.StatusUnauthorized, n.get(t, url, ""))
		require.Equal(t, http.StatusUnauthorized, n.get(t, url, "Bearer nonsense"))
	})
}

func (w world) get(t *testing.T, url, authorization string) (status int) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", authorization)
	resp, err := w.HTTPClient().Do(req)
	require.NoError(t, err)
	require.NoError(t, errors.Join(resp.Body.Close()))
	return resp.StatusCode
}
