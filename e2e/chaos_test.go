package e2e

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/chaos"
)

// TestChaos holds Invariants 1 to 4 in half a minute of what `make chaos` plays
// for a quarter of an hour: programs and servers are killed, links cut and
// slowed, a disk is full, and admins go on. A seed of its own each time finds
// more than the same one would.
func TestChaos(t *testing.T) {
	t.Parallel()
	log := &lockedBuffer{}
	o := chaos.Short()
	o.Seed, o.Log, o.Out = rand.Uint64N(1_000_000), log, t.Output()
	result, err := chaos.Play(t.Context(), o)
	if t.Failed() || err != nil || !result.OK {
		t.Logf("the stack's log:\n%s", log.tail(400))
	}
	require.NoError(t, err)
	var table strings.Builder
	require.NoError(t, result.Print(&table))
	require.True(t, result.OK, "%s", table.String())
	require.Positive(t, result.Events)
	require.GreaterOrEqual(t, result.Kills, o.Kills)
}
