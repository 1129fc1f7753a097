package identity_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/identity"
	"github.com/auditferry/auditferry/schemas"
)

const (
	clientID    = "portal"
	secret      = "client-secret"
	redirectURL = "https://auditferry.example/login/callback"
	code        = "the-code"
)

// memoryProvider is an OpenID Connect provider at which one person signs in.
type memoryProvider struct {
	*httptest.Server
	t         *testing.T
	key       *ecdsa.PrivateKey
	down      bool
	challenge string         // of the sign-in that has begun
	claims    map[string]any // of the ID token; what is nil is left out
	answer    map[string]any // in place of the token endpoint's
}

func newProvider(t *testing.T) *memoryProvider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	m := &memoryProvider{t: t, key: key}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /.well-known/openid-configuration", m.discovery)
	routes.HandleFunc("GET /keys", m.keys)
	routes.HandleFunc("POST /token", m.token)
	m.Server = httptest.NewServer(routes)
	t.Cleanup(m.Close)
	return m
}

func (m *memoryProvider) write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		m.t.Error(err)
	}
}

func (m *memoryProvider) discovery(w http.ResponseWriter, _ *http.Request) {
	if m.down {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	m.write(w, http.StatusOK, map[string]any{
		"issuer": m.URL, "authorization_endpoint": m.URL + "/authorize", "token_endpoint": m.URL + "/token",
		"jwks_uri": m.URL + "/keys", "id_token_signing_alg_values_supported": []string{"ES256"},
	})
}

func (m *memoryProvider) keys(w http.ResponseWriter, _ *http.Request) {
	m.write(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: m.key.Public(), KeyID: "k1", Algorithm: "ES256", Use: "sig"}}})
}

