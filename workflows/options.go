package workflows

import (
	"math"
	"time"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/auditferry/auditferry/schemas"
)

const (
	// recordTimeout bounds one attempt of an activity that makes one transaction
	// or one call to Temporal. It is also how long a command hangs when its
	// worker is killed, so it is not generous.
	recordTimeout = 15 * time.Second

	// applyTimeout bounds one attempt of an activity that makes many of those,
	// such as one for each linked export.
	applyTimeout = 2 * time.Minute

	// stopTimeout is how long a delete waits for cancelled runs, for the last
	// manifests to be written, and for a cloud to take credentials back. Past it
	// they are left behind: a run that was superseded cannot deliver any more, a
	// chain may stay open, and forgotten credentials let nobody in.
	stopTimeout = 10 * time.Minute

	// provisionTimeout bounds one attempt to have a cloud make an account or
	// delete it: a few requests.
	provisionTimeout = time.Minute

	// probeTimeout bounds one attempt to use a destination: seven steps that end
	// within 8 s each, and time to record them. It is also how long a check
	// stands still when its worker is killed.
	probeTimeout = 75 * time.Second

	// mailTimeout bounds one SMTP conversation.
	mailTimeout = 2 * time.Minute

	// mailBudget is how long a mail is tried. Past it the news is stale, and the
	// Notice workflow fails in the operators' sight.
	mailBudget = 7 * 24 * time.Hour

	// writeTimeout bounds a window: the largest budget of any error kind (24 h)
	// and time to write. Each attempt is watched by its heartbeat, not by this.
	writeTimeout = 36 * time.Hour

	// heartbeatTimeout is how soon a lost worker is noticed. Activities report
	// at least every few seconds while they write.
	heartbeatTimeout = 30 * time.Second

	// reminderAfter is when operators hear of an integration that nobody has
	// provisioned.
	reminderAfter = 24 * time.Hour

	// askAgainAfter is when a provisioner that could not fulfill a request, as its
	// pool was empty or its configuration wrong, gets it again. It is also how
	// long one that goes on failing is tried at a time.
	askAgainAfter = time.Hour

	// verifiedAtOnce is how soon after the mail that asked for access a grant
	// needs no mail of its own.
	verifiedAtOnce = time.Minute

	// windowsPerRun keeps the history of an export that catches up short.
	windowsPerRun = 50
)

// retries is the one retry policy. How long a kind of error may be retried is
// decided by the activities, which know the kind.
var retries = &temporal.RetryPolicy{
	InitialInterval:    time.Second,
	BackoffCoefficient: 2,
	MaximumInterval:    2 * time.Minute,
	MaximumAttempts:    math.MaxInt32, // no limit; left out, the test suite would make it ten
}

// options are those that all activities share: one attempt may take as long as
// the timeout, and there may be any number of attempts.
func options(queue, summary string, timeout time.Duration) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		TaskQueue:           queue,
		StartToCloseTimeout: timeout,
		RetryPolicy:         retries,
		Summary:             summary,
	}
}

// recording is for activities that record something; they are tried until they
// succeed, because nothing sensible could be done without them.
func recording(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, options(schemas.TaskQueueControl, summary, recordTimeout))
}

// revoking is for having a cloud take credentials back. It ends as stopping
// does: no delete waits for a cloud that goes on refusing.
func revoking(ctx workflow.Context, summary string) workflow.Context {
	o := options(schemas.TaskQueueControl, summary, provisionTimeout)
	o.ScheduleToCloseTimeout = stopTimeout
	return workflow.WithActivityOptions(ctx, o)
}

// requesting is for asking for credentials. It ends, so that operators hear of
// what goes on failing; the request is repeated later.
func requesting(ctx workflow.Context, summary string) workflow.Context {
	o := options(schemas.TaskQueueControl, summary, provisionTimeout)
	o.ScheduleToCloseTimeout = askAgainAfter
	return workflow.WithActivityOptions(ctx, o)
}

// applying is for activities that go through a list.
func applying(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, options(schemas.TaskQueueControl, summary, applyTimeout))
}

// probing is for one look at a destination. The access check is the loop, so
// only a lost worker is retried here.
func probing(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, options(schemas.TaskQueueControl, summary, probeTimeout))
}

// stopping is for waiting until cancelled runs have ended.
func stopping(ctx workflow.Context, summary string) workflow.Context {
	o := options(schemas.TaskQueueControl, summary, recordTimeout)
	o.ScheduleToCloseTimeout = stopTimeout
	return workflow.WithActivityOptions(ctx, o)
}

// mailing is for one mail to one address.
func mailing(ctx workflow.Context, summary string) workflow.Context {
	o := options(schemas.TaskQueueControl, summary, mailTimeout)
	o.ScheduleToCloseTimeout = mailBudget
	return workflow.WithActivityOptions(ctx, o)
}

// writing is for what uses a destination: moving a window's events, and
// manifests.
func writing(ctx workflow.Context, summary string) workflow.Context {
	o := options(schemas.TaskQueueExport, summary, writeTimeout)
	o.ScheduleToCloseTimeout = writeTimeout
	o.HeartbeatTimeout = heartbeatTimeout
	o.WaitForCancellation = true // a cancelled run has let go of the destination when it ends
	return workflow.WithActivityOptions(ctx, o)
}

// closing is for the last manifests before credentials are taken back: as
// writing, but for no longer than a delete waits for anything.
func closing(ctx workflow.Context, summary string) workflow.Context {
	o := options(schemas.TaskQueueExport, summary, stopTimeout)
	o.ScheduleToCloseTimeout = stopTimeout
	o.HeartbeatTimeout = heartbeatTimeout
	return workflow.WithActivityOptions(ctx, o)
}

// accessPause is the pause after the n-th attempt, n from 1: short at first
// for those who watch, then longer.
func accessPause(attempt int) time.Duration {
	return min(time.Second<<min(attempt, 7), 2*time.Minute)
}

// beside is for children that live on when their parent completes or continues
// as new.
func beside(ctx workflow.Context, id, summary string, reuse enumspb.WorkflowIdReusePolicy, ref schemas.IntegrationRef) workflow.Context {
	return workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            id,
		TaskQueue:             schemas.TaskQueueControl,
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_ABANDON,
		WorkflowIDReusePolicy: reuse,
		StaticSummary:         summary,
		TypedSearchAttributes: searchAttributes(ref),
	})
}

func searchAttributes(ref schemas.IntegrationRef) temporal.SearchAttributes {
	keyword := func(name string, id uuid.UUID) temporal.SearchAttributeUpdate {
		return temporal.NewSearchAttributeKeyKeyword(name).ValueSet(id.String())
	}
	return temporal.NewSearchAttributes(
		keyword(schemas.SearchOrg, ref.OrgID),
		keyword(schemas.SearchIntegration, ref.IntegrationID),
	)
}
