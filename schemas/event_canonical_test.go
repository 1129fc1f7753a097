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

func TestCanonical(t *testing.T) {
	t.Parallel()
	e, err := schemas.DecodeEvent([]byte(`{
		"id": "019b7c3a-5f00-7abc-8def-0123456789ab", "occurred_at": "2026-01-02T05:04:05.1+02:00", "action": "a<b>&c",
		"actor": {"id": "u1"}, "metadata": {"n": 1.50,  "big": 12345678901234567890, "s": "<&>"}}`))
	require.NoError(t, err)
	body, err := e.Canonical(42, time.Date(2026, 1, 2, 4, 0, 0, 123_456_000, time.FixedZone("east", 3600)))
	require.NoError(t, err)
	require.Equal(t, `{"seq":42,"recorded_at":"2026-01-02T03:00:00.123456Z","id":"019b7c3a-5f00-7abc-8def-0123456789ab",`+
		`"occurred_at":"2026-01-02T03:04:05.1Z","action":"a<b>&c","actor":{"id":"u1"},"outcome":"success",`+
		`"metadata":{"n":1.50,"big":12345678901234567890,"s":"<&>"}}`, string(body))
}

// Metadata is the product's own: every byte of it is kept but for white space.
func TestCanonicalKeepsMetadata(t *testing.T) {
	t.Parallel()
	for _, metadata := range []string{
		`{}`,
		`{"n":1e400}`, `{"n":-0}`, `{"n":1.0}`, `{"n":1E+05}`, `{"n":0.10000000000000000000000000000001}`,
		`{"n":` + strings.Repeat("9", 100) + `}`, `{"n":-` + strings.Repeat("1", 5000) + `.5e-300}`,
		`{"s":"\u003c\/ < \u0000 \n \ud83d\ude00 😀 é ` + "\u2028\u2029\x7f" + `"}`,
		`{"":"","a b":[],"\u0061":{},"A":null,"a1":[true,false]}`,
		`{"a":1,"A":2}`, // two names: JSON tells upper and lower case apart
		`{"a":` + strings.Repeat("[", schemas.MaxEventDepth-2) + strings.Repeat("]", schemas.MaxEventDepth-2) + `}`,
	} {
		e, err := schemas.DecodeEvent([]byte(with(`"metadata":` + metadata)))
		require.NoError(t, err, metadata)
		require.Equal(t, metadata, membersOf(t, e).string("metadata"))
	}
	e, err := schemas.DecodeEvent([]byte(with("\"metadata\":\t{ \"a b\" :\r\n[ 1 ,\t\" x \" ] }\n")))
	require.NoError(t, err)
	require.Equal(t, `{"a b":[1," x "]}`, membersOf(t, e).string("metadata"))
}

// What was exported years ago and what is exported now look the same: as
// encoding/json writes them.
func TestCanonicalKeepsItsBytes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := eventOfAnything().Draw(t, "event")
		seq := rapid.Int64().Draw(t, "seq")
		at := time.Unix(rapid.Int64Range(0, 1<<36).Draw(t, "second"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanosecond"))
		requireReference(t, e, seq, at)
	})
	for _, text := range []string{
		"plain", "é ü 漢字 😀", "<script>&amp;", "\u2028", "\u2029", "a\u2028b", "\u2030", "\x00\x01\x1f", "\b\f\n\r\t", `"\/`,
		"\x7f\u0080\u009f", "\ufeff", "\ufffd", "\xff", "a\xc3", "\xed\xa0\x80", "\U0010ffff", "",
	} {
		requireReference(t, schemas.Event{Action: text, Actor: schemas.Actor{ID: text, Name: text}, Reason: text}, 1, time.Unix(0, 0))
	}
}

