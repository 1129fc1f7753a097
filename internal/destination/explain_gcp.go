package destination

import (
	"net/http"

	"github.com/auditferry/auditferry/schemas"
)

const perimeter = "A service perimeter of your organization (VPC Service Controls) keeps the service account {service_account} out."

const perimeterFix = "Add an ingress rule to the perimeter that allows the service account {service_account} to use storage.googleapis.com in the bucket's project."

// gcpRows are the answers of the IAM Credentials API and of Cloud Storage.
// Placeholders: {bucket}, {folder}, {service_account}, {owner} (the number of
// the project that the bucket has to be in), {permission}.
//
// https://cloud.google.com/storage/docs/json_api/v1/status-codes
// https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken
var gcpRows = []row{
	{
		codes: []string{schemas.CodeOwnerChanged}, kind: schemas.KindDenied,
		explanation: "The bucket {bucket} belongs to another project than the one with the number {owner}, which it was in when access was first granted, so nothing is written to it.",
		fix:         changed,
	},

	// The service's own identity: it acts as a service account of its own.
	{
		codes: []string{"rateLimitExceeded", "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED"}, kind: schemas.KindThrottled, explanation: tooMany,
	},
	{
		steps: signIn, status: http.StatusForbidden, says: "has not been used in project", kind: schemas.KindUnavailable,
		explanation: "The service's own project has not switched on the API by which it acts as the service account {service_account}.", fix: operators,
	},
	{
		steps: signIn, status: http.StatusForbidden, kind: schemas.KindUnavailable,
		explanation: "The service may not act as its service account {service_account}, or not yet, or the account was deleted.", fix: operatorsLater,
	},
	{
		steps: signIn, status: http.StatusNotFound, kind: schemas.KindUnavailable,
		explanation: "There is no service account {service_account} any more, or not yet.", fix: operatorsLater,
	},
	{
		steps: signIn, status: http.StatusUnauthorized, kind: schemas.KindUnavailable,
		explanation: "Google does not accept the service's own identity.", fix: operators,
	},
	{
		codes: []string{"invalid_grant", "invalid_client", "unauthorized_client"}, steps: signIn, kind: schemas.KindUnavailable,
		explanation: "Google does not accept the service's own key.", fix: operators,
	},

	// Sign-in at the bucket.
	{
		codes: []string{"authError", "invalid"}, status: http.StatusUnauthorized, kind: schemas.KindUnavailable,
		explanation: "Google does not accept the service's token, which is renewed by itself.",
	},
	{
		codes: []string{"required"}, status: http.StatusUnauthorized, kind: schemas.KindDenied,
		explanation: "Google asks for a sign-in that the service account {service_account} cannot give.",
		fix:         "Check that the bucket {bucket} grants access to this very service account.",
	},
	{
		codes: []string{"insufficientPermissions"}, kind: schemas.KindUnavailable,
		explanation: "The service's token is not made for storage.", fix: operators,
	},

	// Rules of the organization.
	{codes: []string{"vpcServiceControls"}, kind: schemas.KindDenied, explanation: perimeter, fix: perimeterFix},
	{says: "VPC Service Controls", kind: schemas.KindDenied, explanation: perimeter, fix: perimeterFix},
	{says: "vpcServiceControlsUniqueIdentifier", kind: schemas.KindDenied, explanation: perimeter, fix: perimeterFix},
	{
		codes: []string{"orgPolicyConstraintFailed", "orgPolicy"}, kind: schemas.KindDenied,
		explanation: "A policy of your organization forbids this in the bucket {bucket}.",
		fix:         "Ask whoever runs your Google Cloud organization to except the bucket. The cloud's own answer names the constraint.",
	},

	// Encryption.
	{
		codes:       []string{"cloudKmsBadKey", "cloudKmsDisabledKey", "cloudKmsEncryptionKeyNotFound", "cloudKmsKeyLocationNotAllowed", "cloudKmsCannotChangeKeyName"},
		kind:        schemas.KindDenied,
		explanation: "The Cloud KMS key that encrypts the bucket {bucket} is disabled, destroyed or in the wrong place.",
		fix:         "Enable a version of the key, or choose another default key for the bucket.",
	},
	{
		status: http.StatusForbidden, says: "KMS key", kind: schemas.KindDenied,
		explanation: "Cloud Storage may not use the Cloud KMS key that encrypts the bucket {bucket}.",
		fix:         "Give the role Cloud KMS CryptoKey Encrypter/Decrypter on the key to the Cloud Storage service agent of the bucket's project.",
	},

	// Billing.
	{
		codes: []string{"userProjectMissing", "authenticationRequiredRequesterPays"}, kind: schemas.KindDenied,
		explanation: "The bucket {bucket} wants whoever sends a request to pay for it (Requester Pays).",
		fix:         "Switch Requester Pays off in the configuration of the bucket.",
	},
	{
		says: "equester pays", kind: schemas.KindDenied,
		explanation: "The bucket {bucket} wants whoever sends a request to pay for it (Requester Pays).",
		fix:         "Switch Requester Pays off in the configuration of the bucket.",
	},
	{
		codes: []string{"accountDisabled", "userProjectAccountProblem"}, kind: schemas.KindDenied,
		explanation: "Billing is off for the project of the bucket {bucket}.",
		fix:         "Link the project to a billing account that is in order.",
	},
	{
		codes: []string{"countryBlocked"}, kind: schemas.KindDenied,
		explanation: "Google does not serve the country that the request comes from.", fix: operators,
	},

	// What the service account may do.
	{
		codes: []string{"retentionPolicyNotMet", "objectUnderActiveHold"}, kind: schemas.KindDenied,
		explanation: "A retention policy or a hold protects the objects of the bucket {bucket}.",
		fix:         "Nothing needs to be done: exported objects are not deleted or replaced.",
	},
	{
		codes: []string{"forbidden", "PERMISSION_DENIED", "IAM_PERMISSION_DENIED"}, kind: schemas.KindDenied,
		explanation: "The service account {service_account} lacks the permission {permission} on the bucket {bucket}, or does not have it yet.",
		fix:         "On the bucket, grant the service account a custom role with storage.objects.create, storage.objects.delete, storage.objects.list and storage.buckets.get.",
	},
	{
		codes: []string{"notFound", "NOT_FOUND"}, kind: schemas.KindNotFound,
		explanation: "There is no bucket {bucket}.", fix: "Create the bucket, or correct the destination.",
	},

	// The object. A wrong checksum is "invalid" as well.
	{codes: []string{"invalid"}, says: "hash", kind: schemas.KindUnavailable, explanation: damaged},
	{
		codes: []string{"invalid", "invalidArgument", "invalidParameter"}, status: http.StatusBadRequest, kind: schemas.KindInvalid,
		explanation: "Google does not take the name of the bucket or of the object.", fix: "Correct the destination, or the path of the export.",
	},
	{
		codes: []string{"uploadTooLarge"}, kind: schemas.KindInvalid,
		explanation: "The object is larger than Google takes.", fix: "Lower the size of the export's objects.",
	},

	// What passes.
	{codes: []string{"userRateLimitExceeded", "quotaExceeded", "dailyLimitExceeded"}, kind: schemas.KindThrottled, explanation: tooMany},
	{
		codes: []string{"backendError", "internalError", "gatewayTimeout", "uploadBrokenConnection", "conflict", "UNAVAILABLE", "INTERNAL"},
		kind:  schemas.KindUnavailable, explanation: failed,
	},
}
