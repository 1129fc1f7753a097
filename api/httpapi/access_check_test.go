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

func TestAccessAttempts(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	integration := s.newAWS(t, o, "s3://acme-audit/")
	path := "/v1/integrations/" + integration.String()
	s.get(t, o.admin(), path+"/access-attempts").is(t, http.StatusOK, nil)

	next := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	refused := schemas.AccessReport{
		Owner: "123456789012", CheckedAt: next.Add(-time.Minute), NextTryAt: &next,
		Steps: []schemas.AccessStep{
			{Name: schemas.StepAuthenticate, Status: schemas.StepOK},
			{
				Name: schemas.StepWrite, Status: schemas.StepFailed, Kind: schemas.KindDenied, Code: "AccessDenied",
				Explanation: "The role may not write.", Fix: "Attach the permission policy.", Answer: "no identity-based policy allows the action",
			},
			{Name: schemas.StepList, Status: schemas.StepSkipped},
		},
	}
	var want []string
	for check := 1; check <= 2; check++ {
		s.inOrg(t, o, func(tx *postgres.Tx) error {
			return tx.SetAccess(t.Context(), integration, schemas.IntegrationAwaitingAccess, schemas.AccessChecking, check)
		})
		for attempt := 1; attempt <= 3; attempt++ {
			refused.Check, refused.Attempt = check, attempt
			s.inOrg(t, o, func(tx *postgres.Tx) error {
				_, err := tx.RecordAttempt(t.Context(), integration, refused)
				return err
			})
			want = append([]string{fmt.Sprint(check, attempt)}, want...)
		}
	}

	var got []string
	first := path + "/access-attempts?limit=2"
	for page := first; page != ""; {
		var list struct {
			Items      []schemas.AccessReport
			NextCursor string `json:"next_cursor"`
		}
		s.get(t, o.keys[schemas.RoleViewer], page).is(t, http.StatusOK, &list)
		for _, report := range list.Items {
			got = append(got, fmt.Sprint(report.Check, report.Attempt))
		}
		if page = ""; list.NextCursor != "" {
			page = first + "&cursor=" + list.NextCursor
		}
	}
	require.Equal(t, want, got)

	var read schemas.Integration
	s.get(t, o.admin(), path).is(t, http.StatusOK, &read)
	require.Equal(t, &refused, read.Report, "the newest one stands in the integration")
}

func TestCheckAccessAcceptsAnOwner(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	var op schemas.Operation
	s.post(t, o.admin(), "/v1/integrations", map[string]any{"name": "audit log", "cloud": "gcp", "destination": "gs://acme-audit/"}).
		is(t, http.StatusAccepted, &op)
	integration := *op.IntegrationID
	s.inOrg(t, o, func(tx *postgres.Tx) error {
		return tx.SetCredentials(t.Context(), integration, schemas.Credentials{GCP: &schemas.GCPCredentials{
			ServiceAccount: "exporter@service-project.iam.gserviceaccount.com",
		}}, true)
	})
	path := "/v1/integrations/" + integration.String() + "/check-access"
	s.post(t, o.admin(), path, map[string]any{}).is(t, http.StatusAccepted, &op)
	require.False(t, op.Params.AcceptOwner)
	s.post(t, o.admin(), path, map[string]any{"accept_owner": true}).is(t, http.StatusAccepted, &op)
	require.True(t, op.Params.AcceptOwner)
	require.True(t, s.dispatcher.last().Params.AcceptOwner)

	checks := s.eventsOf(t, o, "auditferry.integration.access_check_requested")
	require.Len(t, checks, 2)
	require.JSONEq(t, fmt.Sprintf(`{"operation_id":%q,"accept_owner":true}`, op.ID), string(checks[0].Metadata))
	require.NotContains(t, string(checks[1].Metadata), "accept_owner")
}

func TestOwnersAreAcceptedOnGCPOnly(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	aws := s.newAWS(t, o, "s3://acme-audit/")
	s.provision(t, o, aws)
	refused := s.post(t, o.admin(), "/v1/integrations/"+aws.String()+"/check-access", map[string]any{"accept_owner": true}).
		problem(t, http.StatusUnprocessableEntity)
	require.Equal(t, []string{"accept_owner"}, refused.fields())

	integration := s.newAzure(t, o, "acme")
	s.inOrg(t, o, func(tx *postgres.Tx) error {
		return tx.SetCredentials(t.Context(), integration, schemas.Credentials{Azure: &schemas.AzureCredentials{
			ConsentURL: consentURL, MultiTenantAppName: "auditferry_1700000000000",
		}}, true)
	})
	path := "/v1/integrations/" + integration.String() + "/check-access"
	p := s.post(t, o.admin(), path, map[string]any{"accept_owner": true}).problem(t, http.StatusUnprocessableEntity)
	require.Equal(t, []string{"accept_owner"}, p.fields())
	s.post(t, o.admin(), path, map[string]any{"accept_owner": false}).is(t, http.StatusAccepted, nil)
}

func TestBucketOwner(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	var created schemas.Operation
	s.post(t, o.admin(), "/v1/integrations", map[string]any{
		"name": "audit log", "cloud": "aws", "destination": "s3://acme-audit/",
		"role_arn": "arn:aws:iam::123456789012:role/auditferry", "bucket_owner": "210987654321",
	}).is(t, http.StatusAccepted, &created)
	path := "/v1/integrations/" + created.IntegrationID.String()
	var integration schemas.Integration
	s.get(t, o.admin(), path).is(t, http.StatusOK, &integration)
	require.Equal(t, "210987654321", integration.Grant.BucketOwner)

	move := func(body map[string]any) response { return s.post(t, o.admin(), path+"/destination", body) }
	// Where the integration is already, in whatever words.
	same := map[string]any{"destination": "s3://acme-audit", "bucket_owner": "210987654321"}
	require.Equal(t, []string{"destination"}, move(same).problem(t, http.StatusUnprocessableEntity).fields())

	var op schemas.Operation
	move(map[string]any{"destination": "s3://acme-audit/", "bucket_owner": "333333333333"}).is(t, http.StatusAccepted, &op)
	require.Equal(t, "333333333333", op.Params.BucketOwner)
	require.Equal(t, "333333333333", s.dispatcher.last().Params.BucketOwner)
	s.endOperation(t, o, op.ID)

	// Left out, the bucket is expected in the role's account again.
	var back schemas.Operation
	move(map[string]any{"destination": "s3://acme-audit/"}).is(t, http.StatusAccepted, &back)
	require.Empty(t, back.Params.BucketOwner)
	s.endOperation(t, o, back.ID)
	s.inOrg(t, o, func(tx *postgres.Tx) error {
		grant := integration.Grant
		grant.BucketOwner = ""
		return tx.SetDestination(t.Context(), integration.ID, integration.Destination, grant)
	})
	same["bucket_owner"] = "123456789012" // the role's
	move(same).problem(t, http.StatusUnprocessableEntity)
	delete(same, "bucket_owner")
	move(same).problem(t, http.StatusUnprocessableEntity)
}

// newAzure makes an integration whose credentials come from outside.
func (s *server) newAzure(t *testing.T, o tenant, account string) uuid.UUID {
	t.Helper()
	var op schemas.Operation
	s.post(t, o.admin(), "/v1/integrations", map[string]any{
		"name": "audit log", "cloud": "azure", "destination": "azure://" + account + ".blob.core.windows.net/logs/", "tenant_id": tenantID,
	}).is(t, http.StatusAccepted, &op)
	return *op.IntegrationID
}
