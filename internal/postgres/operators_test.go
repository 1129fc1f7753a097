package postgres_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

func TestFailingExports(t *testing.T) {
	t.Parallel()
	acme := setup(t)
	globex := acme.withOrg(acme.addOrg("Globex"))
	archive, vault := acme.addIntegration("s3://acme-audit/"), globex.addIntegration("s3://globex-audit/")
	acme.addExport(archive, "delivers")
	late, paused, deleted := acme.addExport(archive, "late"), acme.addExport(archive, "paused"), acme.addExport(archive, "deleted")
	twin, early := acme.addExport(archive, "twin"), globex.addExport(vault, "early")
	since := now()
	for _, e := range []schemas.Export{late, twin, paused, deleted} {
		acme.fails(e, since)
	}
	globex.fails(early, since.Add(-hour))
	acme.setState(paused, schemas.ExportPaused)
	acme.setState(deleted, schemas.ExportDeleted)

	list := func(tx *postgres.Tx, after postgres.Streak, limit int) (names []string, last postgres.Streak) {
		exports, err := tx.FailingExports(t.Context(), after, limit)
		require.NoError(t, err)
		for _, e := range exports {
			names, last = append(names, e.Name), postgres.Streak{Since: *e.FailingSince, ExportID: e.ID}
		}
		return names, last
	}
	acme.asOperator(func(tx *postgres.Tx) {
		names, last := list(tx, postgres.Streak{}, 2)
		require.Equal(t, []string{"early", "late"}, names, "the longest failing first, without those that may not run")
		names, last = list(tx, last, 2)
		require.Equal(t, []string{"twin"}, names, "two that began to fail at once are on two pages")
		names, _ = list(tx, last, 2)
		require.Empty(t, names)
	})
	// Invariant 6.
	globex.in(func(tx *postgres.Tx) {
		names, _ := list(tx, postgres.Streak{}, 10)
		require.Equal(t, []string{"early"}, names)
	})
}

func TestLastFailures(t *testing.T) {
	t.Parallel()
	acme := setup(t)
	acme.append(6)
	archive := acme.addIntegration("s3://acme-audit/")
	hourly, never := acme.addExport(archive, "hourly"), acme.addExport(archive, "never")
	end := func(r schemas.Run, status schemas.RunStatus) {
		r.Status = status
		acme.in(func(tx *postgres.Tx) { require.NoError(t, tx.EndRun(t.Context(), r)) })
	}
	window, first := acme.addRun(hourly, 1, 2)
	end(first, schemas.RunFailed)
	second := acme.beginRun(window)
	end(second, schemas.RunFailed)
	acme.beginRun(window) // what is under way has not failed
	asked := []uuid.UUID{hourly.ID, never.ID}
	acme.asOperator(func(tx *postgres.Tx) {
		failures, err := tx.LastFailures(t.Context(), asked)
		require.NoError(t, err)
		require.Len(t, failures, 1)
		require.Equal(t, second.ID, failures[0].ID)
	})
	// Invariant 6.
	acme.withOrg(acme.addOrg("Globex")).in(func(tx *postgres.Tx) {
		failures, err := tx.LastFailures(t.Context(), asked)
		require.NoError(t, err)
		require.Empty(t, failures)
	})
}

func TestBacklog(t *testing.T) {
	t.Parallel()
	acme := setup(t)
	globex := acme.withOrg(acme.addOrg("Globex"))
	backlog := func(b bundle, operator bool) (found postgres.Backlog) {
		read := func(tx *postgres.Tx) {
			var err error
			found, err = tx.Backlog(t.Context())
			require.NoError(t, err)
		}
		if operator {
			b.asOperator(read)
		} else {
			b.in(read)
		}
		return found
	}
	require.Zero(t, backlog(acme, true))

	archive := acme.addIntegration("s3://acme-audit/")
	export := acme.addExport(archive, "hourly")
	since := now().Add(-hour)
	acme.fails(export, since)
	op := acme.addOperation(schemas.OpPauseExport, func(op *schemas.Operation) { op.CreatedAt, op.ExportID = since, &export.ID })
	ended := acme.addOperation(schemas.OpCheckAccess, func(op *schemas.Operation) { op.IntegrationID = &archive.ID })
	acme.in(func(tx *postgres.Tx) {
		require.NoError(t, tx.EndOperation(t.Context(), ended.ID, schemas.OperationSucceeded, ""))
	})
	// What waits for credentials from outside waits for people; its operation is
	// not late.
	waiting := globex.addIntegration("s3://globex-audit/")
	globex.asOwner(`UPDATE integration SET provisioner = 'external' WHERE id = $1`, waiting.ID)
	globex.addOperation(schemas.OpCreateIntegration, func(op *schemas.Operation) { op.IntegrationID = &waiting.ID })

	all := backlog(acme, true)
	require.Equal(t, postgres.Pile{Count: 1, Oldest: &waiting.CreatedAt}, all.Provisioning)
	require.Equal(t, postgres.Pile{Count: 1, Oldest: &since}, all.Failing)
	require.Equal(t, postgres.Pile{Count: 1, Oldest: &op.CreatedAt}, all.Operations)
	require.Equal(t, 1, all.Unapplied.Count)
	acme.asOperator(func(tx *postgres.Tx) {
		longest, err := tx.LongestOpen(t.Context())
		require.NoError(t, err)
		require.Equal(t, op.ID, longest.ID)
	})
	globex.in(func(tx *postgres.Tx) {
		_, err := tx.LongestOpen(t.Context())
		require.ErrorIs(t, err, postgres.ErrNotFound)
	})
	// Invariant 6.
	theirs := backlog(globex, false)
	require.Equal(t, postgres.Backlog{Provisioning: all.Provisioning}, theirs)
}

func TestIntegrationCounts(t *testing.T) {
	t.Parallel()
	acme := setup(t)
	globex := acme.withOrg(acme.addOrg("Globex"))
	none := acme.addOrg("Initech")
	acme.addIntegration("s3://acme-audit/a/")
	gone := acme.addIntegration("s3://acme-audit/b/")
	acme.asOwner(`UPDATE integration SET status = 'deleted' WHERE id = $1`, gone.ID)
	globex.addIntegration("s3://globex-audit/")
	asked := []uuid.UUID{acme.org, globex.org, none}
	acme.asOperator(func(tx *postgres.Tx) {
		counts, err := tx.IntegrationCounts(t.Context(), asked)
		require.NoError(t, err)
		require.Equal(t, map[uuid.UUID]int{acme.org: 1, globex.org: 1}, counts)
	})
	// Invariant 6.
	acme.in(func(tx *postgres.Tx) {
		counts, err := tx.IntegrationCounts(t.Context(), asked)
		require.NoError(t, err)
		require.Equal(t, map[uuid.UUID]int{acme.org: 1}, counts)
	})
}

func TestSchemaVersion(t *testing.T) {
	t.Parallel()
	b := setup(t)
	applied, wanted, err := b.SchemaVersion(t.Context())
	require.NoError(t, err)
	require.Equal(t, wanted, applied)
	require.Positive(t, wanted)
}
