// Package identity signs people in at an OpenID Connect provider: the
// authorization code flow with PKCE (OpenID Connect Core 1.0, RFC 7636), with
// any provider that has a discovery document.
package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/auditferry/auditferry/schemas"
)

// Options says where people sign in.
type Options struct {
	Issuer       string // URL; the discovery document is below it
	ClientID     string
	ClientSecret string
	RedirectURL  string   // the portal's callback, as registered with the provider
	Scopes       []string // beside openid
	OrgsClaim    string   // the claim of the ID token that says who is what where; see readOrgs
}

// timeout bounds one exchange with the provider: a person waits for it.
const timeout = 10 * time.Second

// Provider signs people in. It is safe for concurrent use.
type Provider struct {
	options Options
	client  *http.Client

	mu    sync.Mutex
	known *discovered
}

// discovered is what the provider's discovery document says.
type discovered struct {
	oauth    oauth2.Config
	verifier *oidc.IDTokenVerifier
}

// New makes a provider. Nothing is asked of it yet: the portal's pages are
// there while the provider is not, and sign-ins wait for it.
func New(o Options) *Provider {
	return &Provider{options: o, client: &http.Client{Timeout: timeout}}
}

// discover reads the discovery document once. A failure is not kept.
func (p *Provider) discover(ctx context.Context) (*discovered, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known != nil {
		return p.known, nil
	}
	// The provider goes on to fetch signing keys, also when this request is over.
	provider, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), p.client), p.options.Issuer)
	if err != nil {
		return nil, fmt.Errorf("discover the identity provider: %w", err)
	}
	p.known = &discovered{
		oauth: oauth2.Config{
			ClientID:     p.options.ClientID,
			ClientSecret: p.options.ClientSecret,
			Endpoint:     provider.Endpoint(),
			RedirectURL:  p.options.RedirectURL,
			Scopes:       append([]string{oidc.ScopeOpenID}, p.options.Scopes...),
		},
		verifier: provider.Verifier(&oidc.Config{ClientID: p.options.ClientID}),
	}
	return p.known, nil
}

// Begin begins a sign-in.
func (p *Provider) Begin(ctx context.Context) (schemas.SignIn, error) {
	known, err := p.discover(ctx)
	if err != nil {
		return schemas.SignIn{}, err
	}
	begun := schemas.SignIn{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier()}
	begun.URL = known.oauth.AuthCodeURL(begun.State, oidc.Nonce(begun.Nonce), oauth2.S256ChallengeOption(begun.Verifier))
	return begun, nil
}

// Finish turns the code with which the provider sent the person back into who
// they are.
func (p *Provider) Finish(ctx context.Context, begun schemas.SignIn, code string) (schemas.Person, error) {
	known, err := p.discover(ctx)
	if err != nil {
		return schemas.Person{}, err
	}
	ctx = oidc.ClientContext(ctx, p.client)
	token, err := known.oauth.Exchange(ctx, code, oauth2.VerifierOption(begun.Verifier))
	var answered *oauth2.RetrieveError
	switch {
	case errors.As(err, &answered):
		return schemas.Person{}, refused("exchange the code: %w", err)
	case err != nil:
		return schemas.Person{}, fmt.Errorf("exchange the code: %w", err)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := known.verifier.Verify(ctx, raw)
	if err != nil {
		return schemas.Person{}, refused("verify the ID token: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(begun.Nonce)) == 0 {
		return schemas.Person{}, refused("verify the ID token: it belongs to another sign-in")
	}
	var claims map[string]any
	if err := id.Claims(&claims); err != nil {
		return schemas.Person{}, refused("read the ID token: %w", err)
	}
	return p.personOf(id.Subject, claims)
}

func refused(format string, args ...any) error {
	return errors.Join(schemas.ErrSignInRefused, fmt.Errorf(format, args...))
}
