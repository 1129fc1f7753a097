package destination_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/schemas"
)

// careless is a role that lets in whoever names any external ID but the refused
// ones, of which "" is none at all.
func careless(refused ...string) cloud {
	return awsCloud(func(step schemas.Step, r *http.Request) (*http.Response, error) {
		if step != schemas.StepExternalID || slices.Contains(refused, r.FormValue("ExternalId")) {
			return nil, nil
		}
		return assumed(r)
	})
}

// foreign is a bucket of an account that nobody expects.
func foreign() cloud {
	return awsCloud(func(_ schemas.Step, r *http.Request) (*http.Response, error) {
		if isSTS(r) || r.Header.Get("X-Amz-Expected-Bucket-Owner") == "" {
			return nil, nil
		}
		return refusal{status: http.StatusForbidden, code: "AccessDenied", words: "Access Denied"}.xml(r)
	})
}

// denies is how S3 words a refusal.
func denies(permission, why string) string {
	return "User: arn:aws:sts::123456789012:assumed-role/audit/auditferry is not authorized to perform: " + permission +
		` on resource: "arn:aws:s3:::acme-audit/logs/_auditferry/access-check" ` + why
}

func TestAWSExplanations(t *testing.T) {
	t.Parallel()
	const (
		role      = "arn:aws:iam::123456789012:role/audit"
		objects   = "arn:aws:s3:::acme-audit/logs/*"
		operators = "the operators of the service"
		notYet    = ""
	)
	at := func(step schemas.Step, status int, code, words string, kind schemas.ErrorKind, tells, fix string) explained {
		return explained{step: step, refusal: refusal{status: status, code: code, words: words}, kind: kind, tells: tells, fix: fix}
	}
	signIn, externalID, owner := schemas.StepAuthenticate, schemas.StepExternalID, schemas.StepOwner
	write, list, remove := schemas.StepWrite, schemas.StepList, schemas.StepDelete
	denied, unavailable, throttled := schemas.KindDenied, schemas.KindUnavailable, schemas.KindThrottled
	invalid, missing := schemas.KindInvalid, schemas.KindNotFound

	found := func(step schemas.Step, code string, behaves cloud, tells, fix string) explained {
		return explained{step: step, refusal: refusal{code: code}, kind: denied, tells: tells, fix: fix, cloud: behaves}
	}
	sold := found(owner, schemas.CodeOwnerChanged, foreign(), "another AWS account than 111122223333", "in now as the bucket owner")
	sold.change = func(target *destination.Target) { target.Owner = "111122223333" }
	named := found(owner, destination.CodeOwnerMismatch, foreign(), "not in the AWS account 444455556666", "update the destination")
	named.change = func(target *destination.Target) { target.Grant.BucketOwner = "444455556666" }

	checkExplanations(t, schemas.AWS, []explained{
		found(externalID, destination.CodeExternalIDNotRequired, careless(), role+" lets the service in without the right external ID", "StringEquals sts:ExternalId"),
		found(externalID, destination.CodeExternalIDNotRequired, careless(""), "any other customer", "shown with the integration's credentials"),
		found(owner, destination.CodeOwnerMismatch, foreign(), "not in the AWS account 123456789012", "name the account that the bucket is in"),
		named, sold,

		at(signIn, 403, "SignatureDoesNotMatch", "Signature expired: 20260301T000000Z is now earlier than 20260301T001000Z", unavailable, "clock", operators),
		at(signIn, 403, "SignatureDoesNotMatch", "Signature not yet current: 20260301T001000Z is still later than 20260301T000000Z", unavailable, "clock", operators),
		at(write, 403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.", unavailable, "clock", operators),
		at(signIn, 400, "RequestExpired", "Request has expired.", unavailable, "clock", operators),
		at(signIn, 403, "InvalidClientTokenId", "The security token included in the request is invalid.", unavailable, "own access key", operators),
		at(write, 403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.", unavailable, "own access key", operators),
		at(write, 403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided.", unavailable, "own access key", operators),
		at(signIn, 400, "IncompleteSignature", "", unavailable, "own access key", operators),
		at(signIn, 403, "MissingAuthenticationToken", "", unavailable, "own access key", operators),
		at(signIn, 400, "UnrecognizedClientException", "", unavailable, "own access key", operators),
		at(write, 400, "ExpiredToken", "The provided token has expired.", unavailable, "session", notYet),
		at(signIn, 400, "ExpiredTokenException", "", unavailable, "session", notYet),
		at(write, 400, "InvalidToken", "The provided token is malformed or otherwise invalid.", unavailable, "session", notYet),
		at(write, 400, "TokenRefreshRequired", "", unavailable, "session", notYet),

		at(signIn, 403, "AccessDenied", denies("sts:AssumeRole", "with an explicit deny in a service control policy"), denied, "forbids it explicitly to assume the role "+role, "Deny that covers sts:AssumeRole"),
		at(signIn, 403, "AccessDenied", denies("sts:AssumeRole", "because no resource-based policy allows the sts:AssumeRole action"), denied, "The role "+role+" does not let the service in, or not yet, or there is no such role", "the external ID shown there"),
		at(signIn, 400, "MalformedPolicyDocument", "The policy is not in the valid JSON format.", invalid, "s3://acme-audit/logs/", "shorter name"),
		at(signIn, 400, "PackedPolicyTooLarge", "", invalid, "s3://acme-audit/logs/", "shorter name"),
		at(signIn, 400, "ValidationError", "1 validation error detected: Value at 'roleArn' failed to satisfy constraint", invalid, "ARN of a role", "Copy the ARN"),
		at(signIn, 403, "RegionDisabledException", "STS is not activated in this region for account:123456789012.", denied, "Security Token Service", "Activate that region"),
		at(externalID, 400, "Throttling", "Rate exceeded", throttled, "fewer requests", notYet),
		at(externalID, 503, "ServiceUnavailable", "", unavailable, "failed for the moment", notYet),

		at(write, 403, "AccessDenied", denies("kms:GenerateDataKey", "because no resource-based policy allows the kms:GenerateDataKey action"), denied, "KMS key that the role may not use", "kms:GenerateDataKey to the role "+role),
		at(write, 403, "AccessDenied", denies("kms:GenerateDataKey", "with an explicit deny in a resource-based policy"), denied, "KMS key", "policy of the key"),
		at(write, 400, "KMS.AccessDeniedException", denies("kms:Decrypt", ""), denied, "KMS key", "policy of the key"),
		at(write, 400, "KMS.DisabledException", "arn:aws:kms:eu-central-1:123456789012:key/1 is disabled.", denied, "disabled", "Enable the key"),
		at(write, 400, "KMS.KMSInvalidStateException", "arn:aws:kms:eu-central-1:123456789012:key/1 is pending deletion.", denied, "about to be deleted", "cancel its deletion"),
		at(write, 400, "KMS.NotFoundException", "Key 'arn:aws:kms:eu-central-1:123456789012:key/1' does not exist", denied, "deleted", "choose another key"),
		at(write, 400, "KMS.InvalidKeyUsageException", "", denied, "wrong sort", "choose another key"),
		at(write, 500, "KMS.KeyUnavailableException", "", unavailable, "failed for the moment", notYet),
		at(write, 500, "KMS.KMSInternalException", "", unavailable, "failed for the moment", notYet),
		at(write, 503, "KMS.DependencyTimeoutException", "", unavailable, "failed for the moment", notYet),
		at(write, 400, "KMS.ThrottlingException", "You have exceeded the rate at which you may call KMS.", throttled, "fewer requests", notYet),

		at(remove, 403, "AccessDenied", "Access Denied because object protected by object lock.", denied, "Object Lock", "Nothing needs to be done"),
		at(write, 403, "AccessDenied", denies("s3:PutObject", "with an explicit deny in a resource-based policy"), denied, "policy of the bucket acme-audit forbids s3:PutObject", role),
		at(list, 403, "AccessDenied", denies("s3:ListBucket", "with an explicit deny in a resource-based policy"), denied, "forbids s3:ListBucket", role),
		at(write, 403, "AccessDenied", denies("s3:PutObject", "with an explicit deny in a service control policy"), denied, "control policy", "s3:PutObject on "+objects),
		at(write, 403, "AccessDenied", denies("s3:PutObject", "with an explicit deny in a resource control policy"), denied, "control policy", "runs your AWS organization"),
		at(write, 403, "AccessDenied", denies("s3:PutObject", "because no permissions boundary allows the s3:PutObject action"), denied, "boundary of the role "+role, "s3:PutObject in the boundary"),
		at(remove, 403, "AccessDenied", denies("s3:DeleteObject", "with an explicit deny in an identity-based policy"), denied, "forbids s3:DeleteObject explicitly", role),
		at(write, 403, "AccessDenied", denies("s3:PutObject", "because no identity-based policy allows the s3:PutObject action"), denied, "may not write to s3://acme-audit/logs/", "s3:PutObject on "+objects),
		at(list, 403, "AccessDenied", "Access Denied", denied, "may not list", "s3:ListBucket on arn:aws:s3:::acme-audit for the s3:prefix logs/*"),
		at(remove, 403, "AccessDenied", "Access Denied", denied, "Exports work without deleting", "s3:DeleteObject on "+objects),

		at(owner, 404, "NoSuchBucket", "The specified bucket does not exist", missing, "no bucket acme-audit", "Create the bucket"),
		at(write, 404, "NotFound", "", missing, "no bucket acme-audit", "Create the bucket"),
		at(write, 400, "InvalidBucketName", "", invalid, "acme-audit", "Correct the destination"),
		at(write, 403, "AllAccessDisabled", "All access to this object has been disabled", denied, "all access", "AWS Support"),
		at(write, 403, "AccountProblem", "There is a problem with your AWS account", denied, "billing", "billing console"),
		at(write, 403, "NotSignedUp", "Your account is not signed up for the Amazon S3 service.", denied, "account of the bucket", "AWS Support"),
		at(write, 403, "InvalidPayer", "All access to this object has been disabled.", denied, "restricted", "AWS Support"),
		at(write, 403, "QuotaExceeded", "", denied, "full", "quota"),
		at(write, 301, "PermanentRedirect", "The bucket you are attempting to access must be addressed using the specified endpoint.", unavailable, "another region", notYet),
		at(write, 307, "TemporaryRedirect", "Please re-send this request to the specified temporary endpoint.", unavailable, "another region", notYet),
		at(write, 400, "AuthorizationHeaderMalformed", "the region 'us-east-1' is wrong; expecting 'eu-central-1'", unavailable, "another region", notYet),
		at(write, 400, "IllegalLocationConstraintException", "", unavailable, "another region", notYet),
		at(write, 400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", invalid, "larger than S3 takes", "size of the export's objects"),
		at(write, 400, "KeyTooLongError", "Your key is too long", invalid, "name of the object", "shorter folder"),

		at(owner, 503, "SlowDown", "Please reduce your request rate.", throttled, "fewer requests", notYet),
		at(signIn, 400, "ThrottlingException", "", throttled, "fewer requests", notYet),
		at(signIn, 400, "Throttling", "Rate exceeded", throttled, "fewer requests", notYet),
		at(signIn, 503, "RequestLimitExceeded", "", throttled, "fewer requests", notYet),
		at(write, 400, "RequestThrottled", "", throttled, "fewer requests", notYet),
		at(write, 429, "TooManyRequests", "", throttled, "fewer requests", notYet),
		at(write, 503, "BandwidthLimitExceeded", "", throttled, "fewer requests", notYet),
		at(write, 400, "BadDigest", "The Content-MD5 you specified did not match what we received.", unavailable, "sent again", notYet),
		at(write, 400, "XAmzContentChecksumMismatch", "", unavailable, "sent again", notYet),
		at(write, 400, "XAmzContentSHA256Mismatch", "", unavailable, "sent again", notYet),
		at(write, 400, "IncompleteBody", "", unavailable, "sent again", notYet),
		at(owner, 500, "InternalError", "We encountered an internal error. Please try again.", unavailable, "failed for the moment", notYet),
		at(signIn, 500, "InternalFailure", "", unavailable, "failed for the moment", notYet),
		at(write, 503, "ServiceUnavailable", "", unavailable, "failed for the moment", notYet),
		at(write, 400, "RequestTimeout", "Your socket connection to the server was not read from or written to within the timeout period.", unavailable, "failed for the moment", notYet),
		at(write, 409, "OperationAborted", "", unavailable, "failed for the moment", notYet),
		at(write, 409, "ConditionalRequestConflict", "", unavailable, "failed for the moment", notYet),
	}, network(schemas.AWS))
}
