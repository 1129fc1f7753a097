package destination

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/auditferry/auditferry/schemas"
)

// s3Driver writes to one S3 bucket as the admin's role.
type s3Driver struct {
	target   Target
	expected string     // the account that the bucket has to be in
	base     s3.Options // without region and credentials
	region   string     // "" until looked up

	tokens      *sts.Client
	policy      string // of every session
	credentials *aws.CredentialsCache
	mu          sync.Mutex
	connected   *s3.Client

	// confirmed tells that S3 has let a request in that names the expected
	// account.
	confirmed atomic.Bool
}

var _ driver = (*s3Driver)(nil)

func (o *Opener) openS3(t Target) (driver, error) {
	policy, err := sessionPolicy(t)
	if err != nil {
		return nil, err
	}
	expected := t.Owner
	if expected == "" {
		expected = t.Grant.BucketAccount()
	}
	tokens := sts.NewFromConfig(o.aws, func(so *sts.Options) {
		if o.cfg.AWS.STSEndpoint != "" {
			so.BaseEndpoint = aws.String(o.cfg.AWS.STSEndpoint)
		}
	})
	role := stscreds.NewAssumeRoleProvider(tokens, t.Grant.RoleARN, func(ro *stscreds.AssumeRoleOptions) {
		ro.RoleSessionName = t.SessionName
		ro.ExternalID = aws.String(t.Credentials.AWS.ExternalID)
		ro.Policy = aws.String(policy)
	})
	d := &s3Driver{
		target:   t,
		expected: expected,
		tokens:   tokens,
		policy:   policy,
		base: s3.Options{
			Region:     o.aws.Region,
			HTTPClient: o.aws.HTTPClient,
			Retryer:    awsRetryer(),
		},
		credentials: aws.NewCredentialsCache(role),
	}
	if o.cfg.AWS.S3Endpoint != "" {
		d.base.BaseEndpoint = aws.String(o.cfg.AWS.S3Endpoint)
		d.base.UsePathStyle = true
		d.region = o.aws.Region
	}
	return d, nil
}

func awsRetryer() aws.Retryer {
	standard := retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts, o.MaxBackoff = sdkAttempts, sdkPause
	})
	// S3 answers so while two writers race for a key; the next attempt hears
	// which of them won.
	return retry.AddWithErrorCodes(standard, "ConditionalRequestConflict")
}

func (d *s3Driver) authenticate(ctx context.Context) error {
	_, err := d.credentials.Retrieve(ctx)
	return err
}

func (d *s3Driver) put(ctx context.Context, key string, body io.ReadSeeker, object Object, createOnly bool) error {
	client, err := d.client(ctx)
	if err != nil {
		return err
	}
	in := &s3.PutObjectInput{
		Bucket:              aws.String(d.target.Destination.Bucket),
		ExpectedBucketOwner: aws.String(d.expected),
		Key:                 aws.String(key),
		Body:                body,
		ContentLength:       aws.Int64(object.Size),
		ContentType:         aws.String(object.ContentType),
		ChecksumSHA256:      aws.String(base64.StdEncoding.EncodeToString(object.SHA256[:])),
	}
	if createOnly {
		in.IfNoneMatch = aws.String("*")
	}
	_, err = client.PutObject(ctx, in, signedHash(object.SHA256))
	if err != nil {
		return d.blame(ctx, err)
	}
	d.confirmed.Store(true)
	return nil
}

// signedHash signs a hash that is known already, which spares the SDK from
// reading the whole body for it.
func signedHash(sum [32]byte) func(*s3.Options) {
	known := middleware.FinalizeMiddlewareFunc("KnownPayloadHash",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			return next.HandleFinalize(v4.SetPayloadHash(ctx, hex.EncodeToString(sum[:])), in)
		})
	return s3.WithAPIOptions(func(stack *middleware.Stack) error {
		return stack.Finalize.Insert(known, (&v4.ComputePayloadSHA256{}).ID(), middleware.Before)
	})
}

// stat lists with the key itself as prefix: it begins with the folder, as the
// policy's s3:prefix condition asks for, and the key is the first to match.
func (d *s3Driver) stat(ctx context.Context, key string) (listed, error) {
	client, err := d.client(ctx)
	if err != nil {
		return listed{}, err
	}
	page, err := client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{
		Bucket:              aws.String(d.target.Destination.Bucket),
		ExpectedBucketOwner: aws.String(d.expected),
		Prefix:              aws.String(key),
	})
	if err != nil {
		return listed{}, err
	}
	for _, object := range page.Contents {
		if aws.ToString(object.Key) == key {
			// A tag that is no hex, such as a multipart upload's, is no hash.
			sum, _ := hex.DecodeString(strings.Trim(aws.ToString(object.ETag), `"`))
			return listed{found: true, size: aws.ToInt64(object.Size), md5: sum}, nil
		}
	}
	return listed{}, nil
}

