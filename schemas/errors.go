package schemas

import (
	"errors"
	"fmt"
)

// ErrorKind sorts what a cloud answered by what can be done about it. It is
// all that retry decisions look at.
type ErrorKind string

// The error kinds.
const (
	KindDenied      ErrorKind = "denied"      // access is missing, or not effective yet
	KindNotFound    ErrorKind = "not_found"   // bucket, container or account does not exist
	KindThrottled   ErrorKind = "throttled"   // asked too often
	KindUnavailable ErrorKind = "unavailable" // the service or the way to it failed
	KindInvalid     ErrorKind = "invalid"     // the same request can never succeed
	KindConflict    ErrorKind = "conflict"    // another object has the key
)

// Application error types: stable words that workflows, retry policies and
// operators may match on.
const (
	ErrorDestinationDenied      = "DestinationDenied"
	ErrorDestinationNotFound    = "DestinationNotFound"
	ErrorDestinationThrottled   = "DestinationThrottled"
	ErrorDestinationUnavailable = "DestinationUnavailable"
	ErrorDestinationInvalid     = "DestinationInvalid"
	ErrorDestinationConflict    = "DestinationConflict"
	ErrorRunSuperseded          = "RunSuperseded"   // another run or a delete took the window over
	ErrorNotFound               = "NotFound"        // the row the call speaks of does not exist
	ErrorUnexpected             = "Unexpected"      // anything without a kind; retried
	ErrorInvalidInput           = "InvalidInput"    // the call itself is wrong; never retried
	ErrorConflict               = "Conflict"        // a rule over rows forbids it; never retried
	ErrorPoolExhausted          = "PoolExhausted"   // no identity is left to be given to another org
	ErrorStillRunning           = "StillRunning"    // waiting for a cancelled run to end
	ErrorMailRefused            = "MailRefused"     // the mail server refused for good
	ErrorMailUndelivered        = "MailUndelivered" // the mail server did not take it yet
)

// ErrIntegrationDeleted is why an operation cannot be carried out any more. Its
// text is what the admin reads.
var ErrIntegrationDeleted = errors.New("the integration has been deleted")

// FieldError says which part of an input is wrong and what would be right.
// Message completes a sentence that begins with the field's name.
type FieldError struct {
	Field   string
	Message string
}

func (e *FieldError) Error() string { return fmt.Sprintf("%s %s", e.Field, e.Message) }

// errorTypes pairs each kind with the application error type it travels as.
var errorTypes = []struct {
	kind ErrorKind
	name string
}{
	{KindDenied, ErrorDestinationDenied},
	{KindNotFound, ErrorDestinationNotFound},
	{KindThrottled, ErrorDestinationThrottled},
	{KindUnavailable, ErrorDestinationUnavailable},
	{KindInvalid, ErrorDestinationInvalid},
	{KindConflict, ErrorDestinationConflict},
}

// ErrorType is the application error type of a kind; ErrorUnexpected when
// there is no kind.
func ErrorType(kind ErrorKind) string {
	for _, pair := range errorTypes {
		if pair.kind == kind {
			return pair.name
		}
	}
	return ErrorUnexpected
}

// KindOfErrorType is the kind behind an application error type, or "" when the
// type is not one of a destination.
func KindOfErrorType(errorType string) ErrorKind {
	for _, pair := range errorTypes {
		if pair.name == errorType {
			return pair.kind
		}
	}
	return ""
}
