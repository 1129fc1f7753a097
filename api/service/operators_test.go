package service_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

func operator() service.Caller {
	return service.Caller{Role: schemas.RoleOperator, Actor: schemas.Actor{Name: "operator"}}
}

// failing adds an export to the admin's organization whose runs fail since then.
func (b bundle) failing(t *testing.T, name string, since time.Time) uuid.UUID {
	t.Helper()
	created, err := b.create(t.Context(), "gs://acme-audit/"+name+"/")
	require.NoError(t, err)
	op, err := b.CreateExport(t.Context(), b.call(), service.CreateExport{
		Name: name, IntegrationID: *created.IntegrationID, Schedule: schemas.Schedule{Kind: schemas.ScheduleInterval, Every: "1h"},
	})
	require.NoError(t, err)
	require.NoError(t, b.store.InOrg(t.Context(), *b.admin.OrgID, func(tx *postgres.Tx) error {
		return tx.MarkFailing(t.Context(), *op.ExportID, since)
	}))
	return *op.ExportID
}

func TestFailingExports(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	list, err := b.FailingExports(t.Context(), operator(), service.Page{})
	require.NoError(t, err)
	require.NotNil(t, list.Items)
	require.Empty(t, list.Items)

	since := time.Now().UTC().Truncate(time.Microsecond)
	second := b.failing(t, "second", since)
	first := b.failing(t, "first", since.Add(-time.Hour))
	list, err = b.FailingExports(t.Context(), operator(), service.Page{Limit: 1})
	require.NoError(t, err)
	require.Len(t, list.Items, 1)
	require.Equal(t, first, list.Items[0].ID)
	require.Equal(t, "Acme", list.Items[0].OrgName)
	require.Nil(t, list.Items[0].Failure)
	list, err = b.FailingExports(t.Context(), operator(), service.Page{Limit: 1, Cursor: list.NextCursor})
	require.NoError(t, err)
	require.Len(t, list.Items, 1)
	require.Equal(t, second, list.Items[0].ID)
	require.Equal(t, since, *list.Items[0].FailingSince)
	require.Empty(t, list.NextCursor)

	backlog, err := b.Backlog(t.Context(), operator())
	require.NoError(t, err)
	require.Equal(t, 2, backlog.Failing.Count)
	counts, err := b.IntegrationCounts(t.Context(), operator(), []uuid.UUID{*b.admin.OrgID})
	require.NoError(t, err)
	require.Equal(t, map[uuid.UUID]int{*b.admin.OrgID: 2}, counts)
}

func TestFailingExportsRefusesCursors(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	for _, cursor := range []string{"?", "AAAA", "_wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "f_________8AAAAAAAAAAAAAAAAAAAAA"} {
		_, err := b.FailingExports(t.Context(), operator(), service.Page{Cursor: cursor})
		requireKind(t, service.Invalid, err, "cursor")
	}
}

func TestOrgIntegration(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	created, err := b.create(t.Context(), "gs://acme-audit/")
	require.NoError(t, err)
	require.NoError(t, b.store.InOrg(t.Context(), *b.admin.OrgID, func(tx *postgres.Tx) error {
		return tx.SetCredentials(t.Context(), *created.IntegrationID, schemas.Credentials{GCP: &schemas.GCPCredentials{ServiceAccount: "a"}}, true)
	}))
	integration, err := b.OrgIntegration(t.Context(), operator(), *b.admin.OrgID, *created.IntegrationID)
	require.NoError(t, err)
	require.Equal(t, *created.IntegrationID, integration.ID)
	require.Nil(t, integration.Credentials, "to see them is an act of its own")

	// Invariant 6: row level security binds operators too, once they have named
	// the organization.
	globex, err := b.CreateOrg(t.Context(), service.Call{Caller: operator()}, service.CreateOrg{Name: "Globex"})
	require.NoError(t, err)
	_, err = b.OrgIntegration(t.Context(), operator(), globex.ID, *created.IntegrationID)
	requireKind(t, service.NotFound, err)
	_, err = b.OrgIntegration(t.Context(), operator(), uuid.New(), *created.IntegrationID)
	requireKind(t, service.NotFound, err)
}

func TestOnlyOperatorsSeeAllOrganizations(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	for _, role := range []schemas.Role{schemas.RoleAdmin, schemas.RoleViewer, schemas.RoleIngest, schemas.RoleOperator, ""} {
		caller := service.Caller{OrgID: b.admin.OrgID, Role: role}
		_, failing := b.FailingExports(t.Context(), caller, service.Page{})
		_, backlog := b.Backlog(t.Context(), caller)
		_, counts := b.IntegrationCounts(t.Context(), caller, nil)
		_, integration := b.OrgIntegration(t.Context(), caller, *b.admin.OrgID, uuid.New())
		_, health := b.Health(t.Context(), caller)
		for _, err := range []error{failing, backlog, counts, integration, health} {
			requireKind(t, service.Forbidden, err)
		}
	}
}
