package httpapi_test

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

func TestCreateExport(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	integration := s.newAWS(t, o, "s3://acme-audit/logs/")
	export := s.newExport(t, o, "Ünïcode & Co. — hourly", integration)
	require.Regexp(t, `^n-code-co-hourly-[0-9a-f]{6}$`, export.Slug)
	require.Equal(t, schemas.FormatNDJSON, export.Format)
	require.Equal(t, schemas.CompressionGzip, export.Compression)
	require.Equal(t, schemas.DefaultPathTemplate, export.PathTemplate)
	require.Equal(t, "s3://acme-audit/logs/", export.Destination.URL())
	require.Equal(t, schemas.ExportActive, export.State)

	ops := s.dispatcher.dispatched()
	op := ops[len(ops)-1]
	require.Equal(t, schemas.OpCreateExport, op.Kind)
	require.Equal(t, export.SpecVersion, op.SpecVersion)

	var linked struct{ Items []schemas.Export }
	s.get(t, o.admin(), "/v1/integrations/"+integration.String()+"/exports").is(t, http.StatusOK, &linked)
	require.Equal(t, []schemas.Export{export}, linked.Items)
	s.get(t, o.admin(), "/v1/exports").is(t, http.StatusOK, &linked)
	require.Equal(t, []schemas.Export{export}, linked.Items)
}

func TestStartOfAnExport(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	integration := s.newAWS(t, o, "s3://acme-audit/")
	create := func(from string) schemas.Export {
		var op schemas.Operation
		s.post(t, o.admin(), "/v1/exports", map[string]any{
			"name": "from " + from, "integration_id": integration, "schedule": hourly(), "start_from": from,
		}).is(t, http.StatusAccepted, &op)
		return s.export(t, o, *op.ExportID)
	}
	now := create("now")
	var appended schemas.Appended
	s.post(t, o.keys[schemas.RoleIngest], "/v1/events", []any{event("document.read")}).is(t, http.StatusCreated, &appended)
	require.Equal(t, now.DeliveredSeq+1, appended.FirstSeq, "the first event after the creation is the first one delivered")
	require.Zero(t, create("earliest").DeliveredSeq)
}

func TestExportCommands(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	export := s.newExport(t, o, "hourly", s.newAWS(t, o, "s3://acme-audit/"))
	path := "/v1/exports/" + export.ID.String()
	command := func(r response) schemas.Export {
		t.Helper()
		var op schemas.Operation
		r.is(t, http.StatusAccepted, &op)
		ops := s.dispatcher.dispatched()
		require.Equal(t, op.ID, ops[len(ops)-1].ID)
		changed := s.export(t, o, export.ID)
		require.Equal(t, changed.SpecVersion, ops[len(ops)-1].SpecVersion)
		return changed
	}
	edit := func(body any) response {
		return s.do(t, request{method: http.MethodPatch, path: path, key: o.admin(), body: body})
	}

	edited := command(edit(map[string]any{"name": "nightly", "schedule": map[string]any{"kind": "daily", "at": "02:00", "time_zone": "Europe/Berlin"}}))
	require.Equal(t, "nightly", edited.Name)
	require.Equal(t, export.Slug, edited.Slug)
	require.Equal(t, export.Compression, edited.Compression)
	require.Equal(t, export.SpecVersion+1, edited.SpecVersion)
	require.Empty(t, edited.Schedule.Every)
	p := edit(map[string]any{"name": "weekly", "spec_version": export.SpecVersion}).problem(t, http.StatusConflict)
	require.Contains(t, p.Detail, "changed meanwhile by ")
	require.Equal(t, "nightly", s.export(t, o, export.ID).Name)
	edited = command(edit(map[string]any{"name": "nightly", "spec_version": edited.SpecVersion}))

	ran := command(s.post(t, o.admin(), path+"/run", nil))
	require.Equal(t, edited.SpecVersion, ran.SpecVersion)

	paused := command(s.post(t, o.admin(), path+"/pause", nil))
	require.Equal(t, schemas.ExportPaused, paused.State)
	require.Equal(t, schemas.PausedByAdmin, paused.PauseReason)
	command(s.post(t, o.admin(), path+"/pause", nil))
	s.post(t, o.admin(), path+"/run", nil).problem(t, http.StatusConflict)

	resumed := command(s.post(t, o.admin(), path+"/resume", nil))
	require.Equal(t, schemas.ExportActive, resumed.State)
	require.Empty(t, resumed.PauseReason)
	s.post(t, o.admin(), path+"/relink", map[string]any{"integration_id": export.IntegrationID}).problem(t, http.StatusConflict)

	var first, second schemas.Operation
	s.delete(t, o, path).is(t, http.StatusAccepted, &first)
	s.delete(t, o, path).is(t, http.StatusAccepted, &second)
	require.Equal(t, first.ID, second.ID)
	require.Equal(t, schemas.ExportDeleted, s.export(t, o, export.ID).State)
	for _, refused := range []response{
		edit(map[string]any{"name": "x"}),
		s.post(t, o.admin(), path+"/run", nil),
		s.post(t, o.admin(), path+"/pause", nil),
		s.post(t, o.admin(), path+"/resume", nil),
	} {
		refused.problem(t, http.StatusConflict)
	}
	s.newExport(t, o, "nightly", export.IntegrationID) // the name is free again
	require.Subset(t, s.actions(t, o), []string{
		"auditferry.export.created", "auditferry.export.edited", "auditferry.export.run_requested",
		"auditferry.export.paused", "auditferry.export.resumed", "auditferry.export.deleted",
	})
}

