package portal

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/browser"
	"github.com/auditferry/auditferry/dev/stack"
	"github.com/auditferry/auditferry/schemas"
)

const sessionCookie = "auditferry-session"

// Whoever is not signed in comes to the page that they wanted by way of the
// identity provider, and scripts cannot read who they are.
func TestSignIn(t *testing.T) {
	o := begin(t)
	ada := o.open(t, browser.Look{})
	wanted := o.path("audit-logging") + "?deleted=1"
	ada.signIn("ada"+o.name, wanted)
	require.Equal(t, wanted, ada.path())
	ada.sees("Audit Logs Storage Integrations", "No storage integration yet.", o.name)

	ada.visit("/")
	require.Equal(t, o.path("audit-logging"), ada.path(), "the first page is that of the organization")
	ada.visit("/account")
	ada.sees("ada@"+o.name+".example", "Admin")

	cookies, err := ada.Cookies()
	ada.must(err)
	var sessions int
	for _, cookie := range cookies {
		if cookie.Name == sessionCookie {
			sessions++
			require.True(t, cookie.HTTPOnly)
			require.Equal(t, network.CookieSameSiteLax, cookie.SameSite)
		}
	}
	require.Equal(t, 1, sessions)
	readable, err := ada.ScriptCookies()
	ada.must(err)
	require.NotContains(t, readable, sessionCookie)

	ada.click("Signed in as Ada")
	ada.click("Sign out")
	ada.sees("You are signed out")
	cookies, err = ada.Cookies()
	ada.must(err)
	for _, cookie := range cookies {
		require.NotEqual(t, sessionCookie, cookie.Name)
	}
}

// A session that ends while a live page is open leads by itself to the identity
// provider, which still knows the person, and back to the page.
func TestSessionExpires(t *testing.T) {
	o := begin(t)
	ada := o.as("ada", browser.Look{})
	ada.Expect(http.StatusUnauthorized)
	ada.visit(o.path("exports"))
	ada.must(ada.Mark())
	ada.must(ada.Forget(sessionCookie))
	ada.must(ada.Until("window.auditferryMark !== true && document.cookie !== null && document.querySelector('header.top') !== null", "the page to come again"))
	require.Equal(t, o.path("exports"), ada.path())
}

// A session that ends while somebody types in a dialog loses nothing: the page
// stays, and what was sent is sent again after a sign-in elsewhere.
func TestSessionExpiresInADialog(t *testing.T) {
	o := begin(t)
	ada := o.as("ada", browser.Look{})
	ada.Expect(http.StatusUnauthorized)
	cookies, err := ada.Cookies()
	ada.must(err)
	ada.visit(o.path("api-keys"))
	ada.click("Create key")
	ada.fill("Name", "Product, production")
	ada.must(ada.Forget(sessionCookie))
	ada.looksUntil("document.querySelector('.stale').textContent !== ''", "the page below to notice")
	ada.in("Create an API key").click("Create key")
	ada.sees("Your session has ended, and nothing was changed.")
	ada.must(ada.Take(cookies))
	ada.click("Send it again")
	ada.sees("Copy the key now.", "Product, production")
}

// A role that was taken away at the identity provider counts from the next
// sign-in on; who has signed in keeps theirs until the session ends.
func TestRoleIsTakenAway(t *testing.T) {
	o := begin(t)
	eve := stack.OIDCUser{Login: "eve" + o.name, Name: "Eve Former", Email: "eve@example.com", Orgs: map[uuid.UUID]schemas.Role{o.org.ID: schemas.RoleAdmin}}
	require.NoError(t, o.welcome(eve))
	before, after := o.open(t, browser.Look{}), o.open(t, browser.Look{})
	after.Expect(http.StatusForbidden)
	before.signIn(eve.Login, o.path("api-keys"))
	eve.Orgs = map[uuid.UUID]schemas.Role{o.org.ID: schemas.RoleViewer}
	require.NoError(t, o.welcome(eve))
	before.visit(o.path("api-keys"))
	before.sees("Create key")
	before.visit("/account")
	before.sees("after a change there, sign out and in again")

	after.signIn(eve.Login, o.path("audit-logging"))
	after.seesNo("API keys")
	after.visit(o.path("api-keys"))
	after.sees("You may not do this")
}

