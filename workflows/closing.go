package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/schemas"
)

// Closing ends the chains of manifests in the places which an integration's
// exports have left. Where that is refused for good they stay open at their
// ends, with the reason in the ledger.
func Closing(ctx workflow.Context, in schemas.IntegrationRef) error {
	var a *activities.Exports
	cause := workflow.ExecuteActivity(writing(ctx, "write final manifests"), a.CloseChains, in).Get(ctx, nil)
	if cause == nil {
		return nil
	}
	still, _ := workflow.NewDisconnectedContext(ctx)
	err := workflow.ExecuteActivity(recording(still, "give up final manifests"), a.AbandonClosings, schemas.AbandonClosingsInput{
		IntegrationRef: in,
		Message:        reason(cause),
	}).Get(still, nil)
	if err != nil {
		return err
	}
	return cause
}
