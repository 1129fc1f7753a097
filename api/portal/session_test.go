package portal

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/schemas"
)

// sealed is a cookie's value, made with this key.
func sealed(t *testing.T, key []byte, purpose string, value any, until time.Time) string {
	t.Helper()
	sessions, err := newSessions(key, testLifetime, false)
	require.NoError(t, err)
	c, recorder := testContext()
	require.NoError(t, sessions.put(c, purpose, value, until))
	return recorder.Result().Cookies()[0].Value
}

func testContext() (*gin.Context, *httptest.ResponseRecorder) {
	recorder := httptest.NewRecorder()
	c, _ := gin.CreateTestContext(recorder)
	c.Request = httptest.NewRequest(http.MethodGet, "/", nil)
	return c, recorder
}

func someSession(ends time.Time) session {
	return session{ID: uuid.New(), Person: person("ada", nil), Began: ends.Add(-testLifetime), Ends: ends}
}

func TestSessionCookies(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	later := time.Now().Add(time.Hour)
	good := sealed(t, testKey, sessionCookie, someSession(later), later)
	inside := func(value string) bool {
		t.Helper()
		v := s.newVisitor()
		v.setCookie(sessionCookie, value)
		return v.get("/account").status == http.StatusOK
	}
	require.True(t, inside(good))

	parts := strings.Split(good, ".")
	require.Len(t, parts, 5)
	flipped := func(part string) string {
		at := len(part) / 2
		if part[at] == 'A' {
			return part[:at] + "B" + part[at+1:]
		}
		return part[:at] + "A" + part[at+1:]
	}
	for i, part := range parts {
		if part == "" {
			continue // a direct key is not wrapped
		}
		changed := append([]string{}, parts...)
		changed[i] = flipped(part)
		require.False(t, inside(strings.Join(changed, ".")), "part %d changed", i)
	}
	none := `eyJhbGciOiJub25lIn0.e30.`
	for name, value := range map[string]string{
		"empty":       "",
		"nonsense":    "nonsense",
		"unsigned":    none,
		"another key": sealed(t, []byte(strings.Repeat("x", sessionKeyBytes)), sessionCookie, someSession(later), later),
		"expired":     sealed(t, testKey, sessionCookie, someSession(time.Now().Add(-time.Second)), later),
		// What a browser gets before anybody has signed in must not pass for a
		// session.
		"another purpose": sealed(t, testKey, attemptCookie, someSession(later), later),
	} {
		require.False(t, inside(value), name)
	}
}

func TestSessionAsAttempt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	later := time.Now().Add(time.Hour)
	begun := attempt{SignIn: schemas.SignIn{State: "state"}, Next: "/", Ends: later}
	v := s.newVisitor()
	v.setCookie(attemptCookie, sealed(t, testKey, sessionCookie, begun, later))
	require.Equal(t, http.StatusBadRequest, v.comeBack("state", "code").status)
	v.setCookie(attemptCookie, sealed(t, testKey, attemptCookie, attempt{begun.SignIn, "/", time.Now().Add(-time.Second)}, later))
	require.Equal(t, http.StatusBadRequest, v.comeBack("state", "code").status, "it has taken too long")
}

func TestSessionCookieAttributes(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		sessions, err := newSessions(testKey, testLifetime, secure)
		require.NoError(t, err)
		c, recorder := testContext()
		require.NoError(t, sessions.begin(c, time.Now(), person("ada", nil), nil))
		cookie := recorder.Result().Cookies()[0]
		require.Equal(t, secure, strings.HasPrefix(cookie.Name, "__Host-"))
		require.Equal(t, secure, cookie.Secure)
		require.True(t, cookie.HttpOnly)
		require.Equal(t, http.SameSiteLaxMode, cookie.SameSite)
		require.Equal(t, "/", cookie.Path)
		require.Empty(t, cookie.Domain)
		require.WithinDuration(t, time.Now().Add(testLifetime), cookie.Expires, time.Minute)
		require.NotContains(t, cookie.Value, "ada")
	}
}

// A person of very many organizations does not fit into a cookie. They are told,
// and who runs the service finds the reason.
func TestTooManyOrganizations(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	roles := make(map[uuid.UUID]schemas.Role)
	for i := range 150 {
		roles[s.addOrg(fmt.Sprintf("Organization %d", i))] = schemas.RoleAdmin
	}
	v := s.newVisitor()
	a := v.signIn(person("ada", roles), "/")
	require.Equal(t, http.StatusForbidden, a.status)
	require.Contains(t, a.body, "You belong to too many organizations")
	require.Empty(t, v.cookie(sessionCookie))
}

func TestSessionKeys(t *testing.T) {
	t.Parallel()
	_, err := New(Options{SessionKey: []byte("short")})
	require.ErrorContains(t, err, "5 bytes")
}

// An organization that the provider names and nobody has made has no pages.
func TestUnknownOrganization(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	unknown := uuid.New()
	v := s.signedIn(person("ada", map[uuid.UUID]schemas.Role{unknown: schemas.RoleAdmin, s.addOrg("Acme"): schemas.RoleAdmin}))
	require.Equal(t, http.StatusNotFound, v.get("/orgs/"+unknown.String()+"/audit-logging").status)
	require.Equal(t, http.StatusNotFound, v.post("/orgs/"+unknown.String()+"/notices", nil).status)
}
