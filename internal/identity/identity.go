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
	"golang.org/x/sync/singleflight"

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

const (
	// timeout bounds one exchange with the provider: a person waits for it.
	timeout = 10 * time.Second

	// failureKept is how long a failed discovery answers for others: a provider
	// that is silent is not asked again for everybody who wants to sign in.
	failureKept = 3 * time.Second
)

// Provider signs people in. It is safe for concurrent use.
type Provider struct {
	options Options
	client  *http.Client

	asking singleflight.Group

	mu     sync.Mutex
	known  *discovered
	failed error     // why nothing is known, if that is news
	until  time.Time // when it is none any more
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

// discover gives what the discovery document says, which is read once. Whoever
// needs it while it is being read waits for the same answer, for as long as
// they want to.
func (p *Provider) discover(ctx context.Context) (*discovered, error) {
	if known, err := p.remembered(); known != nil || err != nil {
		return known, err
	}
	answer := p.asking.DoChan("", func() (any, error) { return p.readDocument(context.WithoutCancel(ctx)) })
	select {
	case read := <-answer:
		known, _ := read.Val.(*discovered)
		return known, read.Err
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the identity provider: %w", ctx.Err())
	}
}

func (p *Provider) remembered() (*discovered, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known != nil || time.Now().After(p.until) {
		return p.known, nil
	}
	return nil, p.failed
}

// readDocument reads the discovery document, and remembers what came of it. The
// provider goes on to fetch signing keys with the context.
func (p *Provider) readDocument(ctx context.Context) (*discovered, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, p.client), p.options.Issuer)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.failed, p.until = fmt.Errorf("discover the identity provider: %w", err), time.Now().Add(failureKept)
		return nil, p.failed
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
