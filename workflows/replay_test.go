package workflows_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"

	"github.com/auditferry/auditferry/workflows"
)

func replay(t *testing.T, file string) error {
	t.Helper()
	replayer := worker.NewWorkflowReplayer()
	workflows.Register(replayer)
	return replayer.ReplayWorkflowHistoryFromJSONFile(log.NewStructuredLogger(slog.New(slog.DiscardHandler)), file)
}

// Invariant 8: recorded histories replay on current code. How they are recorded
// stands in CONTRIBUTING.md.
func TestReplay(t *testing.T) {
	t.Parallel()
	histories, err := filepath.Glob("testdata/histories/*/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, histories)
	for _, file := range histories {
		t.Run(strings.TrimPrefix(file, "testdata/histories/"), func(t *testing.T) {
			t.Parallel()
			require.NoError(t, replay(t, file))
		})
	}
}

// A history that current code would not have written is found out: else the
// test above could not fail.
func TestReplayNoticesOtherCode(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][2]string{
		"another activity": {"ApplyLinked", "SomethingElse"},
		"another child":    {"access-check/", "another-check/"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files, err := filepath.Glob("testdata/histories/integration/update-with-retarget-*.json")
			require.NoError(t, err)
			found := 0
			for _, file := range files {
				data, err := os.ReadFile(file)
				require.NoError(t, err)
				if !strings.Contains(string(data), change[0]) {
					continue
				}
				changed := filepath.Join(t.TempDir(), "changed.json")
				require.NoError(t, os.WriteFile(changed, []byte(strings.ReplaceAll(string(data), change[0], change[1])), 0o600))
				if replay(t, changed) != nil {
					found++
				}
			}
			require.NotZero(t, found)
		})
	}
}
