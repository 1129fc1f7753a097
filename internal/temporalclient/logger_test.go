package temporalclient

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/log"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// An operator who reads a line wants to know where in our code it comes from,
// not where in the adapter.
func TestLoggerNamesItsCaller(t *testing.T) {
	t.Parallel()
	core, lines := observer.New(zap.DebugLevel)
	l := newLogger(zap.New(core, zap.AddCaller()))

	l.Info("plain", "key", "value")
	log.With(l, "run", 7).Error("with fields")
	wrapper(log.Skip(l, 1))

	require.Equal(t, 3, lines.Len())
	for _, line := range lines.All() {
		require.Contains(t, line.Caller.File, "logger_test.go", line.Message)
	}
	require.Equal(t, map[string]any{"key": "value"}, lines.All()[0].ContextMap())
	require.Equal(t, map[string]any{"run": int64(7)}, lines.All()[1].ContextMap())
	require.Contains(t, lines.All()[2].Caller.Function, "TestLoggerNamesItsCaller")
}

func wrapper(l log.Logger) { l.Warn("through a wrapper") }
