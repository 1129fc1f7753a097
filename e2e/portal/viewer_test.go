package portal

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/browser"
	"github.com/auditferry/auditferry/dev/pictures"
	"github.com/auditferry/auditferry/schemas"
)

// Viewers are shown no button that they may not press, on no page that links
// lead them to, and no link leads nowhere.
func TestViewerFindsNoCommand(t *testing.T) {
	t.Parallel()
	s, _ := scene(t)
	vic := sit(t, s, pictures.Viewer, browser.Look{})
	seen := walk(vic, "/", func(path string) {
		checkLook(t, vic, path)
		commands, err := vic.Commands()
		vic.must(err)
		if path != "/account" && len(commands) > 0 {
			t.Errorf("%s has commands: %s", path, strings.Join(commands, ", "))
		}
	})
	require.Greater(t, len(seen), 20, "%v", seen)
}

// No link on any page that an admin or an operator finds leads nowhere.
func TestNoDeadLink(t *testing.T) {
	t.Parallel()
	s, _ := scene(t)
	for who, atLeast := range map[string]int{pictures.Admin: 40, pictures.Operator: 6} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			seen := walk(sit(t, s, who, browser.Look{}), "/", func(string) {})
			require.Greater(t, len(seen), atLeast, "%v", seen)
		})
	}
}

// kindsSeen bounds how many pages of one kind are visited: events are many.
const kindsSeen = 2

// walk follows every link from a page of the portal on, and looks at the pages
// behind them. Pages of the API's documentation are no part of it.
func walk(u user, from string, look func(path string)) []string {
	u.t.Helper()
	kinds := make(map[string]int)
	seen := map[string]bool{from: true}
	for ahead := []string{from}; len(ahead) > 0; ahead = ahead[1:] {
		path := ahead[0]
		if bare, _, _ := strings.Cut(path, "?"); isFile(bare) {
			reply, err := u.Fetch(http.MethodGet, path, nil)
			u.must(err)
			if reply.Status != http.StatusOK {
				u.t.Errorf("%s answers %d", path, reply.Status)
			}
			continue
		}
		u.visit(path)
		if complaints := u.Complaints(); len(complaints) > 0 {
			u.t.Errorf("%s: %s", path, strings.Join(complaints, "\n"))
			continue
		}
		look(path)
		links, err := u.Links()
		u.must(err)
		for _, link := range links {
			kind := kindOf(link)
			if seen[link] || kinds[kind] >= kindsSeen || strings.HasPrefix(link, "/docs") || strings.HasPrefix(link, "/log") {
				continue
			}
			seen[link] = true
			kinds[kind]++
			ahead = append(ahead, link)
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

func isFile(path string) bool {
	return strings.Contains(path, "/setup/") || strings.HasSuffix(path, ".csv") || strings.HasSuffix(path, "json")
}

// kindOf is a path without its IDs and numbers.
func kindOf(path string) string {
	path, query, _ := strings.Cut(path, "?")
	elements := strings.Split(path, "/")
	for i, element := range elements {
		if _, err := uuid.Parse(element); err == nil || strings.Trim(element, "0123456789") == "" {
			elements[i] = "*"
		}
	}
	name, _, _ := strings.Cut(query, "=")
	return strings.Join(elements, "/") + "?" + name
}

// Whatever a viewer sends in place of a button is refused, and does nothing.
func TestViewerIsRefused(t *testing.T) {
	o := begin(t)
	integration := o.integrated(schemas.AWS, "Archive", "one", "two")
	export := o.exporting(integration, "Everything")
	keys, err := o.admin.Keys(o.ctx)
	require.NoError(t, err)
	vic := o.as("vic", browser.Look{})
	vic.Expect(http.StatusForbidden)
	at := func(path ...string) string { return o.path(path...) }
	for path, form := range map[string]map[string]string{
		at("audit-logging", "add"):                               {"name": "x", "cloud": "gcp", "destination.gcp": "gs://elsewhere/x/"},
		at("integrations", integration.String(), "edit"):         {"destination": o.clouds.Destination(schemas.AWS, "two").URL()},
		at("integrations", integration.String(), "delete"):       {"confirm": "Archive"},
		at("integrations", integration.String(), "check-access"): {},
		at("integrations", integration.String(), "ownership"):    {"code": "x"},
		at("exports", "new"):                                     {"name": "x", "integration_id": integration.String(), "schedule.kind": "interval", "every.number": "5", "every.unit": "m", "format": "ndjson", "compression": "gzip", "start_from": "now"},
		at("exports", export.String(), "edit"):                   {"name": "x", "schedule.kind": "interval", "every.number": "5", "every.unit": "m", "format": "ndjson", "compression": "gzip"},
		at("exports", export.String(), "pause"):                  {},
		at("exports", export.String(), "run"):                    {},
		at("exports", export.String(), "resume"):                 {},
		at("exports", export.String(), "relink"):                 {"integration_id": integration.String()},
		at("exports", export.String(), "backfill"):               {"range": "numbers", "first_seq": "1", "last_seq": "1"},
		at("exports", export.String(), "delete"):                 {"confirm": "Everything"},
		at("api-keys", "new"):                                    {"name": "x", "role": "admin"},
		at("api-keys", keys[0].ID.String(), "revoke"):            {},
		at("notices"): {"notice_emails": "vic@example.com"},
		at("exports", export.String(), "backfills", uuid.NewString(), "cancel"): {},
	} {
		reply, err := vic.Fetch(http.MethodPost, path, form)
		vic.must(err)
		if reply.Status != http.StatusForbidden {
			t.Errorf("POST %s answers %d", path, reply.Status)
		}
	}
	for _, path := range []string{
		at("audit-logging", "add"), at("integrations", integration.String(), "edit"),
		at("integrations", integration.String(), "delete"), at("integrations", integration.String(), "ownership"),
	} {
		reply, err := vic.Fetch(http.MethodGet, path, nil)
		vic.must(err)
		require.Equal(t, http.StatusForbidden, reply.Status, path)
		require.Contains(t, reply.Body, "only its admins can change things", path)
		for _, from := range []string{at("audit-logging"), at("integrations", integration.String()), at("integrations", integration.String(), "credentials")} {
			vic.visit(from)
			links, err := vic.Links()
			vic.must(err)
			require.NotContains(t, links, path, from)
		}
	}
	now, err := o.admin.ReadExport(o.ctx, export)
	vic.must(err)
	require.Equal(t, schemas.ExportActive, now.State)
	require.Equal(t, "Everything", now.Name)
}

// A form of another site is refused also with the admin's cookies.
func TestForgedForm(t *testing.T) {
	o := begin(t)
	ada := o.as("ada", browser.Look{})
	cookies, err := ada.Cookies()
	ada.must(err)
	request, err := http.NewRequestWithContext(o.ctx, http.MethodPost, o.API.URL+o.path("notices"), strings.NewReader("notice_emails=eve%40example.com"))
	require.NoError(t, err)
	for _, cookie := range cookies {
		request.AddCookie(&http.Cookie{Name: cookie.Name, Value: cookie.Value})
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Sec-Fetch-Site", "cross-site")
	request.Header.Set("Origin", "https://evil.example")
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusForbidden, answer.StatusCode)
	ada.visit(o.path("notices"))
	value, err := ada.Value("Mail addresses")
	ada.must(err)
	require.NotContains(t, value, "eve@example.com")
}
