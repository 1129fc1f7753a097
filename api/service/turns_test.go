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
		turns, org := newTurns(), uuid.New()
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
