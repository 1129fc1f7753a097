package activities

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // object stores compare MD5
	"crypto/sha256"

	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/schemas"
)

// publish writes a sealed manifest, after its signature: so nowhere does a
// manifest lie without one. A signature that is left alone, by a crash and a
// move, tells nothing.
func (p *Places) publish(ctx context.Context, integration schemas.Integration, at schemas.Destination, sealed schemas.SealedManifest) error {
	err := p.write(ctx, integration, at, sealed)
	p.reconsider(ctx, integration, at, err)
	return err
}

func (p *Places) write(ctx context.Context, integration schemas.Integration, at schemas.Destination, sealed schemas.SealedManifest) error {
	place, err := p.enter(ctx, integration, at)
	if err != nil {
		return err
	}
	defer place.Close() //nolint:errcheck // every object has been acknowledged by then
	if err := put(ctx, place, sealed.Key+schemas.SignatureSuffix, "application/jose", []byte(sealed.Signature)); err != nil {
		return err
	}
	return put(ctx, place, sealed.Key, "application/json", sealed.Content)
}

// put stores a small object.
func put(ctx context.Context, place destination.Destination, key, contentType string, content []byte) error {
	return place.Put(ctx, key, destination.Object{
		Body:        bytes.NewReader(content),
		Size:        int64(len(content)),
		MD5:         md5.Sum(content), //nolint:gosec // see the import
		SHA256:      sha256.Sum256(content),
		ContentType: contentType,
	})
}
