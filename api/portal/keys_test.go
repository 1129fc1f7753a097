package portal

import (
	"html"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/api/service"
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
	after := ada.get(path + "?revoked=" + key).body
	require.Contains(t, after, "“Product” is refused from now on.")
	require.Contains(t, after, "Revoked keys (1)")
	require.Contains(t, after, "by ada")
	require.Contains(t, after, "No API key is in use.")
	require.Equal(t, http.StatusConflict, ada.get(path+"/"+key+"/revoke").status, "there is nothing to confirm any more")
	_, err = s.service.Authenticate(t.Context(), secret)
	require.Error(t, err)
}

// asShell gives the arguments that a command has when it is pasted into a shell.
func asShell(t *testing.T, command string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sh", "-c", `curl() { printf '%s\n' "$@"; }; `+command).Output()
	require.NoError(t, err)
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

var exampleText = regexp.MustCompile(`(?s)<pre id="example"[^>]*>(.*?)</pre>`)

// What the page has people paste works as it is, for every role, and only once.
func TestExampleOfAKey(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	acme := s.addOrg("Acme")
	ada := s.signedIn(person("ada", map[uuid.UUID]schemas.Role{acme: schemas.RoleAdmin}))
	path := "/orgs/" + acme.String() + "/api-keys/new"
	for role, want := range map[schemas.Role]int{
		schemas.RoleIngest: http.StatusCreated, schemas.RoleAdmin: http.StatusCreated, schemas.RoleViewer: http.StatusOK,
	} {
		page := ada.post(path, url.Values{"name": {"Key"}, "role": {string(role)}, keyField: {uuid.NewString()}})
		example := exampleText.FindStringSubmatch(page.body)
		require.Len(t, example, 2, page.body)
		args := asShell(t, html.UnescapeString(example[1]))
		var address, body string
		header, method := http.Header{}, http.MethodGet
		for i := 0; i < len(args); i++ {
			switch args[i] {
			case "-H":
				i++
				name, value, _ := strings.Cut(args[i], ": ")
				header.Set(name, value)
			case "-d":
				i++
				method, body = http.MethodPost, args[i]
			case "--fail-with-body":
			default:
				require.Empty(t, address, args)
				address = args[i]
			}
		}
		var answers []string
		for range 2 {
			request, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
			require.NoError(t, err)
			request.Header = header
			got, err := http.DefaultClient.Do(request)
			require.NoError(t, err)
			text, err := io.ReadAll(got.Body)
			require.NoError(t, err)
			require.NoError(t, got.Body.Close())
			require.Equal(t, want, got.StatusCode, "%s: %s", role, text)
			answers = append(answers, string(text))
		}
		if role != schemas.RoleViewer {
			require.Equal(t, answers[0], answers[1], "it has recorded one event")
		}
	}
	tried, err := s.service.SearchEvents(t.Context(), adminOf(acme).Caller, service.EventFilter{Action: "key.tried"}, service.Page{})
	require.NoError(t, err)
	require.Len(t, tried.Items, 2)
}

// The newest keys come first, and those that are of no use any more last.
func TestKeysAreSorted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	acme := s.addOrg("Acme")
	ada := s.signedIn(person("ada", map[uuid.UUID]schemas.Role{acme: schemas.RoleAdmin}))
	vic := s.signedIn(person("vic", map[uuid.UUID]schemas.Role{acme: schemas.RoleViewer}))
	path := "/orgs/" + acme.String() + "/api-keys"
	for _, name := range []string{"oldest", "revoked", "newest"} {
		created, err := s.service.CreateAPIKey(t.Context(), adminOf(acme), service.CreateAPIKey{Name: name, Role: schemas.RoleIngest})
		require.NoError(t, err)
		if name == "revoked" {
			require.NoError(t, s.service.RevokeAPIKey(t.Context(), adminOf(acme).Caller, nil, created.Key.ID))
		}
	}
	list := ada.get(path).body
	require.Regexp(t, `(?s)<strong>newest</strong>.*<strong>oldest</strong>.*Revoked keys \(1\).*<strong>revoked</strong>`, list)
	require.NotContains(t, list, "<details id=\"revoked\" open>")
	require.Equal(t, http.StatusForbidden, vic.get(path).status)
	require.Equal(t, http.StatusForbidden, vic.get(path+"/new").status)
}
