package destination

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/auditferry/auditferry/schemas"
)

// accessDenied is how STS and S3 refuse for want of a permission. S3 says the
// same of a bucket that is not of the account that a request names.
const accessDenied = "AccessDenied"

// minSessionSeconds is the shortest session that STS gives.
const minSessionSeconds = 900

func (d *s3Driver) checks() []step {
	return []step{{schemas.StepExternalID, d.checkExternalID}, {schemas.StepOwner, d.checkOwner}}
}

func (d *s3Driver) owner() string {
	if d.confirmed.Load() {
		return d.expected
	}
	return ""
}

// checkExternalID makes sure that the role lets nobody in who does not know its
// external ID: all customers' roles trust the same IAM user, so without it any
// customer could name another's role. Any answer but a refusal leaves that
// open, and fails. Should a session come of it, it is not used.
func (d *s3Driver) checkExternalID(ctx context.Context) error {
	for _, externalID := range []*string{nil, aws.String("not-yours-" + rand.Text())} {
		_, err := d.tokens.AssumeRole(ctx, &sts.AssumeRoleInput{
			RoleArn:         aws.String(d.target.Grant.RoleARN),
			RoleSessionName: aws.String(d.target.SessionName),
			ExternalId:      externalID,
			Policy:          aws.String(d.policy),
			DurationSeconds: aws.Int32(minSessionSeconds),
		})
		switch {
		case err == nil:
			return &finding{code: CodeExternalIDNotRequired}
		case codeOf(err) != accessDenied:
			return err
		}
	}
	return nil
}

// checkOwner lists the folder in the name of the account that the bucket has to
// be in. Only where that is refused, and the same without the account is not,
// does the refusal speak of the owner.
func (d *s3Driver) checkOwner(ctx context.Context) error {
	d.confirmed.Store(false)
	refused := d.peek(ctx, aws.String(d.expected))
	if refused == nil {
		d.confirmed.Store(true)
		return nil
	}
	if !deniedByS3(refused) {
		return refused
	}
	switch err := d.peek(ctx, nil); {
	case err == nil && d.target.Owner == "":
		return &finding{CodeOwnerMismatch, refused}
	case err == nil:
		return &finding{schemas.CodeOwnerChanged, refused}
	case deniedByS3(err):
		return &untold{refused}
	default:
		return err
	}
}

// peek lists as little of the folder as possible. The prefix is one that
// policies which name the folder allow.
func (d *s3Driver) peek(ctx context.Context, owner *string) error {
	client, err := d.client(ctx)
	if err != nil {
		return err
	}
	_, err = client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{
		Bucket:              aws.String(d.target.Destination.Bucket),
		ExpectedBucketOwner: owner,
		Prefix:              aws.String(d.target.Destination.Key(ownFolder + "/")),
		MaxKeys:             aws.Int32(1),
	})
	return err
}

// blame finds out whether a write was refused for the sake of the bucket's
// owner, which S3 does not say.
func (d *s3Driver) blame(ctx context.Context, refused error) error {
	if !deniedByS3(refused) {
		return refused
	}
	var other *finding
	if errors.As(d.checkOwner(ctx), &other) {
		return other
	}
	return refused
}

func deniedByS3(err error) bool {
	return askedService(err) == s3.ServiceID && codeOf(err) == accessDenied
}

func codeOf(err error) string {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return ""
	}
	return api.ErrorCode()
}
