package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/schemas"
)

// Watch tells the admins of exports what they have to know before it is too
// late. Its schedule starts it every minute; nothing to tell costs one activity.
//
// What is due comes from the ledger. A notice is noted as told once its workflow
// has started; after a crash in between it is started again, and the workflow's
// ID finds that it has been.
func Watch(ctx workflow.Context) error {
	var a *activities.Watch
	at := workflow.Now(ctx)
	var found schemas.WatchResult
	err := workflow.ExecuteActivity(recording(ctx, "what is there to tell?"), a.DueNotices, schemas.WatchInput{At: at}).Get(ctx, &found)
	if err != nil || len(found.Due) == 0 {
		return err
	}
	for _, due := range found.Due {
		if err := startNotice(ctx, due.Occasion, due.Notice); err != nil {
			return err
		}
	}
	return workflow.ExecuteActivity(recording(ctx, "note what was told"), a.MarkTold, schemas.MarkToldInput{
		At:   at,
		Told: found.Due,
	}).Get(ctx, nil)
}
