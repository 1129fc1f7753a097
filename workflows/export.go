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
	for turn := range windowsPerRun {
		more, err := deliver(ctx, in, turn)
		if err != nil || !more {
			return err
		}
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			break // the lists of objects are what makes a history large
		}
	}
	return workflow.NewContinueAsNewError(ctx, Export, in)
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
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("Delivering events %s to %s", extent, window.Destination))

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
	err = workflow.ExecuteActivity(recording(ctx, "settle "+extent), a.FinishRun, schemas.FinishRunInput{
		ExportInput: in,
		RunID:       begun.RunID,
		WindowID:    window.ID,
		Resumed:     begun.Resumed,
		Objects:     written.Objects,
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
