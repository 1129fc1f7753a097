package workflows_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/auditferry/auditferry/schemas"
)

func TestIntegrationProvisioned(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	op := l.provision()

	require.Equal(t, schemas.OperationSucceeded, l.world.outcome(op))
	require.Equal(t, schemas.AccessChecking, l.in.State.Access)
	require.Equal(t, 1, l.world.count("RequestProvisioning"))
	require.Equal(t, 1, l.world.count("mail:integration-ready"))
	require.Equal(t, 1, l.world.count("child:AccessCheck"))
	require.Equal(t, awsCredentials(), *l.world.credentials)

	l.grant()
	require.Equal(t, schemas.AccessGranted, l.world.access)
	require.Equal(t, schemas.IntegrationActive, l.world.status)
	require.Equal(t, 1, l.world.count("RequestProvisioning"), "asked once in a life")
}

// Invariant 4: a command is carried out once, however often it is sent.
func TestIntegrationSignalsDeliveredTwice(t *testing.T) {
	t.Parallel()
	t.Run("provisioned", func(t *testing.T) {
		t.Parallel()
		l := newLife(t)
		op := l.world.operation()
		l.run(func(env *testsuite.TestWorkflowEnvironment) {
			signalProvisioned(env, op)
			signalProvisioned(env, op)
		})
		l.run(func(env *testsuite.TestWorkflowEnvironment) { signalProvisioned(env, op) })
		require.Equal(t, 1, l.world.count("mail:integration-ready"))
		require.Equal(t, 1, l.world.count("child:AccessCheck"))
	})
	t.Run("update destination", func(t *testing.T) {
		t.Parallel()
		l := newLife(t)
		l.provision()
		op := l.world.operation()
		l.run(func(env *testsuite.TestWorkflowEnvironment) {
			signalCommand(env, schemas.SignalUpdateDestination, op)
			signalCommand(env, schemas.SignalUpdateDestination, op)
		})
		require.Equal(t, 1, l.world.count("mail:destination-updated"))
		require.Equal(t, 1, l.world.count("ApplyLinked"))
		require.Equal(t, schemas.OperationSucceeded, l.world.outcome(op))
	})
	t.Run("delete", func(t *testing.T) {
		t.Parallel()
		l := newLife(t)
		l.provision()
		op := l.world.operation()
		l.run(func(env *testsuite.TestWorkflowEnvironment) {
			signalCommand(env, schemas.SignalDelete, op)
			signalCommand(env, schemas.SignalDelete, op)
		})
		require.True(t, l.over)
		require.Equal(t, 1, l.world.count("FinishDelete"))
		require.Equal(t, 1, l.world.count("mail:integration-deleted"))
	})
}

func TestIntegrationUnknownOperationIsIgnored(t *testing.T) {
	t.Parallel()
	for _, signal := range []schemas.Signal[schemas.Command]{
		schemas.SignalUpdateDestination, schemas.SignalCheckAccess, schemas.SignalDelete,
	} {
		t.Run(signal.Name, func(t *testing.T) {
			t.Parallel()
			l := newLife(t)
			l.provision()
			checks := l.world.count("child:AccessCheck")
			l.run(func(env *testsuite.TestWorkflowEnvironment) {
				signalCommand(env, signal, schemas.Command{OperationID: uuid.New()})
			})
			require.False(t, l.over)
			require.Equal(t, schemas.IntegrationAwaitingAccess, l.in.State.Status)
			require.Empty(t, l.in.State.Attention)
			require.Zero(t, l.world.count("ApplyLinked"))
			require.Equal(t, checks, l.world.count("child:AccessCheck"))
		})
	}
}

func TestIntegrationUndecodableSignalIsIgnored(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	op := l.world.operation()
	l.run(func(env *testsuite.TestWorkflowEnvironment) {
		env.SignalWorkflow(schemas.SignalDelete.Name, "not a command")
		signalProvisioned(env, op)
	})
	require.Equal(t, schemas.IntegrationAwaitingAccess, l.in.State.Status)
}

func TestIntegrationUpdateDestination(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.provision()
	l.grant()
	op := l.world.operation()
	l.run(func(env *testsuite.TestWorkflowEnvironment) { signalCommand(env, schemas.SignalUpdateDestination, op) })

	require.Equal(t, schemas.OperationSucceeded, l.world.outcome(op))
	require.Equal(t, schemas.IntegrationAwaitingAccess, l.in.State.Status)
	require.Equal(t, schemas.AccessChecking, l.world.access)
	require.Equal(t, 2, l.world.count("child:AccessCheck"))
	require.Equal(t, 1, l.world.count("mail:destination-updated"))
	require.IsIncreasing(t, l.world.order(t, "UpdateDestination", "ApplyLinked", "mail:destination-updated"))
	l.grant()
}

