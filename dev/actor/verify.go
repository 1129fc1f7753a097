package actor

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/auditferry/auditferry/dev/stack"
	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/schemas"
)

// Verify checks a place as an auditor would: by the manifests in it and the
// service's published keys alone. The place may be a folder above deliveries, or
// a whole bucket.
func Verify(ctx context.Context, s *stack.Stack, place schemas.Destination) (manifest.Report, error) {
	published, err := KeySet(ctx, s)
	if err != nil {
		return manifest.Report{}, err
	}
	keys, err := manifest.ParseJWKS(published)
	if err != nil {
		return manifest.Report{}, err
	}
	return manifest.Verify(ctx, Source{s, place}, manifest.Options{Keys: keys})
}

// KeySet is the service's published key set, as it is served.
func KeySet(ctx context.Context, s *stack.Stack) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.API.URL+"/.well-known/jwks.json", nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get the key set: %s answers %s", req.URL, res.Status)
	}
	return io.ReadAll(res.Body)
}

// Source is a folder of the stack's stores as the verifier reads it.
type Source struct {
	Stack *stack.Stack
	Place schemas.Destination
}

var _ manifest.Source = Source{}

// List implements manifest.Source.
func (s Source) List(ctx context.Context, yield func(manifest.Entry) error) error {
	objects, err := s.Stack.Objects(ctx, s.Place)
	if err != nil {
		return err
	}
	for _, object := range objects {
		if err := yield(manifest.Entry{Key: s.Place.Below(object.Key), Size: object.Size}); err != nil {
			return err
		}
	}
	return nil
}

// Open implements manifest.Source.
func (s Source) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	return s.Stack.OpenObject(ctx, s.Place, s.Place.Key(key))
}
