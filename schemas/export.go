package schemas

import (
	"time"

	"github.com/google/uuid"
)

// ExportState is what an export is meant to do.
type ExportState string

// The export states.
const (
	ExportActive  ExportState = "active"
	ExportPaused  ExportState = "paused"
	ExportDeleted ExportState = "deleted"
)

// PauseReason says why an export is paused.
type PauseReason string

// The pause reasons.
const (
	PausedByAdmin              PauseReason = "admin"
	PausedByDestinationUpdate  PauseReason = "destination_updated"
	PausedByIntegrationDeleted PauseReason = "integration_deleted"
)

// StartFrom says which events a new export begins with.
type StartFrom string

// The starting points.
const (
	StartNow      StartFrom = "now"      // those recorded after its creation
	StartEarliest StartFrom = "earliest" // all that are retained
)

// Export is a recurring delivery linked to one integration.
type Export struct {
	ID             uuid.UUID    `json:"id"`
	OrgID          uuid.UUID    `json:"org_id"`
	IntegrationID  uuid.UUID    `json:"integration_id"`
	Name           string       `json:"name"`
	Slug           string       `json:"slug"` // fixed at creation, unique in the org
	Schedule       Schedule     `json:"schedule"`
	Format         Format       `json:"format"`
	Compression    Compression  `json:"compression"`
	PathTemplate   PathTemplate `json:"path_template"`
	Destination    Destination  `json:"destination"`
	State          ExportState  `json:"state"`
	PauseReason    PauseReason  `json:"pause_reason,omitempty"`
	DeliveredSeq   int64        `json:"delivered_seq"` // everything up to here is delivered, or before the start
	SpecVersion    int          `json:"spec_version"`
	AppliedVersion int          `json:"applied_version"`
	CreatedAt      time.Time    `json:"created_at"`
	UpdatedAt      time.Time    `json:"updated_at"`
}

// RunStatus is how a run went.
type RunStatus string

// The run statuses.
const (
	RunRunning   RunStatus = "running"
	RunSucceeded RunStatus = "succeeded"
	RunFailed    RunStatus = "failed"
	RunCancelled RunStatus = "cancelled"
)

// Run is one attempt of an export to deliver a window.
type Run struct {
	ID         uuid.UUID  `json:"id"`
	ExportID   uuid.UUID  `json:"export_id"`
	WindowID   uuid.UUID  `json:"window_id"`
	WorkflowID string     `json:"workflow_id"`
	Status     RunStatus  `json:"status"`
	FirstSeq   int64      `json:"first_seq"`
	LastSeq    int64      `json:"last_seq"`
	Objects    int        `json:"objects"`
	Rows       int64      `json:"rows"`
	Bytes      int64      `json:"bytes"` // as stored
	ErrorKind  ErrorKind  `json:"error_kind,omitempty"`
	Error      string     `json:"error,omitempty"`
	StartedAt  time.Time  `json:"started_at"`
	EndedAt    *time.Time `json:"ended_at,omitempty"`
}

// Window is a closed range of seq that an export must deliver. It is allocated
// once; only its destination may still change, and only between two runs.
type Window struct {
	ID           uuid.UUID    `json:"id"`
	ExportID     uuid.UUID    `json:"export_id"`
	Slug         string       `json:"slug"`
	FirstSeq     int64        `json:"first_seq"`
	LastSeq      int64        `json:"last_seq"`
	RowsPerPart  int64        `json:"rows_per_part"`
	Format       Format       `json:"format"`
	Compression  Compression  `json:"compression"`
	PathTemplate PathTemplate `json:"path_template"`
	Destination  Destination  `json:"destination"`
}

// Rows is the number of events in the window.
func (w Window) Rows() int64 { return w.LastSeq - w.FirstSeq + 1 }

// Parts is the number of objects the window becomes.
func (w Window) Parts() int {
	return int((w.Rows() + w.RowsPerPart - 1) / w.RowsPerPart)
}

// Part gives the n-th part's first and last seq; n counts from 0.
func (w Window) Part(n int) (first, last int64) {
	first = w.FirstSeq + int64(n)*w.RowsPerPart
	return first, min(first+w.RowsPerPart-1, w.LastSeq)
}

// Name is the object name, below the destination's prefix, of the part that
// runs from first to last and whose first event was recorded at recordedAt.
func (w Window) Name(first, last int64, recordedAt time.Time) string {
	name := w.Slug + "-" + padSeq(first) + "-" + padSeq(last) + w.Format.Extension(w.Compression)
	if folder := w.PathTemplate.Expand(recordedAt); folder != "" {
		return folder + "/" + name
	}
	return name
}

// Object is one delivered part.
type Object struct {
	Part     int    `json:"part"`
	Key      string `json:"key"` // in the bucket or container, prefix included
	FirstSeq int64  `json:"first_seq"`
	LastSeq  int64  `json:"last_seq"`
	Rows     int64  `json:"rows"`
	Bytes    int64  `json:"bytes"`  // as stored
	SHA256   string `json:"sha256"` // of the stored bytes, hex
}

// ExportInput starts an Export workflow.
type ExportInput struct {
	OrgID    uuid.UUID `json:"org_id"`
	ExportID uuid.UUID `json:"export_id"`
}

// BeginRunInput asks for something to deliver. The IDs are the workflow's own,
// for people who follow a run from the portal into Temporal.
type BeginRunInput struct {
	ExportInput
	WorkflowID string `json:"workflow_id"`
	RunID      string `json:"run_id"`
	Turn       int    `json:"turn"` // which window of this workflow run, from 0; with RunID it makes the call idempotent
}

// BeginRunResult is what to deliver. Window is nil when there is nothing, or
// when the export may not run.
type BeginRunResult struct {
	RunID   uuid.UUID `json:"run_id"`
	Window  *Window   `json:"window,omitempty"`
	Resumed bool      `json:"resumed,omitempty"` // an earlier run left the window undelivered
	Reason  string    `json:"reason,omitempty"`  // why there is no window
}

// WritePartsInput asks for all parts of a window.
type WritePartsInput struct {
	ExportInput
	RunID  uuid.UUID `json:"run_id"`
	Window Window    `json:"window"`
}

// WritePartsResult lists the objects that now hold the window, in order.
type WritePartsResult struct {
	Objects []Object `json:"objects"`
}

// FinishRunInput settles a run whose objects are all stored.
type FinishRunInput struct {
	ExportInput
	RunID    uuid.UUID `json:"run_id"`
	WindowID uuid.UUID `json:"window_id"`
	Resumed  bool      `json:"resumed,omitempty"` // as BeginRun said
	Objects  []Object  `json:"objects"`
}

// FinishRunResult says whether more events wait.
type FinishRunResult struct {
	More bool `json:"more"`
}

// RecordFailureInput ends a run that did not deliver.
type RecordFailureInput struct {
	ExportInput
	RunID     uuid.UUID `json:"run_id"`
	Cancelled bool      `json:"cancelled"`
	Kind      ErrorKind `json:"kind,omitempty"`
	Message   string    `json:"message"`
}

// ReconcileResult counts what a crash had left and this pass finished.
type ReconcileResult struct {
	Operations int `json:"operations"`
	Exports    int `json:"exports"`
}
