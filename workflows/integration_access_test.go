package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/auditferry/auditferry/schemas"
)

// hear sends news of access in a run of its own.
func (l *life) hear(check int, access schemas.Access) {
	l.run(func(env *testsuite.TestWorkflowEnvironment) {
		env.SignalWorkflow(schemas.SignalAccessChanged.Name, schemas.AccessChanged{Check: check, Access: access})
	})
}

// asked sets back when the admins were asked to grant access.
func (l *life) asked(ago time.Duration) { l.in.State.Asked = time.Now().Add(-ago) }

func (l *life) mails() (verified, denied int) {
	return l.world.count("mail:access-verified"), l.world.count("mail:access-denied")
}

// Admins hear of access once it is granted, unless that happened while they
// were still reading the mail that asked for it.
func TestIntegrationTellsThatAccessIsVerified(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ago  time.Duration
		want int
	}{
		"at once":          {0, 0},
		"after an hour":    {time.Hour, 1},
		"after the minute": {time.Minute, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLife(t)
			l.settle = time.Second
			l.provision()
			l.asked(test.ago)
			l.grant()
			verified, denied := l.mails()
			require.Equal(t, test.want, verified)
			require.Zero(t, denied)
		})
	}
}

func TestIntegrationTellsNoNewsTwice(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.provision()
	l.asked(2 * time.Hour)
	l.hear(1, schemas.AccessDenied)
	verified, denied := l.mails()
	require.Equal(t, []int{0, 1}, []int{verified, denied})

	l.hear(1, schemas.AccessUnknown)
	require.Equal(t, 2, l.world.check, "a writer's hint begins another check")
	l.hear(2, schemas.AccessDenied)
	verified, denied = l.mails()
	require.Equal(t, []int{0, 1}, []int{verified, denied}, "they know")

	l.hear(2, schemas.AccessUnknown)
	l.hear(3, schemas.AccessGranted)
	l.hear(3, schemas.AccessUnknown)
	l.hear(4, schemas.AccessGranted)
	verified, denied = l.mails()
	require.Equal(t, []int{1, 1}, []int{verified, denied}, "it works again, which is told once")

	l.hear(4, schemas.AccessUnknown)
	l.hear(5, schemas.AccessDenied)
	require.Equal(t, schemas.IntegrationActive, l.in.State.Status, "exports go on trying")
	_, denied = l.mails()
	require.Equal(t, 2, denied, "access was lost")
}

// A hint is as old as the check it speaks of, and none is needed while a check
// is under way.
func TestIntegrationIgnoresOldHints(t *testing.T) {
	t.Parallel()
	for name, hint := range map[string]schemas.AccessChanged{
		"of an older check":     {Check: 0, Access: schemas.AccessUnknown},
		"during the check":      {Check: 1, Access: schemas.AccessUnknown},
		"of a check to come":    {Check: 2, Access: schemas.AccessUnknown},
		"an older check's news": {Check: 0, Access: schemas.AccessGranted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLife(t)
			l.provision()
			l.hear(hint.Check, hint.Access)
			require.Equal(t, 1, l.world.count("child:AccessCheck"))
			require.Equal(t, schemas.AccessChecking, l.in.State.Access)
		})
	}
	t.Run("before there are credentials", func(t *testing.T) {
		t.Parallel()
		l := newLife(t)
		l.hear(0, schemas.AccessUnknown)
		require.Zero(t, l.world.count("child:AccessCheck"))
	})
}

// A report that was accepted is final: the same check cannot take it back.
func TestIntegrationHearsACheckOnce(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.provision()
	l.grant()
	l.hear(1, schemas.AccessDenied)
	require.Equal(t, schemas.AccessGranted, l.in.State.Access)
}

