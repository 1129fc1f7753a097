package schemas

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// Org is a tenant.
type Org struct {
	ID           uuid.UUID `json:"id"`
	Name         string    `json:"name"`
	NoticeEmails []string  `json:"notice_emails"` // who gets the mails about integrations and exports
	CreatedAt    time.Time `json:"created_at"`
}

// Role is what a caller may do.
type Role string

// The roles. Operators act for all orgs; the others in their own.
const (
	RoleIngest   Role = "ingest"   // append events
	RoleViewer   Role = "viewer"   // read
	RoleAdmin    Role = "admin"    // read, and give commands
	RoleOperator Role = "operator" // create orgs, provision integrations
)

// APIKey identifies a caller. The key itself is shown once, at creation, and
// only its hash is kept.
type APIKey struct {
	ID         uuid.UUID  `json:"id"`
	OrgID      *uuid.UUID `json:"org_id,omitempty"` // nil for operators
	Role       Role       `json:"role"`
	Name       string     `json:"name"`
	CreatedAt  time.Time  `json:"created_at"`
	CreatedBy  string     `json:"created_by,omitempty"`   // name of the API key or person
	LastUsedAt *time.Time `json:"last_used_at,omitempty"` // to the minute
	RevokedAt  *time.Time `json:"revoked_at,omitempty"`
}

// EventQuery selects events of one org, newest first.
type EventQuery struct {
	From       *time.Time // occurred_at, inclusive
	To         *time.Time // occurred_at, exclusive
	Action     string     // exact
	ActorEmail string     // exact
	ActorID    string     // exact
	Actor      string     // the one or the other
	Outcome    Outcome
	BeforeSeq  int64 // cursor: only events with a smaller seq; 0 starts at the newest
	Limit      int
}

// RecordedEvent is an event as it is stored: its number and canonical JSON.
type RecordedEvent struct {
	Seq  int64
	Body json.RawMessage
}

// Appended says which numbers a batch of events got.
type Appended struct {
	FirstSeq   int64     `json:"first_seq"`
	LastSeq    int64     `json:"last_seq"`
	RecordedAt time.Time `json:"recorded_at"`
}
