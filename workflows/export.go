package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/schemas"
)

// Export delivers what an export owes: its undelivered window if there is one,
// then new ones until nothing waits. A run with nothing to do costs one
// activity, a small one three. What to deliver comes from the ledger, so a run
// that was skipped, repeated or killed loses and doubles nothing.
func Export(ctx workflow.Context, in schemas.ExportInput) error {
	more, err := deliverAll(ctx, in)
	if err != nil || !more {
		return err
	}
	return workflow.NewContinueAsNewError(ctx, Export, in)
}

// Backfill delivers a range of the past once more, window by window. It ends
// with the first that cannot be delivered: there is no schedule to begin again.
func Backfill(ctx workflow.Context, in schemas.ExportInput) error {
	more, err := deliverAll(ctx, in)
	if err != nil || !more {
		return err
	}
	return workflow.NewContinueAsNewError(ctx, Backfill, in)
}

// deliverAll delivers window after window until nothing waits, or there have
// been enough for one history.
func deliverAll(ctx workflow.Context, in schemas.ExportInput) (more bool, err error) {
	for turn := range windowsPerRun {
		if more, err = deliver(ctx, in, turn); err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

// deliver is one run in the sense of the ledger: one attempt at one window.
func deliver(ctx workflow.Context, in schemas.ExportInput, turn int) (more bool, err error) {
	var a *activities.Exports
	var begun schemas.BeginRunResult
	info := workflow.GetInfo(ctx).WorkflowExecution
	still, _ := workflow.NewDisconnectedContext(ctx) // a run that was opened must be known, to be ended
	err = workflow.ExecuteActivity(recording(still, "what is there to deliver?"), a.BeginRun, schemas.BeginRunInput{
		ExportInput: in,
		WorkflowID:  info.ID,
		RunID:       info.RunID,
		Turn:        turn,
	}).Get(still, &begun)
	if err != nil {
		return false, err
	}
	if begun.Window == nil {
		workflow.SetCurrentDetails(ctx, "Nothing to deliver: "+begun.Reason)
		return false, nil
	}
	window := *begun.Window
	extent := fmt.Sprintf("%d to %d", window.FirstSeq, window.LastSeq)
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("Delivering events %s to %s", extent, window.Place()))

	var written schemas.WritePartsResult
	err = workflow.ExecuteActivity(writing(ctx, "write "+extent), a.WriteParts, schemas.WritePartsInput{
		ExportInput: in,
		RunID:       begun.RunID,
		Window:      window,
	}).Get(ctx, &written)
	if err != nil {
		return false, recordFailure(ctx, in, begun, err)
	}
	var finished schemas.FinishRunResult
	err = workflow.ExecuteActivity(writing(ctx, "settle "+extent), a.FinishRun, schemas.FinishRunInput{
		ExportInput: in,
		RunID:       begun.RunID,
		WindowID:    window.ID,
		UpTo:        begun.UpTo,
	}).Get(ctx, &finished)
	if err != nil {
		return false, recordFailure(ctx, in, begun, err)
	}
	return finished.More, nil
}

// recordFailure notes why a run ended without having delivered, also when it
// was cancelled, and hands the cause on.
func recordFailure(ctx workflow.Context, in schemas.ExportInput, begun schemas.BeginRunResult, cause error) error {
	failure := schemas.RecordFailureInput{
		ExportInput: in,
		RunID:       begun.RunID,
		At:          workflow.Now(ctx),
		Cancelled:   temporal.IsCanceledError(cause),
		Message:     reason(cause),
	}
	var application *temporal.ApplicationError
	if errors.As(cause, &application) {
		failure.Kind = schemas.KindOfErrorType(application.Type())
	}
	still, _ := workflow.NewDisconnectedContext(ctx) // a cancelled run is recorded too
	var a *activities.Exports
	if err := workflow.ExecuteActivity(recording(still, "record failure"), a.RecordFailure, failure).Get(still, nil); err != nil {
		return err
	}
	workflow.SetCurrentDetails(ctx, "Not delivered: "+failure.Message)
	return cause
}