func TestIntegrationUpdateDestinationBeforeProvisioning(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	op := l.world.operation()
	l.run(func(env *testsuite.TestWorkflowEnvironment) { signalCommand(env, schemas.SignalUpdateDestination, op) })

	require.Equal(t, schemas.OperationSucceeded, l.world.outcome(op))
	require.Equal(t, schemas.IntegrationProvisioning, l.in.State.Status)
	require.Zero(t, l.world.count("child:AccessCheck"))
	l.provision()
	require.Equal(t, 1, l.world.count("child:AccessCheck"))
}

func TestIntegrationRotatedCredentials(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.provision()
	l.grant()
	l.provision()
	require.Equal(t, 2, l.world.count("mail:integration-ready"))
	require.Equal(t, 2, l.world.count("child:AccessCheck"))
}

func TestIntegrationAccessDeniedThenCheckedAgain(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.provision()
	l.run(func(env *testsuite.TestWorkflowEnvironment) {
		env.SignalWorkflow(schemas.SignalAccessChanged.Name, schemas.AccessChanged{Check: 1, Access: schemas.AccessDenied})
	})
	require.Equal(t, schemas.AccessDenied, l.world.access)
	require.Equal(t, schemas.IntegrationAwaitingAccess, l.world.status)

	op := l.world.operation()
	l.run(func(env *testsuite.TestWorkflowEnvironment) { signalCommand(env, schemas.SignalCheckAccess, op) })
	require.Equal(t, schemas.OperationSucceeded, l.world.outcome(op))
	require.Equal(t, 2, l.world.check)
	l.grant()
}

func TestIntegrationIgnoresSupersededAccessReports(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.provision()
	op := l.world.operation()
	l.run(func(env *testsuite.TestWorkflowEnvironment) { signalCommand(env, schemas.SignalCheckAccess, op) })
	l.run(func(env *testsuite.TestWorkflowEnvironment) {
		env.SignalWorkflow(schemas.SignalAccessChanged.Name, schemas.AccessChanged{Check: 1, Access: schemas.AccessGranted})
	})
	require.Equal(t, schemas.IntegrationAwaitingAccess, l.in.State.Status)
	require.Equal(t, schemas.AccessChecking, l.in.State.Access)
}

func TestIntegrationDelete(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.provision()
	l.grant()
	l.world.running = 3
	op, late := l.world.operation(), l.world.operation()
	l.run(func(env *testsuite.TestWorkflowEnvironment) { signalCommand(env, schemas.SignalDelete, op) })

	require.True(t, l.over)
	require.Equal(t, schemas.OperationSucceeded, l.world.outcome(op))
	require.Equal(t, schemas.OperationFailed, l.world.outcome(late), "every operation ends")
	require.Equal(t, 4, l.world.count("StopRuns"), "until no run is left")
	require.IsIncreasing(t, l.world.order(t,
		"BeginDelete", "ApplyLinked", "StopRuns", "RevokeCredentials", "FinishDelete", "mail:integration-deleted"))
}

// A run that cannot be stopped must not keep the integration: what it would
// record is refused.
func TestIntegrationDeleteLeavesHangingRunsBehind(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.provision()
	l.world.running = 1 << 20
	op := l.world.operation()
	l.run(func(env *testsuite.TestWorkflowEnvironment) { signalCommand(env, schemas.SignalDelete, op) })
	require.True(t, l.over)
	require.Equal(t, schemas.OperationSucceeded, l.world.outcome(op))
}

// Credentials that a cloud does not take back are forgotten all the same.
func TestIntegrationDeleteOutlivesARefusedRevocation(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.provision()
	l.world.fail["RevokeCredentials"] = func() error { return errors.New("permission denied") }
	op := l.world.operation()
	l.run(func(env *testsuite.TestWorkflowEnvironment) { signalCommand(env, schemas.SignalDelete, op) })
	require.True(t, l.over)
	require.Equal(t, schemas.OperationSucceeded, l.world.outcome(op))
	require.Equal(t, 1, l.world.count("FinishDelete"))
	require.Equal(t, 1, l.world.count("mail:integration-deleted"))
}

