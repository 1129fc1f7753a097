package portal

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/schemas"
)

func TestSignIn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	acme := s.addOrg("Acme")
	v := s.newVisitor()
	wanted := "/orgs/" + acme.String() + "/audit-logging?deleted=1"
	v.get(wanted).leads(t, "/login?next="+url.QueryEscape(wanted))

	v.signIn(person("ada", map[uuid.UUID]schemas.Role{acme: schemas.RoleAdmin}), wanted).leads(t, wanted)
	page := v.get(wanted)
	require.Equal(t, http.StatusOK, page.status)
	require.Contains(t, page.body, "Acme")
	require.Contains(t, page.body, "ada")
	require.Empty(t, v.cookie(attemptCookie), "what is over is cleared")
	v.get("/").leads(t, "/orgs/"+acme.String()+"/audit-logging")
}

func TestWhereSignInLeads(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	acme, globex := s.addOrg("Acme"), s.addOrg("Globex")
	operator := person("opal", nil)
	operator.Operator = true
	s.signedIn(operator).get("/").leads(t, "/operator")
	s.signedIn(person("ada", map[uuid.UUID]schemas.Role{globex: schemas.RoleAdmin, acme: schemas.RoleViewer})).
		get("/").leads(t, "/orgs/"+acme.String()+"/audit-logging")
	outsider := s.signedIn(person("otto", map[uuid.UUID]schemas.Role{uuid.New(): schemas.RoleAdmin})).get("/")
	require.Equal(t, http.StatusForbidden, outsider.status)
	require.Contains(t, outsider.body, "You are not a member of any organization here")
}

// Nobody is led to another site by a link to the portal.
func TestNextIsAPathOfOurs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for next, want := range map[string]string{
		"":                               "/",
		"/account":                       "/account",
		"/orgs/x/events?a=b&c=%2F%2Fd":   "/orgs/x/events?a=b&c=%2F%2Fd",
		"account":                        "/",
		"/" + strings.Repeat("x", 2000):  "/",
		"https://evil.example":           "/",
		"//evil.example":                 "/",
		"///evil.example":                "/",
		`/\evil.example`:                 "/",
		`\\evil.example`:                 "/",
		"/\t/evil.example":               "/",
		"/\n/evil.example":               "/",
		"javascript:alert(1)":            "/",
		" //evil.example":                "/",
		"http:/evil.example":             "/",
		"/%zz":                           "/",
		"/account\r\nSet-Cookie: a=b":    "/",
		"https:evil.example":             "/",
		"@evil.example":                  "/",
		"/account@evil.example":          "/account@evil.example", // a path, whatever it looks like
		"/%2F/evil.example":              "/%2F/evil.example",     // encoded, it does not begin a host
		"/orgs/x?next=https://evil.test": "/orgs/x?next=https://evil.test",
	} {
		s.newVisitor().signIn(person("ada", nil), next).leads(t, want)
	}
}

func TestSignInsThatAreNot(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.provider.person = person("ada", nil)
	refused := func(v *visitor, a answer, status int, title string) {
		t.Helper()
		require.Equal(t, status, a.status)
		require.Contains(t, a.body, title)
		require.Empty(t, v.cookie(sessionCookie))
	}
	const stale, let = "This sign-in is too old", "You were not signed in"

	v := s.newVisitor() // what another site has begun
	refused(v, v.comeBack(uuid.NewString(), "code"), http.StatusBadRequest, stale)

	v = s.newVisitor()
	v.begin("/")
	refused(v, v.comeBack(uuid.NewString(), "code"), http.StatusBadRequest, stale)
	require.NotEmpty(t, v.cookie(attemptCookie), "it may be another tab's, which is yet to come back")

	v = s.newVisitor()
	v.begin("/")
	refused(v, v.comeBack("", "code"), http.StatusBadRequest, stale)

	v = s.newVisitor() // the code of a sign-in that another browser has begun
	other := s.newVisitor()
	stolen := other.begin("/")
	mine := v.begin("/")
	refused(v, v.comeBack(stolen, "code-"+stolen), http.StatusBadRequest, stale)
	v.begin("/")
	refused(v, v.comeBack(mine, "code-"+mine), http.StatusBadRequest, stale)

	v = s.newVisitor()
	state := v.begin("/")
	refused(v, v.comeBack(state, "another"), http.StatusForbidden, let)

	v = s.newVisitor()
	state = v.begin("/")
	refused(v, v.comeBack(state, ""), http.StatusForbidden, let)

	v = s.newVisitor()
	state = v.begin("/")
	a := v.get("/login/callback?" + url.Values{"state": {state}, "error": {"access_denied"}, "error_description": {"<script>"}}.Encode())
	refused(v, a, http.StatusForbidden, let)
	require.NotContains(t, a.body, "access_denied", "what comes from outside is for the log")
}

// A sign-in is of use once, also to whoever has copied its cookie.
func TestSignInIsNotReplayed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.provider.person = person("ada", nil)
	v := s.newVisitor()
	state := v.begin("/")
	kept := v.cookie(attemptCookie)
	v.comeBack(state, "code-"+state).leads(t, "/")
	again := s.newVisitor()
	require.Equal(t, http.StatusBadRequest, again.comeBack(state, "code-"+state).status)
	again.setCookie(attemptCookie, kept)
	require.Equal(t, http.StatusForbidden, again.comeBack(state, "code-"+state).status, "the code has been used")
	require.Empty(t, again.cookie(sessionCookie))
}

