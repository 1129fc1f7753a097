package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/dev/stack"
	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/schemas"
)

// prove verifies each bucket of an org as an auditor would, from the manifests
// in it and the service's published keys alone, and holds what they list to the
// ledger. An object in no list is the tally's matter: those that a failed run
// left at a former place are told there.
func (p *play) prove(ctx context.Context, o *org, ledger map[uuid.UUID]listing, r *Result) error {
	keys, err := p.keySet(ctx, o)
	if err != nil {
		return err
	}
	for _, f := range o.ferries {
		whole := o.folder(f.cloud, 0)
		whole.Prefix = ""
		report, err := manifest.Verify(ctx, store{p.stack, whole}, manifest.Options{Keys: keys})
		if err != nil {
			return fmt.Errorf("verify %s: %w", whole, err)
		}
		r.Manifests += report.Manifests
		for _, finding := range report.Findings {
			if finding.Severity == manifest.Error && finding.Class != manifest.UnlistedObject {
				r.fail("verify %s: %s: %s", whole, finding.Class, finding.Message)
			}
		}
		for _, unread := range report.Unread {
			r.fail("verify %s: %s cannot be read: %s", whole, unread.Object, unread.Error)
		}
		proven := map[uuid.UUID]listing{}
		for _, chain := range report.Chains {
			sum := proven[chain.ExportID]
			sum.objects += chain.Objects
			sum.rows += chain.Rows
			proven[chain.ExportID] = sum
		}
		for _, e := range f.exports {
			if proven[e.id] != ledger[e.id] {
				r.fail("%s, %s: the manifests list %+v, the ledger %+v", o.name, e.name, proven[e.id], ledger[e.id])
			}
		}
	}
	return nil
}

// listing is the sum of what is listed of one export.
type listing struct {
	objects int64
	rows    int64
}

func (p *play) keySet(ctx context.Context, o *org) (manifest.KeySet, error) {
	var raw json.RawMessage
	if err := o.client.command(ctx, http.MethodGet, "/.well-known/jwks.json", nil, &raw); err != nil {
		return manifest.KeySet{}, err
	}
	return manifest.ParseJWKS(raw)
}

// store is a whole bucket as the verifier reads it.
type store struct {
	stack  *stack.Stack
	bucket schemas.Destination
}

var _ manifest.Source = store{}

// List yields every object.
func (s store) List(ctx context.Context, yield func(manifest.Entry) error) error {
	objects, err := s.stack.Objects(ctx, s.bucket)
	if err != nil {
		return err
	}
	for _, object := range objects {
		if err := yield(manifest.Entry{Key: object.Key, Size: object.Size}); err != nil {
			return err
		}
	}
	return nil
}

// Open reads one.
func (s store) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	return s.stack.OpenObject(ctx, s.bucket, key)
}
