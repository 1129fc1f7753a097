package portal

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

func TestNotices(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	acme := s.addOrg("Acme")
	ada := s.signedIn(person("ada", map[uuid.UUID]schemas.Role{acme: schemas.RoleAdmin}))
	vic := s.signedIn(person("vic", map[uuid.UUID]schemas.Role{acme: schemas.RoleViewer}))
	path := "/orgs/" + acme.String() + "/notices"
	require.Contains(t, ada.get(path).body, "Nobody is told of anything yet")
	require.Contains(t, vic.get(path).body, "An admin of your organization can say who should be told.")

	wrong := ada.post(path, url.Values{"notice_emails": {"a@acme.example\r\nbob@\r\n"}})
	require.Equal(t, http.StatusUnprocessableEntity, wrong.status)
	require.Contains(t, wrong.body, "the address “bob@” must be a mail address")
	require.Contains(t, wrong.body, "a@acme.example\r\nbob@", "what was typed is still there")

	ada.post(path, url.Values{"notice_emails": {"a@acme.example\r\n\r\n b@acme.example, c@acme.example"}}).leads(t, path+"?saved=1")
	org, err := s.service.OwnOrg(t.Context(), adminOf(acme).Caller)
	require.NoError(t, err)
	require.Equal(t, []string{"a@acme.example", "b@acme.example", "c@acme.example"}, org.NoticeEmails)
	require.Contains(t, ada.get(path+"?saved=1").body, "Addresses saved")
	seen := vic.get(path).body
	require.Contains(t, seen, "c@acme.example")
	require.NotContains(t, seen, "<textarea")

	// Whoever has not seen these does not take them away, unless they see them
	// and save once more.
	mine := url.Values{"notice_emails": {"d@acme.example"}, "former": {""}}
	lost := ada.post(path, mine)
	require.Equal(t, http.StatusConflict, lost.status)
	require.Contains(t, lost.body, "Somebody else has changed the addresses since you looked.")
	require.Contains(t, lost.body, "<li>b@acme.example</li>")
	require.Contains(t, lost.body, "d@acme.example</textarea>", "what was typed is still there")
	mine.Set("former", hidden(t, lost.body, "former"))
	ada.post(path, mine).leads(t, path+"?saved=1")

	// Something wrong beside it does not pass for having seen them.
	mine.Set("former", "")
	mine.Set("notice_emails", "e@")
	wrong = ada.post(path, mine)
	require.Equal(t, http.StatusUnprocessableEntity, wrong.status)
	require.Empty(t, hidden(t, wrong.body, "former"))
}

// The pages name who is mailed, or say that nobody is, and where that is changed.
func TestPagesNameWhoIsMailed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	acme := s.addEstate("Acme")
	ada := s.signedIn(person("ada", map[uuid.UUID]schemas.Role{acme.org: schemas.RoleAdmin}))
	vic := s.signedIn(person("vic", map[uuid.UUID]schemas.Role{acme.org: schemas.RoleViewer}))
	pages := []string{"", "/edit", "/delete"}
	for _, page := range pages {
		path := acme.at(acme.org, integrationRoute+page)
		require.Contains(t, ada.get(path).body, `Nobody is told by mail: no address has been entered. <a href="/orgs/`+acme.org.String()+`/notices">`, path)
	}
	require.Contains(t, vic.get(acme.at(acme.org, integrationRoute)).body, "An admin of your organization can enter some.")
	_, err := s.service.SetNoticeEmails(t.Context(), adminOf(acme.org).Caller, service.SetNoticeEmails{Emails: []string{"ops@acme.example"}})
	require.NoError(t, err)
	for _, page := range pages {
		path := acme.at(acme.org, integrationRoute+page)
		require.Contains(t, ada.get(path).body, " to ops@acme.example.", path)
		require.NotContains(t, ada.get(path).body, "Nobody", path)
	}
}

func TestRecipients(t *testing.T) {
	t.Parallel()
	require.Empty(t, recipients(nil))
	require.Equal(t, "a@x", recipients([]string{"a@x"}))
	require.Equal(t, "a@x and b@x", recipients([]string{"a@x", "b@x"}))
	require.Equal(t, "a@x, b@x and 1 other", recipients([]string{"a@x", "b@x", "c@x"}))
	require.Equal(t, "a@x, b@x and 2 others", recipients([]string{"a@x", "b@x", "c@x", "d@x"}))
}
