package destination

import (
	"context"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"golang.org/x/oauth2"
)

// SessionPolicy is what AssumeRole is given.
var SessionPolicy = sessionPolicy

// NewOpenerOver is NewOpener with connections of the test's choice.
func NewOpenerOver(ctx context.Context, cfg Config, transport http.RoundTripper) (*Opener, error) {
	o, err := NewOpener(ctx, cfg)
	if err != nil {
		return nil, err
	}
	o.http.Transport = transport
	o.aws.HTTPClient = o.http
	return o, nil
}

// BeSomebody gives the opener identities of its own, in place of those in the
// environment.
func (o *Opener) BeSomebody() {
	o.aws.Credentials = aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider("AKIASERVICE", "secret", ""))
	o.google.source = oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "own"})
}
