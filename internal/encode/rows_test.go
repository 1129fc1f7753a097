package encode_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/schemas"
)

// columnNames are those of CSV and Parquet, as they are promised to readers.
var columnNames = []string{
	"seq", "recorded_at", "id", "occurred_at", "action", "outcome", "reason",
	"actor_type", "actor_id", "actor_name", "actor_email",
	"context_ip", "context_user_agent", "context_request_id", "context_session_id",
	"targets", "metadata",
}

// cells are the texts of a row by column; an absent one has no entry.
type cells map[string]string

// recordedAt is when all events here were recorded.
var recordedAt = time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)

// body is the event's canonical form.
func body(tb require.TestingT, seq int, event schemas.Event) []byte {
	canonical, err := event.Canonical(int64(seq), recordedAt)
	require.NoError(tb, err)
	return canonical
}

// wanted is what a reader of CSV or Parquet has to find: said by the event
// itself, for JSON by the text in its body.
func wanted(tb require.TestingT, seq int, event schemas.Event) cells {
	var raw struct{ Targets, Metadata json.RawMessage }
	require.NoError(tb, json.Unmarshal(body(tb, seq, event), &raw))
	row := cells{
		"seq":         fmt.Sprint(seq),
		"recorded_at": recordedAt.Format(time.RFC3339Nano),
		"id":          event.ID.String(),
		"occurred_at": event.OccurredAt.UTC().Format(time.RFC3339Nano),
		"action":      event.Action,
		"outcome":     string(event.Outcome),
		"reason":      event.Reason,
		"actor_type":  event.Actor.Type,
		"actor_id":    event.Actor.ID,
		"actor_name":  event.Actor.Name,
		"actor_email": event.Actor.Email,
	}
	if event.Context != nil {
		row["context_ip"] = event.Context.IP
		row["context_user_agent"] = event.Context.UserAgent
		row["context_request_id"] = event.Context.RequestID
		row["context_session_id"] = event.Context.SessionID
	}
	for name, text := range row {
		if text == "" {
			delete(row, name)
		}
		if strings.Contains(text, "\x00") {
			row[name] = strings.ReplaceAll(text, "\x00", "␀")
		}
	}
	if raw.Targets != nil {
		row["targets"] = string(raw.Targets)
	}
	if raw.Metadata != nil {
		row["metadata"] = string(raw.Metadata)
	}
	return row
}

// inMicroseconds is the row with times as Parquet has them.
func (c cells) inMicroseconds(tb require.TestingT) cells {
	row := cells{}
	for name, text := range c {
		if strings.HasSuffix(name, "_at") {
			at, err := time.Parse(time.RFC3339Nano, text)
			require.NoError(tb, err)
			text = fmt.Sprint(at.UnixMicro())
		}
		row[name] = text
	}
	return row
}

// awkward are events that tempt readers and writers to err.
func awkward(tb testing.TB) []schemas.Event {
	tb.Helper()
	full := `{"id":"018f0000-0000-7000-8000-0000000000ff","occurred_at":"2026-01-02T03:04:05.123456789+05:30","action":"a.b","actor":{"type":"user",` +
		`"id":"u","name":"n","email":"e@example.com"},"targets":[{"type":"t","id":"1","name":"x"},{"id":"2"}],"outcome":"failure","reason":"r",` +
		`"context":{"ip":"::1","user_agent":"ua","request_id":"rq","session_id":"s"},"metadata":{"b":1,"a":[true,null]}}`
	sources := []string{
		full,
		event(`"metadata":{}`),
		event(`"targets":[],"context":{},"reason":"","metadata":{"empty":"","":0}`),
		event(`"context":{"session_id":"only the last"}`),
		event(`"context":{"user_agent":"only the second"}`),
	}
	for _, text := range []string{
		`comma, comma`, `\"quoted\"`, `"`[:0] + `\"`, `one\rtwo\nthree\r\nfour`, `\n`, `\r`, `\r\n`, ` leading and trailing `, `\t`,
		`NULL`, `\\N`, `\\.`, `'`, `;`, `=1+1`, `#`, `Zoë 漢字 العربية`, `😀 \ud83d\ude00`, `\u0000`, `a\u0000b\u0000`, `\u2028\u2029`, "\u2028",
		"\u007f\u0080\ufeff\ufffd\U0010ffff", `<b>&amp;</b>`, `\\u0041`, `\u0041\/\b\f`, `{\"a\":1}`,
	} {
		sources = append(sources, event(fmt.Sprintf(`"reason":"%[1]s","targets":[{"id":"%[1]s","name":"%[1]s"}],`+
			`"context":{"ip":"%[1]s","request_id":"%[1]s"},"metadata":{"%[1]s":"%[1]s"}`, text)))
		sources = append(sources, `{"occurred_at":"2026-01-02T03:04:05Z","action":"`+text+`","actor":{"id":"`+text+`","name":"`+text+`"}}`)
	}
	for _, metadata := range []string{
		`{"huge":1e400,"tiny":-1e-400,"long":` + strings.Repeat("7", 100) + `,"exact":1.10,"zero":-0}`,
		`{"deep":` + strings.Repeat(`[`, 29) + strings.Repeat(`]`, 29) + `}`,
		`{"large":"` + strings.Repeat("x", 64<<10-200) + `"}`,
		`{"large":"` + strings.Repeat("é,", 21<<10) + `"}`,
		`{"quotes":"` + strings.Repeat(`\"`, 30<<10) + `"}`,
	} {
		sources = append(sources, event(`"metadata":`+metadata))
	}
	for _, at := range []string{"1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000001Z", "9999-12-31T23:59:59.999999999Z", "2262-04-12T00:00:00Z", "2000-02-29T23:59:59.9-12:00"} {
		sources = append(sources, `{"occurred_at":"`+at+`","action":"a","actor":{"id":"u"}}`)
	}
	var events []schemas.Event
	for _, source := range sources {
		event, err := schemas.DecodeEvent([]byte(source))
		require.NoError(tb, err, source)
		events = append(events, event)
	}
	for _, metadata := range []string{ // DecodeEvent refuses these, but Canonical and Postgres do not
		`{"twice":1,"twice":2}`,
		`{"half a pair":"\ud800"}`,
		`{"deep":` + strings.Repeat(`[`, 5000) + strings.Repeat(`]`, 5000) + `}`,
		`{"deep":` + strings.Repeat(`{"a":`, 3000) + `0` + strings.Repeat(`}`, 3000) + `}`,
	} {
		event := events[0]
		event.Metadata = json.RawMessage(metadata)
		events = append(events, event)
	}
	for i := range events {
		events[i].ID = uuid.UUID{6: 0x70, 8: 0x80, 14: byte(i >> 8), 15: byte(i)}
	}
	return events
}

func event(more string) string {
	return `{"occurred_at":"2026-01-02T03:04:05Z","action":"a","actor":{"id":"u"},` + more + `}`
}

// awkwardRows are the awkward events, as bodies and as what is to be found.
func awkwardRows(tb testing.TB) (bodies [][]byte, want []cells) {
	tb.Helper()
	for i, event := range awkward(tb) {
		bodies = append(bodies, body(tb, i+1, event))
		want = append(want, wanted(tb, i+1, event))
	}
	return bodies, want
}

// sameRows compares row by row and column by column.
func sameRows(t require.TestingT, want, got []cells) {
	require.Len(t, got, len(want))
	for i := range want {
		for _, name := range columnNames {
			require.Equal(t, want[i][name], got[i][name], "row %d, column %s", i+1, name)
		}
		require.Equal(t, len(want[i]), len(got[i]), "row %d: absent is absent", i+1)
	}
}
