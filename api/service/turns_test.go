package service

import (
	"testing"
	"testing/synctest"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// Whoever waits gets the turn of a file that is done.
func TestTurnsAreHandedOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		turns, org := newTurns(downloading), uuid.New()
		first, err := turns.take(t.Context(), org)
		require.NoError(t, err)
		second, err := turns.take(t.Context(), org)
		require.NoError(t, err)
		waited := make(chan error, 1)
		go func() {
			third, err := turns.take(t.Context(), org)
			if err == nil {
				third()
			}
			waited <- err
		}()
		synctest.Wait()
		require.Empty(t, waited, "it waits")
		first()
		synctest.Wait()
		require.Len(t, waited, 1, "it waits no longer")
		require.NoError(t, <-waited)
		second()
	})
}

// One organization's searches leave turns for the others', and those who get
// none are told whose they wait for.
func TestTurnsOfOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(searching)
		take := func(org uuid.UUID) error {
			_, err := turns.take(t.Context(), org)
			return err
		}
		busy, other := uuid.New(), uuid.New()
		for range searching.org {
			require.NoError(t, take(busy))
		}
		require.EqualError(t, take(busy), searching.own)
		for range searching.all - searching.org {
			require.NoError(t, take(other))
		}
		require.EqualError(t, take(uuid.New()), searching.others)
	})
}
