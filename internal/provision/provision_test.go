package provision_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/provision"
	"github.com/auditferry/auditferry/schemas"
)

// These values stand in customers' trust policies and in the operator's Google
// project. A change of the derivation would cut all of them off.
func TestDerivedNamesNeverChange(t *testing.T) {
	t.Parallel()
	for id, names := range map[string]struct{ externalID, account string }{
		"0198c0de-0000-7000-8000-000000000001": {"auditferry-lvpeuzvit2ig27qezikx3q2x6uibcpux", "af-gabyq6pqrzoddzysff22kmqb2"},
		"0198c0de-0000-7000-8000-000000000002": {"auditferry-seittxxoqvmlxtjxv6qeg5aeb5jvryaq", "af-tmqi4ybco7cofec7bdt3sljxe"},
	} {
		i := schemas.Integration{ID: uuid.MustParse(id), Cloud: schemas.AWS}
		require.Equal(t, names.externalID, issued(t, provision.AWS{UserARN: userARN}, i).Credentials.AWS.ExternalID)
		i.Cloud = schemas.GCP
		got := issued(t, gcpAccounts(t, project, clouds.Endpoints().IAM), i).Credentials.GCP.ServiceAccount
		require.Equal(t, names.account+"@auditferry-dev.iam.gserviceaccount.com", got)
	}
}

// Invariant 6: no two integrations share an external ID, so that none can be
// used in another's name; nor do the two of one org.
func TestExternalIDsAreNeverShared(t *testing.T) {
	t.Parallel()
	a := provision.AWS{UserARN: userARN}
	const many = 10_000
	seen := make(map[string]bool, many)
	org := uuid.New()
	for range many {
		i := integration(schemas.AWS)
		i.OrgID = org
		got := issued(t, a, i)
		require.True(t, got.Exclusive)
		require.Equal(t, userARN, got.Credentials.AWS.IAMUserARN)
		require.Equal(t, got, issued(t, a, i), "asked again")
		seen[got.Credentials.AWS.ExternalID] = true
	}
	require.Len(t, seen, many)
}

// What an integration's ID is made into tells nothing of the ID, so nobody who
// reads an external ID finds the service account of the same integration.
func TestDerivedNamesAreApart(t *testing.T) {
	t.Parallel()
	i := integration(schemas.AWS)
	external := issued(t, provision.AWS{UserARN: userARN}, i).Credentials.AWS.ExternalID
	i.Cloud = schemas.GCP
	account := issued(t, gcpAccounts(t, project, clouds.Endpoints().IAM), i).Credentials.GCP.ServiceAccount
	require.NotEqual(t, external[len("auditferry-"):][:25], account[len("af-"):][:25])
}

func TestSharedIdentities(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		cloud schemas.Cloud
		with  func(exclusive bool) provisioner
		want  schemas.Credentials
	}{
		"azure": {
			schemas.Azure,
			func(exclusive bool) provisioner {
				return provision.AzureApp{ClientID: "0f2b5b5e-7a51-4a39-8fd5-5fb0d9e3f6b1", Name: "auditferry_17", Exclusive: exclusive}
			},
			schemas.Credentials{Azure: &schemas.AzureCredentials{
				ConsentURL:         "https://login.microsoftonline.com/" + tenant + "/adminconsent?client_id=0f2b5b5e-7a51-4a39-8fd5-5fb0d9e3f6b1",
				MultiTenantAppName: "auditferry_17",
			}},
		},
		"gcp": {
			schemas.GCP,
			func(exclusive bool) provisioner {
				return provision.GCPAccount{Email: serviceAccount, Exclusive: exclusive}
			},
			schemas.Credentials{GCP: &schemas.GCPCredentials{ServiceAccount: serviceAccount}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, exclusive := range []bool{false, true} {
				for range 2 {
					got := issued(t, test.with(exclusive), integration(test.cloud))
					require.Equal(t, provision.Issued{Credentials: test.want, Exclusive: exclusive}, got)
				}
			}
			require.NoError(t, test.with(false).Revoke(t.Context(), integration(test.cloud)))
		})
	}
}

