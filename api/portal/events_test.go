package portal

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

func TestEventFilter(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	filter, err := eventFilter(newForm(url.Values{
		"from": {"2026-07-01T09:30"}, "to": {"2026-12-01T09:30:15"},
		"action": {" user.login "}, "actor_email": {"ada@acme.example"}, "outcome": {"failure"},
	}), berlin)
	require.NoError(t, err)
	require.Equal(t, time.Date(2026, 7, 1, 7, 30, 0, 0, time.UTC), filter.From.UTC(), "in the person's zone")
	require.Equal(t, time.Date(2026, 12, 1, 8, 30, 15, 0, time.UTC), filter.To.UTC())
	require.Equal(t, "user.login", filter.Action)
	require.Equal(t, "ada@acme.example", filter.ActorEmail)
	require.Equal(t, schemas.OutcomeFailure, filter.Outcome)

	none, err := eventFilter(newForm(nil), berlin)
	require.NoError(t, err)
	require.Equal(t, service.EventFilter{}, none)

	_, err = eventFilter(newForm(url.Values{"from": {"yesterday"}, "to": {"2026-13-01T00:00"}, "outcome": {"both"}}), berlin)
	var known *service.Error
	require.True(t, errors.As(err, &known))
	require.Len(t, known.Fields, 3)
}

func TestIndentedKeepsWhatWasRecorded(t *testing.T) {
	t.Parallel()
	require.Equal(t, "{\n  \"b\": 1e400,\n  \"a\": \"<&> \\u0000 \\\" { [\",\n  \"a\": []\n}", indented(json.RawMessage(`{"b":1e400,"a":"<&> \u0000 \" { [","a":[]}`)))
}

// An event may be nested as deep as its size lets it; laid out, it would be
// thousands of times as long.
func TestIndentedIsBounded(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	require.Equal(t, deep, indented(json.RawMessage(deep)))
	require.Equal(t, 5000, depthOf([]byte(deep)))
	require.Equal(t, 1, depthOf([]byte(`["[[[\"[[",1]`)))
	require.Equal(t, 2, depthOf([]byte(`[[],{"a":"\\"},[]]`)))
	require.Zero(t, depthOf([]byte(`"["`)))
}

// Whatever a product sends is text to the page.
func TestEventsAreEscaped(t *testing.T) {
	t.Parallel()
	event, err := readEvent(schemas.RecordedEvent{Seq: 7, Body: json.RawMessage(
		`{"seq":7,"recorded_at":"2026-01-02T03:04:05Z","id":"01a20717-863f-794e-b62d-788bd0e82e84","occurred_at":"2026-01-02T03:04:05Z",` +
			`"action":"\"><script>a&b=c</script>","actor":{"id":"<b>","email":"a b&c@x"},"targets":[{"id":"<i>"},{"id":"2"},{"id":"3"},{"id":"4"},{"id":"5"}],"outcome":"success"}`)})
	require.NoError(t, err)
	base := frame{page: &page{Template: "event", Title: event.Action, Body: eventBody{event, "<script>"}}, Base: "/orgs/1", Zone: zone{time.UTC}}
	html := rendered(t, base)
	require.NotContains(t, html, "<script>")
	require.NotContains(t, html, "<b>")
	require.Contains(t, html, "actor_email=a%20b%26c%40x")

	base.page = &page{Template: "events", Body: eventsBody{Form: newForm(nil), Events: []shownEvent{event}, Actions: []string{event.Action}}}
	html = rendered(t, base)
	require.NotContains(t, html, "<script>")
	require.NotContains(t, html, "<i>")
	require.Contains(t, html, "and 2 more")
}

// Whoever cannot make a key is not sent to the page with the keys.
func TestEmptyEventsSayWhatToDo(t *testing.T) {
	t.Parallel()
	empty := frame{page: &page{Template: "events", Body: eventsBody{Form: newForm(nil)}}, Base: "/orgs/1", Zone: zone{time.UTC}}
	require.NotContains(t, rendered(t, empty), "/orgs/1/api-keys")
	empty.Admin = true
	require.Contains(t, rendered(t, empty), "/orgs/1/api-keys")
	empty.Body = eventsBody{Form: newForm(nil), Filtered: true}
	require.Contains(t, rendered(t, empty), "No event matches.")
}
