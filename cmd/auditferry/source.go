package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/schemas"
)

// endpoints are servers other than the clouds' own.
type endpoints struct {
	s3, s3Region string
	azure, gcs   string
}

// source is an opened place to verify.
type source interface {
	manifest.Source
	Close() error
}

// openSource opens what a person has named: the URL of a cloud, or a folder.
// The location is the URL in its canonical form, and "" for a folder.
func openSource(ctx context.Context, name string, at endpoints) (opened source, location string, err error) {
	scheme, path, isURL := strings.Cut(name, "://")
	if !isURL || scheme == "file" {
		if !isURL {
			path = name
		}
		opened, err = openLocal(path)
		return opened, "", err
	}
	place, err := schemas.ParseDestination(name)
	if err != nil {
		var field *schemas.FieldError
		if errors.As(err, &field) {
			return nil, "", &usageError{"verify", "the source " + field.Message}
		}
		return nil, "", err
	}
	switch place.Cloud {
	case schemas.AWS:
		opened, err = openS3(ctx, place, at)
	case schemas.Azure:
		opened, err = openAzure(place, at)
	case schemas.GCP:
		opened, err = openGCS(ctx, place, at)
	default:
		err = fmt.Errorf("unknown cloud %q", place.Cloud)
	}
	if err != nil {
		return nil, "", fmt.Errorf("open %s: %w", place, err)
	}
	return opened, place.URL(), nil
}

// folderOf is what the keys of a place begin with.
func folderOf(place schemas.Destination) string {
	if place.Prefix == "" {
		return ""
	}
	return place.Prefix + "/"
}
