package schemas

import (
	"time"

	"github.com/google/uuid"
)

// OperationKind is what an admin asked for.
type OperationKind string

// The operation kinds. The first group is carried out by the integration's
// workflow, the second by making a Temporal schedule equal an export's row.
const (
	OpCreateIntegration OperationKind = "create_integration"
	OpProvision         OperationKind = "provision"
	OpUpdateDestination OperationKind = "update_destination"
	OpCheckAccess       OperationKind = "check_access"
	OpDeleteIntegration OperationKind = "delete_integration"

	OpCreateExport OperationKind = "create_export"
	OpEditExport   OperationKind = "edit_export"
	OpPauseExport  OperationKind = "pause_export"
	OpResumeExport OperationKind = "resume_export"
	OpRelinkExport OperationKind = "relink_export"
	OpRunExport    OperationKind = "run_export"
	OpDeleteExport OperationKind = "delete_export"

	OpBackfillExport OperationKind = "backfill_export" // carried out by the backfill's own workflow
	OpCancelBackfill OperationKind = "cancel_backfill"
)

// OfIntegration tells whether an integration's workflow carries the operation
// out.
func (k OperationKind) OfIntegration() bool {
	switch k {
	case OpCreateIntegration, OpProvision, OpUpdateDestination, OpCheckAccess, OpDeleteIntegration:
		return true
	default:
		return false
	}
}

// OperationStatus is how far an operation has come.
type OperationStatus string

// The operation statuses. Succeeded and failed are final.
const (
	OperationPending   OperationStatus = "pending" // accepted, not begun
	OperationRunning   OperationStatus = "running"
	OperationSucceeded OperationStatus = "succeeded"
	OperationFailed    OperationStatus = "failed"
)

// Ended tells whether the status is final.
func (s OperationStatus) Ended() bool { return s == OperationSucceeded || s == OperationFailed }

// Operation is one admin command with its outcome.
type Operation struct {
	ID            uuid.UUID        `json:"id"`
	OrgID         uuid.UUID        `json:"org_id"`
	Kind          OperationKind    `json:"kind"`
	IntegrationID *uuid.UUID       `json:"integration_id,omitempty"`
	ExportID      *uuid.UUID       `json:"export_id,omitempty"`
	BackfillID    *uuid.UUID       `json:"backfill_id,omitempty"`
	Params        OperationParams  `json:"params"`
	Status        OperationStatus  `json:"status"`
	Outcome       OperationOutcome `json:"outcome"`
	Error         string           `json:"error,omitempty"` // why it failed, for the admin
	RequestedBy   string           `json:"requested_by"`    // name of the API key or person
	SpecVersion   int              `json:"-"`               // the export's version this operation asks for
	CreatedAt     time.Time        `json:"created_at"`
	EndedAt       *time.Time       `json:"ended_at,omitempty"`
}

// OperationParams is what an operation was asked to do, as far as its kind
// says so.
type OperationParams struct {
	Destination *Destination `json:"destination,omitempty"`    // update_destination
	BucketOwner string       `json:"bucket_owner,omitempty"`   // update_destination
	Retarget    bool         `json:"retarget,omitempty"`       // update_destination
	AcceptOwner bool         `json:"accept_owner,omitempty"`   // check_access: trust whoever owns the bucket now
	DeleteLinks bool         `json:"delete_exports,omitempty"` // delete_integration
	Credentials *Credentials `json:"credentials,omitempty"`    // provision
	Exclusive   bool         `json:"exclusive,omitempty"`      // provision
	Replaces    string       `json:"replaces,omitempty"`       // provision: see CredentialsVersion; "" replaces whatever is there
}

// OperationOutcome is what an operation did beyond what was asked for, as far
// as its kind says so.
type OperationOutcome struct {
	PreviousDestination Destination `json:"previous_destination,omitzero"` // update_destination
	ExportsRetargeted   int         `json:"exports_retargeted,omitempty"`
	ExportsPaused       int         `json:"exports_paused,omitempty"`
	ExportsDeleted      int         `json:"exports_deleted,omitempty"`
}
