package service_test

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/internal/postgres/postgrestest"
	"github.com/auditferry/auditferry/schemas"
)

// National clouds, and the simulated one, have an authority of their own.
func TestConsentURLsOfAnotherAuthority(t *testing.T) {
	t.Parallel()
	const tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47"
	const page = tenant + "/adminconsent?client_id=0d3f5c1e-6a1b-4c53-9b0c-5a7f2f0f6a11"
	store, _, _ := postgrestest.New(t)
	for authority, test := range map[string]struct{ good, bad []string }{
		"https://login.partner.microsoftonline.cn": {
			good: []string{"https://login.partner.microsoftonline.cn/" + page},
			bad:  []string{"https://login.microsoftonline.com/" + page},
		},
		"https://127.0.0.1:8443/entra/": {
			good: []string{"https://127.0.0.1:8443/entra/" + page},
			bad:  []string{"https://127.0.0.1:8443/" + page, "https://127.0.0.1/entra/" + page, "https://127.0.0.1:8443/entrance/" + page},
		},
	} {
		s := service.New(service.Options{
			Store: store, Dispatcher: dispatcherFunc(ignore), Log: zaptest.NewLogger(t), AzureAuthority: authority,
			Provisioners: map[schemas.Cloud]schemas.Provisioner{schemas.Azure: schemas.ProvisionerExternal},
		})
		operator := service.Call{Caller: service.Caller{Role: schemas.RoleOperator, Actor: schemas.Actor{Name: "operator"}}}
		org, err := s.CreateOrg(t.Context(), operator, service.CreateOrg{Name: "Acme"})
		require.NoError(t, err)
		admin := service.Call{Caller: service.Caller{OrgID: &org.ID, Role: schemas.RoleAdmin, Actor: schemas.Actor{Type: "api_key", ID: uuid.NewString(), Name: "Ada"}}}
		created, err := s.CreateIntegration(t.Context(), admin, service.CreateIntegration{
			Name: "audit log", Cloud: schemas.Azure, Destination: "azure://acme.blob.core.windows.net/" + org.ID.String() + "/", TenantID: tenant,
		})
		require.NoError(t, err)
		provision := func(url string) error {
			_, err := s.Provision(t.Context(), operator, service.Provision{
				OrgID: org.ID, IntegrationID: *created.IntegrationID, Credentials: schemas.Credentials{
					Azure: &schemas.AzureCredentials{ConsentURL: url, MultiTenantAppName: "auditferry_1700000000000"},
				},
			})
			return err
		}
		for _, url := range test.bad {
			requireKind(t, service.Invalid, provision(url), "credentials.azure.consent_url")
		}
		for _, url := range test.good {
			require.NoError(t, provision(url), url)
		}
	}
}

// Two operators who do not know of each other do not overwrite what the other
// has handed in, also before the workflow has stored it.
func TestOperatorsReplaceOnlyWhatTheyHaveSeen(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	created, err := b.create(t.Context(), "gs://acme-audit/")
	require.NoError(t, err)
	org, id := *b.admin.OrgID, *created.IntegrationID
	account := func(name string) *schemas.Credentials {
		return &schemas.Credentials{GCP: &schemas.GCPCredentials{ServiceAccount: name + "-exports@auditferry.iam.gserviceaccount.com"}}
	}
	handIn := func(name, replaces string) error {
		_, err := b.Provision(t.Context(), service.Call{Caller: operator()}, service.Provision{
			OrgID: org, IntegrationID: id, Credentials: *account(name), Exclusive: true, Replaces: replaces,
		})
		return err
	}
	look := func() service.Provisioning {
		found, err := b.Provisioning(t.Context(), operator(), org, id)
		require.NoError(t, err)
		return found
	}
	empty := look()
	require.Equal(t, "Acme", empty.OrgName)
	require.Nil(t, empty.Credentials)
	require.Nil(t, empty.HandedIn)
	require.NoError(t, handIn("first", empty.Version))
	requireKind(t, service.Conflict, handIn("second", empty.Version))

	views := func() int {
		t.Helper()
		events, err := b.SearchEvents(t.Context(), b.admin, service.EventFilter{Action: "auditferry.integration.credentials_viewed"}, service.Page{})
		require.NoError(t, err)
		return len(events.Items)
	}
	_, err = b.Provisioning(service.HeadersOnly(t.Context()), operator(), org, id)
	require.NoError(t, err)
	require.Zero(t, views(), "nobody has seen anything")
	first := look()
	require.Equal(t, 1, views(), "the organization sees who has looked")
	require.Equal(t, account("first"), first.Credentials)
	require.True(t, first.Exclusive)
	require.Equal(t, "operator", first.HandedIn.RequestedBy)
	require.Nil(t, first.HandedIn.Params.Credentials)

	// Once it has been stored it is still what the operator has seen.
	b.inOrg(t, func(tx *postgres.Tx) error {
		if err := tx.SetCredentials(t.Context(), id, *account("first"), true); err != nil {
			return err
		}
		return tx.EndOperation(t.Context(), first.HandedIn.ID, schemas.OperationSucceeded, "")
	})
	require.Equal(t, first.Version, look().Version)
	require.NoError(t, handIn("second", first.Version), "rotation")
	require.NoError(t, handIn("third", ""), "automation replaces whatever is there")

	globex, err := b.CreateOrg(t.Context(), service.Call{Caller: operator()}, service.CreateOrg{Name: "Globex"})
	require.NoError(t, err)
	_, err = b.Provisioning(t.Context(), operator(), globex.ID, id)
	requireKind(t, service.NotFound, err)
	_, err = b.Provisioning(t.Context(), b.admin, org, id)
	requireKind(t, service.Forbidden, err)
}

