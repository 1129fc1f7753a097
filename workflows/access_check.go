package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/schemas"
)

// AccessCheck probes a destination until it accepts our writes, until trying
// again cannot help, or until the time has passed in which a grant can still
// be on its way. It reports to its integration once, at the end; every attempt
// is stored for the admin to see.
func AccessCheck(ctx workflow.Context, in schemas.AccessCheckInput) error {
	began := workflow.Now(ctx)
	var kind schemas.ErrorKind // how the attempts fail
	since := began             // when they began to fail so
	for attempt := 1; ; attempt++ {
		pause := accessPause(attempt)
		now := workflow.Now(ctx)
		var a *activities.Access
		var probe schemas.ProbeResult
		err := workflow.ExecuteActivity(probing(ctx, fmt.Sprintf("attempt %d", attempt)), a.Probe, schemas.ProbeInput{
			IntegrationRef: in.IntegrationRef,
			Check:          in.Check,
			Attempt:        attempt,
			NextTryIn:      pause,
			Elapsed:        now.Sub(began),
			Kind:           kind,
			Lasted:         now.Sub(since),
		}).Get(ctx, &probe)
		if err != nil {
			return err
		}
		switch {
		case probe.Superseded:
			return nil
		case probe.Granted:
			return report(ctx, in, schemas.AccessGranted)
		case probe.Final:
			return report(ctx, in, schemas.AccessDenied)
		}
		if probe.Kind != kind {
			kind, since = probe.Kind, now
		}
		workflow.SetCurrentDetails(ctx, fmt.Sprintf("Attempt %d: %s. Next try in %s.", attempt, probe.Kind, pause))
		if err := workflow.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// report tells the integration. One that has been deleted meanwhile is not
// there to be told.
func report(ctx workflow.Context, in schemas.AccessCheckInput, access schemas.Access) error {
	id := schemas.IntegrationWorkflowID(in.IntegrationID)
	signal := schemas.AccessChanged{Check: in.Check, Access: access}
	err := workflow.SignalExternalWorkflow(ctx, id, "", schemas.SignalAccessChanged.Name, signal).Get(ctx, nil)
	if err != nil && ctx.Err() == nil {
		workflow.GetLogger(ctx).Info("Integration not there for the report", "error", err)
		return nil
	}
	return err
}
