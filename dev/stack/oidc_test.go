package stack_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/auditferry/auditferry/dev/stack"
	"github.com/auditferry/auditferry/schemas"
)

// A person who logs in brings the organizations in which they have a role, and
// people can be added while the provider runs.
func TestLogin(t *testing.T) {
	t.Parallel()
	s := start(t, stack.OIDC)
	acme := uuid.New()
	require.NoError(t, s.OIDC.SetUsers([]stack.OIDCUser{
		{Login: "ada", Name: "Ada Admin", Email: "ada@acme.example", Orgs: map[uuid.UUID]schemas.Role{acme: schemas.RoleAdmin}},
	}))
	provider, err := oidc.NewProvider(t.Context(), s.OIDC.Issuer)
	require.NoError(t, err)
	flow := oauth2.Config{
		ClientID: s.OIDC.ClientID, ClientSecret: s.OIDC.ClientSecret, Endpoint: provider.Endpoint(),
		RedirectURL: s.OIDC.RedirectURL, Scopes: []string{"openid", "profile", "email", "orgs"},
	}

	token, err := flow.Exchange(t.Context(), logIn(t, flow.AuthCodeURL("state"), "ada"))
	require.NoError(t, err)
	raw, _ := token.Extra("id_token").(string)
	id, err := provider.Verifier(&oidc.Config{ClientID: s.OIDC.ClientID}).Verify(t.Context(), raw)
	require.NoError(t, err)
	require.Equal(t, stack.OIDCUser{Login: "ada", Name: "Ada Admin", Email: "ada@acme.example", Orgs: map[uuid.UUID]schemas.Role{acme: schemas.RoleAdmin}}, person(t, id))

	access, err := provider.Verifier(&oidc.Config{ClientID: s.OIDC.Audience}).Verify(t.Context(), token.AccessToken)
	require.NoError(t, err, "the access token is a JWT for the API")
	require.Equal(t, map[uuid.UUID]schemas.Role{acme: schemas.RoleAdmin}, person(t, access).Orgs)
}

func person(t *testing.T, token *oidc.IDToken) stack.OIDCUser {
	t.Helper()
	user := stack.OIDCUser{Login: token.Subject}
	var claims json.RawMessage
	require.NoError(t, token.Claims(&claims))
	require.NoError(t, json.Unmarshal(claims, &user))
	return user
}

var formAction = regexp.MustCompile(`action="([^"]+)"`)

// logIn plays the browser: it fills in the provider's forms until it is sent
// back with a code.
func logIn(t *testing.T, start, login string) (code string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	browser := &http.Client{Jar: jar, CheckRedirect: func(req *http.Request, _ []*http.Request) error {
		code = req.URL.Query().Get("code")
		if code != "" {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	page := visit(t, browser, start, nil)
	for _, form := range []url.Values{
		{"prompt": {"login"}, "login": {login}, "password": {"anything"}},
		{"prompt": {"consent"}},
	} {
		action := formAction.FindStringSubmatch(page)
		require.NotNil(t, action, page)
		page = visit(t, browser, action[1], form)
	}
	require.NotEmpty(t, code, page)
	return code
}

func visit(t *testing.T, browser *http.Client, address string, form url.Values) string {
	t.Helper()
	method, body := http.MethodGet, io.Reader(nil)
	if form != nil {
		method, body = http.MethodPost, strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(t.Context(), method, address, body)
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := browser.Do(req)
	require.NoError(t, err)
	page, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return string(page)
}
