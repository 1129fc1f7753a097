package destination

import (
	"errors"
	"fmt"
	"strings"

	"github.com/auditferry/auditferry/schemas"
)

// Error is a request that a cloud refused, or that never reached it.
//
// Kinds follow one principle: what the admin has not granted is KindDenied;
// when the service's own identity is refused (an expired client secret, a
// missing token creator role) nothing that the admin does can help and a later
// try may succeed, so that is KindUnavailable.
type Error struct {
	Kind    schemas.ErrorKind
	Op      string // open, authenticate, put, list or delete
	Place   string // the destination's URL
	Key     string // "" where no object is concerned
	Code    string // the cloud's own error code, or one of this package; "" if there is none
	Message string // one line for people: what it means, what to do, and the cloud's own words
	Err     error  // the SDK's error; may be nil
}

// newError wraps what a verdict was given on.
func newError(op, place, key string, v verdict, err error) *Error {
	return &Error{Kind: v.kind, Op: op, Place: place, Key: key, Code: v.code, Message: v.message(), Err: err}
}

// Error is one line that a person can act on.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Key != "" {
		fmt.Fprintf(&b, " %q", e.Key)
	}
	fmt.Fprintf(&b, " at %s: %s", e.Place, e.Kind)
	if e.Code != "" {
		fmt.Fprintf(&b, " (%s)", e.Code)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	return b.String()
}

// Unwrap gives the SDK's error.
func (e *Error) Unwrap() error { return e.Err }

// KindOf sorts an error of this package. It is "" for nil and for errors that
// do not come from a cloud, such as a body that could not be read.
func KindOf(err error) schemas.ErrorKind {
	var e *Error
	if !errors.As(err, &e) {
		return ""
	}
	return e.Kind
}

// CodeOf is the cloud's own error code, such as AccessDenied; "" if there is
// none.
func CodeOf(err error) string {
	var e *Error
	if !errors.As(err, &e) {
		return ""
	}
	return e.Code
}

// maxMessageBytes bounds what is kept of a cloud's words; some answer with
// whole pages.
const maxMessageBytes = 400

// oneLine makes a cloud's message fit for a log line or a table cell.
func oneLine(message string) string {
	line := strings.Join(strings.Fields(strings.ToValidUTF8(message, "")), " ")
	if len(line) <= maxMessageBytes {
		return line
	}
	return strings.ToValidUTF8(line[:maxMessageBytes], "") + " ..."
}
