package destination

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
	"google.golang.org/api/iamcredentials/v1"
	"google.golang.org/api/option"
)

const (
	cloudPlatformScope = "https://www.googleapis.com/auth/cloud-platform"
	storageScope       = "https://www.googleapis.com/auth/devstorage.read_write"
)

// googleIdentity is who the service itself is at Google: application default
// credentials, found when first needed, so that an operator without GCP needs
// none.
type googleIdentity struct {
	http *http.Client

	mu     sync.Mutex
	source oauth2.TokenSource
}

func (g *googleIdentity) tokens() (oauth2.TokenSource, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.source != nil {
		return g.source, nil
	}
	// The context stays with the token source for the life of the process.
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, g.http)
	found, err := google.FindDefaultCredentials(ctx, cloudPlatformScope)
	if err != nil {
		return nil, fmt.Errorf("find the service's own Google credentials: %w", err)
	}
	g.source = oauth2.ReuseTokenSource(nil, found.TokenSource)
	return g.source, nil
}

// impersonated is an HTTP transport that acts as a service account, with
// tokens for storage alone. Google's impersonate package would do, if only it
// took an endpoint.
type impersonated struct {
	identity *googleIdentity
	email    string
	endpoint string // of the IAM Credentials API; "" is Google's
	base     *http.Client

	mu      sync.Mutex
	current *oauth2.Token
}

// RoundTrip sends the request with a token that is valid now.
func (i *impersonated) RoundTrip(request *http.Request) (*http.Response, error) {
	token, err := i.token(request.Context())
	if err != nil {
		if request.Body != nil {
			err = errors.Join(err, request.Body.Close())
		}
		return nil, err
	}
	request = request.Clone(request.Context())
	token.SetAuthHeader(request)
	return i.base.Transport.RoundTrip(request)
}

// impersonationError marks failures that stand before the bucket.
type impersonationError struct {
	email string
	err   error
}

func (e *impersonationError) Error() string {
	return "impersonate " + e.email + ": " + e.err.Error()
}

func (e *impersonationError) Unwrap() error { return e.err }

func (i *impersonated) token(ctx context.Context) (*oauth2.Token, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.current.Valid() {
		return i.current, nil
	}
	token, err := i.generate(ctx)
	if err != nil {
		return nil, &impersonationError{email: i.email, err: err}
	}
	i.current = token
	return token, nil
}

func (i *impersonated) generate(ctx context.Context) (*oauth2.Token, error) {
	own, err := i.identity.tokens()
	if err != nil {
		return nil, err
	}
	options := []option.ClientOption{option.WithHTTPClient(&http.Client{
		Transport:     &oauth2.Transport{Source: own, Base: i.base.Transport},
		CheckRedirect: i.base.CheckRedirect,
	})}
	if i.endpoint != "" {
		options = append(options, option.WithEndpoint(i.endpoint))
	}
	service, err := iamcredentials.NewService(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("prepare the IAM Credentials client: %w", err)
	}
	answer, err := service.Projects.ServiceAccounts.GenerateAccessToken("projects/-/serviceAccounts/"+i.email,
		&iamcredentials.GenerateAccessTokenRequest{Scope: []string{storageScope}}).Context(ctx).Do()
	if err != nil {
		return nil, err
	}
	expiry, err := time.Parse(time.RFC3339, answer.ExpireTime)
	if err != nil {
		return nil, fmt.Errorf("read when the token expires: %w", err)
	}
	return &oauth2.Token{AccessToken: answer.AccessToken, TokenType: "Bearer", Expiry: expiry}, nil
}
