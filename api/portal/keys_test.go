package portal

import (
	"net/http"
	"net/url"
	"regexp"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/schemas"
)

var secretText = regexp.MustCompile(`af_ingest_[A-Za-z0-9]+`)

func TestKeys(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	acme := s.addOrg("Acme")
	ada := s.signedIn(person("ada", map[uuid.UUID]schemas.Role{acme: schemas.RoleAdmin}))
	path := "/orgs/" + acme.String() + "/api-keys"
	require.Contains(t, ada.get(path).body, "No API key yet.")

	wrong := ada.post(path+"/new", url.Values{"name": {" "}, "role": {"operator"}})
	require.Equal(t, http.StatusUnprocessableEntity, wrong.status)
	require.Contains(t, wrong.body, "is required")
	require.Contains(t, wrong.body, "must be ingest, viewer or admin")

	form := url.Values{"name": {" Product "}, "role": {"ingest"}, keyField: {uuid.NewString()}}
	created := ada.post(path+"/new", form)
	require.Equal(t, http.StatusOK, created.status)
	require.Equal(t, "no-store", created.header.Get("Cache-Control"))
	secret := secretText.FindString(created.body)
	require.NotEmpty(t, secret)
	caller, err := s.service.Authenticate(t.Context(), secret)
	require.NoError(t, err)
	require.Equal(t, "Product", caller.Actor.Name)

	// Sent again, by a reload, the form makes no second key and shows no secret.
	again := ada.post(path+"/new", form)
	require.Equal(t, http.StatusConflict, again.status)
	require.Contains(t, again.body, "This form was sent before")
	require.NotContains(t, again.body, secret)
	list := ada.get(path).body
	require.NotContains(t, list, secret)
	key := caller.Actor.ID
	require.Contains(t, list, key)

	// A page cannot be made to say what is not so.
	require.NotContains(t, ada.get(path+"?revoked="+key).body, "API key revoked")
	require.Contains(t, ada.get(path+"/"+key+"/revoke").body, "Revoke the API key “Product”?")
	ada.post(path+"/"+key+"/revoke", url.Values{}).leads(t, path+"?revoked="+key)
	require.Contains(t, ada.get(path+"?revoked="+key).body, "“Product” is refused from now on.")
	_, err = s.service.Authenticate(t.Context(), secret)
	require.Error(t, err)
}

func TestNotices(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	acme := s.addOrg("Acme")
	ada := s.signedIn(person("ada", map[uuid.UUID]schemas.Role{acme: schemas.RoleAdmin}))
	vic := s.signedIn(person("vic", map[uuid.UUID]schemas.Role{acme: schemas.RoleViewer}))
	path := "/orgs/" + acme.String() + "/notices"
	require.Contains(t, ada.get(path).body, "Nobody is told of anything yet")
	require.Contains(t, vic.get(path).body, "Nobody gets them.")

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
}
