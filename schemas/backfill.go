package schemas

import (
	"time"

	"github.com/google/uuid"
)

// BackfillStatus is how far a backfill has come.
type BackfillStatus string

// The backfill statuses. All but running are final.
const (
	BackfillRunning   BackfillStatus = "running"
	BackfillSucceeded BackfillStatus = "succeeded"
	BackfillFailed    BackfillStatus = "failed"
	BackfillCancelled BackfillStatus = "cancelled"
)

// BackfillFolder is where the folders of backfills are, below a destination's.
const BackfillFolder = "backfill"

// Backfill delivers a range of the past once more, into a folder of its own and
// in windows of its own, beside the export's live deliveries. Format, path and
// filter are the export's when it was asked for.
type Backfill struct {
	ID           uuid.UUID      `json:"id"`
	OrgID        uuid.UUID      `json:"org_id"`
	ExportID     uuid.UUID      `json:"export_id"`
	Folder       string         `json:"folder"`      // below the destination's
	Destination  Destination    `json:"destination"` // the export's; the folder is below it
	FirstSeq     int64          `json:"first_seq"`
	LastSeq      int64          `json:"last_seq"`
	DeliveredSeq int64          `json:"delivered_seq"` // everything from FirstSeq up to here is delivered
	Format       Format         `json:"format"`
	Compression  Compression    `json:"compression"`
	PathTemplate PathTemplate   `json:"path_template"`
	Filter       Filter         `json:"filter,omitzero"`
	Status       BackfillStatus `json:"status"`
	Error        string         `json:"error,omitempty"` // why it failed, for the admin
	RequestedBy  string         `json:"requested_by"`
	CreatedAt    time.Time      `json:"created_at"`
	EndedAt      *time.Time     `json:"ended_at,omitempty"`
}
