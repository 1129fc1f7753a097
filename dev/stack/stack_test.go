package stack_test

import (
	"context"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/stack"
)

// start starts services on free ports and logs only when the test fails.
func start(t *testing.T, services ...stack.Service) *stack.Stack {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	s, err := stack.Start(ctx, stack.Options{Services: services, Log: os.Stderr})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	return s
}

// Every server comes up, and Stop leaves no process behind.
func TestStackStartsAndLeavesNothing(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Servers()...)
	var pids []int
	for _, p := range s.Processes() {
		pids = append(pids, p.Pid())
	}
	require.NoError(t, s.Stop())
	for _, pid := range pids {
		require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH)
	}
}
