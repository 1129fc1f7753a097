package postgres_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

func (b bundle) lastRuns(exports ...schemas.Export) (runs []schemas.Run) {
	b.t.Helper()
	ids := make([]uuid.UUID, len(exports))
	for i, e := range exports {
		ids[i] = e.ID
	}
	b.in(func(tx *postgres.Tx) {
		var err error
		runs, err = tx.LastRuns(b.t.Context(), ids)
		require.NoError(b.t, err)
	})
	return runs
}

func TestTheLastRunOfEachExport(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.append(20)
	integration := b.addIntegration("s3://logs/")
	daily, hourly, idle := b.addExport(integration, "daily"), b.addExport(integration, "hourly"), b.addExport(integration, "idle")
	require.Empty(t, b.lastRuns())
	require.Empty(t, b.lastRuns(idle))

	window, first := b.addRun(daily, 1, 10)
	b.endRun(first)
	second := b.beginRun(window)
	_, other := b.addRun(hourly, 1, 10)
	require.ElementsMatch(t, []schemas.Run{second, other}, b.lastRuns(daily, hourly, idle))
	require.Equal(t, []schemas.Run{other}, b.lastRuns(hourly), "only those that are asked for")

	backfill := b.addBackfill(daily, 1, 5)
	b.allocate(b.backfillWindow(daily, backfill, 1, 5))
	require.Equal(t, []schemas.Run{second}, b.lastRuns(daily), "a backfill is not the export's own delivery")
}

func (b bundle) storedExports(exports ...schemas.Export) (ids []uuid.UUID) {
	b.t.Helper()
	wanted := make([]uuid.UUID, len(exports))
	for i, e := range exports {
		wanted[i] = e.ID
	}
	b.in(func(tx *postgres.Tx) {
		var err error
		ids, err = tx.StoredExports(b.t.Context(), wanted)
		require.NoError(b.t, err)
	})
	return ids
}

// An export has stored something once a run of its own has delivered an object
// to where it delivers now:
// neither a part that is stored already, nor a window without events, nor a
// backfill is that. Invariant 6: another org's exports tell nothing.
func TestStoredExports(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.append(20)
	integration := b.addIntegration("s3://logs/")
	daily, choosy := b.addExport(integration, "daily"), b.addExport(integration, "choosy")
	require.Empty(t, b.storedExports(daily, choosy))

	left := b.windowOf(choosy, 1, 10)
	b.complete(left, b.allocate(left), []schemas.Object{{FirstSeq: 1, LastSeq: 10, Excluded: 10}})
	b.delivered(b.backfillWindow(choosy, b.addBackfill(choosy, 1, 5), 1, 5))
	window := b.windowOf(daily, 1, 10)
	run := b.allocate(window)
	require.NoError(t, b.recordPart(run, wholeParts(window)[0]))
	require.Empty(t, b.storedExports(daily, choosy))

	b.complete(window, run, wholeParts(window))
	require.Equal(t, []uuid.UUID{daily.ID}, b.storedExports(daily, choosy))
	daily.Destination.Prefix = "elsewhere"
	b.in(func(tx *postgres.Tx) {
		_, err := tx.UpdateExport(t.Context(), daily)
		require.NoError(t, err)
	})
	require.Empty(t, b.storedExports(daily), "nothing lies there")
	require.Empty(t, b.withOrg(b.addOrg("Globex")).storedExports(daily))
}

// Invariant 6: another org's runs are not found, whoever knows the export's ID.
func TestLastRunsOfAnotherOrgAreNotFound(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.append(10)
	e := b.addExport(b.addIntegration("s3://logs/"), "daily")
	_, r := b.addRun(e, 1, 10)
	require.Equal(t, []schemas.Run{r}, b.lastRuns(e))
	require.Empty(t, b.withOrg(b.addOrg("Globex")).lastRuns(e))
}
