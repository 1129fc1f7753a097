package postgres_test

import (
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

func (b bundle) allObjects(e schemas.Export) (all []schemas.DeliveredObject) {
	b.t.Helper()
	b.in(func(tx *postgres.Tx) {
		require.NoError(b.t, tx.EachObject(b.t.Context(), e.ID, func(o schemas.DeliveredObject) error {
			all = append(all, o)
			return nil
		}))
	})
	return all
}

// A download holds what was delivered, once and in the order of the events, and
// says where each part is proven.
func TestEachDeliveredObject(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://logs/")
	e, other := b.addExport(i, "daily"), b.addExport(i, "other")
	b.delivered(b.windowOf(other, 1, 25))
	backfill := b.addBackfill(e, 1, 25)
	again := b.backfillWindow(e, backfill, 1, 25)
	second, first := b.windowOf(e, 26, 30), b.windowOf(e, 1, 25)
	againRun := b.delivered(again)
	firstRun := b.delivered(first)
	failed := b.allocate(second) // has stored a part, and another run delivers it
	parts := wholeParts(second)
	parts[0].Rows, parts[0].Excluded, parts[0].Expired, parts[0].Key, parts[0].Bytes, parts[0].SHA256 = 0, 2, 3, "", 0, ""
	b.in(func(tx *postgres.Tx) { require.NoError(t, tx.RecordPart(t.Context(), failed.ID, parts[0])) })
	b.endRun(failed)
	secondRun := b.complete(second, b.beginRun(second), parts)
	b.allocate(b.windowOf(e, 31, 40))

	var want []schemas.DeliveredObject
	for _, delivery := range []struct {
		w     schemas.Window
		r     schemas.Run
		parts []schemas.Object
		id    string
	}{{first, firstRun, wholeParts(first), ""}, {second, secondRun, parts, ""}, {again, againRun, wholeParts(again), backfill.ID.String()}} {
		for _, part := range delivery.parts {
			want = append(want, schemas.DeliveredObject{
				Object: part, RunID: delivery.r.ID.String(), BackfillID: delivery.id, Manifest: manifestOf(delivery.w).Key,
			})
		}
	}
	got := b.allObjects(e)
	for n := range got {
		require.WithinDuration(t, now(), got[n].DeliveredAt, hour)
		got[n].DeliveredAt = want[min(n, len(want)-1)].DeliveredAt
	}
	require.Equal(t, want, got)

	var runs []schemas.Run
	b.in(func(tx *postgres.Tx) {
		require.NoError(t, tx.EachRun(t.Context(), e.ID, func(r schemas.Run) error {
			runs = append(runs, r)
			return nil
		}))
		newestFirst, err := tx.Runs(t.Context(), e.ID, uuid.Nil, 100)
		require.NoError(t, err)
		require.Len(t, runs, 5)
		for n := range runs {
			require.Equal(t, newestFirst[len(runs)-1-n], runs[n], "oldest first")
		}
	})
}

// A reader that goes away ends the listing, and the store goes on.
func TestADownloadThatIsBrokenOff(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.addExport(b.addIntegration("s3://logs/"), "daily")
	b.delivered(b.windowOf(e, 1, 2000))
	gone := errors.New("the reader is gone")
	calls := 0
	err := b.try(func(tx *postgres.Tx) error {
		return tx.EachObject(t.Context(), e.ID, func(schemas.DeliveredObject) error {
			calls++
			return gone
		})
	})
	require.Equal(t, gone, err)
	require.Equal(t, 1, calls)
	require.Len(t, b.allObjects(e), 200)
	other := b.withOrg(b.addOrg("Umbrella"))
	require.Empty(t, other.allObjects(e))
}
