package schemas

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Limits of an append.
const (
	MaxEventsPerAppend = 10_000
	MaxAppendBytes     = 5 << 20
	MaxEventBytes      = 64 << 10

	// MaxEventDepth is how many objects and arrays an event may have inside one
	// another, itself included. No log needs more, and readers differ in how
	// much they can take.
	MaxEventDepth = 32
)

// Outcome tells whether what was attempted came about.
type Outcome string

// The outcomes.
const (
	OutcomeSuccess Outcome = "success"
	OutcomeFailure Outcome = "failure"
)

// Event is one audit event as a product hands it in. ID is made when it is
// absent; OccurredAt, Action and Actor.ID are required. OccurredAt is kept to
// the nanosecond and in UTC.
type Event struct {
	ID         uuid.UUID       `json:"id"`
	OccurredAt time.Time       `json:"occurred_at"`
	Action     string          `json:"action"`
	Actor      Actor           `json:"actor"`
	Targets    []Target        `json:"targets,omitempty"`
	Outcome    Outcome         `json:"outcome"`
	Reason     string          `json:"reason,omitempty"`
	Context    *EventContext   `json:"context,omitempty"`
	Metadata   json.RawMessage `json:"metadata,omitempty"` // an object, kept byte for byte but for white space
}

// Actor is who did it.
type Actor struct {
	Type  string `json:"type,omitempty"`
	ID    string `json:"id"`
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
}

// Target is what it was done to.
type Target struct {
	Type string `json:"type,omitempty"`
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

// EventContext is where it came from.
type EventContext struct {
	IP        string `json:"ip,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
	RequestID string `json:"request_id,omitempty"`
	SessionID string `json:"session_id,omitempty"`
}

// complete checks the members that a product has to give and fills in what it
// may leave out.
func (e *Event) complete() error {
	switch {
	case e.OccurredAt.IsZero():
		return &FieldError{"occurred_at", "is required, in RFC 3339 form"}
	case e.OccurredAt.UTC().Year() < 1970 || e.OccurredAt.UTC().Year() > 9999: // it is stored in UTC
		return &FieldError{"occurred_at", "must lie between the years 1970 and 9999"}
	case e.Action == "":
		return &FieldError{"action", "is required, for example document.deleted"}
	case e.Actor.ID == "":
		return &FieldError{"actor.id", "is required"}
	}
	for i, target := range e.Targets {
		if target.ID == "" {
			return &FieldError{fmt.Sprintf("targets[%d].id", i), "is required"}
		}
	}
	switch e.Outcome {
	case "":
		e.Outcome = OutcomeSuccess
	case OutcomeSuccess, OutcomeFailure:
	default:
		return &FieldError{"outcome", "must be success or failure"}
	}
	if e.Metadata != nil && e.Metadata[0] != '{' {
		return &FieldError{"metadata", "must be an object"}
	}
	if e.ID == uuid.Nil {
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("make an event ID: %w", err)
		}
		e.ID = id
	}
	return nil
}
