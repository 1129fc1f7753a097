package workflows_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/auditferry/auditferry/schemas"
	"github.com/auditferry/auditferry/workflows"
)

// life plays an integration through as many runs as it takes. Each step is
// one run: the workflow is started (or goes on as new), the step's signals are
// sent, and the run ends by continuing as new or for good.
type life struct {
	t     *testing.T
	world *world
	in    schemas.IntegrationInput
	over  bool // the workflow has completed

	settle time.Duration // before a run gets its signals; 0 is signal with start
}

func newLife(t *testing.T) *life {
	return &life{
		t: t, world: newWorld(), settle: time.Minute,
		in: schemas.IntegrationInput{OrgID: uuid.New(), IntegrationID: uuid.New()},
	}
}

// run is one run, with do called when it has had its moment to settle.
func (l *life) run(do func(env *testsuite.TestWorkflowEnvironment)) *testsuite.TestWorkflowEnvironment {
	l.t.Helper()
	require.False(l.t, l.over, "the integration's life is over")
	env := newEnv()
	env.RegisterActivity(l.world)
	env.RegisterWorkflowWithOptions(l.accessCheck, workflow.RegisterOptions{Name: schemas.WorkflowAccessCheck})
	env.RegisterWorkflowWithOptions(l.notice, workflow.RegisterOptions{Name: schemas.WorkflowNotice})
	env.OnRequestCancelExternalWorkflow(mock.Anything, schemas.AccessCheckWorkflowID(l.in.IntegrationID), "").Return(nil).Maybe()
	env.RegisterDelayedCallback(func() { do(env) }, l.settle)
	env.ExecuteWorkflow(workflows.Integration, l.in)
	require.True(l.t, env.IsWorkflowCompleted())
	err := env.GetWorkflowError()
	var next *workflow.ContinueAsNewError
	if !errors.As(err, &next) {
		require.NoError(l.t, err)
		l.over = true
		return env
	}
	l.in = schemas.IntegrationInput{}
	require.NoError(l.t, converter.GetDefaultDataConverter().FromPayloads(next.Input, &l.in))
	return env
}

// accessCheck and notice stand in for the children; what they do is tested on
// its own.
func (l *life) accessCheck(_ workflow.Context, in schemas.AccessCheckInput) error {
	return l.world.enter("child:AccessCheck")
}

func (l *life) notice(_ workflow.Context, in schemas.NoticeInput) error {
	return l.world.enter("mail:" + string(in.Kind))
}

func awsCredentials() schemas.Credentials {
	return schemas.Credentials{AWS: &schemas.AWSCredentials{
		ExternalID: "auditferry-1",
		IAMUserARN: "arn:aws:iam::123456789012:user/auditferry",
	}}
}

// provision sends the provisioning signal in a run of its own.
func (l *life) provision() schemas.Command {
	op := l.world.operation()
	l.run(func(env *testsuite.TestWorkflowEnvironment) { signalProvisioned(env, op) })
	require.Equal(l.t, schemas.IntegrationAwaitingAccess, l.in.State.Status)
	return op
}

// grant reports that the newest access check succeeded, in a run of its own.
func (l *life) grant() {
	l.run(func(env *testsuite.TestWorkflowEnvironment) {
		env.SignalWorkflow(schemas.SignalAccessChanged.Name, schemas.AccessChanged{Check: l.world.check, Access: schemas.AccessGranted})
	})
	require.Equal(l.t, schemas.IntegrationActive, l.in.State.Status)
}

func signalProvisioned(env *testsuite.TestWorkflowEnvironment, op schemas.Command) {
	env.SignalWorkflow(schemas.SignalProvisioned.Name, schemas.Provisioned{OperationID: op.OperationID, Credentials: awsCredentials()})
}

func signalCommand(env *testsuite.TestWorkflowEnvironment, signal schemas.Signal[schemas.Command], op schemas.Command) {
	env.SignalWorkflow(signal.Name, op)
}
