package destination

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"cloud.google.com/go/storage"
	"github.com/googleapis/gax-go/v2"
	"golang.org/x/oauth2"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"
	rawstorage "google.golang.org/api/storage/v1"

	"github.com/auditferry/auditferry/schemas"
)

// gcsDriver writes to one bucket as the integration's service account.
type gcsDriver struct {
	target  Target
	account *impersonated
	client  *storage.Client
	bucket  *storage.BucketHandle
	buckets *rawstorage.BucketsService // what storage has no call for: one field of a bucket

	mu        sync.Mutex
	confirmed string // the number of the bucket's project; "" if not known
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
	raw, err := rawstorage.NewService(context.Background(), options...)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("prepare the bucket client: %w", err), client.Close())
	}
	return &gcsDriver{target: t, account: account, client: client, bucket: client.Bucket(t.Destination.Bucket), buckets: raw.Buckets}, nil
}

func (d *gcsDriver) authenticate(ctx context.Context) error {
	_, err := d.account.token(ctx)
	return err
}

func (d *gcsDriver) put(ctx context.Context, key string, body io.ReadSeeker, object Object, createOnly bool) error {
	if err := d.ensureOwner(ctx); err != nil {
		return err
	}
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

func (d *gcsDriver) checks() []step { return []step{{schemas.StepOwner, d.checkOwner}} }

func (d *gcsDriver) owner() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.confirmed
}

func (d *gcsDriver) checkOwner(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lookUpOwner(ctx)
}

// ensureOwner makes sure, once and before the first write, that the bucket is
// of the project that was pinned: no request to Cloud Storage can name it.
func (d *gcsDriver) ensureOwner(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.target.Owner == "" || d.target.Owner == d.confirmed {
		return nil
	}
	return d.lookUpOwner(ctx)
}

// lookUpOwner is to be called under the lock.
func (d *gcsDriver) lookUpOwner(ctx context.Context) error {
	d.confirmed = ""
	bucket, err := d.buckets.Get(d.target.Destination.Bucket).Fields("projectNumber").Context(ctx).Do()
	if err != nil {
		return &looked{err}
	}
	number := strconv.FormatUint(bucket.ProjectNumber, 10)
	if d.target.Owner != "" && d.target.Owner != number {
		return &finding{code: schemas.CodeOwnerChanged}
	}
	d.confirmed = number
	return nil
}

func (d *gcsDriver) close() error {
	if err := d.client.Close(); err != nil {
		return fmt.Errorf("close the storage client: %w", err)
	}
	return nil
}

func (d *gcsDriver) sort(tried schemas.Step, err error) verdict {
	a := answered{step: tried, words: err.Error()}
	var answer *googleapi.Error
	if errors.As(err, &answer) {
		a.status, a.code, a.words = answer.Code, googleCode(answer), answer.Message
	}
	var key *oauth2.RetrieveError
	if errors.As(err, &key) {
		a.code, a.words = key.ErrorCode, key.ErrorDescription
	}
	if found, is := own(err); is {
		a.code = found.code
		if found.err == nil {
			a.words = "" // the cloud refused nothing
		}
	}
	// Any request may need a token, and any write to know the owner, first.
	var lookup *looked
	var impersonation *impersonationError
	switch {
	case errors.As(err, &impersonation):
		a.step = schemas.StepAuthenticate
	case errors.As(err, &lookup):
		a.step = schemas.StepOwner
	}
	if a.status == http.StatusPreconditionFailed && !strings.HasPrefix(a.code, "orgPolicy") {
		return taken(a)
	}
	return explain(gcpRows, a, d.names(a.step))
}

// googleCode is the reason that an answer gives: the older APIs in a list, the
// newer ones in a detail, or else only as a status of gRPC.
func googleCode(answer *googleapi.Error) string {
	if len(answer.Errors) > 0 && answer.Errors[0].Reason != "" {
		return answer.Errors[0].Reason
	}
	var body struct {
		Error struct {
			Status  string
			Details []struct{ Reason string }
		}
	}
	if json.Unmarshal([]byte(answer.Body), &body) != nil {
		return "" // no answer of Google's own
	}
	for _, detail := range body.Error.Details {
		if detail.Reason != "" {
			return detail.Reason
		}
	}
	return body.Error.Status
}

func (d *gcsDriver) names(tried schemas.Step) map[string]string {
	at := d.target.Destination
	return map[string]string{
		"bucket": at.Bucket, "folder": at.URL(), "service_account": d.target.Credentials.GCP.ServiceAccount, "owner": d.target.Owner,
		"permission": map[schemas.Step]string{
			schemas.StepWrite: "storage.objects.create", schemas.StepList: "storage.objects.list",
			schemas.StepOwner: "storage.buckets.get", schemas.StepDelete: "storage.objects.delete",
		}[tried],
	}
}
