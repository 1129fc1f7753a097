package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"

	"cloud.google.com/go/storage"
	"golang.org/x/oauth2/google"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"

	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/schemas"
)

// gcsSource reads a bucket with the application default credentials.
type gcsSource struct {
	client *storage.Client
	bucket *storage.BucketHandle
	folder string
}

func openGCS(ctx context.Context, place schemas.Destination, at endpoints) (source, error) {
	options := []option.ClientOption{option.WithScopes(storage.ScopeReadOnly)}
	if at.gcs != "" {
		endpoint, err := url.JoinPath(at.gcs, "storage/v1/")
		if err != nil {
			return nil, &usageError{"verify", fmt.Sprintf("--gcs-endpoint: %v", err)}
		}
		options = append(options, option.WithEndpoint(endpoint))
		if _, err := google.FindDefaultCredentials(ctx, storage.ScopeReadOnly); err != nil {
			options = []option.ClientOption{option.WithEndpoint(endpoint), option.WithoutAuthentication()} // an emulator
		}
	}
	client, err := storage.NewClient(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("sign in to Google Cloud: %w", err)
	}
	client.SetRetry(storage.WithMaxAttempts(sdkAttempts))
	return &gcsSource{client, client.Bucket(place.Bucket), folderOf(place)}, nil
}

// List implements manifest.Source.
func (g *gcsSource) List(ctx context.Context, yield func(manifest.Entry) error) error {
	query := &storage.Query{Prefix: g.folder}
	if err := query.SetAttrSelection([]string{"Name", "Size"}); err != nil {
		return err
	}
	objects := g.bucket.Objects(ctx, query)
	for {
		object, err := objects.Next()
		if errors.Is(err, iterator.Done) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := yield(manifest.Entry{Key: object.Name[len(g.folder):], Size: object.Size}); err != nil {
			return err
		}
	}
}

// Open implements manifest.Source.
func (g *gcsSource) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	// As stored: what is compressed would otherwise be unpacked on the way.
	body, err := g.bucket.Object(g.folder + key).ReadCompressed(true).NewReader(ctx)
	if errors.Is(err, storage.ErrObjectNotExist) {
		return nil, errors.Join(fs.ErrNotExist, err)
	}
	return body, err
}

// Close implements source.
func (g *gcsSource) Close() error { return g.client.Close() }
