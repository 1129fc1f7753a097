package portal

import (
	"context"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/auditferry/auditferry/api/httpapi"
	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/internal/postgres/postgrestest"
	"github.com/auditferry/auditferry/schemas"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Run(m)) }

const testLifetime = 8 * time.Hour

var testKey = []byte(strings.Repeat("k", sessionKeyBytes))

// memoryProvider signs in whoever is to come next.
type memoryProvider struct {
	mu     sync.Mutex
	person schemas.Person
	fail   error // of both steps
	panics bool
	begun  map[string]schemas.SignIn // by code
}

const providerURL = "https://login.example/authorize"

func (m *memoryProvider) Begin(context.Context) (schemas.SignIn, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.panics {
		panic("the provider's own fault")
	}
	begun := schemas.SignIn{State: uuid.NewString(), Nonce: uuid.NewString(), Verifier: uuid.NewString()}
	begun.URL = providerURL + "?" + url.Values{"state": {begun.State}}.Encode()
	if m.begun == nil {
		m.begun = make(map[string]schemas.SignIn)
	}
	m.begun["code-"+begun.State] = begun
	return begun, m.fail
}

// Finish takes a code once, and from the browser alone that began.
func (m *memoryProvider) Finish(_ context.Context, begun schemas.SignIn, code string) (schemas.Person, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known, found := m.begun[code]
	delete(m.begun, code)
	begun.URL = known.URL // it does not go into the cookie
	if !found || begun != known {
		return schemas.Person{}, fmt.Errorf("no such code: %w", schemas.ErrSignInRefused)
	}
	return m.person, m.fail
}

// memoryDispatcher counts what it was given.
type memoryDispatcher struct {
	mu  sync.Mutex
	ops []schemas.Operation
}

func (d *memoryDispatcher) Dispatch(_ context.Context, op schemas.Operation) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ops = append(d.ops, op)
	return nil
}

func (d *memoryDispatcher) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.ops)
}

// site is the portal and the API on a database of their own.
type site struct {
	t          *testing.T
	url        string
	portal     *Portal
	service    *service.Service
	store      *postgres.Store
	provider   *memoryProvider
	dispatcher *memoryDispatcher
	log        *observer.ObservedLogs
}

func newSite(t *testing.T) *site {
	t.Helper()
	store, _, _ := postgrestest.New(t)
	core, log := observer.New(zap.InfoLevel)
	s := &site{t: t, store: store, provider: &memoryProvider{}, dispatcher: &memoryDispatcher{}, log: log}
	s.service = service.New(service.Options{
		Store: store, Dispatcher: s.dispatcher, Log: zap.New(core), Retention: 30 * 24 * time.Hour,
		Provisioners: map[schemas.Cloud]schemas.Provisioner{
			schemas.AWS: schemas.ProvisionerAuto, schemas.Azure: schemas.ProvisionerExternal, schemas.GCP: schemas.ProvisionerAuto,
		},
	})
	var err error
	s.portal, err = New(Options{
		Service: s.service, Provider: s.provider, Log: zap.New(core), SessionKey: testKey, SessionLifetime: testLifetime,
		TemporalUI: "https://temporal.example/namespaces/default",
	})
	require.NoError(t, err)
	handler, err := httpapi.New(httpapi.Options{Service: s.service, Authenticator: s.service, Log: zap.New(core), Pages: s.portal})
	require.NoError(t, err)
	listener := httptest.NewServer(handler)
	t.Cleanup(listener.Close)
	s.url = listener.URL
	return s
}

func operatorCall() service.Call {
	return service.Call{Caller: service.Caller{Role: schemas.RoleOperator, Actor: schemas.Actor{Name: "operator"}}}
}

func (s *site) addOrg(name string) uuid.UUID {
	s.t.Helper()
	org, err := s.service.CreateOrg(s.t.Context(), operatorCall(), service.CreateOrg{Name: name})
	require.NoError(s.t, err)
	return org.ID
}

func adminOf(org uuid.UUID) service.Call {
	return service.Call{Caller: service.Caller{OrgID: &org, Role: schemas.RoleAdmin, Actor: schemas.Actor{Type: "user", ID: "seed", Name: "seed"}}}
}

