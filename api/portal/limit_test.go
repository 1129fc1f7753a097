package portal

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whoever has an IPv6 network has all addresses in it, and counts once.
func TestLimiterCountsNetworks(t *testing.T) {
	t.Parallel()
	l := newLimiter()
	passed := 0
	for n := range 2 * signInsAtOnce {
		if l.allow(fmt.Sprintf("2001:db8:1:2::%x", n)) {
			passed++
		}
	}
	require.InDelta(t, signInsAtOnce, passed, 5)
	require.True(t, l.allow("2001:db8:1:3::1"), "another network")
	require.True(t, l.allow("192.0.2.1"))
	require.True(t, l.allow("what is no address"))
}
