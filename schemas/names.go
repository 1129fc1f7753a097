package schemas

import (
	"fmt"

	"github.com/google/uuid"
)

// Task queues. Exports move bytes for minutes at a time, so they have a queue
// of their own and never keep an admin's command waiting.
const (
	TaskQueueControl = "auditferry-control"
	TaskQueueExport  = "auditferry-export"
)

// Workflow types.
const (
	WorkflowIntegration = "Integration"
	WorkflowAccessCheck = "AccessCheck"
	WorkflowNotice      = "Notice"
	WorkflowExport      = "Export"
	WorkflowBackfill    = "Backfill"
	WorkflowClosing     = "Closing"
	WorkflowWatch       = "Watch"
	WorkflowReconcile   = "Reconcile"
	WorkflowRetention   = "Retention"
)

// Search attributes, all of Temporal type Keyword. Every workflow and schedule
// carries those that it has a value for.
const (
	SearchOrg         = "AuditferryOrg"
	SearchIntegration = "AuditferryIntegration"
	SearchExport      = "AuditferryExport"
)

// QueryState answers with the IntegrationState of an Integration workflow.
const QueryState = "state"

// Signal names a message together with the type of its payload, so that a
// sender and a receiver cannot disagree about either.
type Signal[T any] struct{ Name string }

// Signals of the Integration workflow.
var (
	SignalProvisioned       = Signal[Provisioned]{"provisioned"}
	SignalUpdateDestination = Signal[Command]{"update-destination"}
	SignalCheckAccess       = Signal[Command]{"check-access"}
	SignalAccessChanged     = Signal[AccessChanged]{"access-changed"}
	SignalDelete            = Signal[Command]{"delete"}
)

// Fixed schedules of the service itself.
const (
	ScheduleReconcile = "reconcile"
	ScheduleRetention = "retention"
	ScheduleWatch     = "watch"
)

// IntegrationWorkflowID is the ID of an integration's entity workflow.
func IntegrationWorkflowID(integration uuid.UUID) string {
	return fmt.Sprintf("integration/%s", integration)
}

// AccessCheckWorkflowID is the ID of the one access check an integration has
// at a time.
func AccessCheckWorkflowID(integration uuid.UUID) string {
	return fmt.Sprintf("access-check/%s", integration)
}

// NoticeWorkflowID is the ID of the workflow that mails one notice. The
// occasion is what makes a notice unique: the operation or access check
// it tells of.
func NoticeWorkflowID(kind NoticeKind, occasion string) string {
	return fmt.Sprintf("notice/%s/%s", kind, occasion)
}

// ExportScheduleID is the ID of an export's Temporal schedule.
func ExportScheduleID(export uuid.UUID) string {
	return fmt.Sprintf("export/%s", export)
}

// ExportWorkflowID is the ID of the workflows that an export's schedule
// starts. Temporal appends the time of the action.
func ExportWorkflowID(export uuid.UUID) string {
	return fmt.Sprintf("export-run/%s", export)
}

// BackfillWorkflowID is the ID of the workflow that carries a backfill out.
func BackfillWorkflowID(backfill uuid.UUID) string {
	return fmt.Sprintf("backfill/%s", backfill)
}

// ClosingWorkflowID is the ID of the workflow that closes the chains of
// manifests in the places which an integration's exports have left.
func ClosingWorkflowID(integration uuid.UUID) string {
	return fmt.Sprintf("closing/%s", integration)
}