func person(subject string, roles map[uuid.UUID]schemas.Role) schemas.Person {
	return schemas.Person{Subject: subject, Name: subject, Email: subject + "@example.com", Orgs: roles}
}

// visitor is a browser. It follows no redirect by itself.
type visitor struct {
	*site
	client *http.Client
}

func (s *site) newVisitor() *visitor {
	jar, err := cookiejar.New(nil)
	require.NoError(s.t, err)
	return &visitor{s, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// signedIn is the browser of somebody who has signed in.
func (s *site) signedIn(who schemas.Person) *visitor {
	s.t.Helper()
	v := s.newVisitor()
	v.signIn(who, "/").leads(s.t, "/")
	return v
}

// signIn goes to the provider and comes back.
func (v *visitor) signIn(who schemas.Person, next string) answer {
	v.t.Helper()
	state := v.begin(next)
	v.provider.mu.Lock()
	v.provider.person = who
	v.provider.mu.Unlock()
	return v.comeBack(state, "code-"+state)
}

// begin goes to the provider, and gives the state that it was sent.
func (v *visitor) begin(next string) string {
	v.t.Helper()
	a := v.get("/login?" + url.Values{"next": {next}}.Encode())
	require.Equal(v.t, http.StatusSeeOther, a.status, a.body)
	to, err := url.Parse(a.header.Get("Location"))
	require.NoError(v.t, err)
	require.Equal(v.t, providerURL, to.Scheme+"://"+to.Host+to.Path)
	return to.Query().Get("state")
}

func (v *visitor) comeBack(state, code string) answer {
	return v.get("/login/callback?" + url.Values{"state": {state}, "code": {code}}.Encode())
}

type answer struct {
	status int
	header http.Header
	body   string
}

// leads checks that the answer leads to the path.
func (a answer) leads(t *testing.T, path string) {
	t.Helper()
	require.Equal(t, http.StatusSeeOther, a.status, a.body)
	require.Equal(t, path, a.header.Get("Location"))
}

// hidden is the value of a hidden field.
func hidden(t *testing.T, page, name string) string {
	t.Helper()
	found := regexp.MustCompile(`<input type="hidden" name="` + name + `" value="([^"]*)">`).FindStringSubmatch(page)
	require.Len(t, found, 2, page)
	return html.UnescapeString(found[1])
}

func (v *visitor) get(path string) answer {
	v.t.Helper()
	return v.do(http.MethodGet, path, nil, nil)
}

func (v *visitor) post(path string, form url.Values) answer {
	v.t.Helper()
	return v.do(http.MethodPost, path, form, nil)
}

func (v *visitor) do(method, path string, form url.Values, header http.Header) answer {
	v.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	request, err := http.NewRequestWithContext(v.t.Context(), method, v.url+path, body)
	require.NoError(v.t, err)
	request.Header.Set("Accept", "text/html,*/*")
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	maps.Copy(request.Header, header)
	got, err := v.client.Do(request)
	require.NoError(v.t, err)
	defer got.Body.Close() //nolint:errcheck // read only
	content, err := io.ReadAll(got.Body)
	require.NoError(v.t, err)
	if got.StatusCode >= http.StatusInternalServerError {
		for _, entry := range append(v.log.FilterMessage("page failed").TakeAll(), v.log.FilterMessage("panic").All()...) {
			v.t.Logf("%s %s: %v", method, path, entry.ContextMap())
		}
	}
	return answer{got.StatusCode, got.Header, string(content)}
}

// cookie is what the browser keeps for a purpose; "" is nothing.
func (v *visitor) cookie(purpose string) string {
	v.t.Helper()
	u, err := url.Parse(v.url)
	require.NoError(v.t, err)
	for _, cookie := range v.client.Jar.Cookies(u) {
		if cookie.Name == v.portal.sessions.name(purpose) {
			return cookie.Value
		}
	}
	return ""
}

func (v *visitor) setCookie(purpose, value string) {
	v.t.Helper()
	u, err := url.Parse(v.url)
	require.NoError(v.t, err)
	v.client.Jar.SetCookies(u, []*http.Cookie{{Name: v.portal.sessions.name(purpose), Value: value, Path: "/"}})
}
