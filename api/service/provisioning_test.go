package service_test

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/auditferry/auditferry/api/service"
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
