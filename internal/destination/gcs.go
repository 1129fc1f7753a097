package destination

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"cloud.google.com/go/storage"
	"github.com/googleapis/gax-go/v2"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"

	"github.com/auditferry/auditferry/schemas"
)

// gcsDriver writes to one bucket as the integration's service account.
type gcsDriver struct {
	target  Target
	account *impersonated
	client  *storage.Client
	bucket  *storage.BucketHandle
}

var _ driver = (*gcsDriver)(nil)

func (o *Opener) openGCS(t Target) (driver, error) {
	account := &impersonated{
		identity: &o.google,
		email:    t.Credentials.GCP.ServiceAccount,
		endpoint: o.cfg.GCP.IAMEndpoint,
		base:     o.http,
	}
	options := []option.ClientOption{option.WithHTTPClient(&http.Client{Transport: account, CheckRedirect: o.http.CheckRedirect})}
	if o.cfg.GCP.StorageEndpoint != "" {
		endpoint, err := url.JoinPath(o.cfg.GCP.StorageEndpoint, "storage/v1/")
		if err != nil {
			return nil, fmt.Errorf("read the storage endpoint: %w", err)
		}
		options = append(options, option.WithEndpoint(endpoint))
	}
	// The client brings its own context to every call; this one would only
	// reach credentials, which are ours.
	client, err := storage.NewClient(context.Background(), options...)
	if err != nil {
		return nil, fmt.Errorf("prepare the storage client: %w", err)
	}
	client.SetRetry(
		storage.WithMaxAttempts(sdkAttempts),
		storage.WithBackoff(gax.Backoff{Initial: sdkPause / 2, Max: sdkPause, Multiplier: 2}),
		storage.WithPolicy(storage.RetryIdempotent),
	)
	return &gcsDriver{target: t, account: account, client: client, bucket: client.Bucket(t.Destination.Bucket)}, nil
}

func (d *gcsDriver) authenticate(ctx context.Context) error {
	_, err := d.account.token(ctx)
	return err
}

func (d *gcsDriver) put(ctx context.Context, key string, body io.ReadSeeker, object Object, createOnly bool) error {
	handle := d.bucket.Object(key)
	if createOnly {
		handle = handle.If(storage.Conditions{DoesNotExist: true})
	}
	// Closing a writer saves whatever it was given, so after a failed read the
	// upload must be given up and never closed.
	ctx, abandon := context.WithCancel(ctx)
	defer abandon()
	w := handle.NewWriter(ctx)
	w.ChunkSize = 0 // one request, and no buffer
	w.ContentType = object.ContentType
	w.MD5 = object.MD5[:]
	if _, err := io.Copy(w, body); err != nil {
		return err
	}
	return w.Close()
}

func (d *gcsDriver) stat(ctx context.Context, key string) (listed, error) {
	query := &storage.Query{Prefix: key}
	if err := query.SetAttrSelection([]string{"Name", "Size", "MD5"}); err != nil {
		return listed{}, err
	}
	objects := d.bucket.Objects(ctx, query)
	for {
		object, err := objects.Next()
		switch {
		case errors.Is(err, iterator.Done):
			return listed{}, nil
		case err != nil:
			return listed{}, err
		case object.Name == key:
			return listed{found: true, size: object.Size, md5: object.MD5, certain: true}, nil
		}
	}
}

func (d *gcsDriver) remove(ctx context.Context, key string) error {
	return d.bucket.Object(key).Delete(ctx)
}

func (d *gcsDriver) checks() []step { return nil }

func (d *gcsDriver) owner() string { return "" }

func (d *gcsDriver) close() error {
	if err := d.client.Close(); err != nil {
		return fmt.Errorf("close the storage client: %w", err)
	}
	return nil
}

// gcsKinds are the reasons whose HTTP status would mislead.
// https://cloud.google.com/storage/docs/json_api/v1/status-codes
var gcsKinds = map[string]schemas.ErrorKind{
	"rateLimitExceeded":         schemas.KindThrottled,
	"userRateLimitExceeded":     schemas.KindThrottled,
	"quotaExceeded":             schemas.KindThrottled,
	"dailyLimitExceeded":        schemas.KindThrottled,
	"authError":                 schemas.KindUnavailable, // an expired token; the next try gets a new one
	"retentionPolicyNotMet":     schemas.KindConflict,
	"orgPolicyConstraintFailed": schemas.KindDenied, // also a 412, and nothing like a taken name
	"objectUnderActiveHold":     schemas.KindConflict,
}

func (d *gcsDriver) sort(err error) verdict {
	v := verdict{kind: schemas.KindUnavailable, message: oneLine(err.Error())}
	var answer *googleapi.Error
	if errors.As(err, &answer) {
		v.kind = byStatus(answer.Code)
		v.message = oneLine(answer.Message)
		if len(answer.Errors) > 0 {
			v.code = answer.Errors[0].Reason
		}
	}
	if kind, known := gcsKinds[v.code]; known {
		v.kind = kind
	}
	var own *impersonationError
	if errors.As(err, &own) && v.kind == schemas.KindDenied {
		v.kind = schemas.KindUnavailable // the service's own identity; see Error
		v.message = "impersonating " + own.email + ": " + v.message
	}
	v.present = v.kind == schemas.KindConflict
	return v
}

func (d *gcsDriver) advise(step schemas.Step, v verdict) string {
	at := d.target.Destination
	email := d.target.Credentials.GCP.ServiceAccount
	switch {
	case step == schemas.StepAuthenticate && v.kind == schemas.KindNotFound:
		return fmt.Sprintf("There is no service account %s. It is the service's own; its operators have to look after it.", email)
	case step == schemas.StepAuthenticate && v.code != "":
		return fmt.Sprintf("The service cannot act as its service account %s. Its operators have to look after that; nothing needs to be done on your side.", email)
	case v.kind == schemas.KindNotFound:
		return fmt.Sprintf("There is no bucket %q. Create it, or correct the destination.", at.Bucket)
	case v.kind != schemas.KindDenied:
		return ""
	}
	permission := map[schemas.Step]string{schemas.StepWrite: "storage.objects.create", schemas.StepList: "storage.objects.list", schemas.StepDelete: "storage.objects.delete"}[step]
	return fmt.Sprintf("The service account %s lacks the permission %s on the bucket %q. Grant it the custom role that has storage.objects.create, storage.objects.delete, storage.objects.list and storage.buckets.get.",
		email, permission, at.Bucket)
}
