package workflows_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/auditferry/auditferry/schemas"
	"github.com/auditferry/auditferry/workflows"
)

// lookout answers the attempts of an access check.
type lookout struct {
	mu       sync.Mutex
	attempts []schemas.ProbeInput
	answer   func(schemas.ProbeInput) schemas.ProbeResult
}

func (l *lookout) Probe(_ context.Context, in schemas.ProbeInput) (schemas.ProbeResult, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.attempts = append(l.attempts, in)
	return l.answer(in), nil
}

// check runs an access check and gives back what it told its integration.
func check(t *testing.T, l *lookout, script func(*testsuite.TestWorkflowEnvironment)) []schemas.AccessChanged {
	t.Helper()
	env := newEnv()
	env.RegisterActivity(l)
	in := schemas.AccessCheckInput{IntegrationRef: schemas.IntegrationRef{OrgID: uuid.New(), IntegrationID: uuid.New()}, Check: 7}
	var told []schemas.AccessChanged
	env.OnSignalExternalWorkflow("default-test-namespace", schemas.IntegrationWorkflowID(in.IntegrationID), "",
		schemas.SignalAccessChanged.Name, mock.Anything).
		Return(func(_, _, _, _ string, arg any) error {
			told = append(told, arg.(schemas.AccessChanged))
			return nil
		}).Maybe()
	if script != nil {
		script(env)
	}
	env.ExecuteWorkflow(workflows.AccessCheck, in)
	require.True(t, env.IsWorkflowCompleted())
	return told
}

// Azure needs up to 45 minutes before a role assignment works (reference
// document). The check waits that long, and ends as soon as it works.
func TestAccessCheckWaitsForALateGrant(t *testing.T) {
	t.Parallel()
	const late = 45 * time.Minute
	l := &lookout{answer: func(in schemas.ProbeInput) schemas.ProbeResult {
		return schemas.ProbeResult{Granted: in.Elapsed >= late, Kind: schemas.KindDenied}
	}}
	told := check(t, l, nil)
	require.Equal(t, []schemas.AccessChanged{{Check: 7, Access: schemas.AccessGranted}}, told)
	last := l.attempts[len(l.attempts)-1]
	require.Less(t, last.Elapsed, late+2*time.Minute+time.Second, "it looks at least every two minutes")
	for i, attempt := range l.attempts {
		require.Equal(t, i+1, attempt.Attempt)
		require.Equal(t, 7, attempt.Check)
	}
}

func TestAccessCheckPausesGrow(t *testing.T) {
	t.Parallel()
	l := &lookout{answer: func(in schemas.ProbeInput) schemas.ProbeResult {
		return schemas.ProbeResult{Granted: in.Attempt == 12}
	}}
	check(t, l, nil)
	for i := range l.attempts[1:] {
		before, after := l.attempts[i], l.attempts[i+1]
		require.Equal(t, before.NextTryIn, after.Elapsed-before.Elapsed, "what the admin was told")
		require.GreaterOrEqual(t, after.NextTryIn, before.NextTryIn)
		require.LessOrEqual(t, after.NextTryIn, 2*time.Minute)
	}
}

// Each attempt knows for how long the ones before it have failed in one way.
func TestAccessCheckTellsHowLongAFailureLasts(t *testing.T) {
	t.Parallel()
	l := &lookout{answer: func(in schemas.ProbeInput) schemas.ProbeResult {
		kind := schemas.KindDenied
		if in.Attempt > 3 {
			kind = schemas.KindNotFound
		}
		return schemas.ProbeResult{Final: in.Attempt == 6, Kind: kind}
	}}
	check(t, l, nil)
	for i, want := range []struct {
		kind  schemas.ErrorKind
		since int // the attempt that was the first to fail so
	}{{"", 0}, {schemas.KindDenied, 0}, {schemas.KindDenied, 0}, {schemas.KindDenied, 0}, {schemas.KindNotFound, 3}, {schemas.KindNotFound, 3}} {
		attempt := l.attempts[i]
		require.Equal(t, want.kind, attempt.Kind)
		require.Equal(t, attempt.Elapsed-l.attempts[want.since].Elapsed, attempt.Lasted)
	}
}

func TestAccessCheckEnds(t *testing.T) {
	t.Parallel()
	t.Run("denied, when trying again cannot help", func(t *testing.T) {
		t.Parallel()
		l := &lookout{answer: func(in schemas.ProbeInput) schemas.ProbeResult {
			return schemas.ProbeResult{Final: in.Attempt == 3, Kind: schemas.KindNotFound}
		}}
		require.Equal(t, []schemas.AccessChanged{{Check: 7, Access: schemas.AccessDenied}}, check(t, l, nil))
		require.Len(t, l.attempts, 3)
	})
	t.Run("silent, when a newer check has begun", func(t *testing.T) {
		t.Parallel()
		l := &lookout{answer: func(in schemas.ProbeInput) schemas.ProbeResult {
			return schemas.ProbeResult{Superseded: in.Attempt == 2, Granted: in.Attempt == 2}
		}}
		require.Empty(t, check(t, l, nil))
		require.Len(t, l.attempts, 2)
	})
	t.Run("silent, when it is cancelled", func(t *testing.T) {
		t.Parallel()
		l := &lookout{answer: func(schemas.ProbeInput) schemas.ProbeResult { return schemas.ProbeResult{} }}
		told := check(t, l, func(env *testsuite.TestWorkflowEnvironment) {
			env.RegisterDelayedCallback(env.CancelWorkflow, 10*time.Minute)
		})
		require.Empty(t, told)
	})
}
