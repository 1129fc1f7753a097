package destination

import "github.com/auditferry/auditferry/schemas"

var (
	signIn  = []schemas.Step{schemas.StepAuthenticate, schemas.StepExternalID}
	writing = []schemas.Step{schemas.StepWrite}
	listing = []schemas.Step{schemas.StepList}
	removal = []schemas.Step{schemas.StepDelete}
	owning  = []schemas.Step{schemas.StepOwner}
)

// awsRows are the answers of STS and S3. Placeholders: {bucket} and
// {bucket_arn}, {folder}, {prefix} and {objects} (as policies name all in the
// folder), {role}, {owner} (the account that the bucket has to be in),
// {permission}.
//
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
var awsRows = []row{
	// What this package found itself.
	{
		codes: []string{CodeExternalIDNotRequired}, kind: schemas.KindDenied,
		explanation: "The role {role} lets the service in without the right external ID, so any other customer of the service could have it write to your bucket by merely naming your role.",
		fix:         "In the trust policy of the role, put the condition StringEquals sts:ExternalId on every statement that allows sts:AssumeRole to the service, with the external ID shown with the integration's credentials.",
	},
	{
		codes: []string{CodeOwnerMismatch}, kind: schemas.KindDenied,
		explanation: "The bucket {bucket} is not in the AWS account {owner}, so nothing is written to it.",
		fix:         "If the bucket is yours, update the destination and name the account that the bucket is in as the bucket owner. If it is not, correct the destination.",
	},
	{
		codes: []string{schemas.CodeOwnerChanged}, kind: schemas.KindDenied,
		explanation: "The bucket {bucket} belongs to another AWS account than {owner}, which it was in when access was first granted, so nothing is written to it.",
		fix:         "If that is right, update the destination and name the account that the bucket is in now as the bucket owner. If it is not, correct the destination.",
	},
	{
		codes: []string{"AccessDenied"}, steps: owning, kind: schemas.KindDenied,
		explanation: "Whether the bucket {bucket} is in the AWS account {owner} cannot be told without s3:ListBucket. Every request names the account all the same, so nothing is written to a bucket of another one.",
	},

	// The service's own key, clock and session.
	{
		codes: []string{"SignatureDoesNotMatch"}, says: "Signature expired", kind: schemas.KindUnavailable,
		explanation: "The clock of the service is wrong.", fix: operators,
	},
	{
		codes: []string{"SignatureDoesNotMatch"}, says: "Signature not yet current", kind: schemas.KindUnavailable,
		explanation: "The clock of the service is wrong.", fix: operators,
	},
	{
		codes: []string{"RequestTimeTooSkewed", "RequestExpired"}, kind: schemas.KindUnavailable,
		explanation: "The clock of the service is wrong.", fix: operators,
	},
	{
		codes: []string{"InvalidClientTokenId", "InvalidAccessKeyId", "SignatureDoesNotMatch", "IncompleteSignature", "MissingAuthenticationToken", "UnrecognizedClientException"},
		kind:  schemas.KindUnavailable, explanation: "AWS does not accept the service's own access key.", fix: operators,
	},
	{
		codes: []string{"ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired"}, kind: schemas.KindUnavailable,
		explanation: "AWS does not accept the service's session, which is renewed by itself.",
	},

	// Assuming the role.
	{
		codes: []string{"AccessDenied"}, steps: signIn, says: "with an explicit deny", kind: schemas.KindDenied,
		explanation: "A policy forbids it explicitly to assume the role {role}.",
		fix:         "Look for a Deny that covers sts:AssumeRole in the trust policy of the role, and in the service and resource control policies of your organization.",
	},
	{
		codes: []string{"AccessDenied"}, steps: signIn, kind: schemas.KindDenied,
		explanation: "The role {role} does not let the service in, or not yet, or there is no such role.",
		fix:         "In the trust policy of the role, allow sts:AssumeRole to the IAM user ARN shown with the integration's credentials, under the condition that sts:ExternalId equals the external ID shown there. Compare both letter by letter. If there is no such role, create it as the setup guide says, or " + otherRole,
	},
	{
		codes: []string{"MalformedPolicyDocument", "PackedPolicyTooLarge"}, kind: schemas.KindInvalid,
		explanation: "The name of the folder {folder} does not fit into the policy that confines the service to it.",
		fix:         "Choose a folder with a shorter name, of plain letters and digits.",
	},
	{
		codes: []string{"ValidationError"}, steps: signIn, kind: schemas.KindInvalid,
		explanation: "AWS does not take {role} for the ARN of a role.",
		fix:         "Copy the ARN from the role's page in the IAM console, then " + otherRole,
	},
	{
		codes: []string{"RegionDisabledException"}, kind: schemas.KindDenied,
		explanation: "The AWS account of the role has switched off the Security Token Service in the region that the service uses.",
		fix:         "Activate that region in the IAM console, under Account settings, Security Token Service. The cloud's own answer names it.",
	},

	// Encryption. S3 asks KMS in the role's name.
	{
		codes: []string{"AccessDenied", "KMS.AccessDeniedException"}, says: "kms:", kind: schemas.KindDenied,
		explanation: "The bucket {bucket} is encrypted with a KMS key that the role may not use.",
		fix:         "Allow kms:GenerateDataKey to the role {role} in the policy of the key. If the key is in another account than the role, allow it in the permission policy of the role, too.",
	},
	{
		codes: []string{"KMS.DisabledException", "KMS.KMSInvalidStateException", "KMS.NotFoundException", "KMS.InvalidKeyUsageException"}, kind: schemas.KindDenied,
		explanation: "The KMS key that encrypts the bucket {bucket} is disabled, deleted, about to be deleted or of the wrong sort.",
		fix:         "Enable the key or cancel its deletion, or choose another key in the properties of the bucket.",
	},
	{codes: []string{"KMS.KeyUnavailableException", "KMS.KMSInternalException", "KMS.DependencyTimeoutException"}, kind: schemas.KindUnavailable, explanation: failed},
	{codes: []string{"KMS.ThrottlingException"}, kind: schemas.KindThrottled, explanation: tooMany},

	// What the role may do in the bucket.
	{
		codes: []string{"AccessDenied"}, says: "object protected by object lock", kind: schemas.KindDenied,
		explanation: "Object Lock protects the object.",
		fix:         "Nothing needs to be done: exported objects are not deleted or replaced.",
	},
	{
		codes: []string{"AccessDenied"}, says: "explicit deny in a resource-based policy", kind: schemas.KindDenied,
		explanation: "A Deny in the policy of the bucket {bucket} forbids {permission}.",
		fix:         "Take the role {role} out of that Deny, for instance with a condition on aws:PrincipalArn.",
	},
	{
		codes: []string{"AccessDenied"}, says: "control policy", kind: schemas.KindDenied,
		explanation: "A service or resource control policy of your organization forbids {permission}.",
		fix:         "Ask whoever runs your AWS organization to let the role {role} use {permission} on {objects}.",
	},
	{
		codes: []string{"AccessDenied"}, says: "permissions boundary", kind: schemas.KindDenied,
		explanation: "The permissions boundary of the role {role} does not allow {permission}.",
		fix:         "Allow {permission} in the boundary as well as in the permission policy of the role.",
	},
	{
		codes: []string{"AccessDenied"}, says: "with an explicit deny", kind: schemas.KindDenied,
		explanation: "A policy forbids {permission} explicitly.",
		fix:         "Look for a Deny in the permission policy of the role {role}, and in whatever policy the cloud's own answer names.",
	},
	{
		codes: []string{"AccessDenied"}, steps: writing, kind: schemas.KindDenied,
		explanation: "The role {role} may not write to {folder}.",
		fix:         "In the permission policy of the role, allow s3:PutObject on {objects}. If it is allowed there, look at the policy of the bucket, and at the policy of the KMS key if the bucket has one.",
	},
	{
		codes: []string{"AccessDenied"}, steps: listing, kind: schemas.KindDenied,
		explanation: "The role {role} may not list {folder}.",
		fix:         "In the permission policy of the role, allow s3:ListBucket on {bucket_arn} for the s3:prefix {prefix}. If it is allowed there, look at the policy of the bucket.",
	},
	{
		codes: []string{"AccessDenied"}, steps: removal, kind: schemas.KindDenied,
		explanation: "The role {role} may not delete from {folder}.",
		fix:         "In the permission policy of the role, allow s3:DeleteObject on {objects}.",
	},

	// The bucket and its account.
	{
		codes: []string{"NoSuchBucket", "NotFound"}, kind: schemas.KindNotFound,
		explanation: "There is no bucket {bucket}.", fix: "Create the bucket, or correct the destination.",
	},
	{
		codes: []string{"InvalidBucketName"}, kind: schemas.KindInvalid,
		explanation: "S3 does not take {bucket} for the name of a bucket.", fix: "Correct the destination.",
	},
	{
		codes: []string{"AllAccessDisabled"}, kind: schemas.KindDenied,
		explanation: "AWS has switched off all access to the bucket {bucket}.", fix: "Contact AWS Support.",
	},
	{
		codes: []string{"AccountProblem", "NotSignedUp", "InvalidPayer"}, kind: schemas.KindDenied,
		explanation: "AWS has closed or restricted the account of the bucket {bucket}, most often because of billing.",
		fix:         "Look at the billing console of that account, or contact AWS Support.",
	},
	{
		codes: []string{"QuotaExceeded"}, kind: schemas.KindDenied,
		explanation: "The bucket {bucket} is full.", fix: "Raise its quota, or delete what is not needed any more.",
	},
	{
		codes: []string{"PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}, kind: schemas.KindUnavailable,
		explanation: "The bucket {bucket} is in another region than S3 said. After a bucket was created or moved this settles by itself within some hours.",
	},
	{
		codes: []string{"EntityTooLarge"}, kind: schemas.KindInvalid,
		explanation: "The object is larger than S3 takes.", fix: "Lower the size of the export's objects.",
	},
	{
		codes: []string{"KeyTooLongError"}, kind: schemas.KindInvalid,
		explanation: "The name of the object is longer than S3 takes.", fix: "Choose a shorter folder, or a shorter path for the export.",
	},

	// What passes.
	{
		codes: []string{"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "RequestThrottled", "TooManyRequests", "BandwidthLimitExceeded"},
		kind:  schemas.KindThrottled, explanation: tooMany,
	},
	{codes: []string{"BadDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch", "IncompleteBody"}, kind: schemas.KindUnavailable, explanation: damaged},
	{
		codes: []string{"InternalError", "InternalFailure", "ServiceUnavailable", "RequestTimeout", "OperationAborted", "ConditionalRequestConflict"},
		kind:  schemas.KindUnavailable, explanation: failed,
	},
}