func TestIntegrationDeleteDuringProvisioning(t *testing.T) {
	t.Parallel()
	t.Run("while waiting for credentials", func(t *testing.T) {
		t.Parallel()
		l := newLife(t)
		op := l.world.operation()
		l.run(func(env *testsuite.TestWorkflowEnvironment) { signalCommand(env, schemas.SignalDelete, op) })
		require.True(t, l.over)
		require.Zero(t, l.world.count("mail:integration-ready"))
	})
	t.Run("while the provisioner cannot be reached", func(t *testing.T) {
		t.Parallel()
		l := newLife(t)
		l.world.fail["RequestProvisioning"] = func() error { return temporal.NewApplicationError("down", schemas.ErrorUnexpected) }
		op := l.world.operation()
		l.run(func(env *testsuite.TestWorkflowEnvironment) { signalCommand(env, schemas.SignalDelete, op) })
		require.True(t, l.over)
		require.Equal(t, schemas.OperationSucceeded, l.world.outcome(op))
	})
	t.Run("together with the credentials", func(t *testing.T) {
		t.Parallel()
		l := newLife(t)
		op, creation := l.world.operation(), l.world.operation()
		l.run(func(env *testsuite.TestWorkflowEnvironment) {
			signalProvisioned(env, creation)
			signalCommand(env, schemas.SignalDelete, op)
		})
		require.True(t, l.over)
		require.IsIncreasing(t, l.world.order(t, "StoreCredentials", "BeginDelete"))
		require.Equal(t, schemas.OperationSucceeded, l.world.outcome(creation))
	})
}

// Commands that arrive while another is carried out wait for their turn.
func TestIntegrationCommandsWhileAnotherRuns(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.provision()
	first, second, check := l.world.operation(), l.world.operation(), l.world.operation()
	l.run(func(env *testsuite.TestWorkflowEnvironment) {
		l.world.before["ApplyLinked"] = func() {
			delete(l.world.before, "ApplyLinked")
			signalCommand(env, schemas.SignalUpdateDestination, second)
			signalCommand(env, schemas.SignalCheckAccess, check)
		}
		signalCommand(env, schemas.SignalUpdateDestination, first)
	})
	for _, op := range []schemas.Command{first, second, check} {
		require.Equal(t, schemas.OperationSucceeded, l.world.outcome(op))
	}
	require.Equal(t, 2, l.world.count("ApplyLinked"))
}

// A signal that comes with the last step of a command, when the workflow is
// about to continue as new, is handled and not lost.
func TestIntegrationSignalRacesContinueAsNew(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.provision()
	first, second := l.world.operation(), l.world.operation()
	l.run(func(env *testsuite.TestWorkflowEnvironment) {
		l.world.before["FinishOperation"] = func() {
			delete(l.world.before, "FinishOperation")
			signalCommand(env, schemas.SignalUpdateDestination, second)
		}
		signalCommand(env, schemas.SignalUpdateDestination, first)
	})
	require.Equal(t, schemas.OperationSucceeded, l.world.outcome(first))
	require.Equal(t, schemas.OperationSucceeded, l.world.outcome(second))
}

func TestIntegrationRemindsOperatorsOnce(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.run(func(*testsuite.TestWorkflowEnvironment) {})
	require.Equal(t, 1, l.world.count("mail:provisioning-waiting"))
	require.True(t, l.in.State.Reminded)
	op := l.world.operation()
	l.run(func(env *testsuite.TestWorkflowEnvironment) {
		env.RegisterDelayedCallback(func() { signalProvisioned(env, op) }, 10*24*time.Hour)
	})
	require.Equal(t, schemas.IntegrationAwaitingAccess, l.in.State.Status, "it has gone on waiting")
	require.Equal(t, 1, l.world.count("mail:provisioning-waiting"))
}

// The reminder counts from the beginning, however many runs there were since.
func TestIntegrationReminderOutlivesRuns(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	began := time.Now()
	op := l.world.operation()
	l.run(func(env *testsuite.TestWorkflowEnvironment) { signalCommand(env, schemas.SignalUpdateDestination, op) })
	require.WithinDuration(t, began, l.in.State.WaitingFrom, time.Minute)
	l.in.State.WaitingFrom = l.in.State.WaitingFrom.Add(-23 * time.Hour)
	started := time.Now()
	env := l.run(func(*testsuite.TestWorkflowEnvironment) {})
	require.WithinDuration(t, started.Add(time.Hour), env.Now(), 2*time.Minute)
}

