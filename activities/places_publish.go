package activities

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // object stores compare MD5
	"crypto/sha256"

	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/schemas"
)

// publish writes a sealed manifest and then its signature.
func (p *Places) publish(ctx context.Context, integration schemas.Integration, at schemas.Destination, sealed schemas.SealedManifest) error {
	err := p.put(ctx, integration, at, []file{
		{sealed.Key, "application/json", sealed.Content},
		{sealed.Key + schemas.SignatureSuffix, "application/jose", []byte(sealed.Signature)},
	})
	p.reconsider(ctx, integration, at, err)
	return err
}

// file is a small object.
type file struct {
	key, contentType string
	content          []byte
}

func (p *Places) put(ctx context.Context, integration schemas.Integration, at schemas.Destination, files []file) error {
	place, err := p.enter(ctx, integration, at)
	if err != nil {
		return err
	}
	defer place.Close() //nolint:errcheck // every object has been acknowledged by then
	for _, f := range files {
		err := place.Put(ctx, f.key, destination.Object{
			Body:        bytes.NewReader(f.content),
			Size:        int64(len(f.content)),
			MD5:         md5.Sum(f.content), //nolint:gosec // see the import
			SHA256:      sha256.Sum256(f.content),
			ContentType: f.contentType,
		})
		if err != nil {
			return err
		}
	}
	return nil
}
