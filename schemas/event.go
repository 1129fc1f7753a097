package schemas

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Limits of an append.
const (
	MaxEventsPerAppend = 10_000
	MaxAppendBytes     = 5 << 20
	MaxEventBytes      = 64 << 10
)

// Outcome tells whether what was attempted came about.
type Outcome string

// The outcomes.
const (
	OutcomeSuccess Outcome = "success"
	OutcomeFailure Outcome = "failure"
)

// Event is one audit event as a product hands it in. ID is made when it is
// absent; OccurredAt, Action and Actor.ID are required.
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

// DecodeEvent reads one event strictly: an unknown member, a missing required
// one or invalid UTF-8 is a *FieldError. It fills in ID and Outcome.
func DecodeEvent(data []byte) (Event, error) {
	if len(data) > MaxEventBytes {
		return Event{}, &FieldError{"event", fmt.Sprintf("is %d bytes long; at most %d are possible", len(data), MaxEventBytes)}
	}
	if !utf8.Valid(data) {
		return Event{}, &FieldError{"event", "is not valid UTF-8"}
	}
	var e Event
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&e); err != nil {
		return Event{}, malformed(err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return Event{}, &FieldError{"event", "is followed by more on the same line"}
	}
	return e, e.complete()
}

// malformed says what the decoder could not read without naming our types.
func malformed(err error) error {
	var wrongType *json.UnmarshalTypeError
	var badTime *time.ParseError
	switch {
	case errors.As(err, &wrongType) && wrongType.Field != "":
		return &FieldError{wrongType.Field, "must not be of type " + wrongType.Value}
	case errors.As(err, &wrongType):
		return &FieldError{"event", "must be a JSON object"}
	case errors.As(err, &badTime):
		return &FieldError{"occurred_at", "must be a time in RFC 3339 form, such as 2026-01-02T03:04:05Z"}
	default:
		return &FieldError{"event", "is not an audit event: " + strings.TrimPrefix(err.Error(), "json: ")}
	}
}

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

// Canonical is the event's stored and exported form: its JSON on one line,
// with the numbers it got when it was recorded in front.
func (e Event) Canonical(seq int64, recordedAt time.Time) ([]byte, error) {
	e.OccurredAt = e.OccurredAt.UTC()
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // metadata stays as it came
	if err := encoder.Encode(struct {
		Seq        int64     `json:"seq"`
		RecordedAt time.Time `json:"recorded_at"`
		Event
	}{seq, recordedAt.UTC(), e}); err != nil {
		return nil, fmt.Errorf("serialize event %s: %w", e.ID, err)
	}
	return bytes.TrimSuffix(body.Bytes(), []byte{'\n'}), nil
}