func (m *memoryProvider) token(w http.ResponseWriter, r *http.Request) {
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	if r.FormValue("code") != code || base64.RawURLEncoding.EncodeToString(sum[:]) != m.challenge {
		m.write(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
		return
	}
	if m.answer != nil {
		m.write(w, http.StatusOK, m.answer)
		return
	}
	m.write(w, http.StatusOK, map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": m.sign(m.key)})
}

func (m *memoryProvider) sign(key *ecdsa.PrivateKey) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k1"}}, nil)
	require.NoError(m.t, err)
	token, err := jwt.Signed(signer).Claims(m.claims).Serialize()
	require.NoError(m.t, err)
	return token
}

func (m *memoryProvider) options() identity.Options {
	return identity.Options{
		Issuer: m.URL, ClientID: clientID, ClientSecret: secret, RedirectURL: redirectURL, Scopes: []string{"email"}, OrgsClaim: "orgs",
	}
}

// begin begins a sign-in of Ada; over says what her ID token says otherwise.
func (m *memoryProvider) begin(p *identity.Provider, over map[string]any) schemas.SignIn {
	m.t.Helper()
	begun, err := p.Begin(m.t.Context())
	require.NoError(m.t, err)
	u, err := url.Parse(begun.URL)
	require.NoError(m.t, err)
	m.challenge = u.Query().Get("code_challenge")
	m.claims = map[string]any{
		"iss": m.URL, "aud": clientID, "sub": "ada", "nonce": u.Query().Get("nonce"), "name": "Ada Admin", "email": "ada@acme.example",
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
	}
	for name, value := range over {
		m.claims[name] = value
	}
	return begun
}

func (m *memoryProvider) finish(over map[string]any) (schemas.Person, error) {
	m.t.Helper()
	p := identity.New(m.options())
	return p.Finish(m.t.Context(), m.begin(p, over), code)
}

func TestBegin(t *testing.T) {
	t.Parallel()
	m := newProvider(t)
	p := identity.New(m.options())
	first, err := p.Begin(t.Context())
	require.NoError(t, err)
	u, err := url.Parse(first.URL)
	require.NoError(t, err)
	require.Equal(t, m.URL+"/authorize", u.Scheme+"://"+u.Host+u.Path)
	asked := u.Query()
	for name, want := range map[string]string{
		"client_id": clientID, "redirect_uri": redirectURL, "response_type": "code", "scope": "openid email",
		"state": first.State, "nonce": first.Nonce, "code_challenge_method": "S256",
	} {
		require.Equal(t, want, asked.Get(name), name)
	}
	require.NotContains(t, first.URL, first.Verifier, "only its hash leaves the browser's cookie")
	require.NotContains(t, first.URL, secret)

	second, err := p.Begin(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, first.State, second.State)
	require.NotEqual(t, first.Nonce, second.Nonce)
	require.NotEqual(t, first.Verifier, second.Verifier)
}

func TestFinish(t *testing.T) {
	t.Parallel()
	acme, globex := uuid.New(), uuid.New()
	roles := map[uuid.UUID]schemas.Role{acme: schemas.RoleAdmin, globex: schemas.RoleViewer}
	for name, test := range map[string]struct {
		claims   map[string]any
		roles    map[uuid.UUID]schemas.Role
		operator bool
	}{
		"object":   {map[string]any{"orgs": map[string]string{acme.String(): "admin", globex.String(): "viewer"}}, roles, false},
		"list":     {map[string]any{"orgs": []string{acme.String() + ":admin", globex.String() + ":viewer"}}, roles, false},
		"operator": {map[string]any{"orgs": []string{"*:operator", acme.String() + ":admin"}}, map[uuid.UUID]schemas.Role{acme: schemas.RoleAdmin}, true},
		"other groups of a list": {
			map[string]any{"orgs": []any{"staff", "staff:admin", "*:admin", acme.String(), acme.String() + ":owner", acme.String() + ":operator", acme.String() + ":ingest", 7}},
			map[uuid.UUID]schemas.Role{}, false,
		},
		"two roles in one organization": {
			map[string]any{"orgs": []string{acme.String() + ":viewer", acme.String() + ":admin", acme.String() + ":viewer"}},
			map[uuid.UUID]schemas.Role{acme: schemas.RoleAdmin}, false,
		},
		"nothing anywhere": {nil, map[uuid.UUID]schemas.Role{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			person, err := newProvider(t).finish(test.claims)
			require.NoError(t, err)
			require.Equal(t, schemas.Person{
				Subject: "ada", Name: "Ada Admin", Email: "ada@acme.example", Orgs: test.roles, Operator: test.operator,
			}, person)
		})
	}
}

func TestFinishRefuses(t *testing.T) {
	t.Parallel()
	for name, claims := range map[string]map[string]any{
		"another sign-in's nonce":   {"nonce": "another"},
		"no nonce":                  {"nonce": ""},
		"another audience":          {"aud": "another"},
		"another issuer":            {"iss": "https://another.example"},
		"expired":                   {"exp": time.Now().Add(-time.Minute).Unix()},
		"a claim that is a text":    {"orgs": "all"},
		"a claim that is a number":  {"orgs": 1},
		"no ID":                     {"orgs": map[string]any{"acme": "admin"}},
		"no role":                   {"orgs": map[string]any{uuid.NewString(): "owner"}},
		"no text as role":           {"orgs": map[string]any{uuid.NewString(): true}},
		"admin of all":              {"orgs": map[string]any{"*": "admin"}},
		"operator of one":           {"orgs": map[string]any{uuid.NewString(): "operator"}},
		"ingest is no person's":     {"orgs": map[string]any{uuid.NewString(): "ingest"}},
		"operator in no role's way": {"orgs": map[string]any{"*": []string{"operator"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := newProvider(t).finish(claims)
			require.ErrorIs(t, err, schemas.ErrSignInRefused)
		})
	}
}

func TestFinishRefusesForgedTokens(t *testing.T) {
	t.Parallel()
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	for name, token := range map[string]func(*memoryProvider) any{
		"another key": func(m *memoryProvider) any { return m.sign(other) },
		"no token":    func(*memoryProvider) any { return nil },
		"no JWT":      func(*memoryProvider) any { return "a.b.c" },
		"unsigned": func(m *memoryProvider) any {
			body, err := json.Marshal(m.claims)
			require.NoError(t, err)
			return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(body) + "."
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newProvider(t)
			p := identity.New(m.options())
			begun := m.begin(p, nil)
			m.answer = map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": token(m)}
			_, err := p.Finish(t.Context(), begun, code)
			require.ErrorIs(t, err, schemas.ErrSignInRefused)
		})
	}
}

func TestFinishRefusesCodes(t *testing.T) {
	t.Parallel()
	m := newProvider(t)
	p := identity.New(m.options())
	begun := m.begin(p, nil)
	_, err := p.Finish(t.Context(), begun, "another-code")
	require.ErrorIs(t, err, schemas.ErrSignInRefused)

	stolen := begun // the code of another browser's sign-in is of no use
	stolen.Verifier = m.begin(p, nil).Verifier
	m.begin(p, nil)
	_, err = p.Finish(t.Context(), stolen, code)
	require.ErrorIs(t, err, schemas.ErrSignInRefused)
}

// An address that its provider has not verified could be somebody else's.
func TestUnverifiedEmail(t *testing.T) {
	t.Parallel()
	for _, verified := range []any{true, "true", nil} {
		person, err := newProvider(t).finish(map[string]any{"email_verified": verified})
		require.NoError(t, err)
		require.Equal(t, "ada@acme.example", person.Email)
	}
	for _, verified := range []any{false, "false", 1} {
		person, err := newProvider(t).finish(map[string]any{"email_verified": verified})
		require.NoError(t, err)
		require.Empty(t, person.Email)
	}
	person, err := newProvider(t).finish(map[string]any{"name": 7})
	require.NoError(t, err)
	require.Equal(t, "ada@acme.example", person.DisplayName(), "a name that is none")
}

// The portal starts without the provider, and signs people in once it is there.
func TestProviderDownThenUp(t *testing.T) {
	t.Parallel()
	m := newProvider(t)
	p := identity.New(m.options())
	m.down = true
	_, err := p.Begin(t.Context())
	require.Error(t, err)
	require.NotErrorIs(t, err, schemas.ErrSignInRefused, "to try again may help")
	_, err = p.Finish(t.Context(), schemas.SignIn{}, code)
	require.Error(t, err)

	m.down = false
	_, err = p.Begin(t.Context())
	require.Error(t, err, "it has failed a moment ago")
	p.PassFailure()
	ctx, hangUp := context.WithCancel(t.Context())
	_, err = p.Begin(ctx)
	require.NoError(t, err)
	hangUp() // who asked first has gone; what was learned stays of use
	person, err := p.Finish(t.Context(), m.begin(p, nil), code)
	require.NoError(t, err)
	require.Equal(t, "ada", person.Subject)
}

// Whoever signs in while the provider is silent waits for it once, and not for
// all who came before; and no longer than they want to.
func TestProviderSilent(t *testing.T) {
	t.Parallel()
	const people = 20
	var asked atomic.Int64
	arrived, release := make(chan struct{}, 2*people), make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		arrived <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer silent.Close()
	defer close(release)
	p := identity.New(identity.Options{Issuer: silent.URL, ClientID: clientID, RedirectURL: redirectURL, OrgsClaim: "orgs"})
	const timeout = 2 * time.Second
	p.SetTimeout(timeout)

	begun := time.Now()
	ended := make(chan error, people)
	for range people {
		go func() {
			_, err := p.Begin(context.WithoutCancel(t.Context()))
			ended <- err
		}()
	}
	<-arrived
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.Begin(impatient)
	require.ErrorIs(t, err, context.Canceled)
	require.Less(t, time.Since(begun), timeout)
	for range people {
		err := <-ended
		require.Error(t, err)
		require.NotErrorIs(t, err, schemas.ErrSignInRefused)
	}
	_, err = p.Begin(t.Context())
	require.Error(t, err, "the failure is remembered")
	require.Less(t, time.Since(begun), 2*timeout)
	require.EqualValues(t, 1, asked.Load())
}

func TestProviderGone(t *testing.T) {
	t.Parallel()
	m := newProvider(t)
	p := identity.New(m.options())
	begun := m.begin(p, nil)
	m.Close()
	_, err := p.Finish(t.Context(), begun, code)
	require.Error(t, err)
	require.NotErrorIs(t, err, schemas.ErrSignInRefused)
}
