package portal

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/schemas"
)

// People get a page where there is nothing, and programs a problem document.
func TestNothingThere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.newVisitor()
	for _, path := range []string{"/nothing", "/orgs", "/v1/nothing", "/static/app.css", "/operator/nothing"} {
		a := v.get(path)
		require.Equal(t, http.StatusNotFound, a.status, path)
		require.Contains(t, a.body, "<!doctype html>", path)
		require.Contains(t, a.body, "There is nothing here", path)
		requireSecure(t, a, path)
	}
	for _, path := range []string{"/nothing", "/v1/nothing"} {
		a := v.do(http.MethodGet, path, nil, http.Header{"Accept": {"application/json"}})
		require.Equal(t, http.StatusNotFound, a.status, path)
		require.Equal(t, "application/problem+json", a.header.Get("Content-Type"), path)
		require.True(t, json.Valid([]byte(a.body)), path)
	}
	// The API itself speaks to browsers as to programs, and knows no cookies.
	acme := s.addOrg("Acme")
	ada := s.signedIn(person("ada", map[uuid.UUID]schemas.Role{acme: schemas.RoleAdmin}))
	a := ada.get("/v1/integrations")
	require.Equal(t, http.StatusUnauthorized, a.status)
	require.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
}

func TestNotFoundWhileSignedIn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	acme := s.addOrg("Acme")
	ada := s.signedIn(person("ada", map[uuid.UUID]schemas.Role{acme: schemas.RoleAdmin}))
	for _, path := range []string{"/nothing", "/orgs/acme/audit-logging", "/orgs/" + uuid.NewString() + "/exports", "/orgs/" + acme.String() + "/exports/none"} {
		a := ada.get(path)
		require.Equal(t, http.StatusNotFound, a.status, path)
		on := "Go to the first page"
		if strings.HasSuffix(path, "/exports/none") {
			on = "Go to the pages of Acme"
		}
		require.Contains(t, a.body, on, path)
		requireSecure(t, a, path)
	}
	operator := person("opal", nil)
	operator.Operator = true
	require.Contains(t, s.signedIn(operator).get("/operator/orgs/none").body, "Go to the operators’ pages")
}

// An address that only a button sends to is told from one that does not exist.
func TestAddressesOfButtons(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	acme := s.addOrg("Acme")
	ada := s.signedIn(person("ada", map[uuid.UUID]schemas.Role{acme: schemas.RoleAdmin}))
	path := "/orgs/" + acme.String() + "/exports/" + uuid.NewString() + "/pause"
	a := ada.get(path)
	require.Equal(t, http.StatusMethodNotAllowed, a.status)
	require.Equal(t, http.MethodPost, a.header.Get("Allow"))
	require.Contains(t, a.body, "press the button there")
	requireSecure(t, a, path)

	a = ada.do(http.MethodGet, path, nil, http.Header{"Accept": {"application/json"}})
	require.Equal(t, http.StatusMethodNotAllowed, a.status)
	require.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
}

// A mistake of ours ends one request, and shows a page with the number under
// which it is found in the log, and nothing of the reason.
func TestPanic(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.provider.panics = true
	a := s.newVisitor().get("/login")
	require.Equal(t, http.StatusInternalServerError, a.status)
	require.Contains(t, a.body, "Something went wrong here")
	require.Contains(t, a.body, a.header.Get("X-Request-Id"))
	require.NotContains(t, a.body, "the provider")
	requireSecure(t, a, "/login")
	require.Equal(t, http.StatusOK, s.newVisitor().get("/signed-out").status, "others go on")
}

func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.signedIn(person("ada", nil))
	s.store.Close()
	a := v.get("/account")
	require.Equal(t, http.StatusInternalServerError, a.status)
	require.Contains(t, a.body, "Something went wrong here")
	require.NotContains(t, a.body, "pool")
	requireSecure(t, a, "/account")
}

func TestFormsThatAreTooLarge(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	acme := s.addOrg("Acme")
	ada := s.signedIn(person("ada", map[uuid.UUID]schemas.Role{acme: schemas.RoleAdmin}))
	path := "/orgs/" + acme.String() + "/notices"
	a := ada.do(http.MethodPost, path, url.Values{"notice_emails": {strings.Repeat("a", maxForm)}}, http.Header{"Referer": {s.url + path}})
	require.Equal(t, http.StatusRequestEntityTooLarge, a.status)
	require.Contains(t, a.body, "nothing was changed")
	require.Contains(t, a.body, `href="`+path+`">Back`)
}

