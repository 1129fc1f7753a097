package postgres_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
)

// Invariant 6: an org learns no other's name.
func TestOrgNames(t *testing.T) {
	t.Parallel()
	b := setup(t)
	globex := b.addOrg("Globex")
	asked := []uuid.UUID{globex, newID(t), globex}
	b.asOperator(func(tx *postgres.Tx) {
		names, err := tx.OrgNames(t.Context(), asked)
		require.NoError(t, err)
		require.Equal(t, map[uuid.UUID]string{globex: "Globex"}, names)
	})
	b.in(func(tx *postgres.Tx) {
		names, err := tx.OrgNames(t.Context(), asked)
		require.NoError(t, err)
		require.Empty(t, names)
	})
}
