package stack_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/stack"
)

// victim makes this test program a stack that gets killed.
const victim = "AUDITFERRY_TEST_VICTIM"

// Servers do not outlive a stack that is killed, which cannot stop them.
func TestNothingOutlivesAKill(t *testing.T) {
	t.Parallel()
	if os.Getenv(victim) != "" {
		s := start(t, stack.Postgres, stack.S3)
		for _, pid := range pids(s) {
			fmt.Println("pid", pid)
		}
		fmt.Println("running")
		select {} // until the kill
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestNothingOutlivesAKill$", "-test.v")
	cmd.Env = append(os.Environ(), victim+"=1", "TMPDIR="+openDir(t))
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var running []int
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "running" {
		if number, found := strings.CutPrefix(lines.Text(), "pid "); found {
			pid, err := strconv.Atoi(number)
			require.NoError(t, err)
			running = append(running, pid)
		}
	}
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	require.Len(t, running, 3)
	for _, pid := range running {
		require.Eventually(t, func() bool { return gone(pid) }, 20*time.Second, 10*time.Millisecond)
	}
}
