package postgres_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// Invariant 6: a number names an event of the transaction's own org, whatever
// others have recorded under it.
func TestReadAnEvent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.append(3)
	other := b.withOrg(b.addOrg("Umbrella"))
	other.append(1)

	b.in(func(tx *postgres.Tx) {
		found, err := tx.SearchEvents(t.Context(), schemas.EventQuery{Limit: 10})
		require.NoError(t, err)
		for _, want := range found {
			got, err := tx.Event(t.Context(), want.Seq)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		_, err = tx.Event(t.Context(), 4)
		require.ErrorIs(t, err, postgres.ErrNotFound)
	})
	other.in(func(tx *postgres.Tx) {
		_, err := tx.Event(t.Context(), 2)
		require.ErrorIs(t, err, postgres.ErrNotFound)
	})
}

// A selection that is read one by one is the one that a search gives.
func TestReadEventsOneByOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.append(30)
	b.withOrg(b.addOrg("Umbrella")).append(5)
	for _, q := range []schemas.EventQuery{
		{Limit: 100},
		{Limit: 7},
		{Limit: 7, BeforeSeq: 12},
		{Limit: 100, ActorEmail: "user3@example.com"},
		{Limit: 100, Outcome: schemas.OutcomeFailure},
	} {
		b.in(func(tx *postgres.Tx) {
			want, err := tx.SearchEvents(t.Context(), q)
			require.NoError(t, err)
			var got []schemas.RecordedEvent
			require.NoError(t, tx.EachEvent(t.Context(), q, func(e schemas.RecordedEvent) error {
				got = append(got, e)
				return nil
			}))
			require.Len(t, got, len(want))
			for i := range got {
				require.Equal(t, want[i], got[i])
			}
		})
	}

	gone := errors.New("the reader is gone")
	calls := 0
	require.Equal(t, gone, b.try(func(tx *postgres.Tx) error {
		return tx.EachEvent(t.Context(), schemas.EventQuery{Limit: 100}, func(schemas.RecordedEvent) error {
			calls++
			return gone
		})
	}))
	require.Equal(t, 1, calls)
	require.Error(t, b.AsOperator(t.Context(), func(tx *postgres.Tx) error {
		return tx.EachEvent(t.Context(), schemas.EventQuery{Limit: 1}, func(schemas.RecordedEvent) error { return nil })
	}))
}
