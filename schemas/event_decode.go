package schemas

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// sentEvent is an event with an ID that is read strictly.
type sentEvent struct {
	ID sentID `json:"id"`
	Event
}

// sentID takes the one form of a UUID that everybody knows. The library also
// takes others, and 38 characters of which it ignores the first and the last.
type sentID uuid.UUID

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *sentID) UnmarshalText(text []byte) error {
	if len(text) != len(uuid.Nil.String()) {
		return errors.New("not a UUID")
	}
	return (*uuid.UUID)(id).UnmarshalText(text)
}

// strictly adds to what the decoder refuses by itself: names that stand twice
// in one object at any depth, names in another case, and strings that are not
// Unicode, be it in bytes or in escapes.
var strictly = json.RejectUnknownMembers(true)

// DecodeEvent reads one event strictly. What is wrong with it is a *FieldError
// that says where and what would be right: a missing or unknown member, one
// that stands twice, also in metadata, text that is not Unicode, more than
// MaxEventBytes or MaxEventDepth. A member that is null counts as left out,
// except metadata. It fills in ID and Outcome.
//
// Of OccurredAt, digits beyond nanoseconds are cut off. Metadata is what stood
// there, byte for byte, so numbers keep all their digits.
func DecodeEvent(data []byte) (Event, error) {
	if len(data) > MaxEventBytes {
		return Event{}, &FieldError{"event", fmt.Sprintf("is %d bytes long; at most %d are possible", len(data), MaxEventBytes)}
	}
	var sent sentEvent
	if err := json.Unmarshal(data, &sent, strictly); err != nil {
		return Event{}, malformed(data, err)
	}
	if tooDeep(data) {
		return Event{}, errTooDeep()
	}
	if isNull(data) {
		return Event{}, errNoObject()
	}
	e := sent.Event
	e.ID = uuid.UUID(sent.ID)
	return e, e.complete()
}

func isNull(data []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("null"))
}

func errNoObject() error { return &FieldError{"event", "must be a JSON object"} }

func errTooDeep() error {
	return &FieldError{"event", fmt.Sprintf(
		"is nested deeper than %d levels; flatten its metadata, or put the deep part there as a string", MaxEventDepth)}
}

// tooDeep tells whether JSON is nested deeper than MaxEventDepth. Data need not
// be valid: what cannot be read may be too deep to be read.
func tooDeep(data []byte) bool {
	if bytes.Count(data, []byte{'{'})+bytes.Count(data, []byte{'['}) <= MaxEventDepth {
		return false // as nearly always, and ten times as fast as to look closer
	}
	depth, inString := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			inString = !inString
		case c == '\\':
			i++ // outside of strings there is none
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > MaxEventDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// malformed says what is wrong with data, which the decoder refused, without
// naming our types.
func malformed(data []byte, err error) error {
	var syntax *jsontext.SyntacticError
	var meaning *json.SemanticError
	switch {
	case tooDeep(data):
		return errTooDeep()
	case errors.As(err, &syntax):
		return notJSON(data, syntax)
	case errors.As(err, &meaning):
		return notAnEvent(meaning)
	default:
		return fmt.Errorf("read an audit event: %w", err)
	}
}

func notJSON(data []byte, err *jsontext.SyntacticError) error {
	rest := data[min(err.ByteOffset, int64(len(data))):]
	at := place(err.JSONPointer)
	char, size := utf8.DecodeRune(rest)
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return &FieldError{at, "stands more than once; leave one of them"}
	case len(bytes.TrimSpace(data)) == 0:
		return errNoObject()
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &FieldError{"event", "ends before its JSON does; send it whole, and each event on one line"}
	case char == utf8.RuneError && size == 1:
		return &FieldError{at, fmt.Sprintf("is not UTF-8 at byte %d; send text in UTF-8", err.ByteOffset+1)}
	case char == '\ufeff':
		return &FieldError{"event", "begins with a byte order mark; leave it out"}
	case isSurrogate(rest):
		return &FieldError{at, fmt.Sprintf("holds %s, half of a surrogate pair; send the whole character", rest[:len(`\ud800`)])}
	case strings.HasSuffix(err.Err.Error(), "after top-level value"):
		return &FieldError{"event", "is followed by more; put each event on a line of its own"}
	default:
		return &FieldError{at, fmt.Sprintf("is not JSON: %s, at byte %d", brief(err.Err.Error()), err.ByteOffset+1)}
	}
}

// isSurrogate tells whether text begins with the escape of a surrogate. That the
// decoder has stopped there means that its other half is missing.
func isSurrogate(text []byte) bool {
	if len(text) < len(`\ud800`) || text[0] != '\\' || text[1] != 'u' {
		return false
	}
	unit, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	return err == nil && 0xd800 <= unit && unit < 0xe000
}

func notAnEvent(err *json.SemanticError) error {
	at := place(err.JSONPointer)
	if !errors.Is(err, json.ErrUnknownName) {
		return &FieldError{at, "must be " + wanted(err.GoType)}
	}
	if name := spelling(err.GoType, err.JSONPointer.LastToken()); name != "" {
		return &FieldError{at, fmt.Sprintf("must be written %s; names are case-sensitive", name)}
	}
	return &FieldError{at, "is not a member that events have; put it into metadata"}
}

// wanted is what stands in the JSON for one of our types.
func wanted(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "a time in RFC 3339 form, such as 2026-01-02T03:04:05Z"
	case t == reflect.TypeFor[sentID]():
		return "a UUID, such as 0198c7a4-5f00-7abc-8def-0123456789ab"
	case t == reflect.TypeFor[sentEvent]():
		return "a JSON object"
	case t.Kind() == reflect.Slice:
		return "an array of objects"
	case t.Kind() == reflect.String:
		return "a string"
	default:
		return "an object"
	}
}

// spelling is the name of a member of t that differs from the given one by case
// only; "" if there is none.
func spelling(t reflect.Type, given string) string {
	for _, field := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name != "" && strings.EqualFold(name, given) {
			return name
		}
	}
	return ""
}

// place names what a JSON pointer points to as people write it, such as
// targets[0].id.
func place(pointer jsontext.Pointer) string {
	var path strings.Builder
	for token := range pointer.Tokens() {
		number, err := strconv.ParseUint(token, 10, 16)
		switch {
		case err == nil && path.Len() > 0: // metadata may have such names, too
			fmt.Fprintf(&path, "[%d]", number)
		case path.Len() > 0:
			path.WriteString("." + token)
		default:
			path.WriteString(token)
		}
	}
	if path.Len() == 0 {
		return "event"
	}
	return brief(path.String())
}

// brief shortens what may repeat much of a large event.
func brief(text string) string {
	const most = 100
	text = strings.ToValidUTF8(text, "\ufffd")
	for i := range text {
		if i >= most {
			return text[:i] + "…"
		}
	}
	return text
}
