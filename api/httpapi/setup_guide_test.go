package httpapi_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// eventsOf are the organization's audit events with an action, newest first.
func (s *server) eventsOf(t *testing.T, o tenant, action string) []schemas.Event {
	t.Helper()
	var events struct{ Items []schemas.Event }
	s.get(t, o.admin(), "/v1/events?action="+action).is(t, http.StatusOK, &events)
	return events.Items
}

func TestSetupGuideFromCreationToDeletion(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	integration := s.newAWS(t, o, "s3://acme-audit/logs/")
	path := "/v1/integrations/" + integration.String() + "/setup"
	const viewed = "auditferry.integration.credentials_viewed"

	var guide schemas.SetupGuide
	s.get(t, o.admin(), path).is(t, http.StatusOK, &guide)
	require.False(t, guide.Ready)
	require.Equal(t, schemas.AWS, guide.Cloud)
	require.Equal(t, "s3://acme-audit/logs/", guide.Destination.URL())
	require.NotEmpty(t, guide.Steps)
	require.Empty(t, s.eventsOf(t, o, viewed), "there is nothing to see yet")

	s.provision(t, o, integration)
	s.get(t, o.keys[schemas.RoleViewer], path).is(t, http.StatusOK, &guide)
	require.True(t, guide.Ready)
	require.Contains(t, guide.Values, schemas.SetupValue{Name: "External ID", Value: "external-id"})
	views := s.eventsOf(t, o, viewed)
	require.Len(t, views, 1)
	require.JSONEq(t, `{"as":"setup"}`, string(views[0].Metadata))
	require.Equal(t, "viewer", views[0].Actor.Name)

	for _, status := range []schemas.IntegrationStatus{schemas.IntegrationDeleting, schemas.IntegrationDeleted} {
		s.inOrg(t, o, func(tx *postgres.Tx) error { return tx.SetIntegrationStatus(t.Context(), integration, status) })
		p := s.get(t, o.admin(), path).problem(t, http.StatusConflict)
		require.Contains(t, p.Detail, "deleted")
	}
	require.Len(t, s.eventsOf(t, o, viewed), 1)
}

// Whoever asks for the headers alone has not seen the credentials.
func TestHeadersAreNoView(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	integration := s.newAWS(t, o, "s3://acme-audit/")
	s.provision(t, o, integration)
	before := s.census(t, o)
	for _, what := range []string{"setup", "credentials"} {
		got := s.do(t, request{method: http.MethodHead, path: "/v1/integrations/" + integration.String() + "/" + what, key: o.admin()})
		require.Equal(t, http.StatusOK, got.status, what)
		require.Equal(t, "application/json", got.header.Get("Content-Type"))
		require.Empty(t, got.body)
	}
	require.Equal(t, before, s.census(t, o))
}

func TestSetupPreviewClaimsNothing(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	before := s.census(t, o)
	for name, query := range map[string]string{
		"AWS":                     "cloud=aws&destination=s3://acme-audit/logs/",
		"AWS with a role":         "cloud=aws&destination=s3://acme-audit/logs/&role_arn=arn:aws:iam::123456789012:role/auditferry",
		"AWS with an owner":       "cloud=aws&destination=s3://acme-audit/&bucket_owner=210987654321",
		"Azure":                   "cloud=azure&destination=azure://acme.blob.core.windows.net/logs/",
		"Azure with a tenant":     "cloud=azure&destination=azure://acme.blob.core.windows.net/logs/&tenant_id=72f988bf-86f1-41af-91ab-2d7cd011db47",
		"GCP":                     "cloud=gcp&destination=gs://acme-audit/",
		"GCP with an odd address": "cloud=gcp&destination=gcs%3A%2F%2Facme-audit",
	} {
		t.Run(name, func(t *testing.T) {
			var guide schemas.SetupGuide
			s.get(t, o.keys[schemas.RoleViewer], "/v1/setup?"+query).is(t, http.StatusOK, &guide)
			require.False(t, guide.Ready)
			require.NotEmpty(t, guide.Destination.Bucket)
			require.NotEmpty(t, guide.Documents)
		})
	}
	require.Equal(t, before, s.census(t, o))
}