// All that is wrong with credentials is said at once, each field once.
func TestWrongCredentials(t *testing.T) {
	t.Parallel()
	store, _, _ := postgrestest.New(t)
	s := service.New(service.Options{
		Store: store, Dispatcher: dispatcherFunc(ignore), Log: zaptest.NewLogger(t),
		Provisioners: map[schemas.Cloud]schemas.Provisioner{schemas.AWS: schemas.ProvisionerExternal, schemas.Azure: schemas.ProvisionerExternal},
	})
	operator := service.Call{Caller: operator()}
	org, err := s.CreateOrg(t.Context(), operator, service.CreateOrg{Name: "Acme"})
	require.NoError(t, err)
	admin := service.Call{Caller: service.Caller{OrgID: &org.ID, Role: schemas.RoleAdmin, Actor: schemas.Actor{Type: "user", ID: "ada"}}}
	for _, test := range []struct {
		integration service.CreateIntegration
		credentials schemas.Credentials
		wrong       []string
	}{
		{
			service.CreateIntegration{Name: "a", Cloud: schemas.AWS, Destination: "s3://acme-audit/", RoleARN: "arn:aws:iam::123456789012:role/audit"},
			schemas.Credentials{AWS: &schemas.AWSCredentials{}},
			[]string{"credentials.aws.external_id", "credentials.aws.iam_user_arn"},
		},
		{
			service.CreateIntegration{Name: "b", Cloud: schemas.Azure, Destination: "azure://acme.blob.core.windows.net/logs/", TenantID: "72f988bf-86f1-41af-91ab-2d7cd011db47"},
			schemas.Credentials{Azure: &schemas.AzureCredentials{}},
			[]string{"credentials.azure.consent_url", "credentials.azure.multi_tenant_app_name"},
		},
	} {
		created, err := s.CreateIntegration(t.Context(), admin, test.integration)
		require.NoError(t, err)
		_, err = s.Provision(t.Context(), operator, service.Provision{OrgID: org.ID, IntegrationID: *created.IntegrationID, Credentials: test.credentials})
		requireKind(t, service.Invalid, err, test.wrong...)
		var known *service.Error
		require.ErrorAs(t, err, &known)
		require.Len(t, known.Fields, len(test.wrong))
	}
}

// An idempotency key stands for a request's type and members. What was sent
// before these members were added is the same request after the upgrade.
func TestRequestsKeepTheirFingerprint(t *testing.T) {
	t.Parallel()
	for want, request := range map[string]any{
		`{"IntegrationID":"00000000-0000-0000-0000-000000000000"}`:                                                                 service.CheckAccess{},
		`{"IntegrationID":"00000000-0000-0000-0000-000000000000","Destination":"","Retarget":false}`:                               service.UpdateDestination{},
		`{"Name":"","Cloud":"","Destination":"","RoleARN":"","TenantID":""}`:                                                       service.CreateIntegration{},
		`{"OrgID":"00000000-0000-0000-0000-000000000000","IntegrationID":"00000000-0000-0000-0000-000000000000","Credentials":{}}`: service.Provision{},
	} {
		members, err := json.Marshal(request)
		require.NoError(t, err)
		require.Equal(t, want, string(members), "%T", request)
	}
}