func (d *s3Driver) remove(ctx context.Context, key string) error {
	client, err := d.client(ctx)
	if err != nil {
		return err
	}
	_, err = client.DeleteObject(ctx, &s3.DeleteObjectInput{
		Bucket:              aws.String(d.target.Destination.Bucket),
		ExpectedBucketOwner: aws.String(d.expected),
		Key:                 aws.String(key),
	})
	return err
}

func (d *s3Driver) close() error { return nil }

// client connects to the bucket's own region, which is looked up once.
func (d *s3Driver) client(ctx context.Context) (*s3.Client, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.connected != nil {
		return d.connected, nil
	}
	if d.region == "" {
		region, err := d.lookUpRegion(ctx)
		if err != nil {
			return nil, fmt.Errorf("find the region of bucket %s: %w", d.target.Destination.Bucket, err)
		}
		d.region = region
	}
	d.connected = s3.New(d.base.Copy(), func(o *s3.Options) {
		o.Region = d.region
		o.Credentials = d.credentials
	})
	return d.connected, nil
}

const regionHeader = "X-Amz-Bucket-Region"

// lookUpRegion asks without credentials. S3 refuses and still names the region;
// s3:GetBucketLocation is never granted by the reference's policy, where it
// stands under a condition that it does not know. This is the one request that
// names no owner: it is nobody's, gives nothing away, and has to be answered
// alike whoever has the bucket.
func (d *s3Driver) lookUpRegion(ctx context.Context) (string, error) {
	anonymous := s3.New(d.base.Copy(), func(o *s3.Options) { o.Credentials = aws.AnonymousCredentials{} })
	var region string
	_, err := anonymous.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String(d.target.Destination.Bucket)},
		s3.WithAPIOptions(func(stack *middleware.Stack) error {
			return stack.Deserialize.Add(readHeader(regionHeader, &region), middleware.After)
		}))
	if region != "" {
		return region, nil
	}
	if err != nil {
		return "", err
	}
	return "", errors.New("the answer names none")
}

// readHeader notes a header of the answer, be it a success or not.
func readHeader(name string, value *string) middleware.DeserializeMiddleware {
	return middleware.DeserializeMiddlewareFunc("ReadHeader",
		func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
			out, metadata, err := next.HandleDeserialize(ctx, in)
			if response, ok := out.RawResponse.(*smithyhttp.Response); ok {
				*value = response.Header.Get(name)
			}
			return out, metadata, err
		})
}

func (d *s3Driver) sort(tried schemas.Step, err error) verdict {
	a := answered{step: tried, words: err.Error()}
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) {
		a.status = answer.HTTPStatusCode()
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		a.code, a.words = api.ErrorCode(), api.ErrorMessage()
	}
	if found, is := own(err); is {
		a.code = found.code
		if found.err == nil {
			a.words = "" // the cloud refused nothing
		}
	}
	// Any request may need a session first.
	if tried != schemas.StepExternalID && askedService(err) == sts.ServiceID {
		a.step = schemas.StepAuthenticate
	}
	if a.status == http.StatusPreconditionFailed {
		return taken(a)
	}
	return explain(awsRows, a, d.names(a.step))
}

// askedService is the service that refused, below all that asked it on behalf
// of another.
func askedService(err error) string {
	service := ""
	var operation *smithy.OperationError
	for errors.As(err, &operation) {
		service, err = operation.Service(), operation.Err
	}
	return service
}

func (d *s3Driver) names(tried schemas.Step) map[string]string {
	at := d.target.Destination
	return map[string]string{
		"bucket": at.Bucket, "bucket_arn": bucketARN(d.target), "folder": at.URL(), "prefix": at.Key("*"),
		"objects": bucketARN(d.target) + "/" + at.Key("*"), "role": d.target.Grant.RoleARN, "owner": d.expected,
		"permission": map[schemas.Step]string{
			schemas.StepWrite: "s3:PutObject", schemas.StepList: "s3:ListBucket",
			schemas.StepOwner: "s3:ListBucket", schemas.StepDelete: "s3:DeleteObject",
		}[tried],
	}
}
