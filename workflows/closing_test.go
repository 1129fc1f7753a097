package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/auditferry/auditferry/schemas"
	"github.com/auditferry/auditferry/workflows"
)

// notary closes chains, or fails to.
type notary struct {
	closed    int
	abandoned []schemas.AbandonClosingsInput
	fail      func() error
}

func (n *notary) CloseChains(context.Context, schemas.IntegrationRef) error {
	if n.fail != nil {
		if err := n.fail(); err != nil {
			return err
		}
	}
	n.closed++
	return nil
}

func (n *notary) AbandonClosings(_ context.Context, in schemas.AbandonClosingsInput) error {
	n.abandoned = append(n.abandoned, in)
	return nil
}

func closeChains(n *notary) (*testsuite.TestWorkflowEnvironment, schemas.IntegrationRef) {
	env := newEnv()
	env.RegisterActivity(n)
	ref := schemas.IntegrationRef{OrgID: uuid.New(), IntegrationID: uuid.New()}
	began := env.Now()
	if n.fail == nil { // a run that ends its delivery in the place first
		n.fail = func() error {
			if env.Now().Sub(began) < time.Hour {
				return temporal.NewApplicationError("a run still delivers there", schemas.ErrorStillRunning)
			}
			return nil
		}
	}
	env.ExecuteWorkflow(workflows.Closing, ref)
	return env, ref
}

func TestClosingWaitsForRuns(t *testing.T) {
	t.Parallel()
	n := &notary{}
	env, _ := closeChains(n)
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, 1, n.closed)
	require.Empty(t, n.abandoned)
}

// A place that lets nobody in any more is given up with the reason, and not
// asked for ever.
func TestClosingIsGivenUp(t *testing.T) {
	t.Parallel()
	n := &notary{fail: func() error {
		return temporal.NewNonRetryableApplicationError("the role is gone", schemas.ErrorDestinationDenied, nil)
	}}
	env, ref := closeChains(n)
	require.ErrorContains(t, env.GetWorkflowError(), "the role is gone")
	require.Equal(t, []schemas.AbandonClosingsInput{{IntegrationRef: ref, Message: "the role is gone"}}, n.abandoned)
}
