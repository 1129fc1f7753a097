package cloudsim_test

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/cloudsim"
)

// Each app needs its own consent and its own role, found by its own name, and
// signs in with its own secret.
func TestAzureAppsAreApart(t *testing.T) {
	t.Parallel()
	n := setup(t).tenant(t)
	first, second := pool()[0], pool()[1]
	c := n.clientOf(t, second)
	require.NoError(t, n.Consent(n.id, first.ClientID))
	requireEntraError(t, "AADSTS700016", n.upload(t, c, "a"))
	require.NoError(t, n.Consent(n.id, second.ClientID))

	order := n.order()
	order.Member = "auditferrypool1"
	require.NoError(t, n.AssignRole(order, 0))
	require.Equal(t, first.ClientID, n.Grants().Assignments[0].ClientID)
	requireBlobError(t, http.StatusForbidden, "AuthorizationPermissionMismatch", n.upload(t, c, "a"))
	order.Member = "auditferrypool2"
	require.NoError(t, n.AssignRole(order, 0))
	require.NoError(t, n.upload(t, c, "a"))
	require.NoError(t, n.upload(t, n.clientOf(t, first), "b"))

	mixed := second
	mixed.ClientSecret = first.ClientSecret
	requireEntraError(t, "AADSTS7000215", n.upload(t, n.clientOf(t, mixed), "c"))
	for _, member := range []string{"auditferrypool", "auditferrypool3", ""} {
		order.Member = member
		require.Error(t, n.AssignRole(order, 0), member)
	}
	require.Error(t, n.Consent(n.id, uuid.NewString()))

	require.NoError(t, n.RevokeConsent(n.id, first.ClientID))
	require.NoError(t, n.upload(t, c, "d"), "the other app's consent is its own")
}

func TestAzureAppsMustBeTold(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*cloudsim.AzureApp){
		"the same client ID":              func(a *cloudsim.AzureApp) { a.ClientID = clientID },
		"the same name to search for":     func(a *cloudsim.AzureApp) { a.Name = "auditferry_other" },
		"no name":                         func(a *cloudsim.AzureApp) { a.Name = "" },
		"nothing before the underscore":   func(a *cloudsim.AzureApp) { a.Name = "_x" },
		"no client ID, and another's too": func(a *cloudsim.AzureApp) { a.ClientID = "" },
	} {
		app := pool()[0]
		change(&app)
		_, err := cloudsim.Start(t.Context(), cloudsim.Config{Azure: cloudsim.AzureConfig{
			ClientID: clientID, AppName: appName, Apps: []cloudsim.AzureApp{app},
		}})
		require.ErrorContains(t, err, "app ", name)
	}
}

func TestAzureDisabledApp(t *testing.T) {
	t.Parallel()
	n := setup(t).tenant(t)
	require.Error(t, n.DisableApp(n.id, clientID, true), "there is nothing to switch off")
	require.NoError(t, n.Consent(n.id, clientID))
	require.NoError(t, n.AssignRole(n.order(), 0))
	require.NoError(t, n.DisableApp(n.id, clientID, true))
	requireEntraError(t, "AADSTS7000112", n.upload(t, n.client(t, "app-secret"), "a"))
	require.NoError(t, n.DisableApp(n.id, clientID, false))
	require.NoError(t, n.upload(t, n.client(t, "app-secret"), "a"), "the roles are still there")

	require.NoError(t, n.DisableApp(n.id, clientID, true))
	require.NoError(t, n.RevokeConsent(n.id, clientID))
	require.NoError(t, n.Consent(n.id, clientID))
	require.Empty(t, n.Grants().DisabledApps, "consent given again is another principal")
}

func TestAzureNetworkRules(t *testing.T) {
	t.Parallel()
	n := setup(t).tenant(t)
	c := n.client(t, "app-secret")
	require.NoError(t, n.Consent(n.id, clientID))
	require.NoError(t, n.AssignRole(n.order(), 0))
	require.NoError(t, n.SetNetworkRules(account, false))
	requireBlobError(t, http.StatusForbidden, "AuthorizationFailure", n.upload(t, c, "a"))
	require.NoError(t, n.SetNetworkRules(account, true))
	require.NoError(t, n.upload(t, c, "a"))
	require.Error(t, n.SetNetworkRules("nobody", false))
}
