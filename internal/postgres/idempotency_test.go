package postgres_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
)

// Invariant 4: of any number of requests with one key, one is carried out and
// all get its answer; one that fails leaves the key to the next.
func TestOneOfManyRequestsIsCarriedOut(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const requests = 8
	var carriedOut, attempts atomic.Int64
	answers := make([]string, requests)
	var all sync.WaitGroup
	for i := range requests {
		all.Go(func() {
			err := b.try(func(tx *postgres.Tx) error {
				answer, found, err := tx.Remember(t.Context(), "key", []byte("request"))
				if err != nil || found {
					answers[i] = string(answer)
					return err
				}
				if attempts.Add(1) <= 2 {
					return errChangedMind
				}
				carriedOut.Add(1)
				answers[i] = fmt.Sprintf(`{"request":%d}`, i)
				return tx.SaveAnswer(t.Context(), "key", json.RawMessage(answers[i]))
			})
			if err != nil {
				answers[i] = ""
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 1, carriedOut.Load())
	given := map[string]int{}
	for _, answer := range answers {
		given[answer]++
	}
	require.Len(t, given, 2)
	require.Equal(t, 2, given[""]) // those that failed
}

func TestIdempotencyKeys(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	remember := func(b bundle, fingerprint string) (found bool, err error) {
		err = b.try(func(tx *postgres.Tx) error {
			_, found, err = tx.Remember(ctx, "key", []byte(fingerprint))
			if err == nil && !found {
				err = tx.SaveAnswer(ctx, "key", json.RawMessage(`{"a": 1}`))
			}
			return err
		})
		return found, err
	}

	found, err := remember(b, "request")
	require.NoError(t, err)
	require.False(t, found)
	_, err = remember(b, "another request")
	requireConflict(t, err)

	// Another org's keys, and the operators', are their own.
	found, err = remember(b.withOrg(b.addOrg("Umbrella")), "another request")
	require.NoError(t, err)
	require.False(t, found)
	b.asOperator(func(tx *postgres.Tx) {
		_, found, err := tx.Remember(ctx, "key", []byte("operator's request"))
		require.NoError(t, err)
		require.False(t, found)
	})

	require.NoError(t, b.PruneIdempotency(ctx, time.Hour))
	found, err = remember(b, "request")
	require.NoError(t, err)
	require.True(t, found)
	require.NoError(t, b.PruneIdempotency(ctx, 0))
	found, err = remember(b, "another request")
	require.NoError(t, err)
	require.False(t, found)

	b.in(func(tx *postgres.Tx) {
		require.ErrorIs(t, tx.SaveAnswer(ctx, "never remembered", json.RawMessage(`{}`)), postgres.ErrNotFound)
	})
}
