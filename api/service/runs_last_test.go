package service_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

func TestLastRuns(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	export := b.addRuns(t, 3)
	all, err := b.Runs(t.Context(), b.admin, export, service.Page{})
	require.NoError(t, err)
	last, err := b.LastRuns(t.Context(), b.admin, []uuid.UUID{export, uuid.New()})
	require.NoError(t, err)
	require.Equal(t, map[uuid.UUID]service.RunView{export: all.Items[0]}, last)

	viewer := b.admin
	viewer.Role = schemas.RoleViewer
	seen, err := b.LastRuns(t.Context(), viewer, []uuid.UUID{export})
	require.NoError(t, err)
	require.Equal(t, last, seen)
	product := b.admin
	product.Role = schemas.RoleIngest
	_, err = b.LastRuns(t.Context(), product, []uuid.UUID{export})
	requireKind(t, service.Forbidden, err)

	// Invariant 6: who knows the ID of another org's export learns nothing.
	last, err = b.LastRuns(t.Context(), b.elsewhere(t).admin, []uuid.UUID{export})
	require.NoError(t, err)
	require.Empty(t, last)
}

func TestStoredExports(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	export := b.addRuns(t, 1)
	stored := func(caller service.Caller) map[uuid.UUID]bool {
		found, err := b.StoredExports(t.Context(), caller, []uuid.UUID{export})
		require.NoError(t, err)
		return found
	}
	require.Empty(t, stored(b.admin), "its run has failed")
	b.asOwner(t, `SET auditferry.scope = 'operator'; UPDATE export_run SET status = 'succeeded', objects = 1`)
	require.Equal(t, map[uuid.UUID]bool{export: true}, stored(b.admin))
	require.Empty(t, stored(b.elsewhere(t).admin), "Invariant 6")
	product := b.admin
	product.Role = schemas.RoleIngest
	_, err := b.StoredExports(t.Context(), product, []uuid.UUID{export})
	requireKind(t, service.Forbidden, err)
}
