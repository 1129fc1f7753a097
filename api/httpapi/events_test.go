package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/schemas"
)

func lines(events ...map[string]any) []byte {
	var body bytes.Buffer
	for _, e := range events {
		line, err := json.Marshal(e)
		if err != nil {
			panic(err)
		}
		body.Write(line)
		body.WriteByte('\n')
	}
	return body.Bytes()
}

const ndjson = "application/x-ndjson"

func TestAppendBothForms(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	key := o.keys[schemas.RoleIngest]
	var first, second schemas.Appended
	withBlanks := append([]byte("\r\n"), lines(event("a"), event("b"))...)
	s.do(t, request{method: http.MethodPost, path: "/v1/events", key: key, body: withBlanks, contentType: ndjson + "; charset=utf-8"}).
		is(t, http.StatusCreated, &first)
	require.Equal(t, first.FirstSeq+1, first.LastSeq)
	s.post(t, key, "/v1/events", []any{event("c")}).is(t, http.StatusCreated, &second)
	require.Equal(t, first.LastSeq+1, second.FirstSeq, "numbers have no gaps")
	require.False(t, second.RecordedAt.Before(first.RecordedAt))
	require.Subset(t, s.actions(t, o), []string{"a", "b", "c"})
}

func TestBadEvents(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	key := o.keys[schemas.RoleIngest]
	before := s.census(t, o)
	with := func(member string, value any) map[string]any {
		e := event("a")
		e[member] = value
		return e
	}
	tooMany := make([]map[string]any, schemas.MaxEventsPerAppend+1)
	for i := range tooMany {
		tooMany[i] = event("a")
	}
	allWrong := make([]map[string]any, 100)
	for i := range allWrong {
		allWrong[i] = with("action", "")
	}
	for name, test := range map[string]struct {
		contentType string
		body        any
		status      int
		field       string
	}{
		"nothing":                    {ndjson, "", 422, "events"},
		"blank lines":                {ndjson, "\n\n", 422, "events"},
		"empty array":                {"", "[]", 422, "events"},
		"an object":                  {"", event("a"), 400, ""},
		"two arrays":                 {"", "[] []", 400, ""},
		"no JSON":                    {"", "[{]", 400, ""},
		"null":                       {"", "[null]", 422, "[0]: event"},
		"a line that is no JSON":     {ndjson, append(lines(event("a")), "{\n"...), 422, "line 2: event"},
		"two on a line":              {ndjson, `{} {}`, 422, "line 1: event"},
		"a brace too many":           {ndjson, append(bytes.TrimSpace(lines(event("a"))), '}'), 422, "line 1: event"},
		"unknown member":             {"", []any{event("a"), with("color", "red")}, 422, "[1]: color"},
		"no action":                  {ndjson, lines(event("a"), event("b"), with("action", "")), 422, "line 3: action"},
		"no time":                    {"", []any{with("occurred_at", nil)}, 422, "[0]: occurred_at"},
		"time beyond the year 9999":  {"", []any{with("occurred_at", "9999-12-31T23:59:59-12:00")}, 422, "[0]: occurred_at"},
		"unknown outcome":            {"", []any{with("outcome", "maybe")}, 422, "[0]: outcome"},
		"metadata of another type":   {"", []any{with("metadata", []int{1})}, 422, "[0]: metadata"},
		"the service's own actions":  {"", []any{with("action", "auditferry.integration.created")}, 422, "[0]: action"},
		"the same behind a NUL":      {"", []any{with("action", "audit\x00ferry.integration.created")}, 422, "[0]: action"},
		"too large an event":         {"", []any{with("reason", strings.Repeat("x", schemas.MaxEventBytes))}, 422, "[0]: event"},
		"too many events":            {ndjson, lines(tooMany...), 422, "events"},
		"a body of more than 5 MiB":  {ndjson, strings.Repeat("\n", schemas.MaxAppendBytes+1), 413, ""},
		"invalid UTF-8":              {ndjson, []byte("{\"action\":\"\xff\"}"), 422, "line 1: action"},
		"a member in another case":   {"", []any{with("Reason", "x")}, 422, "[0]: Reason"},
		"a member twice":             {ndjson, `{"action":"a","action":"b"}`, 422, "line 1: action"},
		"the same deep inside":       {"", []any{with("metadata", json.RawMessage(`{"a":[{"b":1,"\u0062":2}]}`))}, 422, "[0]: metadata.a[0].b"},
		"half of a surrogate pair":   {"", []any{with("metadata", json.RawMessage(`{"a":"\ud800"}`))}, 422, "[0]: metadata.a"},
		"too deep":                   {"", []any{with("metadata", json.RawMessage(`{"a":`+strings.Repeat("[", 9_900)+strings.Repeat("]", 9_900)+`}`))}, 422, "[0]: event"},
		"deeper than can be read":    {ndjson, strings.Repeat("[", schemas.MaxEventBytes), 422, "line 1: event"},
		"a mark of the byte order":   {ndjson, append([]byte("\ufeff"), lines(event("a"))...), 422, "line 1: event"},
		"an array without its end":   {"", "[" + strings.Repeat("[", 1<<20), 400, ""},
		"a comma at the end":         {"", fmt.Sprintf("[%s,]", lines(event("a"))), 422, "[1]: event"},
		"a comma at the beginning":   {"", fmt.Sprintf("[,%s]", lines(event("a"))), 422, "[0]: event"},
		"events without a comma":     {"", fmt.Sprintf("[%s %s]", lines(event("a")), lines(event("b"))), 422, "[0]: event"},
		"something behind the array": {"", fmt.Sprintf("[%s] x", lines(event("a"))), 400, ""},
		"another bracket at the end": {"", fmt.Sprintf("[%s}", lines(event("a"))), 400, ""},
		"an event that never ends":   {"", `[{"action":"]`, 400, ""},
		"more wrong than one can do": {ndjson, lines(allWrong...), 422, "line 1: action"},
	} {
		t.Run(name, func(t *testing.T) {
			p := s.do(t, request{method: http.MethodPost, path: "/v1/events", key: key, body: test.body, contentType: test.contentType}).
				problem(t, test.status)
			require.LessOrEqual(t, len(p.Errors), 20)
			if test.field != "" {
				require.Equal(t, test.field, p.Errors[0].Field, "%+v", p)
			}
		})
	}
	require.Equal(t, before, s.census(t, o), "all are recorded or none")
}