func TestProviderDown(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.provider.fail = errors.New("no route to host 10.0.0.1")
	v := s.newVisitor()
	a := v.get("/login")
	require.Equal(t, http.StatusServiceUnavailable, a.status)
	require.NotContains(t, a.body, "10.0.0.1")
	require.NotEmpty(t, a.header.Get("Retry-After"))

	s.provider.fail = nil
	state := v.begin("/")
	s.provider.fail = errors.New("no route to host 10.0.0.1")
	a = v.comeBack(state, "code-"+state)
	require.Equal(t, http.StatusServiceUnavailable, a.status, "to try again may help")
	require.NotContains(t, a.body, "10.0.0.1")
	require.Empty(t, v.cookie(sessionCookie))
	require.NotZero(t, s.log.FilterMessageSnippet("sign-in").Len(), "operators find the reason in the log")
}

func TestSignOut(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ada := person("ada", nil)
	here, elsewhere := s.signedIn(ada), s.signedIn(ada)
	vic := s.signedIn(person("vic", nil))
	kept := here.cookie(sessionCookie)
	here.post("/logout", url.Values{}).leads(t, "/signed-out")
	require.Empty(t, here.cookie(sessionCookie))
	require.Equal(t, http.StatusOK, here.get("/signed-out").status)
	here.setCookie(sessionCookie, kept)
	here.get("/account").leads(t, "/login?next=%2Faccount") // the old cookie is dead
	require.Equal(t, http.StatusOK, elsewhere.get("/account").status)

	third := s.signedIn(ada)
	kept = elsewhere.cookie(sessionCookie)
	elsewhere.post("/logout", url.Values{"everywhere": {"1"}}).leads(t, "/signed-out")
	third.get("/account").leads(t, "/login?next=%2Faccount")
	elsewhere.setCookie(sessionCookie, kept)
	elsewhere.get("/account").leads(t, "/login?next=%2Faccount")
	require.Equal(t, http.StatusOK, vic.get("/account").status)
	require.Equal(t, http.StatusOK, s.signedIn(ada).get("/account").status, "she may sign in again")

	// A session that has ended ends no other.
	fourth := s.signedIn(ada)
	here.setCookie(sessionCookie, kept)
	here.post("/logout", url.Values{"everywhere": {"1"}}).leads(t, "/signed-out")
	require.Equal(t, http.StatusOK, fourth.get("/account").status)

	// Who is not signed in can sign out.
	s.newVisitor().post("/logout", url.Values{}).leads(t, "/signed-out")
}

func TestSignInIsLimited(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.newVisitor()
	var last answer
	for range 2 * signInsAtOnce {
		if last = v.get("/login"); last.status != http.StatusSeeOther {
			break
		}
	}
	require.Equal(t, http.StatusTooManyRequests, last.status)
	require.NotEmpty(t, last.header.Get("Retry-After"))
	require.Equal(t, http.StatusTooManyRequests, v.get("/login?next=%2Faccount").status)
	require.Contains(t, v.get("/login?next=%2Faccount").body, `href="/login?next=%2Faccount">Try again`, "the page that was wanted is not forgotten")
	require.Equal(t, http.StatusTooManyRequests, v.comeBack("state", "code").status, "codes cannot be tried either")
	require.Equal(t, http.StatusSeeOther, v.get("/account").status, "other pages are as they were")
}

// Parts of a page are no page: the script finds out that the session has ended.
func TestPartsAfterTheSession(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a := s.newVisitor().do(http.MethodGet, "/account", nil, http.Header{"Accept": {partsType}})
	require.Equal(t, http.StatusUnauthorized, a.status)
	require.Empty(t, strings.TrimSpace(a.body))
}

// A form that is sent after the session has ended changes nothing, and nothing
// that was typed is lost: it is sent again when the person has signed in.
func TestFormAfterTheSession(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	acme := s.addOrg("Acme")
	ada := person("ada", map[uuid.UUID]schemas.Role{acme: schemas.RoleAdmin})
	path := "/orgs/" + acme.String() + "/notices"
	v := s.newVisitor()
	typed := url.Values{"notice_emails": {"a@acme.example\n\"b\"@acme.example"}, "box": {"1", "2"}}
	a := v.post(path, typed)
	require.Equal(t, http.StatusUnauthorized, a.status)
	require.Contains(t, a.body, "Your session has ended, and nothing was changed.")
	require.Contains(t, a.body, `<form method="post" action="`+path+`"`)
	require.Contains(t, a.body, `name="notice_emails" value="a@acme.example`+"\n"+`&#34;b&#34;@acme.example"`)
	require.Equal(t, 2, strings.Count(a.body, `name="box"`))
	requireSecure(t, a, path)

	a = v.post("/orgs/"+acme.String()+"/integrations/"+uuid.NewString()+"/check-access", nil)
	require.Contains(t, a.body, "Send it again", "buttons that send nothing else, too")

	v.signIn(ada, "/account").leads(t, "/account")
	require.Equal(t, http.StatusUnprocessableEntity, v.post(path, typed).status, "what was typed is looked at now")

	// Another site cannot put its own words there.
	a = s.newVisitor().do(http.MethodPost, path, typed, http.Header{"Sec-Fetch-Site": {"cross-site"}})
	require.Equal(t, http.StatusForbidden, a.status)
	require.NotContains(t, a.body, "a@acme.example")

	a = s.newVisitor().post(path, url.Values{"notice_emails": {strings.Repeat("a", maxForm)}})
	require.Equal(t, http.StatusRequestEntityTooLarge, a.status)
}
