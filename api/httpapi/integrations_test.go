package httpapi_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// actions are the organization's audit events, oldest first.
func (s *server) actions(t *testing.T, o tenant) []string {
	t.Helper()
	var events struct{ Items []struct{ Action string } }
	s.get(t, o.admin(), "/v1/events?limit=200").is(t, http.StatusOK, &events)
	actions := make([]string, len(events.Items))
	for i, e := range events.Items {
		actions[len(actions)-1-i] = e.Action
	}
	return actions
}

func (s *server) delete(t *testing.T, o tenant, path string) response {
	t.Helper()
	return s.do(t, request{method: http.MethodDelete, path: path, key: o.admin()})
}

func TestIntegrationFromCreationToDeletion(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	answer := s.post(t, o.admin(), "/v1/integrations", map[string]any{
		"name": "audit log", "cloud": "azure", "destination": "AZURE://Acme.blob.core.windows.net/logs/audit", "tenant_id": "72f988bf-86f1-41af-91ab-2d7cd011db47",
	})
	var created schemas.Operation
	answer.is(t, http.StatusAccepted, &created)
	require.Equal(t, schemas.OpCreateIntegration, created.Kind)
	require.Equal(t, schemas.OperationPending, created.Status)
	require.Equal(t, "admin", created.RequestedBy)
	s.get(t, o.admin(), answer.header.Get("Location")).is(t, http.StatusOK, nil)

	path := "/v1/integrations/" + created.IntegrationID.String()
	var integration schemas.Integration
	s.get(t, o.keys[schemas.RoleViewer], path).is(t, http.StatusOK, &integration)
	require.Equal(t, schemas.IntegrationProvisioning, integration.Status)
	require.Equal(t, schemas.ProvisionerExternal, integration.Provisioner)
	require.Equal(t, "azure://acme.blob.core.windows.net/logs/audit/", integration.Destination.URL())

	s.get(t, o.admin(), path+"/credentials").problem(t, http.StatusConflict)
	s.post(t, o.admin(), path+"/check-access", nil).problem(t, http.StatusConflict)
	credentials := map[string]any{"azure": map[string]any{
		"consent_url":           "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/oauth2/authorize?client_id=0d3f5c1e-6a1b-4c53-9b0c-5a7f2f0f6a11",
		"multi_tenant_app_name": "auditferry_1700000000000",
	}}
	provisioning := s.post(t, operatorKey, path+"/provisioning", map[string]any{"org_id": o.id, "credentials": credentials})
	provisioning.is(t, http.StatusAccepted, nil)
	require.NotContains(t, string(provisioning.body), "1700000000000", "credentials are shown by their own call only")
	s.get(t, operatorKey, provisioning.header.Get("Location")).is(t, http.StatusOK, nil)
	ops := s.dispatcher.dispatched()
	require.Len(t, ops, 2)
	require.Equal(t, "auditferry_1700000000000", ops[1].Params.Credentials.Azure.MultiTenantAppName)

	s.inOrg(t, o, func(tx *postgres.Tx) error {
		if err := tx.EndOperation(t.Context(), created.ID, schemas.OperationSucceeded, ""); err != nil {
			return err
		}
		return tx.SetCredentials(t.Context(), integration.ID, *ops[1].Params.Credentials, false)
	})
	s.get(t, o.admin(), path+"/credentials").is(t, http.StatusOK, nil)
	withCredentials := s.get(t, o.admin(), path)
	require.NotContains(t, string(withCredentials.body), "1700000000000")
	s.post(t, o.admin(), path+"/check-access", nil).is(t, http.StatusAccepted, nil)
	s.post(t, o.admin(), path+"/destination", map[string]any{"destination": "azure://acme.blob.core.windows.net/logs/new/", "retarget": true}).
		is(t, http.StatusAccepted, nil)
	s.delete(t, o, path+"?delete_exports=true").is(t, http.StatusAccepted, nil)
	s.inOrg(t, o, func(tx *postgres.Tx) error {
		if err := tx.SetIntegrationStatus(t.Context(), integration.ID, schemas.IntegrationDeleting); err != nil {
			return err
		}
		return tx.ClearCredentials(t.Context(), integration.ID)
	})
	p := s.get(t, o.admin(), path+"/credentials").problem(t, http.StatusConflict)
	require.Contains(t, p.Detail, "deleted")

	require.Equal(t, []string{
		"auditferry.api_key.created", "auditferry.api_key.created", "auditferry.api_key.created",
		"auditferry.integration.created", "auditferry.integration.credentials_handed_in", "auditferry.integration.credentials_viewed",
		"auditferry.integration.access_check_requested", "auditferry.integration.destination_update_requested", "auditferry.integration.delete_requested",
	}, s.actions(t, o))
}

