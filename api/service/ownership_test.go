package service_test

import (
	"crypto/sha256"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

const challengeCode = "k5v2wq7m3xj4c6zr8t9n1p0s2d"

// challenged makes an integration with a shared identity, whose challenge is to
// be read back.
func (b bundle) challenged(t *testing.T) uuid.UUID {
	t.Helper()
	created, err := b.create(t.Context(), "gs://acme-audit/")
	require.NoError(t, err)
	require.NoError(t, b.store.InOrg(t.Context(), *b.admin.OrgID, func(tx *postgres.Tx) error {
		integration, err := tx.Integration(t.Context(), *created.IntegrationID)
		if err != nil {
			return err
		}
		err = tx.SetCredentials(t.Context(), integration.ID, schemas.Credentials{
			GCP: &schemas.GCPCredentials{ServiceAccount: "exports@auditferry-dev.iam.gserviceaccount.com"},
		}, false)
		if err != nil {
			return err
		}
		sum := sha256.Sum256([]byte(challengeCode))
		_, err = tx.SetChallenge(t.Context(), integration.ID, integration.Destination, "_auditferry/challenge.txt", sum[:])
		return err
	}))
	return *created.IntegrationID
}

// Invariant 4, with a proof that is sent many times at once: one check begins.
func TestConcurrentProofs(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	in := service.ProveOwnership{IntegrationID: b.challenged(t), Code: challengeCode}
	const callers = 8
	operations := make(chan uuid.UUID, callers)
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			if op, err := b.ProveOwnership(t.Context(), b.call(), in); err == nil {
				operations <- op.ID
			}
		})
	}
	wg.Wait()
	close(operations)
	require.Len(t, operations, callers)
	first := <-operations
	for other := range operations {
		require.Equal(t, first, other)
	}
	proven, err := b.SearchEvents(t.Context(), b.admin,
		service.EventFilter{Action: "auditferry.integration.ownership_proven"}, service.Page{})
	require.NoError(t, err)
	require.Len(t, proven.Items, 1)
}
