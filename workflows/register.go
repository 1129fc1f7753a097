package workflows

import (
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/auditferry/auditferry/schemas"
)

// Register registers every workflow under its name of the contract.
func Register(r worker.WorkflowRegistry) {
	register := func(name string, w any) {
		r.RegisterWorkflowWithOptions(w, workflow.RegisterOptions{Name: name})
	}
	register(schemas.WorkflowIntegration, Integration)
	register(schemas.WorkflowAccessCheck, AccessCheck)
	register(schemas.WorkflowNotice, Notice)
	register(schemas.WorkflowExport, Export)
	register(schemas.WorkflowBackfill, Backfill)
	register(schemas.WorkflowClosing, Closing)
	register(schemas.WorkflowWatch, Watch)
	register(schemas.WorkflowReconcile, Reconcile)
	register(schemas.WorkflowRetention, Retention)
}
