package stack

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Kill leaves none of a server's children behind, though each has a group of its
// own and there are ever more of them, as there are of Postgres when clients
// come in. Postgres would not start again beside one that is left.
func TestKillTakesAllChildrenAlong(t *testing.T) {
	t.Parallel()
	p := script("fertile", "while :; do setsid sleep 60 & done")
	p.dir = t.TempDir()
	for range 5 {
		proc, err := startProcess(t.Context(), book(), p)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return livingIn(p.dir) > 20 }, 20*time.Second, time.Millisecond)
		require.NoError(t, proc.Kill())
		require.Eventually(t, func() bool { return livingIn(p.dir) == 0 }, 10*time.Second, time.Millisecond)
	}
}

// livingIn counts the processes that work in a directory.
func livingIn(dir string) (n int) {
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0 // the pattern is right
	}
	for _, process := range processes {
		if at, err := os.Readlink(filepath.Join(process, "cwd")); err == nil && at == dir {
			n++
		}
	}
	return n
}
