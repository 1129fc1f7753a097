package corpus_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/bench/corpus"
	"github.com/auditferry/auditferry/schemas"
)

var recordedAt = time.Date(2026, 3, 4, 5, 6, 7, 891234000, time.UTC)

func bodies(t *testing.T, c *corpus.Corpus, first, last int64) []byte {
	t.Helper()
	var all []byte
	for n := first; n <= last; n++ {
		body, err := c.Event(n, recordedAt).Canonical(n, recordedAt)
		require.NoError(t, err)
		all = append(append(all, body...), '\n')
	}
	return all
}

// Figures of two machines can be compared because the events are the same. The
// hash also tells when the canonical form itself has changed.
func TestEventsAreAlwaysTheSame(t *testing.T) {
	t.Parallel()
	all := bodies(t, corpus.New(1), 1, 1_000)
	require.Equal(t, "2eb4676eed07906b9dd72c4964d3eb98592a118760615b30eee60e2cc7c8f865", fmt.Sprintf("%x", sha256.Sum256(all)))
	require.Equal(t, all[:bytes.IndexByte(all, '\n')+1], bodies(t, corpus.New(1), 1, 1), "whatever has been made before")
	require.NotEqual(t, all, bodies(t, corpus.New(2), 1, 1_000))
}

// The benchmarks speak of events of about 600 bytes that compress as a log
// does: far from one template repeated, far from noise.
func TestEventsAreRealistic(t *testing.T) {
	t.Parallel()
	const n = 5_000
	c := corpus.New(1)
	all := bodies(t, c, 1, n)
	require.InDelta(t, 600, len(all)/n, 40)
	var compressed bytes.Buffer
	z := gzip.NewWriter(&compressed)
	_, err := z.Write(all)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	require.InDelta(t, 4, float64(len(all))/float64(compressed.Len()), 1)

	actors, actions := map[string]bool{}, map[string]bool{}
	for i := range int64(n) {
		event := c.Event(i, recordedAt)
		actors[event.Actor.ID], actions[event.Action] = true, true
	}
	require.Greater(t, len(actors), 1_000)
	require.Greater(t, len(actions), 20)
}

// What the benchmarks load is what the API would have recorded.
func TestEventsAreAccepted(t *testing.T) {
	t.Parallel()
	c := corpus.New(1)
	for n := range int64(1_000) {
		line, err := c.Product(n, recordedAt)
		require.NoError(t, err)
		decoded, err := schemas.DecodeEvent(line)
		require.NoError(t, err, string(line))
		want, err := c.Event(n, recordedAt).Canonical(n, recordedAt)
		require.NoError(t, err)
		got, err := decoded.Canonical(n, recordedAt)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got))
	}
}

func TestLargeEventsAreNearlyTheLargest(t *testing.T) {
	t.Parallel()
	c := corpus.New(1)
	for n := range int64(20) {
		body, err := c.Large(n, recordedAt).Canonical(n, recordedAt)
		require.NoError(t, err)
		require.InDelta(t, corpus.LargeBytes, len(body), 1_024)
		require.Less(t, len(body), schemas.MaxEventBytes)
	}
}