// A failing step never fails the entity.
func TestIntegrationNeedsAttention(t *testing.T) {
	t.Parallel()
	broken := func() error {
		return temporal.NewNonRetryableApplicationError("no such row", schemas.ErrorNotFound, nil)
	}
	t.Run("a command", func(t *testing.T) {
		t.Parallel()
		l := newLife(t)
		l.provision()
		l.world.fail["ApplyLinked"] = broken
		op := l.world.operation()
		l.run(func(env *testsuite.TestWorkflowEnvironment) { signalCommand(env, schemas.SignalUpdateDestination, op) })
		require.Equal(t, schemas.OperationFailed, l.world.outcome(op), "no admin waits for ever")
		require.Equal(t, "update-destination: no such row", l.in.State.Attention)

		delete(l.world.fail, "ApplyLinked")
		again := l.world.operation()
		l.run(func(env *testsuite.TestWorkflowEnvironment) {
			signalCommand(env, schemas.SignalUpdateDestination, again)
		})
		require.Equal(t, schemas.OperationSucceeded, l.world.outcome(again))
		require.Empty(t, l.in.State.Attention)
	})
	t.Run("the request for credentials", func(t *testing.T) {
		t.Parallel()
		l := newLife(t)
		l.world.fail["RequestProvisioning"] = broken
		op := l.world.operation()
		l.run(func(env *testsuite.TestWorkflowEnvironment) { signalProvisioned(env, op) })
		require.Equal(t, 1, l.world.count("mail:provisioning-waiting"))
		require.Equal(t, schemas.IntegrationAwaitingAccess, l.in.State.Status, "an operator can still provision")
	})
}

// A workflow that somebody terminated comes back with the next command, and
// goes on from what Postgres says.
func TestIntegrationComesBack(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.world.status, l.world.access, l.world.check = schemas.IntegrationAwaitingAccess, schemas.AccessChecking, 4
	op := l.world.operation()
	l.run(func(env *testsuite.TestWorkflowEnvironment) { signalCommand(env, schemas.SignalUpdateDestination, op) })
	require.Equal(t, schemas.OperationSucceeded, l.world.outcome(op))
	require.Equal(t, 1, l.world.count("RequestProvisioning"), "the creation may not have ended yet")
	require.Equal(t, 6, l.world.check, "one check for the lost one, one for the new destination")
}

// Invariant 4: a delete whose workflow was terminated at the very end still
// ends, and as what it is.
func TestIntegrationComesBackDeleted(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.settle = 0
	l.world.status = schemas.IntegrationDeleted
	op := l.world.operation()
	l.run(func(env *testsuite.TestWorkflowEnvironment) { signalCommand(env, schemas.SignalDelete, op) })
	require.True(t, l.over)
	require.Equal(t, schemas.OperationSucceeded, l.world.outcome(op))
	require.Equal(t, 1, l.world.count("mail:integration-deleted"))
	require.Zero(t, l.world.count("RequestProvisioning"))
}

// Invariant 5: an access check that reports to an integration whose deletion
// has failed half-way does not bring it back.
func TestIntegrationStaysDeleting(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.provision()
	l.world.fail["FinishDelete"] = func() error {
		return temporal.NewNonRetryableApplicationError("no such row", schemas.ErrorNotFound, nil)
	}
	op := l.world.operation()
	l.run(func(env *testsuite.TestWorkflowEnvironment) { signalCommand(env, schemas.SignalDelete, op) })
	require.Equal(t, schemas.OperationFailed, l.world.outcome(op))
	l.run(func(env *testsuite.TestWorkflowEnvironment) {
		env.SignalWorkflow(schemas.SignalAccessChanged.Name, schemas.AccessChanged{Check: l.world.check, Access: schemas.AccessGranted})
	})
	require.Equal(t, schemas.IntegrationDeleting, l.in.State.Status)
}

func TestIntegrationAnswersItsState(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	op := l.world.operation()
	l.run(func(env *testsuite.TestWorkflowEnvironment) {
		value, err := env.QueryWorkflow(schemas.QueryState)
		require.NoError(t, err)
		var state schemas.IntegrationState
		require.NoError(t, value.Get(&state))
		require.Equal(t, schemas.IntegrationProvisioning, state.Status)
		signalProvisioned(env, op)
	})
}