// What operators mend, such as an empty pool, the integration finds by itself.
func TestIntegrationAsksAgainForCredentials(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.world.fail["RequestProvisioning"] = func() error {
		return temporal.NewNonRetryableApplicationError("no app is left", schemas.ErrorPoolExhausted, nil)
	}
	began := time.Now()
	env := l.run(func(*testsuite.TestWorkflowEnvironment) {})
	require.WithinDuration(t, began.Add(time.Hour), env.Now(), 5*time.Minute)
	require.Equal(t, 2, l.world.count("RequestProvisioning"))
	require.Equal(t, "ask for credentials: no app is left", l.in.State.Attention)
	require.Equal(t, 1, l.world.count("mail:provisioning-waiting"))

	delete(l.world.fail, "RequestProvisioning")
	l.provision()
	require.Equal(t, 1, l.world.count("mail:provisioning-waiting"), "operators are told once")
}

// A provisioner that fails in a way which may pass, such as a cloud that refuses
// the worker, is not tried for days before operators hear of it.
func TestIntegrationTellsOfAProvisionerThatGoesOnFailing(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.world.fail["RequestProvisioning"] = func() error {
		return temporal.NewApplicationError("the worker lacks a role", schemas.ErrorUnexpected)
	}
	began := time.Now()
	env := l.run(func(env *testsuite.TestWorkflowEnvironment) {
		env.RegisterDelayedCallback(env.CancelWorkflow, 48*time.Hour)
	})
	require.Equal(t, 1, l.world.count("mail:provisioning-waiting"))
	require.Contains(t, l.in.State.Attention, "the worker lacks a role")
	require.WithinDuration(t, began.Add(3*time.Hour), env.Now(), 10*time.Minute, "tried for an hour, and again an hour later")
	delete(l.world.fail, "RequestProvisioning")
	l.provision()
}

// Two checks can be asked for while one run handles what has come in; a run
// starts one workflow of an ID only, and the next run the other.
func TestIntegrationChecksTwiceInOneRun(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.provision()
	l.grant()
	first, second := l.world.operation(), l.world.operation()
	l.run(func(env *testsuite.TestWorkflowEnvironment) {
		signalCommand(env, schemas.SignalCheckAccess, first)
		signalCommand(env, schemas.SignalCheckAccess, second)
	})
	require.Equal(t, schemas.OperationSucceeded, l.world.outcome(first))
	require.Equal(t, schemas.OperationSucceeded, l.world.outcome(second))
	require.Equal(t, 3, l.world.check)
	require.Equal(t, 2, l.world.count("child:AccessCheck"))
	l.hear(2, schemas.AccessGranted)
	require.Equal(t, 3, l.world.count("child:AccessCheck"), "the second one")
	require.Equal(t, schemas.AccessChecking, l.in.State.Access, "the first one is superseded")
	l.hear(3, schemas.AccessGranted)
	require.Equal(t, schemas.AccessGranted, l.in.State.Access)
	require.Equal(t, 3, l.world.count("child:AccessCheck"))
}

// A check that waits for the next run is not waited for any more once the
// deletion has begun: an integration whose deletion has failed half-way rests.
func TestIntegrationStartsNoCheckWhileDeleting(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.provision()
	l.grant()
	l.world.fail["FinishDelete"] = func() error {
		return temporal.NewNonRetryableApplicationError("no such row", schemas.ErrorNotFound, nil)
	}
	first, second, last := l.world.operation(), l.world.operation(), l.world.operation()
	l.run(func(env *testsuite.TestWorkflowEnvironment) {
		signalCommand(env, schemas.SignalCheckAccess, first)
		signalCommand(env, schemas.SignalCheckAccess, second)
		signalCommand(env, schemas.SignalDelete, last)
	})
	require.Equal(t, schemas.IntegrationDeleting, l.in.State.Status)
	delete(l.world.fail, "FinishDelete")

	began, again := time.Now(), l.world.operation()
	l.settle = time.Hour
	env := l.run(func(env *testsuite.TestWorkflowEnvironment) { signalCommand(env, schemas.SignalDelete, again) })
	require.True(t, l.over, "it went on as new with nothing to do")
	require.GreaterOrEqual(t, env.Now().Sub(began), 55*time.Minute)
	require.Equal(t, schemas.OperationSucceeded, l.world.outcome(again))
	require.Equal(t, 2, l.world.count("child:AccessCheck"), "none while the integration goes away")
}
