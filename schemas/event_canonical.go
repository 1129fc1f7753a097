package schemas

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Canonical is the event's stored and exported form: its JSON on one line,
// with the numbers it got when it was recorded in front. Metadata stays as it
// came but for white space between its tokens. Without those numbers, what
// DecodeEvent has taken decodes to the same event again. It fails only for
// events that DecodeEvent has not seen.
func (e Event) Canonical(seq int64, recordedAt time.Time) ([]byte, error) {
	members, err := e.AppendMembers(nil)
	if err != nil {
		return nil, err
	}
	return AppendCanonical(nil, seq, recordedAt, members)
}

// AppendCanonical appends the canonical form of an event to dst. Members is
// what AppendMembers gave: the larger part, which can be made before the event
// has its numbers.
func AppendCanonical(dst []byte, seq int64, recordedAt time.Time, members []byte) ([]byte, error) {
	dst = append(dst, `{"seq":`...)
	dst = strconv.AppendInt(dst, seq, 10)
	dst = append(dst, `,"recorded_at":`...)
	dst, err := appendTime(dst, recordedAt)
	if err != nil {
		return nil, fmt.Errorf("serialize event %d: %w", seq, err)
	}
	dst = append(dst, ',')
	return append(dst, members...), nil
}

// AppendMembers appends the event's members to dst, in the order of the
// struct, with the brace that closes the canonical form.
func (e Event) AppendMembers(dst []byte) ([]byte, error) {
	dst = append(dst, `"id":"`...)
	dst = append(dst, e.ID.String()...)
	dst = append(dst, `","occurred_at":`...)
	dst, err := appendTime(dst, e.OccurredAt)
	if err != nil {
		return nil, fmt.Errorf("serialize event %s: %w", e.ID, err)
	}
	dst = appendString(append(dst, `,"action":`...), e.Action)
	dst = appendObject(append(dst, `,"actor":`...),
		member{"type", e.Actor.Type, false}, member{"id", e.Actor.ID, true},
		member{"name", e.Actor.Name, false}, member{"email", e.Actor.Email, false})
	for i, target := range e.Targets {
		if i == 0 {
			dst = append(dst, `,"targets":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = appendObject(dst, member{"type", target.Type, false}, member{"id", target.ID, true}, member{"name", target.Name, false})
	}
	if len(e.Targets) > 0 {
		dst = append(dst, ']')
	}
	dst = appendString(append(dst, `,"outcome":`...), string(e.Outcome))
	if e.Reason != "" {
		dst = appendString(append(dst, `,"reason":`...), e.Reason)
	}
	if c := e.Context; c != nil {
		dst = appendObject(append(dst, `,"context":`...),
			member{"ip", c.IP, false}, member{"user_agent", c.UserAgent, false},
			member{"request_id", c.RequestID, false}, member{"session_id", c.SessionID, false})
	}
	if len(e.Metadata) > 0 {
		if dst, err = jsontext.AppendFormat(append(dst, `,"metadata":`...), e.Metadata, asItCame...); err != nil {
			return nil, fmt.Errorf("serialize the metadata of event %s: %w", e.ID, err)
		}
	}
	return append(dst, '}'), nil
}

// CanonicalString is text as it stands in a canonical body, with its quotes.
func CanonicalString(text string) string { return string(appendString(nil, text)) }

// asItCame leaves all but white space alone. It is not there to judge: what a
// product sent was judged when it was decoded.
var asItCame = []jsontext.Options{
	jsontext.PreserveRawStrings(true), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true),
}

// member is one of an object whose members are all strings. Without a value it
// is left out, unless it is required.
type member struct {
	name, value string
	required    bool
}

func appendObject(dst []byte, members ...member) []byte {
	dst = append(dst, '{')
	first := true
	for _, m := range members {
		if m.value == "" && !m.required {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(append(append(dst, '"'), m.name...), `":`...)
		dst = appendString(dst, m.value)
	}
	return append(dst, '}')
}

func appendTime(dst []byte, t time.Time) ([]byte, error) {
	dst, err := t.UTC().AppendText(append(dst, '"'))
	return append(dst, '"'), err
}

// appendString appends s as encoding/json writes it without escaping HTML.
// Stored and exported events look like that, so that is how they stay.
func appendString(dst []byte, s string) []byte {
	if isPlain(s) {
		dst = append(dst, '"')
		dst = append(dst, s...)
		return append(dst, '"')
	}
	buffer := bytes.NewBuffer(dst)
	encoder := json.NewEncoder(buffer)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(s) // neither a string nor a buffer can fail
	return bytes.TrimSuffix(buffer.Bytes(), []byte{'\n'})
}

// isPlain tells whether s stands in JSON as it is.
func isPlain(s string) bool {
	ascii := true
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c == '"' || c == '\\':
			return false
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return ascii || utf8.ValidString(s) && !strings.Contains(s, "\u2028") && !strings.Contains(s, "\u2029")
}
