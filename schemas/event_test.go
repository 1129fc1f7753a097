package schemas_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/auditferry/auditferry/schemas"
)

const minimal = `{"occurred_at":"2026-01-02T03:04:05Z","action":"document.deleted","actor":{"id":"u1"}}`

// with is the minimal event with one more member in front.
func with(member string) string { return strings.Replace(minimal, "{", "{"+member+",", 1) }

func TestDecodeEventFillsIn(t *testing.T) {
	t.Parallel()
	e, err := schemas.DecodeEvent([]byte(" " + minimal + "\n"))
	require.NoError(t, err)
	require.Equal(t, schemas.OutcomeSuccess, e.Outcome)
	require.EqualValues(t, 7, e.ID.Version())

	given := uuid.New()
	e, err = schemas.DecodeEvent([]byte(with(`"id":"` + strings.ToUpper(given.String()) + `"`)))
	require.NoError(t, err)
	require.Equal(t, given, e.ID)

	left, err := schemas.DecodeEvent([]byte(with(`"id":null,"targets":null,"outcome":null,"reason":null,"context":null`)))
	require.NoError(t, err)
	left.ID = e.ID
	require.Equal(t, e, left, "null counts as left out")
}

// The time is kept to the nanosecond, as that instant in UTC.
func TestDecodeEventTimes(t *testing.T) {
	t.Parallel()
	for given, kept := range map[string]string{
		"1970-01-01T00:00:00Z":             "1970-01-01T00:00:00Z",
		"9999-12-31T23:59:59.999999999Z":   "9999-12-31T23:59:59.999999999Z",
		"2026-01-02T03:04:05.000000001Z":   "2026-01-02T03:04:05.000000001Z",
		"2026-01-02T03:04:05.120Z":         "2026-01-02T03:04:05.12Z",
		"2026-01-02T03:04:05.9999999999Z":  "2026-01-02T03:04:05.999999999Z", // cut off: rounding up could change the year
		"2026-01-02T03:04:05+05:45":        "2026-01-01T21:19:05Z",
		"1969-12-31T23:00:00-01:00":        "1970-01-01T00:00:00Z",
		"2024-02-29T23:59:59-00:00":        "2024-02-29T23:59:59Z",
		"2026-01-02T03:04:05.000000-14:00": "2026-01-02T17:04:05Z",
	} {
		e, err := schemas.DecodeEvent([]byte(strings.Replace(minimal, "2026-01-02T03:04:05Z", given, 1)))
		require.NoError(t, err, given)
		require.Equal(t, `"`+kept+`"`, membersOf(t, e).string("occurred_at"), given)
	}
}

// What was accepted never fails later: its canonical form is one line of JSON
// that decodes to the same event.
func TestAcceptedEventsComeBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := eventOfAnything().Draw(t, "event")
		e.Action, e.Actor.ID, e.Outcome = "a"+e.Action, "u"+e.Actor.ID, schemas.OutcomeFailure
		for i := range e.Targets {
			e.Targets[i].ID = "t" + e.Targets[i].ID
		}
		body, err := e.Canonical(1, time.Unix(0, 0))
		require.NoError(t, err)
		sent := withoutNumbers(t, body)
		accepted, err := schemas.DecodeEvent(sent)
		require.NoError(t, err, "%s", sent)
		requireComesBack(t, accepted)
	})
}

// FuzzDecodeEvent holds the same for whatever the fuzzer finds.
func FuzzDecodeEvent(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add([]byte(usual))
	for _, member := range []string{`"metadata":{"a":[1,"\u0000\ud83d\ude00"]}`, `"context":{},"reason":" \u2028"`, `"metadata":{"a":1,"\u0061":2}`} {
		f.Add([]byte(with(member)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := schemas.DecodeEvent(data)
		var field *schemas.FieldError
		if err != nil {
			require.ErrorAs(t, err, &field)
			return
		}
		requireComesBack(t, e)
	})
}

func requireComesBack(t require.TestingT, e schemas.Event) {
	body, err := e.Canonical(1, time.Unix(0, 0))
	require.NoError(t, err)
	require.True(t, json.Valid(body), "%s", body)
	require.NotContains(t, string(body), "\n")
	again := withoutNumbers(t, body)
	if len(again) > schemas.MaxEventBytes {
		return // escapes made it longer
	}
	back, err := schemas.DecodeEvent(again)
	require.NoError(t, err, "%s", again)
	require.True(t, e.OccurredAt.Equal(back.OccurredAt))
	e.OccurredAt = back.OccurredAt
	e.Metadata, back.Metadata = compact(t, e.Metadata), compact(t, back.Metadata)
	e.Targets, back.Targets = append([]schemas.Target{}, e.Targets...), append([]schemas.Target{}, back.Targets...)
	require.Equal(t, e, back)
}

// withoutNumbers takes the members away that an event gets when it is recorded.
func withoutNumbers(t require.TestingT, body []byte) []byte {
	const first = `,"id":`
	at := bytes.Index(body, []byte(first))
	require.Positive(t, at)
	return append([]byte{'{'}, body[at+1:]...)
}

func compact(t require.TestingT, value json.RawMessage) json.RawMessage {
	if value == nil {
		return nil
	}
	var out bytes.Buffer
	require.NoError(t, json.Compact(&out, value))
	return out.Bytes()
}
