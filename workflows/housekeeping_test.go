package workflows_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/schemas"
	"github.com/auditferry/auditferry/workflows"
)

// house counts housekeeping. Each activity fails the first time.
type house struct{ sweeps, prepared, dropped int }

func (h *house) Sweep(context.Context) (schemas.ReconcileResult, error) {
	h.sweeps++
	if h.sweeps == 1 {
		return schemas.ReconcileResult{}, errors.New("database is down")
	}
	return schemas.ReconcileResult{Operations: 2, Exports: 1}, nil
}

func (h *house) PreparePartitions(context.Context) error {
	h.prepared++
	if h.prepared == 1 {
		return errors.New("database is down")
	}
	return nil
}

func (h *house) DropExpired(context.Context) error {
	if h.prepared < 2 {
		return errors.New("dropped before the days to come were there")
	}
	h.dropped++
	return nil
}

func TestReconcile(t *testing.T) {
	t.Parallel()
	env := newEnv()
	h := &house{}
	env.RegisterActivity(h)
	env.ExecuteWorkflow(workflows.Reconcile)
	require.NoError(t, env.GetWorkflowError())
	var result schemas.ReconcileResult
	require.NoError(t, env.GetWorkflowResult(&result))
	require.Equal(t, schemas.ReconcileResult{Operations: 2, Exports: 1}, result)
	require.Equal(t, 2, h.sweeps)
}

func TestRetention(t *testing.T) {
	t.Parallel()
	env := newEnv()
	h := &house{}
	env.RegisterActivity(h)
	env.ExecuteWorkflow(workflows.Retention)
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, 1, h.dropped)
}