// Signing out everywhere ends the sessions in all windows of the person, and
// nobody else's.
func TestSignOutEverywhere(t *testing.T) {
	o := begin(t)
	home, work, vic := o.as("ada", browser.Look{}), o.as("ada", browser.Look{}), o.as("vic", browser.Look{})
	work.Expect(http.StatusUnauthorized)
	home.visit("/account")
	home.click("Sign out everywhere")
	home.sees("You are signed out")

	reply, err := work.Fetch(http.MethodPost, o.path("audit-logging", "add"), map[string]string{"name": "too late"})
	work.must(err)
	require.Equal(t, http.StatusUnauthorized, reply.Status)
	require.Contains(t, reply.Body, "Your session has ended, and nothing was changed.")
	vic.visit(o.path("audit-logging"))
	vic.sees("Audit Logs Storage Integrations")
}

// The outsider is told what is missing, and finds nothing by any address.
func TestOutsider(t *testing.T) {
	o := begin(t)
	otto := o.open(t, browser.Look{})
	otto.Expect(http.StatusForbidden, http.StatusNotFound)
	otto.signIn("otto", "/")
	otto.sees("You are not a member of any organization here", "Otto Outsider")
	for _, path := range []string{o.path("audit-logging"), o.path("exports"), o.path("events"), "/orgs/" + uuid.NewString() + "/audit-logging"} {
		otto.visit(path)
		otto.sees("There is nothing here")
	}
	otto.visit("/operator")
	otto.seesNo("Health")
	otto.visit("/account")
	otto.sees("Otto Outsider", "You are not a member of any organization here.")
}

// An admin of two organizations switches between them, and what they see is
// that of one alone.
func TestSwitchOrganization(t *testing.T) {
	o := begin(t)
	other := o.newStory(o.ctx, t)
	require.NoError(t, o.welcome(stack.OIDCUser{
		Login: "both" + o.name, Name: "Bo Both", Email: "bo@example.com",
		Orgs: map[uuid.UUID]schemas.Role{o.org.ID: schemas.RoleAdmin, other.org.ID: schemas.RoleViewer},
	}))
	bo := o.open(t, browser.Look{})
	bo.signIn("both"+o.name, o.path("audit-logging"))
	bo.sees("Add the first integration")
	bo.click("Organization: " + o.name)
	bo.click(other.name)
	require.Equal(t, other.path("audit-logging"), bo.path())
	bo.sees("An admin of your organization can add one.")
	bo.seesNo("Add the first integration")
}

// Invariant 6: an admin of one organization finds nothing of another by any ID.
func TestAnotherOrganization(t *testing.T) {
	o := begin(t)
	other := o.newStory(o.ctx, t)
	ada := o.as("ada", browser.Look{})
	ada.Expect(http.StatusNotFound)
	for _, path := range []string{"audit-logging", "audit-logging/add", "exports", "exports/new", "ledger", "events", "api-keys", "notices"} {
		reply, err := ada.Fetch(http.MethodGet, other.path(path), nil)
		ada.must(err)
		require.Equal(t, http.StatusNotFound, reply.Status, path)
		require.NotContains(t, reply.Body, other.name, path)
	}
	for _, path := range []string{"audit-logging/add", "exports/new", "api-keys/new", "notices"} {
		reply, err := ada.Fetch(http.MethodPost, other.path(path), map[string]string{"name": "x"})
		ada.must(err)
		require.Equal(t, http.StatusNotFound, reply.Status, path)
	}
}

// What a page needs is little, also without a cache.
func TestFirstPageIsSmall(t *testing.T) {
	o := begin(t)
	ada := o.as("ada", browser.Look{})
	fresh := o.open(t, browser.Look{})
	cookies, err := ada.Cookies()
	ada.must(err)
	fresh.must(fresh.Take(cookies))
	fresh.Received()
	fresh.visit(o.path("audit-logging"))
	fresh.sees("No storage integration yet.")
	received := fresh.Received()
	t.Logf("the first page takes %d bytes", received)
	require.Less(t, received, int64(100<<10))
	require.Positive(t, received)
	require.False(t, strings.Contains(fresh.path(), "login"))
}
