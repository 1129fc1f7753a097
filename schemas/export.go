package schemas

import (
	"regexp"
	"strconv"
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

// MaxSlugBytes is the length of the longest slug.
const MaxSlugBytes = 47

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
	Filter         Filter       `json:"filter,omitzero"`
	Destination    Destination  `json:"destination"`
	State          ExportState  `json:"state"`
	PauseReason    PauseReason  `json:"pause_reason,omitempty"`
	StartSeq       int64        `json:"start_seq"`               // the first event that is the export's matter
	DeliveredSeq   int64        `json:"delivered_seq"`           // everything from StartSeq up to here is settled: delivered, excluded or expired
	FailingSince   *time.Time   `json:"failing_since,omitempty"` // when the first run failed since the last that delivered
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

// Run is one attempt of an export to deliver a window. While it is running,
// the numbers tell how far it has come, and the error is that of its last
// attempt.
type Run struct {
	ID         uuid.UUID  `json:"id"`
	ExportID   uuid.UUID  `json:"export_id"`
	WindowID   uuid.UUID  `json:"window_id"`
	BackfillID *uuid.UUID `json:"backfill_id,omitempty"` // nil: a live delivery
	WorkflowID string     `json:"workflow_id"`
	Status     RunStatus  `json:"status"`
	FirstSeq   int64      `json:"first_seq"`
	LastSeq    int64      `json:"last_seq"`
	Parts      int        `json:"parts"`   // of the window
	Settled    int        `json:"settled"` // parts of which it is known what became of them
	Objects    int        `json:"objects"`
	Rows       int64      `json:"rows"`
	Excluded   int64      `json:"excluded"` // events that the filter kept back
	Expired    int64      `json:"expired"`  // events that had expired
	Bytes      int64      `json:"bytes"`    // as stored
	Attempts   int        `json:"attempts"` // how often the writing was begun
	ErrorKind  ErrorKind  `json:"error_kind,omitempty"`
	Error      string     `json:"error,omitempty"`
	StartedAt  time.Time  `json:"started_at"`
	EndedAt    *time.Time `json:"ended_at,omitempty"`
}

// Window is a closed range of seq that an export must deliver. It is allocated
// once and never changed; one that is not delivered may be abandoned for
// another of the same range at another place. It never reaches beyond the UTC
// day on which its first event was recorded.
type Window struct {
	ID           uuid.UUID    `json:"id"`
	ExportID     uuid.UUID    `json:"export_id"`
	BackfillID   *uuid.UUID   `json:"backfill_id,omitempty"`
	Slug         string       `json:"slug"`
	FirstSeq     int64        `json:"first_seq"`
	LastSeq      int64        `json:"last_seq"`
	RecordedFrom *time.Time   `json:"recorded_from,omitempty"` // when its first event was recorded; nil: expired before the window was made
	RecordedTo   *time.Time   `json:"recorded_to,omitempty"`   // the same of its last event
	RowsPerPart  int64        `json:"rows_per_part"`
	Format       Format       `json:"format"`
	Compression  Compression  `json:"compression"`
	PathTemplate PathTemplate `json:"path_template"`
	Filter       Filter       `json:"filter,omitzero"`
	Destination  Destination  `json:"destination"`
	Folder       string       `json:"folder,omitempty"` // between the destination's folder and the path; "" for live deliveries
}

// Span is how many numbers the window has.
func (w Window) Span() int64 { return w.LastSeq - w.FirstSeq + 1 }

// Parts is the number of slices that the window is written in.
func (w Window) Parts() int {
	return int((w.Span() + w.RowsPerPart - 1) / w.RowsPerPart)
}

// Part gives the n-th part's first and last seq; n counts from 0.
func (w Window) Part(n int) (first, last int64) {
	first = w.FirstSeq + int64(n)*w.RowsPerPart
	return first, min(first+w.RowsPerPart-1, w.LastSeq)
}

// Place is the folder that the window's objects and its manifest are in: the
// destination's, or a backfill's below it.
func (w Window) Place() Destination {
	place := w.Destination
	if w.Folder != "" {
		place.Prefix = place.Key(w.Folder)
	}
	return place
}

// Name is the object name, below the window's place, of the part that runs from
// first to last and whose first event was recorded at recordedAt.
func (w Window) Name(first, last int64, recordedAt time.Time) string {
	name := w.Slug + "-" + padSeq(first) + "-" + padSeq(last) + w.Format.Extension(w.Compression)
	if folder := w.PathTemplate.Expand(w.Slug, recordedAt); folder != "" {
		return folder + "/" + name
	}
	return name
}

var objectName = regexp.MustCompile(`^(?:.*/)?([^/]+)-([0-9]+)-([0-9]+)(\.[^/]+)$`)

// ParseObjectName reads a key as Window.Name makes it, in whatever folder: the
// slug, and the first and the last seq.
func ParseObjectName(key string) (slug string, first, last int64, ok bool) {
	found := objectName.FindStringSubmatch(key)
	if found == nil || !isExtension(found[4]) {
		return "", 0, 0, false
	}
	first, firstErr := strconv.ParseInt(found[2], 10, 64)
	last, lastErr := strconv.ParseInt(found[3], 10, 64)
	if firstErr != nil || lastErr != nil || found[2] != padSeq(first) || found[3] != padSeq(last) {
		return "", 0, 0, false // one number has one spelling
	}
	return found[1], first, last, 0 < first && first <= last
}

// Object is one part of a window as it was settled. It has no key when none of
// its events is delivered; then there is no object. Rows, Excluded and Expired
// add up to its range.
type Object struct {
	Part     int    `json:"part"`
	Key      string `json:"key,omitempty"` // in the bucket or container, prefix included
	FirstSeq int64  `json:"first_seq"`
	LastSeq  int64  `json:"last_seq"`
	Rows     int64  `json:"rows"`
	Excluded int64  `json:"excluded,omitempty"`
	Expired  int64  `json:"expired,omitempty"`
	Bytes    int64  `json:"bytes"`            // as stored
	SHA256   string `json:"sha256,omitempty"` // of the stored bytes, hex
}

// ExportInput starts an Export workflow, or with a backfill a Backfill
// workflow.
type ExportInput struct {
	OrgID      uuid.UUID  `json:"org_id"`
	ExportID   uuid.UUID  `json:"export_id"`
	BackfillID *uuid.UUID `json:"backfill_id,omitempty"`
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
	RunID  uuid.UUID `json:"run_id"`
	Window *Window   `json:"window,omitempty"`
	UpTo   int64     `json:"up_to,omitempty"`  // the newest event when the run began; those after it are the next run's
	Reason string    `json:"reason,omitempty"` // why there is no window
}

// WritePartsInput asks for all parts of a window.
type WritePartsInput struct {
	ExportInput
	RunID  uuid.UUID `json:"run_id"`
	Window Window    `json:"window"`
}

// WritePartsResult sums up the objects that now hold the window. The ledger
// has them one by one.
type WritePartsResult struct {
	Stored int   `json:"stored"` // objects
	Rows   int64 `json:"rows"`
	Bytes  int64 `json:"bytes"` // as stored
}

// Progress is what WriteParts reports while it writes.
type Progress struct {
	Settled int `json:"settled"` // parts, of
	Parts   int `json:"parts"`
}

// FinishRunInput settles a run whose objects are all stored.
type FinishRunInput struct {
	ExportInput
	RunID    uuid.UUID `json:"run_id"`
	WindowID uuid.UUID `json:"window_id"`
	UpTo     int64     `json:"up_to,omitempty"` // as BeginRun said
}

// FinishRunResult says whether more events wait.
type FinishRunResult struct {
	More bool `json:"more"`
}

// RecordFailureInput ends a run that did not deliver.
type RecordFailureInput struct {
	ExportInput
	RunID     uuid.UUID `json:"run_id"`
	At        time.Time `json:"at,omitzero"` // when it failed
	Cancelled bool      `json:"cancelled"`
	Kind      ErrorKind `json:"kind,omitempty"`
	Message   string    `json:"message"`
}

// ReconcileResult counts what a crash had left and this pass finished.
type ReconcileResult struct {
	Operations int `json:"operations"`
	Exports    int `json:"exports"`
	Closings   int `json:"closings,omitempty"` // integrations whose places were to be closed
}