// Invariant 4: a batch is recorded once, however often it is sent, and its key
// stands for its very bytes.
func TestRepeatedAppendGetsTheFirstAnswer(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	send := func(key string, body []byte) response {
		return s.do(t, request{method: http.MethodPost, path: "/v1/events", key: o.admin(), idempotencyKey: key, body: body, contentType: ndjson})
	}
	body := lines(event("a"), event("b"))
	first := send("one", body)
	first.is(t, http.StatusCreated, nil)
	again := send("one", append([]byte("\n"), body...))
	again.is(t, http.StatusCreated, nil)
	require.JSONEq(t, string(first.body), string(again.body), "blank lines are no part of the batch")
	for _, other := range [][]byte{lines(event("a")), lines(event("b"), event("a")), bytes.ReplaceAll(body, []byte("{"), []byte("{ "))} {
		send("one", other).problem(t, http.StatusConflict)
	}
	var other, after schemas.Appended
	send("two", body).is(t, http.StatusCreated, &other)
	var began schemas.Appended
	first.is(t, http.StatusCreated, &began)
	require.Equal(t, began.LastSeq+1, other.FirstSeq, "only the first of the same key was recorded")
	send("", body).is(t, http.StatusCreated, &after)
	require.Equal(t, other.LastSeq+1, after.FirstSeq)
}

func TestAppendTakesUpToTheLimits(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	many := bytes.Repeat(lines(event("a")), schemas.MaxEventsPerAppend)
	full := append(lines(event("b")), bytes.Repeat([]byte{'\n'}, schemas.MaxAppendBytes)...)[:schemas.MaxAppendBytes]
	next := int64(0)
	for _, test := range []struct {
		contentType string
		body        []byte
		events      int64
	}{
		{ndjson, many, schemas.MaxEventsPerAppend},
		{"application/json", asArray(many), schemas.MaxEventsPerAppend},
		{ndjson, full, 1},
	} {
		var appended schemas.Appended
		s.do(t, request{method: http.MethodPost, path: "/v1/events", key: o.admin(), body: test.body, contentType: test.contentType}).
			is(t, http.StatusCreated, &appended)
		require.Equal(t, test.events, appended.LastSeq-appended.FirstSeq+1)
		if next > 0 {
			require.Equal(t, next, appended.FirstSeq)
		}
		next = appended.LastSeq + 1
	}
}

