package service

import (
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// Kind sorts errors by whose turn it is to do what.
type Kind string

// The kinds.
const (
	Unauthenticated Kind = "unauthenticated" // nobody knows who asks
	Forbidden       Kind = "forbidden"       // the caller's role may not do this
	NotFound        Kind = "not_found"       // not in the caller's organization
	Conflict        Kind = "conflict"        // not in the present state
	Invalid         Kind = "invalid"         // a value is wrong; Fields says which
	Busy            Kind = "busy"            // too much is asked for at once; Detail says what to do
)

// Error is an error for the caller.
type Error struct {
	Kind   Kind
	Detail string // sentences: what happened and what to do
	Fields []schemas.FieldError

	// Missing is the ID of what was not found; "" for organizations and other
	// kinds.
	Missing string
}

func (e *Error) Error() string { return e.Detail }

func conflict(format string, args ...any) error {
	return &Error{Kind: Conflict, Detail: fmt.Sprintf(format, args...)}
}

// isKind tells whether err is an error for the caller of that kind.
func isKind(err error, kind Kind) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == kind
}

// missing says what was not found. All other errors stay as they are.
func missing(err error, what string, id uuid.UUID) error {
	if !errors.Is(err, postgres.ErrNotFound) {
		return err
	}
	return &Error{Kind: NotFound, Detail: fmt.Sprintf("There is no %s with this ID in the organization.", what), Missing: id.String()}
}

// invalid joins what the checks found wrong into one error, so that a person
// need not mend a form one field at a time; nil when they found nothing. A check
// may have joined its own findings; of two about the same field the first
// counts.
func invalid(checks ...error) error {
	var fields []schemas.FieldError
	for len(checks) > 0 {
		err := checks[0]
		checks = checks[1:]
		var field *schemas.FieldError
		joined, several := err.(interface{ Unwrap() []error })
		switch {
		case err == nil:
		case several:
			checks = append(joined.Unwrap(), checks...)
		case !errors.As(err, &field):
			return err
		case !slices.ContainsFunc(fields, func(f schemas.FieldError) bool { return f.Field == field.Field }):
			fields = append(fields, *field)
		}
	}
	if len(fields) == 0 {
		return nil
	}
	return &Error{Kind: Invalid, Detail: "Change the values named in errors and send the request again.", Fields: fields}
}

// forCaller turns the rules that the database found broken into errors for the
// caller.
func forCaller(err error) error {
	var broken *postgres.ConflictError
	if errors.As(err, &broken) {
		return &Error{Kind: Conflict, Detail: broken.Message}
	}
	return err
}
