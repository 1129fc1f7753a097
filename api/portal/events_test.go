package portal

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

func TestEventFilter(t *testing.T) {
	t.Parallel()
	filter, err := eventFilter(newForm(url.Values{
		"from": {"2026-07-01T09:30"}, "to": {"2026-12-01T09:30:15"}, zoneField: {"Europe/Berlin"},
		"action": {" user.login "}, "actor": {"ada@acme.example"}, "outcome": {"failure"},
	}))
	require.NoError(t, err)
	require.Equal(t, time.Date(2026, 7, 1, 7, 30, 0, 0, time.UTC), filter.From.UTC(), "in the form's zone")
	require.Equal(t, time.Date(2026, 12, 1, 8, 30, 15, 0, time.UTC), filter.To.UTC())
	require.Equal(t, "user.login", filter.Action)
	require.Equal(t, "ada@acme.example", filter.Actor)
	require.Equal(t, schemas.OutcomeFailure, filter.Outcome)

	none, err := eventFilter(newForm(nil))
	require.NoError(t, err)
	require.Equal(t, service.EventFilter{}, none)

	_, err = eventFilter(newForm(url.Values{"from": {"yesterday"}, "to": {"2026-13-01T00:00"}, "outcome": {"both"}}))
	var known *service.Error
	require.True(t, errors.As(err, &known))
	require.Len(t, known.Fields, 3)
}

// A search keeps its meaning, whatever the zone of whoever looks at it.
func TestSearchesKeepTheirZone(t *testing.T) {
	t.Parallel()
	tokyo, known := zoneNamed("Asia/Tokyo")
	require.True(t, known)
	for name, test := range map[string]struct{ query, zone, kept string }{
		"nothing typed":      {"", "Asia/Tokyo", ""},
		"no time typed":      {"action=user.login&zone=Europe/Berlin", "Asia/Tokyo", "action=user.login"},
		"typed in Berlin":    {"from=2026-07-01T09:30&zone=Europe/Berlin", "Europe/Berlin", "from=2026-07-01T09%3A30&zone=Europe%2FBerlin"},
		"written by hand":    {"to=2026-07-01T09:30", "Asia/Tokyo", "to=2026-07-01T09%3A30&zone=Asia%2FTokyo"},
		"a zone that is not": {"to=2026-07-01T09:30&zone=Local", "Asia/Tokyo", "to=2026-07-01T09%3A30&zone=Asia%2FTokyo"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			query, err := url.ParseQuery(test.query)
			require.NoError(t, err)
			f := searchForm(query, tokyo)
			require.Equal(t, test.zone, f.Get(zoneField))
			require.Equal(t, test.kept, eventQuery(f).Encode())
		})
	}
	base := frame{page: &page{Template: "events", Body: eventsBody{Form: searchForm(url.Values{
		"from": {"2026-07-01T09:30"}, zoneField: {"Europe/Berlin"},
	}, tokyo)}}, Base: "/orgs/1", Zone: zone{tokyo}}
	html := rendered(t, base)
	require.Contains(t, html, `<input type="hidden" name="zone" value="Europe/Berlin">`)
	require.Contains(t, html, `<span class="optional">Europe/Berlin</span>`)
}

// A search that was too much can be mended: what was typed is still there.
func TestSearchesThatAreTooMuch(t *testing.T) {
	t.Parallel()
	f := searchForm(url.Values{"from": {"2026-07-01T09:30"}, "action": {"user.login"}, "actor": {"ada"}}, time.UTC)
	status, refused := f.refuse(&service.Error{Kind: service.Busy, Detail: "That is too much."})
	require.True(t, refused)
	require.Equal(t, http.StatusServiceUnavailable, status)
	html := rendered(t, frame{page: &page{Template: "events", Body: eventsBody{Form: f, Asked: asked(f)}}, Base: "/orgs/1", Zone: zone{time.UTC}})
	require.Contains(t, html, "That is too much.")
	require.Contains(t, html, `value="user.login"`)
	require.Contains(t, html, "<summary>Search: from 2026-07-01 09:30, user.login, by ada</summary>")
	require.Contains(t, html, `<details class="card search" open>`)
	require.NotContains(t, html, "No event")
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
	require.Contains(t, html, "actor=%3cb%3e")

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

// Asking for the headers alone makes no file, and shows nobody the credentials.
func TestHeaders(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	acme := s.addEstate("Acme")
	ada := s.signedIn(person("ada", map[uuid.UUID]schemas.Role{acme.org: schemas.RoleAdmin}))
	pages := "/orgs/" + acme.org.String()
	views := func() int {
		list, err := s.service.SearchEvents(t.Context(), adminOf(acme.org).Caller, service.EventFilter{Action: "auditferry.integration.credentials_viewed"}, service.Page{})
		require.NoError(t, err)
		return len(list.Items)
	}
	seen := 0
	for _, path := range []string{
		"/integrations/" + acme.integration.String() + "/credentials",
		"/integrations/" + acme.integration.String() + "/setup/gcp-terraform",
		"/events.ndjson", "/events/1/event.json", "/exports/" + acme.export.String() + "/ledger.csv?content=runs",
	} {
		a := ada.do(http.MethodHead, pages+path, nil, nil)
		require.Equal(t, http.StatusOK, a.status, path)
		require.Empty(t, a.body, path)
		require.Equal(t, seen, views(), path)
		full := ada.get(pages + path)
		require.Equal(t, full.header.Get("Content-Type"), a.header.Get("Content-Type"), path)
		require.Equal(t, full.header.Get("Content-Disposition") == "", a.header.Get("Content-Disposition") == "", path)
		if strings.HasPrefix(path, "/integrations/") {
			seen++
		}
		require.Equal(t, seen, views(), "whoever gets %s has seen it", path)
	}
}
