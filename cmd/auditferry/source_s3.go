package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/schemas"
)

// sdkAttempts is how often a cloud's own client tries a request.
const sdkAttempts = 5

// s3Source reads a bucket with the credentials that the AWS programs use.
type s3Source struct {
	client *s3.Client
	bucket string
	folder string
}

func openS3(ctx context.Context, place schemas.Destination, at endpoints) (source, error) {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRetryer(func() aws.Retryer {
		return retry.AddWithMaxAttempts(retry.NewStandard(), sdkAttempts)
	}))
	if err != nil {
		return nil, fmt.Errorf("read the AWS configuration: %w", err)
	}
	options := func(region string) func(*s3.Options) {
		return func(o *s3.Options) {
			o.Region = region
			o.DisableLogOutputChecksumValidationSkipped = true // every hash is checked here anyway
			if at.s3 != "" {
				o.BaseEndpoint, o.UsePathStyle = aws.String(at.s3), true
			}
		}
	}
	region := at.s3Region
	if region == "" {
		if region, err = bucketRegion(ctx, s3.NewFromConfig(cfg, options(homeRegion(cfg))), place.Bucket); err != nil {
			return nil, err
		}
	}
	return &s3Source{s3.NewFromConfig(cfg, options(region)), place.Bucket, folderOf(place)}, nil
}

// homeRegion is one that can be asked for the region of any bucket.
func homeRegion(cfg aws.Config) string {
	if cfg.Region != "" {
		return cfg.Region
	}
	return "us-east-1"
}

// bucketRegion asks where a bucket is. S3 tells in a header, also when it
// refuses the request; a server of another maker may leave it out.
func bucketRegion(ctx context.Context, client *s3.Client, bucket string) (string, error) {
	const header = "X-Amz-Bucket-Region"
	head, err := client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &bucket})
	if err == nil {
		if head.BucketRegion != nil && *head.BucketRegion != "" {
			return *head.BucketRegion, nil
		}
		return client.Options().Region, nil
	}
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) && answer.Response != nil {
		if region := answer.Response.Header.Get(header); region != "" {
			return region, nil
		}
		if answer.HTTPStatusCode() == http.StatusForbidden { // listing tells the reason, this does not
			return client.Options().Region, nil
		}
	}
	return "", fmt.Errorf("ask for the region of the bucket (or name it with --s3-region): %w", err)
}

// List implements manifest.Source.
func (s *s3Source) List(ctx context.Context, yield func(manifest.Entry) error) error {
	pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &s.folder})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, object := range page.Contents {
			if err := yield(manifest.Entry{Key: aws.ToString(object.Key)[len(s.folder):], Size: aws.ToInt64(object.Size)}); err != nil {
				return err
			}
		}
	}
	return nil
}

// Open implements manifest.Source.
func (s *s3Source) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	object, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: aws.String(s.folder + key)})
	var missing *types.NoSuchKey
	if errors.As(err, &missing) {
		return nil, errors.Join(fs.ErrNotExist, err)
	}
	if err != nil {
		return nil, err
	}
	return object.Body, nil
}

// Close implements source.
func (s *s3Source) Close() error { return nil }
