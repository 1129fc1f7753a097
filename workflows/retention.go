package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/auditferry/auditferry/activities"
)

// Retention makes room for the days to come and drops the events that are
// older than the retention. Its schedule starts it every day.
func Retention(ctx workflow.Context) error {
	var a *activities.Retention
	if err := workflow.ExecuteActivity(recording(ctx, "partitions ahead"), a.PreparePartitions).Get(ctx, nil); err != nil {
		return err
	}
	return workflow.ExecuteActivity(applying(ctx, "drop expired events"), a.DropExpired).Get(ctx, nil)
}