func TestTheAuthorityIsConfigurable(t *testing.T) {
	t.Parallel()
	app := provision.App{ClientID: "0f2b5b5e-7a51-4a39-8fd5-5fb0d9e3f6b1", Name: "auditferry_17"}
	for _, authority := range []string{"https://login.microsoftonline.us", "https://login.microsoftonline.us/"} {
		for _, p := range []provisioner{
			provision.AzureApp{Authority: authority, ClientID: app.ClientID, Name: app.Name},
			provision.AzurePool{Authority: authority, Apps: []provision.App{app}, Draw: firstFree(nil)},
		} {
			got := issued(t, p, integration(schemas.Azure))
			require.Equal(t, "https://login.microsoftonline.us/"+tenant+"/adminconsent?client_id="+app.ClientID, got.Credentials.Azure.ConsentURL)
		}
	}
}

// firstFree draws the first app that no other org has.
func firstFree(taken map[string]uuid.UUID) provision.Draw {
	return func(_ context.Context, i schemas.Integration, pool []schemas.Credentials) (schemas.Credentials, bool, error) {
		for _, c := range pool {
			if org, is := taken[c.Identity()]; !is || org == i.OrgID {
				if taken != nil {
					taken[c.Identity()] = i.OrgID
				}
				return c, true, nil
			}
		}
		return schemas.Credentials{}, false, nil
	}
}

func TestAzurePool(t *testing.T) {
	t.Parallel()
	apps := []provision.App{
		{ClientID: "5b1f7c52-2f0e-4d53-8f0a-0c6f7a1d2e01", Name: "ferryone_x1"},
		{ClientID: "5b1f7c52-2f0e-4d53-8f0a-0c6f7a1d2e02", Name: "ferrytwo_x2"},
	}
	pool := provision.AzurePool{Apps: apps, Draw: firstFree(map[string]uuid.UUID{})}
	for _, app := range apps {
		i := integration(schemas.Azure)
		for range 2 {
			got := issued(t, pool, i)
			require.True(t, got.Exclusive)
			require.Equal(t, app.ClientID, got.Credentials.Azure.ClientID())
			require.Equal(t, app.Name, got.Credentials.Azure.MultiTenantAppName)
			require.Contains(t, got.Credentials.Azure.ConsentURL, tenant)
		}
		require.NoError(t, pool.Revoke(t.Context(), i))
	}
	_, made, err := pool.Provision(t.Context(), integration(schemas.Azure))
	require.ErrorIs(t, err, provision.ErrPoolExhausted)
	require.ErrorContains(t, err, "add an app to the file that AUDITFERRY_AZURE_APP_POOL_FILE names")
	require.False(t, made)

	broken := errors.New("no connection")
	pool.Draw = func(context.Context, schemas.Integration, []schemas.Credentials) (schemas.Credentials, bool, error) {
		return schemas.Credentials{}, false, broken
	}
	_, made, err = pool.Provision(t.Context(), integration(schemas.Azure))
	require.ErrorIs(t, err, broken)
	require.NotErrorIs(t, err, provision.ErrPoolExhausted)
	require.False(t, made)
}

func TestExternal(t *testing.T) {
	t.Parallel()
	got, made, err := provision.External{}.Provision(t.Context(), integration(schemas.AWS))
	require.NoError(t, err)
	require.False(t, made)
	require.Zero(t, got)
	require.NoError(t, provision.External{}.Revoke(t.Context(), integration(schemas.AWS)))
}

// A mistake in the configuration reaches no customer.
func TestCredentialsAreWellFormed(t *testing.T) {
	t.Parallel()
	app := provision.App{ClientID: "0f2b5b5e-7a51-4a39-8fd5-5fb0d9e3f6b1", Name: "auditferry"}
	for name, test := range map[string]struct {
		with  provisioner
		cloud schemas.Cloud
	}{
		"IAM user":      {provision.AWS{UserARN: "somebody"}, schemas.AWS},
		"app name":      {provision.AzureApp{ClientID: app.ClientID, Name: app.Name}, schemas.Azure},
		"client ID":     {provision.AzureApp{Name: "auditferry_17"}, schemas.Azure},
		"authority":     {provision.AzureApp{Authority: "http://entra", ClientID: app.ClientID, Name: "auditferry_17"}, schemas.Azure},
		"pool":          {provision.AzurePool{Apps: []provision.App{app}, Draw: firstFree(nil)}, schemas.Azure},
		"account":       {provision.GCPAccount{Email: "somebody"}, schemas.GCP},
		"another cloud": {provision.GCPAccount{Email: serviceAccount}, schemas.AWS},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, made, err := test.with.Provision(t.Context(), integration(test.cloud))
			var field *schemas.FieldError
			require.ErrorAs(t, err, &field)
			require.ErrorContains(t, err, "the service's own configuration for "+string(test.cloud)+" is wrong")
			require.False(t, made)
			require.Zero(t, got)
		})
	}
}