func TestResumeAfterTheDestinationMoved(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	integration := s.newAWS(t, o, "s3://acme-audit/old/")
	export := s.newExport(t, o, "hourly", integration)
	path := "/v1/exports/" + export.ID.String()
	moved, err := schemas.ParseDestination("s3://acme-audit/new/")
	require.NoError(t, err)
	s.inOrg(t, o, func(tx *postgres.Tx) error {
		if err := tx.SetDestination(t.Context(), integration, moved, schemas.Grant{RoleARN: "arn:aws:iam::123456789012:role/auditferry"}); err != nil {
			return err
		}
		export.State, export.PauseReason = schemas.ExportPaused, schemas.PausedByDestinationUpdate
		_, err := tx.UpdateExport(t.Context(), export)
		return err
	})
	p := s.post(t, o.admin(), path+"/resume", map[string]any{"retarget": false}).problem(t, http.StatusConflict)
	require.Contains(t, p.Detail, "retarget")
	require.Contains(t, p.Detail, "s3://acme-audit/old/")

	// Pausing it once more does not hide why it is paused.
	s.post(t, o.admin(), path+"/pause", nil).is(t, http.StatusAccepted, nil)
	require.Equal(t, schemas.PausedByDestinationUpdate, s.export(t, o, export.ID).PauseReason)

	s.post(t, o.admin(), path+"/resume", map[string]any{"retarget": true}).is(t, http.StatusAccepted, nil)
	resumed := s.export(t, o, export.ID)
	require.Equal(t, schemas.ExportActive, resumed.State)
	require.Equal(t, moved, resumed.Destination)
}

func TestRelinkAfterTheIntegrationIsGone(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	old := s.newAWS(t, o, "s3://acme-audit/old/")
	export := s.newExport(t, o, "hourly", old)
	path := "/v1/exports/" + export.ID.String()
	s.inOrg(t, o, func(tx *postgres.Tx) error {
		export.State, export.PauseReason = schemas.ExportPaused, schemas.PausedByIntegrationDeleted
		if _, err := tx.UpdateExport(t.Context(), export); err != nil {
			return err
		}
		return tx.SetIntegrationStatus(t.Context(), old, schemas.IntegrationDeleted)
	})
	p := s.post(t, o.admin(), path+"/resume", map[string]any{"retarget": true}).problem(t, http.StatusConflict)
	require.Contains(t, p.Detail, "Relink")
	s.post(t, o.admin(), path+"/relink", map[string]any{"integration_id": old}).problem(t, http.StatusConflict)
	s.post(t, o.admin(), path+"/relink", map[string]any{"integration_id": uuid.New()}).problem(t, http.StatusNotFound)

	fresh := s.newAWS(t, o, "s3://acme-audit/new/")
	s.post(t, o.admin(), path+"/relink", map[string]any{"integration_id": fresh, "spec_version": export.SpecVersion}).problem(t, http.StatusConflict)
	s.post(t, o.admin(), path+"/relink", map[string]any{"integration_id": fresh, "spec_version": export.SpecVersion + 1}).is(t, http.StatusAccepted, nil)
	relinked := s.export(t, o, export.ID)
	require.Equal(t, fresh, relinked.IntegrationID)
	require.Equal(t, "s3://acme-audit/new/", relinked.Destination.URL())
	require.Equal(t, schemas.ExportPaused, relinked.State)
	s.post(t, o.admin(), path+"/resume", nil).is(t, http.StatusAccepted, nil)
}

// An export that went with its integration has no delete of its own to return;
// the integration's stands for it.
func TestDeleteExportThatWentWithItsIntegration(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	integration := s.newAWS(t, o, "s3://acme-audit/")
	export := s.newExport(t, o, "hourly", integration)
	var all, again schemas.Operation
	s.delete(t, o, "/v1/integrations/"+integration.String()+"?delete_exports=true").is(t, http.StatusAccepted, &all)
	s.inOrg(t, o, func(tx *postgres.Tx) error {
		export.State = schemas.ExportDeleted
		_, err := tx.UpdateExport(t.Context(), export)
		return err
	})
	s.delete(t, o, "/v1/exports/"+export.ID.String()).is(t, http.StatusAccepted, &again)
	require.Equal(t, all.ID, again.ID)
}
