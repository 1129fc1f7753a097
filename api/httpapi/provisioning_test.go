package httpapi_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

const (
	tenantID   = "72f988bf-86f1-41af-91ab-2d7cd011db47"
	clientID   = "0d3f5c1e-6a1b-4c53-9b0c-5a7f2f0f6a11"
	consentURL = "https://login.microsoftonline.com/" + tenantID + "/adminconsent?client_id=" + clientID
)

func TestOperatorsListWhatWaits(t *testing.T) {
	t.Parallel()
	s := setup(t)
	acme, globex := s.newTenant(t, "Acme"), s.newTenant(t, "Globex")
	s.newAWS(t, acme, "s3://acme-audit/") // made automatically
	first, second, third := s.newAzure(t, acme, "acme1"), s.newAzure(t, globex, "globex"), s.newAzure(t, acme, "acme2")

	type item struct {
		OrgID           uuid.UUID           `json:"org_id"`
		OrgName         string              `json:"org_name"`
		IntegrationID   uuid.UUID           `json:"integration_id"`
		IntegrationName string              `json:"integration_name"`
		Cloud           schemas.Cloud       `json:"cloud"`
		Destination     schemas.Destination `json:"destination"`
		Grant           schemas.Grant       `json:"grant"`
		CreatedAt       time.Time           `json:"created_at"`
	}
	waiting := func() []item {
		var all []item
		for next := "/v1/provisioning-requests?limit=2"; next != ""; {
			var list struct {
				Items      []item
				NextCursor string `json:"next_cursor"`
			}
			s.get(t, operatorKey, next).is(t, http.StatusOK, &list)
			all = append(all, list.Items...)
			if next = ""; list.NextCursor != "" {
				next = "/v1/provisioning-requests?limit=2&cursor=" + list.NextCursor
			}
		}
		return all
	}
	ids := func(items []item) []uuid.UUID {
		all := make([]uuid.UUID, len(items))
		for i, it := range items {
			all[i] = it.IntegrationID
		}
		return all
	}
	got := waiting()
	require.Equal(t, []uuid.UUID{first, second, third}, ids(got))
	require.WithinDuration(t, time.Now(), got[1].CreatedAt, patience)
	got[1].CreatedAt = time.Time{}
	place, err := schemas.ParseDestination("azure://globex.blob.core.windows.net/logs/")
	require.NoError(t, err)
	require.Equal(t, item{
		OrgID: globex.id, OrgName: "Globex", IntegrationID: second, IntegrationName: "audit log",
		Cloud: schemas.Azure, Destination: place, Grant: schemas.Grant{TenantID: tenantID},
	}, got[1])

	s.inOrg(t, globex, func(tx *postgres.Tx) error {
		return tx.SetIntegrationStatus(t.Context(), second, schemas.IntegrationAwaitingAccess)
	})
	s.inOrg(t, acme, func(tx *postgres.Tx) error {
		return tx.SetIntegrationStatus(t.Context(), third, schemas.IntegrationDeleted)
	})
	require.Equal(t, []uuid.UUID{first}, ids(waiting()))
}

func azureCredentials(consentURL string) map[string]any {
	return map[string]any{"azure": map[string]any{"consent_url": consentURL, "multi_tenant_app_name": "auditferry_1700000000000"}}
}

func TestProvisionSaysWhetherTheIdentityIsExclusive(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	path := "/v1/integrations/" + s.newAzure(t, o, "acme").String() + "/provisioning"
	for _, exclusive := range []bool{false, true} {
		body := map[string]any{"org_id": o.id, "credentials": azureCredentials(consentURL)}
		if exclusive {
			body["exclusive"] = true
		}
		s.post(t, operatorKey, path, body).is(t, http.StatusAccepted, nil)
		require.Equal(t, exclusive, s.dispatcher.last().Params.Exclusive)
		events := s.eventsOf(t, o, "auditferry.integration.credentials_handed_in")
		require.JSONEq(t, fmt.Sprintf(`{"operation_id":%q,"exclusive":%t}`, s.dispatcher.last().ID, exclusive), string(events[0].Metadata))
	}
}

// An admin follows the consent URL and signs in there.
func TestConsentURLLeadsToTheTenantsOwnPage(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	path := "/v1/integrations/" + s.newAzure(t, o, "acme").String() + "/provisioning"
	provision := func(t *testing.T, url string) response {
		return s.post(t, operatorKey, path, map[string]any{"org_id": o.id, "credentials": azureCredentials(url)})
	}
	const host = "https://login.microsoftonline.com/"
	for name, url := range map[string]string{
		"another host":             "https://evil.example/" + tenantID + "/adminconsent?client_id=" + clientID,
		"a host that begins alike": "https://login.microsoftonline.com.evil.example/" + tenantID + "/adminconsent?client_id=" + clientID,
		"a user named like it":     "https://login.microsoftonline.com@evil.example/" + tenantID + "/adminconsent?client_id=" + clientID,
		"with a user":              "https://evil@login.microsoftonline.com/" + tenantID + "/adminconsent?client_id=" + clientID,
		"another port":             "https://login.microsoftonline.com:8443/" + tenantID + "/adminconsent?client_id=" + clientID,
		"not encrypted":            "http://login.microsoftonline.com/" + tenantID + "/adminconsent?client_id=" + clientID,
		"another tenant":           host + "11111111-2222-3333-4444-555555555555/adminconsent?client_id=" + clientID,
		"personal accounts":        host + "consumers/adminconsent?client_id=" + clientID,
		"no tenant":                host + "?client_id=" + clientID,
		"the tenant further below": host + "x/" + tenantID + "/adminconsent?client_id=" + clientID,
		"the tenant as a query":    host + "?tenant=" + tenantID + "&client_id=" + clientID,
		"no client ID":             host + tenantID + "/adminconsent",
		"a client ID of a name":    host + tenantID + "/adminconsent?client_id=auditferry",
		"a client ID in capitals":  host + tenantID + "/adminconsent?client_id=0D3F5C1E-6A1B-4C53-9B0C-5A7F2F0F6A11",
		"two client IDs":           consentURL + "&client_id=11111111-2222-3333-4444-555555555555",
		"an unreadable query":      consentURL + "&client_id=1;2",
		"a quotation mark":         consentURL + `&state="><script>`,
		"a line break":             consentURL + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			p := provision(t, url).problem(t, http.StatusUnprocessableEntity)
			require.Equal(t, []string{"credentials.azure.consent_url"}, p.fields())
		})
	}
	for name, url := range map[string]string{
		"the tenant's":          consentURL,
		"with capitals":         "https://Login.MicrosoftOnline.com/72F988BF-86F1-41AF-91AB-2D7CD011DB47/v2.0/adminconsent?client_id=" + clientID,
		"any tenant":            host + "organizations/v2.0/adminconsent?client_id=" + clientID + "&scope=.default&redirect_uri=https%3A%2F%2Fauditferry.example",
		"any tenant or account": host + "common/adminconsent?client_id=" + clientID,
	} {
		t.Run(name, func(t *testing.T) { provision(t, url).is(t, http.StatusAccepted, nil) })
	}
}

func TestCredentialsOfAnotherCloudAreNamed(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	path := "/v1/integrations/" + s.newAWS(t, o, "s3://acme-audit/").String() + "/provisioning"
	p := s.post(t, operatorKey, path, map[string]any{"org_id": o.id, "credentials": azureCredentials(consentURL)}).
		problem(t, http.StatusUnprocessableEntity)
	require.Equal(t, []string{"credentials"}, p.fields())
	require.Contains(t, p.Errors[0].Message, "integration's cloud, aws")
}