// FuzzCanonical holds the same for whatever the fuzzer finds.
func FuzzCanonical(f *testing.F) {
	f.Add("a\u2028\xff", "u1", []byte(`{"a":[1, "\ud800"], "a":1e400}`))
	f.Fuzz(func(t *testing.T, action, actor string, metadata []byte) {
		requireReference(t, schemas.Event{
			Action: action, Actor: schemas.Actor{ID: actor}, Context: &schemas.EventContext{IP: action}, Metadata: metadata,
			Targets: []schemas.Target{{}, {Type: actor, ID: action, Name: actor}},
		}, 7, time.Unix(1_767_323_045, 0))
	})
}

func TestCanonicalRefusesWhatIsNoEvent(t *testing.T) {
	t.Parallel()
	for _, e := range []schemas.Event{
		{Metadata: json.RawMessage(`{`)},
		{Metadata: json.RawMessage(`{} {}`)},
		{OccurredAt: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		_, err := e.Canonical(1, time.Unix(0, 0))
		require.Error(t, err)
	}
	_, err := schemas.Event{}.Canonical(1, time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC))
	require.Error(t, err)
}

func requireReference(t require.TestingT, e schemas.Event, seq int64, at time.Time) {
	got, err := e.Canonical(seq, at)
	want, wantErr := reference(e, seq, at)
	require.Equal(t, wantErr == nil, err == nil, "%v, instead of %v", err, wantErr)
	require.Equal(t, string(want), string(got))
}

// reference is the canonical form as it was first written.
func reference(e schemas.Event, seq int64, recordedAt time.Time) ([]byte, error) {
	e.OccurredAt = e.OccurredAt.UTC()
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(struct {
		Seq        int64     `json:"seq"`
		RecordedAt time.Time `json:"recorded_at"`
		schemas.Event
	}{seq, recordedAt.UTC(), e})
	return bytes.TrimSuffix(body.Bytes(), []byte{'\n'}), err
}

// eventOfAnything also draws what no product could send.
func eventOfAnything() *rapid.Generator[schemas.Event] {
	text := rapid.OneOf(rapid.StringN(0, 20, -1), rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 9), func(b []byte) string { return string(b) }))
	metadata := rapid.OneOf(rapid.Just(json.RawMessage(nil)), rapid.Map(rapid.MapOf(rapid.StringN(0, 20, -1), rapid.SliceOf(text)), func(m map[string][]string) json.RawMessage {
		data, err := json.MarshalIndent(m, "", " ")
		if err != nil {
			panic(err)
		}
		return data
	}))
	target := rapid.Custom(func(t *rapid.T) schemas.Target {
		return schemas.Target{Type: text.Draw(t, "type"), ID: text.Draw(t, "id"), Name: text.Draw(t, "name")}
	})
	origin := rapid.Custom(func(t *rapid.T) schemas.EventContext {
		return schemas.EventContext{
			IP: text.Draw(t, "ip"), UserAgent: text.Draw(t, "user agent"),
			RequestID: text.Draw(t, "request ID"), SessionID: text.Draw(t, "session ID"),
		}
	})
	return rapid.Custom(func(t *rapid.T) schemas.Event {
		return schemas.Event{
			ID:         uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "ID")),
			OccurredAt: time.Unix(rapid.Int64Range(0, 1<<36).Draw(t, "second"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanosecond")),
			Action:     text.Draw(t, "action"),
			Actor:      schemas.Actor{Type: text.Draw(t, "type"), ID: text.Draw(t, "id"), Name: text.Draw(t, "name"), Email: text.Draw(t, "email")},
			Targets:    rapid.SliceOfN(target, 0, 3).Draw(t, "targets"),
			Outcome:    schemas.Outcome(text.Draw(t, "outcome")),
			Reason:     text.Draw(t, "reason"),
			Context:    rapid.Ptr(origin, true).Draw(t, "context"),
			Metadata:   metadata.Draw(t, "metadata"),
		}
	})
}

// members are those of an event's canonical form.
type members map[string]json.RawMessage

func membersOf(t testing.TB, e schemas.Event) (m members) {
	t.Helper()
	body, err := e.Canonical(1, time.Unix(0, 0))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(body, &m))
	return m
}

func (m members) string(name string) string { return string(m[name]) }
