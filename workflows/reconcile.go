package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/schemas"
)

// Reconcile finishes what a crash left between Postgres and Temporal: commands
// that were written but never sent, and exports whose schedule is not yet like
// their row. Its schedule starts it every minute.
func Reconcile(ctx workflow.Context) (schemas.ReconcileResult, error) {
	var a *activities.Reconcile
	var result schemas.ReconcileResult
	err := workflow.ExecuteActivity(applying(ctx, "finish what a crash left"), a.Sweep).Get(ctx, &result)
	return result, err
}