func TestAuditEventSaysWhoAndFromWhere(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	integration := s.newAWS(t, o, "s3://acme-audit/")
	var events struct{ Items []schemas.Event }
	s.get(t, o.admin(), "/v1/events?action=auditferry.integration.created").is(t, http.StatusOK, &events)
	require.Len(t, events.Items, 1)
	created := events.Items[0]
	require.Equal(t, "api_key", created.Actor.Type)
	require.Equal(t, "admin", created.Actor.Name)
	require.NotNil(t, created.Context)
	require.Equal(t, "127.0.0.1", created.Context.IP)
	require.NotEmpty(t, created.Context.RequestID)
	require.Equal(t, []schemas.Target{{Type: "integration", ID: integration.String(), Name: "audit log"}}, created.Targets)
}

// Invariant 4: its operation always ends, so a dispatch that fails is not the
// caller's business: reconcile finds the operation.
func TestCommandStandsWhenTemporalIsAway(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	s.dispatcher.fail = errors.New("connection refused")
	s.newAWS(t, o, "s3://acme-audit/")
	require.Equal(t, 1, s.log.FilterMessage("operation not dispatched; reconcile will").Len())
	var unsent []schemas.Operation
	require.NoError(t, s.store.AsOperator(t.Context(), func(tx *postgres.Tx) (err error) {
		unsent, err = tx.StrandedOperations(t.Context(), 0, time.Hour, 10)
		return err
	}))
	require.Len(t, unsent, 1)
}

func TestUpdateDestination(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o, globex := s.newTenant(t, "Acme"), s.newTenant(t, "Globex")
	integration := s.newAWS(t, o, "s3://acme-audit/logs/")
	path := "/v1/integrations/" + integration.String() + "/destination"
	s.newAWS(t, globex, "s3://globex-audit/")
	s.post(t, o.admin(), path, map[string]any{"destination": "s3://globex-audit/acme/"}).problem(t, http.StatusConflict)

	var update schemas.Operation
	s.post(t, o.admin(), path, map[string]any{"destination": "s3://acme-audit/new"}).is(t, http.StatusAccepted, &update)
	require.Equal(t, "s3://acme-audit/new/", update.Params.Destination.URL())
	require.False(t, update.Params.Retarget)

	p := s.post(t, o.admin(), path, map[string]any{"destination": "s3://acme-audit/third/"}).problem(t, http.StatusConflict)
	require.Contains(t, p.Detail, update.ID.String())
	// The new place is claimed before the workflow has moved there.
	s.do(t, newAWSRequest(globex.admin(), "", "s3://acme-audit/new/")).problem(t, http.StatusConflict)
	s.endOperation(t, o, update.ID)
	s.post(t, o.admin(), path, map[string]any{"destination": "s3://acme-audit/third/"}).is(t, http.StatusAccepted, nil)
}