// A body without a length is counted while it is read.
func TestTooLargeStream(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	for _, test := range []struct {
		path, contentType string
		limit             int
	}{
		{"/v1/events", ndjson, schemas.MaxAppendBytes},
		{"/v1/exports", "application/json", 1 << 20},
	} {
		// Hidden in a MultiReader, so that the client cannot know the length.
		stream := io.MultiReader(bytes.NewReader(bytes.Repeat([]byte{'\n'}, test.limit+1)))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+test.path, stream)
		require.NoError(t, err)
		require.Zero(t, req.ContentLength)
		req.Header.Set("Authorization", "Bearer "+o.admin())
		req.Header.Set("Content-Type", test.contentType)
		answer, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusRequestEntityTooLarge, answer.StatusCode, "%s: %s", test.path, body)
	}
}

func TestHostileTextIsKept(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	hostile := event("nul\x00 and <script>")
	const metadata = `{"n":1.0,"big":123456789012345678901234567890,"huge":1e400,"s":"\u0000\ud83d\ude00 ]}[{","a":1,"A":2}`
	hostile["metadata"] = json.RawMessage(metadata)
	s.post(t, o.keys[schemas.RoleIngest], "/v1/events", []any{hostile}).is(t, http.StatusCreated, nil)
	var events struct {
		Items []struct {
			Action   string
			Metadata json.RawMessage
		}
	}
	s.get(t, o.admin(), "/v1/events?limit=1").is(t, http.StatusOK, &events)
	require.Equal(t, hostile["action"], events.Items[0].Action)
	require.Equal(t, metadata, string(events.Items[0].Metadata))
}

func TestSearch(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	var batch []any
	for i := range 7 {
		e := event(fmt.Sprintf("document.%d", i%2))
		e["id"] = uuid.NewString()
		e["occurred_at"] = fmt.Sprintf("2026-01-0%dT00:00:00Z", i+1)
		if i == 3 {
			e["outcome"] = "failure"
			e["actor"] = map[string]any{"id": "u2", "email": "grace@acme.example"}
		}
		batch = append(batch, e)
	}
	s.post(t, o.keys[schemas.RoleIngest], "/v1/events", batch).is(t, http.StatusCreated, nil)

	type page struct {
		Items []struct {
			Seq        int64
			Action     string
			OccurredAt string `json:"occurred_at"`
		}
		NextCursor string `json:"next_cursor"`
	}
	for query, want := range map[string]int{
		"action=document.0":                                        4,
		"action=document.0&from=2026-01-02T00:00:00Z":              3,
		"action=document.0&to=2026-01-05T00:00:00Z":                2,
		"from=2026-01-02T00:00:00%2B02:00&to=2026-01-03T00:00:00Z": 1,
		"outcome=failure":                                          1,
		"actor_email=grace@acme.example":                           1,
		"actor_email=nobody@acme.example":                          0,
		"actor_id=u2":                                              1,
		"actor_id=u":                                               0,
		"outcome=failure&action=document.0":                        0,
	} {
		var got page
		s.get(t, o.admin(), "/v1/events?"+query).is(t, http.StatusOK, &got)
		require.Len(t, got.Items, want, query)
		require.Empty(t, got.NextCursor)
	}

	var days []string
	cursor := ""
	for {
		var got page
		s.get(t, o.admin(), "/v1/events?actor_email=ada@acme.example&limit=4"+cursor).is(t, http.StatusOK, &got)
		for _, e := range got.Items {
			days = append(days, e.OccurredAt[8:10])
		}
		if got.NextCursor == "" {
			break
		}
		cursor = "&cursor=" + got.NextCursor
	}
	require.Equal(t, []string{"07", "06", "05", "03", "02", "01"}, days)
}

// What would take too long is refused, and the caller told what to do.
func TestSearchThatTakesTooLong(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	held, err := pgx.Connect(t.Context(), s.ownerURL)
	require.NoError(t, err)
	defer held.Close(context.WithoutCancel(t.Context())) //nolint:errcheck // the lock goes with it
	_, err = held.Exec(t.Context(), `BEGIN; LOCK TABLE audit_event IN ACCESS EXCLUSIVE MODE`)
	require.NoError(t, err)
	p := s.get(t, o.admin(), "/v1/events?action=user.login").problem(t, http.StatusServiceUnavailable)
	require.Contains(t, p.Detail, "Search from a later time on")
}
