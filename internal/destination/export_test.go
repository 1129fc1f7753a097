package destination

import (
	"context"
	"net/http"
)

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