// Invariant 4: a delete is carried out once, however often it is asked for.
func TestDeleteIntegrationTwice(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	integration := s.newAWS(t, o, "s3://acme-audit/")
	s.provision(t, o, integration)
	export := s.newExport(t, o, "hourly", integration)
	path := "/v1/integrations/" + integration.String()
	var first, second schemas.Operation
	s.delete(t, o, path).is(t, http.StatusAccepted, &first)
	s.delete(t, o, path+"?delete_exports=true").is(t, http.StatusAccepted, &second)
	require.Equal(t, first.ID, second.ID)
	require.False(t, second.Params.DeleteLinks)

	refused := func() {
		s.post(t, o.admin(), path+"/destination", map[string]any{"destination": "s3://acme-audit/new/"}).problem(t, http.StatusConflict)
		s.post(t, o.admin(), path+"/check-access", nil).problem(t, http.StatusConflict)
		s.post(t, o.admin(), "/v1/exports", map[string]any{"name": "late", "integration_id": integration, "schedule": hourly()}).problem(t, http.StatusConflict)
		s.post(t, o.admin(), "/v1/exports/"+export.ID.String()+"/resume", nil).problem(t, http.StatusConflict)
		s.post(t, operatorKey, path+"/provisioning", belongings{"org_id": o.id}.body("ProvisionIntegration")).problem(t, http.StatusConflict)
	}
	refused()
	s.inOrg(t, o, func(tx *postgres.Tx) error {
		if err := tx.SetIntegrationStatus(t.Context(), integration, schemas.IntegrationDeleted); err != nil {
			return err
		}
		return tx.EndOperation(t.Context(), first.ID, schemas.OperationSucceeded, "")
	})
	refused()
	s.delete(t, o, path).is(t, http.StatusAccepted, &second)
	require.Equal(t, first.ID, second.ID)
	require.Equal(t, schemas.OperationSucceeded, second.Status)

	var list struct{ Items []schemas.Integration }
	s.get(t, o.admin(), "/v1/integrations").is(t, http.StatusOK, &list)
	require.Empty(t, list.Items)
	s.get(t, o.admin(), "/v1/integrations?include_deleted=true").is(t, http.StatusOK, &list)
	require.Len(t, list.Items, 1)
}

func TestDeleteIntegrationAgainAfterFailure(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	path := "/v1/integrations/" + s.newAWS(t, o, "s3://acme-audit/").String()
	var first, second schemas.Operation
	s.delete(t, o, path).is(t, http.StatusAccepted, &first)
	s.inOrg(t, o, func(tx *postgres.Tx) error {
		return tx.EndOperation(t.Context(), first.ID, schemas.OperationFailed, "the cloud said no")
	})
	s.delete(t, o, path).is(t, http.StatusAccepted, &second)
	require.NotEqual(t, first.ID, second.ID)
}

func TestOperatorsSeeWhatWaits(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	integration := s.newAWS(t, o, "s3://acme-audit/")
	var list struct{ Items []schemas.Integration }
	s.get(t, operatorKey, "/v1/orgs/"+o.id.String()+"/integrations").is(t, http.StatusOK, &list)
	require.Len(t, list.Items, 1)
	require.Equal(t, integration, list.Items[0].ID)
}

func TestPagesHoldEveryItemOnce(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	var want []uuid.UUID
	for _, bucket := range []string{"acme-a", "acme-b", "acme-c", "acme-d", "acme-e"} {
		want = append(want, s.newAWS(t, o, "s3://"+bucket+"/"))
	}
	var got []uuid.UUID
	path, pages := "/v1/integrations?limit=2", 0
	for next := path; next != ""; pages++ {
		var list struct {
			Items      []schemas.Integration
			NextCursor string `json:"next_cursor"`
		}
		s.get(t, o.admin(), next).is(t, http.StatusOK, &list)
		for _, integration := range list.Items {
			got = append(got, integration.ID)
		}
		if next = ""; list.NextCursor != "" {
			next = path + "&cursor=" + list.NextCursor
		}
	}
	require.Equal(t, want, got)
	require.Equal(t, 3, pages)
}

func TestWaitForOperation(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	s.newAWS(t, o, "s3://acme-audit/")
	op := s.dispatcher.dispatched()[0]
	path := "/v1/operations/" + op.ID.String()

	var got schemas.Operation
	begin := time.Now()
	s.get(t, o.admin(), path+"?wait=1s").is(t, http.StatusOK, &got)
	require.Equal(t, schemas.OperationPending, got.Status)
	require.GreaterOrEqual(t, time.Since(begin), time.Second)

	ended := make(chan response, 1)
	go func() { ended <- s.get(t, o.keys[schemas.RoleViewer], path+"?wait=60s") }()
	s.inOrg(t, o, func(tx *postgres.Tx) error {
		return tx.EndOperation(t.Context(), op.ID, schemas.OperationFailed, strings.Repeat("because ", 3))
	})
	(<-ended).is(t, http.StatusOK, &got)
	require.Equal(t, schemas.OperationFailed, got.Status)
	require.NotEmpty(t, got.Error)
	require.NotNil(t, got.EndedAt)
}