// What people have typed is text, wherever it comes up.
func TestNamesAreText(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const name = `<script>alert("x")</script>`
	acme := s.addOrg(name)
	who := person("ada", map[uuid.UUID]schemas.Role{acme: schemas.RoleAdmin})
	who.Name = `"><img src=x onerror=alert(1)>`
	ada := s.signedIn(who)
	for _, path := range []string{"/account", "/orgs/" + acme.String() + "/audit-logging", "/orgs/" + acme.String() + "/notices"} {
		a := ada.get(path)
		require.Equal(t, http.StatusOK, a.status)
		require.NotContains(t, a.body, name, path)
		require.NotContains(t, a.body, "<img src=x", path)
		require.Contains(t, a.body, "&lt;img src=x", path)
	}
	a := ada.post("/orgs/"+acme.String()+"/notices", url.Values{"notice_emails": {"</textarea>" + name}})
	require.Equal(t, http.StatusUnprocessableEntity, a.status)
	require.NotContains(t, a.body, name)
}

func TestStaticFiles(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.newVisitor()
	for _, name := range []string{"app.css", "app.js", "icon.svg"} {
		a := v.get(s.portal.files.paths[name])
		require.Equal(t, http.StatusOK, a.status, name)
		require.NotEmpty(t, a.body, name)
		require.Contains(t, a.header.Get("Cache-Control"), "immutable", name)
		require.Equal(t, contentPolicy, a.header.Get("Content-Security-Policy"), name)
		require.Equal(t, "Accept-Encoding", a.header.Get("Vary"), name)

		packed := v.do(http.MethodGet, s.portal.files.paths[name], nil, http.Header{"Accept-Encoding": {"gzip"}})
		require.Equal(t, "gzip", packed.header.Get("Content-Encoding"), name)
		r, err := gzip.NewReader(strings.NewReader(packed.body))
		require.NoError(t, err)
		unpacked, err := io.ReadAll(r)
		require.NoError(t, err)
		want, err := staticFiles.ReadFile("static/" + name)
		require.NoError(t, err)
		require.Equal(t, string(want), string(unpacked), name)
	}
	plain := v.do(http.MethodGet, s.portal.files.paths["app.css"], nil, http.Header{"Accept-Encoding": {"identity"}})
	require.Empty(t, plain.header.Get("Content-Encoding"))
	require.Contains(t, plain.body, "color-scheme")
	require.Equal(t, http.StatusNotFound, v.get("/static/app.000000000000.css").status)
	require.Equal(t, http.StatusNotFound, v.get("/static/..%2fportal.go").status)
}

// A part is asked for again and again; one that has not changed is not sent.
func TestParts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	acme := s.addEstate("Acme")
	ada := s.signedIn(person("ada", map[uuid.UUID]schemas.Role{acme.org: schemas.RoleAdmin}))
	path := "/orgs/" + acme.org.String() + "/api-keys"
	a := ada.do(http.MethodGet, path, nil, http.Header{"Accept": {partsType}})
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, partsType, a.header.Get("Content-Type"))
	var got parts
	require.NoError(t, json.Unmarshal([]byte(a.body), &got))
	require.Contains(t, got.Parts["keys"], "Acme key")
	require.Equal(t, againLater, got.Again)
	a = ada.do(http.MethodGet, path, nil, http.Header{"Accept": {partsType}, "If-None-Match": {a.header.Get("ETag")}})
	require.Equal(t, http.StatusNotModified, a.status)
	require.Empty(t, a.body)
}

// Back leads to a page of ours, whatever the header says.
func TestOwnReferer(t *testing.T) {
	t.Parallel()
	for referer, want := range map[string]string{
		"":                                "",
		"http://portal.example/account?a": "/account?a",
		"http://evil.example/account":     "",
		"http://portal.example//evil":     "/",
		"://":                             "",
	} {
		c, _ := gin.CreateTestContext(httptest.NewRecorder())
		c.Request = httptest.NewRequest(http.MethodGet, "http://portal.example/", nil)
		c.Request.Header.Set("Referer", referer)
		require.Equal(t, want, ownReferer(c.Request), referer)
	}
}
