package portal

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// Viewers are not shown the form of a command: they are told why.
func TestIntegrationFormsAreForAdmins(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	acme := s.addEstate("Acme")
	vic := s.signedIn(person("vic", map[uuid.UUID]schemas.Role{acme.org: schemas.RoleViewer}))
	for _, route := range []string{"/orgs/:org/audit-logging/add", integrationRoute + "/edit", integrationRoute + "/delete", integrationRoute + "/ownership"} {
		a := vic.get(acme.at(acme.org, route))
		require.Equal(t, http.StatusForbidden, a.status, route)
		require.Contains(t, a.body, "only its admins can change things", route)
		require.NotContains(t, a.body, "Cancel", route)
	}
}

var hiddenKey = regexp.MustCompile(`name="idempotency_key" value="([^"]+)"><button class="button" id="check-access"`)

// Invariant 4: pressed twice, Check access now asks once; after that it asks
// again. Looking at the page changes nothing.
func TestCheckAccessActsOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	acme := s.addEstate("Acme")
	require.NoError(t, s.store.InOrg(t.Context(), acme.org, func(tx *postgres.Tx) error {
		return tx.SetAccess(t.Context(), acme.integration, schemas.IntegrationAwaitingAccess, schemas.AccessChecking, 1)
	}))
	ada := s.signedIn(person("ada", map[uuid.UUID]schemas.Role{acme.org: schemas.RoleAdmin}))
	key := func(page string) string {
		found := hiddenKey.FindStringSubmatch(ada.get(acme.at(acme.org, integrationRoute+page)).body)
		require.NotNil(t, found, "the button has no key")
		return found[1]
	}
	first := key("")
	require.Equal(t, first, key(""))
	require.Equal(t, first, key("/credentials"), "it is the same button there")
	check := func(key string) string {
		a := ada.post(acme.at(acme.org, integrationRoute+"/check-access"), url.Values{keyField: {key}})
		require.Equal(t, http.StatusSeeOther, a.status, a.body)
		return a.header.Get("Location")
	}
	once := check(first)
	require.Equal(t, once, check(first))
	require.NotEqual(t, first, key(""))
	require.NotEqual(t, once, check(key("")))
}

// Add shows what is to be done in each cloud, with what has been typed so far as
// it can be used; nothing is created by that.
func TestAddShowsTheGuide(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	org := s.addOrg("Acme")
	ada := s.signedIn(person("ada", map[uuid.UUID]schemas.Role{org: schemas.RoleAdmin}))
	path := "/orgs/" + org.String() + "/audit-logging/add"
	a := ada.get(path)
	require.Equal(t, http.StatusOK, a.status)
	for _, said := range []string{"arn:aws:s3:::your-bucket/your-folder/*", "Require external ID", "Storage Blob Data Contributor", "your-container", "storage.objects.create"} {
		require.Contains(t, a.body, said)
	}
	require.Less(t, len(a.body), 20<<10)

	typed := url.Values{"preview": {"1"}, "cloud": {"aws"}, "destination.aws": {"s3://logs-of-acme/audit/"}, "role_arn": {"arn:aws:iam::123"}, "destination.gcp": {"gs:/"}}
	a = ada.post(path, typed)
	require.Equal(t, http.StatusOK, a.status)
	require.Contains(t, a.body, "arn:aws:s3:::logs-of-acme/audit/*")
	require.Contains(t, a.body, "auditferry-audit-export", "what is wrong so far is left out")
	require.Contains(t, a.body, "bucket your-bucket is in")
	require.NotContains(t, a.body, `class="error"`, "nothing has been sent yet")
	typed.Set("role_arn", "arn:aws:iam::123456789012:role/mine")
	require.Contains(t, ada.post(path, typed).body, "under this name:</p>\n    <span class=\"copied\"><code>mine</code>")
	typed.Del("preview")
	a = ada.post(path, typed)
	require.Equal(t, http.StatusUnprocessableEntity, a.status)
	require.NotContains(t, a.body, "data-live", "a form is left alone, also when it comes again")
	require.Zero(t, s.dispatcher.count())
}

// Whoever hears a page knows which button copies what.
func TestCopyButtonsSayWhat(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	acme := s.addEstate("Acme")
	ada := s.signedIn(person("ada", map[uuid.UUID]schemas.Role{acme.org: schemas.RoleAdmin}))
	body := ada.get(acme.at(acme.org, integrationRoute+"/credentials")).body
	names := make(map[string]bool)
	for _, button := range regexp.MustCompile(`<button[^>]*class="copy"[^>]*>`).FindAllString(body, -1) {
		found := regexp.MustCompile(`aria-label="(Copy [^"]+)"`).FindStringSubmatch(button)
		require.NotNil(t, found, button)
		require.False(t, names[found[1]], "two are called %s", found[1])
		names[found[1]] = true
	}
	require.True(t, names["Copy Service account"], "%v", names)
}

// What is deleted has no access to speak of.
func TestDeletedIntegrationsInTheList(t *testing.T) {
	t.Parallel()
	deleted := active()
	deleted.Status, deleted.Access = schemas.IntegrationDeleted, schemas.AccessUnknown
	deleting := deleted
	deleting.Status = schemas.IntegrationDeleting
	body := settingsBody{Integrations: []schemas.Integration{deleted, deleting}, Deleted: true}
	shown := bodyOf(t, frame{page: &page{Template: "settings", Body: body}, Zone: zone{time.UTC}})
	require.NotContains(t, shown, "Not checked yet")
	require.Equal(t, 2, strings.Count(shown, `<td data-label="Access"></td>`))
}
