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
	target Target
	base   s3.Options // without region and credentials
	region string     // "" until looked up

	credentials *aws.CredentialsCache
	mu          sync.Mutex
	connected   *s3.Client
}

var _ driver = (*s3Driver)(nil)

func (o *Opener) openS3(t Target) (driver, error) {
	policy, err := sessionPolicy(t)
	if err != nil {
		return nil, err
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
		target: t,
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
		Bucket:         aws.String(d.target.Destination.Bucket),
		Key:            aws.String(key),
		Body:           body,
		ContentLength:  aws.Int64(object.Size),
		ContentType:    aws.String(object.ContentType),
		ChecksumSHA256: aws.String(base64.StdEncoding.EncodeToString(object.SHA256[:])),
	}
	if createOnly {
		in.IfNoneMatch = aws.String("*")
	}
	_, err = client.PutObject(ctx, in, signedHash(object.SHA256))
	return err
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
		Bucket: aws.String(d.target.Destination.Bucket),
		Prefix: aws.String(key),
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
		Bucket: aws.String(d.target.Destination.Bucket),
		Key:    aws.String(key),
	})
	return err
}

func (d *s3Driver) checks() []step { return nil }

func (d *s3Driver) owner() string { return "" }

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
// stands under a condition that it does not know.
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

// s3Kinds are the codes of S3 and STS whose HTTP status would mislead.
var s3Kinds = map[string]schemas.ErrorKind{
	"NoSuchBucket":            schemas.KindNotFound,
	"AllAccessDisabled":       schemas.KindDenied,
	"KMS.DisabledException":   schemas.KindDenied,
	"KMS.NotFoundException":   schemas.KindDenied,
	"RegionDisabledException": schemas.KindDenied,

	"SlowDown":                schemas.KindThrottled,
	"Throttling":              schemas.KindThrottled,
	"ThrottlingException":     schemas.KindThrottled,
	"RequestLimitExceeded":    schemas.KindThrottled,
	"TooManyRequests":         schemas.KindThrottled,
	"KMS.ThrottlingException": schemas.KindThrottled,

	// The service's own key, clock or session; see Error.
	"InvalidClientTokenId":               schemas.KindUnavailable,
	"InvalidAccessKeyId":                 schemas.KindUnavailable,
	"SignatureDoesNotMatch":              schemas.KindUnavailable,
	"IncompleteSignature":                schemas.KindUnavailable,
	"MissingAuthenticationToken":         schemas.KindUnavailable,
	"ExpiredToken":                       schemas.KindUnavailable,
	"ExpiredTokenException":              schemas.KindUnavailable,
	"InvalidToken":                       schemas.KindUnavailable,
	"TokenRefreshRequired":               schemas.KindUnavailable,
	"RequestTimeTooSkewed":               schemas.KindUnavailable,
	"RequestExpired":                     schemas.KindUnavailable,
	"RequestTimeout":                     schemas.KindUnavailable,
	"IncompleteBody":                     schemas.KindUnavailable,
	"BadDigest":                          schemas.KindUnavailable, // bytes were lost on the way
	"XAmzContentChecksumMismatch":        schemas.KindUnavailable,
	"XAmzContentSHA256Mismatch":          schemas.KindUnavailable,
	"AuthorizationHeaderMalformed":       schemas.KindUnavailable, // the bucket has moved to another region
	"IllegalLocationConstraintException": schemas.KindUnavailable,
}

func (d *s3Driver) sort(err error) verdict {
	v := verdict{kind: schemas.KindUnavailable, message: oneLine(err.Error())}
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) {
		v.kind = byStatus(answer.HTTPStatusCode())
		v.present = answer.HTTPStatusCode() == http.StatusPreconditionFailed
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		v.code = api.ErrorCode()
		v.message = oneLine(api.ErrorMessage())
		if kind, known := s3Kinds[v.code]; known {
			v.kind = kind
		}
	}
	return v
}

func (d *s3Driver) advise(step schemas.Step, v verdict) string {
	at := d.target.Destination
	bucket := bucketARN(d.target)
	switch {
	case v.kind == schemas.KindNotFound:
		return fmt.Sprintf("There is no bucket %q. Create it, or correct the destination.", at.Bucket)
	case v.kind != schemas.KindDenied:
		return ""
	case step == schemas.StepAuthenticate:
		return fmt.Sprintf("The role %s does not let the service in. Its trust policy must allow sts:AssumeRole to %s under the condition that sts:ExternalId equals %s.",
			d.target.Grant.RoleARN, d.target.Credentials.AWS.IAMUserARN, d.target.Credentials.AWS.ExternalID)
	case step == schemas.StepWrite:
		return fmt.Sprintf("The role may not write. Its permission policy must allow s3:PutObject on %s; a bucket policy, or the key policy of an encrypted bucket, may also be in the way.", bucket+"/"+at.Key("*"))
	case step == schemas.StepList:
		return fmt.Sprintf("The role may not list. Its permission policy must allow s3:ListBucket on %s for the s3:prefix %s.", bucket, at.Key("*"))
	}
	return fmt.Sprintf("The role may not delete. Its permission policy should allow s3:DeleteObject on %s.", bucket+"/"+at.Key("*"))
}
