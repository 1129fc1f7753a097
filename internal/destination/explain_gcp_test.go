package destination_test

import (
	"net/http"
	"testing"

	"golang.org/x/oauth2"

	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/schemas"
)

func TestGCPExplanations(t *testing.T) {
	t.Parallel()
	const (
		operators = "the operators of the service"
		notYet    = ""
	)
	at := func(step schemas.Step, status int, code, words string, kind schemas.ErrorKind, tells, fix string) explained {
		return explained{step: step, refusal: refusal{status: status, code: code, words: words}, kind: kind, tells: tells, fix: fix}
	}
	ownKey := func(code string) explained {
		c := at(schemas.StepAuthenticate, 0, code, "", schemas.KindUnavailable, "own key", operators)
		c.err = &oauth2.RetrieveError{Response: &http.Response{Status: "400 Bad Request"}, ErrorCode: code, ErrorDescription: "Invalid JWT Signature."}
		return c
	}
	signIn, owner := schemas.StepAuthenticate, schemas.StepOwner
	write, list, remove := schemas.StepWrite, schemas.StepList, schemas.StepDelete
	denied, unavailable, throttled := schemas.KindDenied, schemas.KindUnavailable, schemas.KindThrottled
	invalid, missing := schemas.KindInvalid, schemas.KindNotFound
	mayNotImpersonate := "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist)."

	moved := at(owner, 0, schemas.CodeOwnerChanged, "", denied, "another project than the one with the number 4711", "accept the new owner")
	moved.cloud = gcpCloud(grantAll)
	moved.change = func(target *destination.Target) { target.Owner = "4711" }

	checkExplanations(t, schemas.GCP, []explained{
		moved,
		at(write, 403, "rateLimitExceeded", "The total number of changes to the object exceeds the rate limit.", throttled, "fewer requests", notYet),
		at(signIn, 429, "RESOURCE_EXHAUSTED", "Quota exceeded for quota metric.", throttled, "fewer requests", notYet),
		at(signIn, 429, "RATE_LIMIT_EXCEEDED", "", throttled, "fewer requests", notYet),
		at(signIn, 403, "PERMISSION_DENIED", "IAM Service Account Credentials API has not been used in project 4711 before or it is disabled.", unavailable, "switched on the API", operators),
		at(signIn, 403, "IAM_PERMISSION_DENIED", mayNotImpersonate, unavailable, "may not act as its service account "+serviceAccount+", or not yet", "the operators"),
		at(signIn, 403, "forbidden", mayNotImpersonate, unavailable, "may not act as", "the operators"),
		at(signIn, 404, "NOT_FOUND", "Unknown service account", unavailable, "no service account "+serviceAccount, "the operators"),
		at(signIn, 401, "UNAUTHENTICATED", "Request had invalid authentication credentials.", unavailable, "own identity", operators),
		ownKey("invalid_grant"), ownKey("invalid_client"), ownKey("unauthorized_client"),

		at(write, 401, "authError", "Invalid Credentials", unavailable, "renewed by itself", notYet),
		at(write, 401, "invalid", "", unavailable, "renewed by itself", notYet),
		at(owner, 401, "required", "Anonymous caller does not have storage.buckets.get access.", denied, serviceAccount, "acme-audit"),
		at(write, 403, "insufficientPermissions", "Request had insufficient authentication scopes.", unavailable, "not made for storage", operators),

		at(owner, 403, "vpcServiceControls", "", denied, "VPC Service Controls", "ingress rule"),
		at(write, 403, "forbidden", "Request violates VPC Service Controls.", denied, "VPC Service Controls", serviceAccount),
		at(write, 403, "forbidden", "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: 1A2B3C", denied, "service perimeter", "ingress rule"),
		at(write, 412, "orgPolicyConstraintFailed", "'us' violates constraint 'constraints/gcp.resourceLocations'", denied, "policy of your organization", "names the constraint"),
		at(write, 403, "orgPolicy", "", denied, "policy of your organization", "names the constraint"),

		at(write, 400, "cloudKmsBadKey", "", denied, "Cloud KMS key", "another default key"),
		at(write, 400, "cloudKmsDisabledKey", "", denied, "disabled", "Enable a version"),
		at(write, 400, "cloudKmsEncryptionKeyNotFound", "", denied, "destroyed", "another default key"),
		at(write, 400, "cloudKmsKeyLocationNotAllowed", "", denied, "wrong place", "another default key"),
		at(write, 400, "cloudKmsCannotChangeKeyName", "", denied, "Cloud KMS key", "another default key"),
		at(write, 403, "forbidden", "Permission denied on Cloud KMS key. Please ensure that your Cloud Storage service account has been authorized to use this key.", denied, "may not use the Cloud KMS key", "CryptoKey Encrypter/Decrypter"),

		at(write, 400, "userProjectMissing", "", denied, "Requester Pays", "Switch Requester Pays off"),
		at(owner, 401, "authenticationRequiredRequesterPays", "", denied, "Requester Pays", "Switch Requester Pays off"),
		at(owner, 400, "required", "Bucket is a requester pays bucket but no user project provided.", denied, "Requester Pays", "Switch Requester Pays off"),
		at(write, 403, "accountDisabled", "The billing account for the owning project is disabled in state absent", denied, "Billing is off", "billing account"),
		at(write, 403, "userProjectAccountProblem", "", denied, "Billing is off", "billing account"),
		at(write, 403, "countryBlocked", "", denied, "country", operators),

		at(remove, 403, "retentionPolicyNotMet", "Object is subject to bucket's retention policy.", denied, "retention policy", "Nothing needs to be done"),
		at(remove, 403, "objectUnderActiveHold", "", denied, "hold", "Nothing needs to be done"),
		at(owner, 403, "forbidden", "does not have storage.buckets.get access", denied, "lacks the permission storage.buckets.get on the bucket acme-audit", "storage.buckets.get"),
		at(write, 403, "forbidden", "does not have storage.objects.create access", denied, "lacks the permission storage.objects.create", "custom role"),
		at(list, 403, "forbidden", "", denied, "storage.objects.list", "custom role"),
		at(remove, 403, "forbidden", "", denied, "storage.objects.delete", "custom role"),
		at(write, 403, "PERMISSION_DENIED", "", denied, "storage.objects.create", "custom role"),
		at(write, 403, "IAM_PERMISSION_DENIED", "", denied, "storage.objects.create", "custom role"),
		at(owner, 404, "notFound", "The specified bucket does not exist.", missing, "no bucket acme-audit", "Create the bucket"),
		at(write, 404, "NOT_FOUND", "", missing, "no bucket acme-audit", "Create the bucket"),

		at(write, 400, "invalid", `Provided MD5 hash "a" doesn't match calculated MD5 hash "b".`, unavailable, "sent again", notYet),
		at(owner, 400, "invalid", "Invalid bucket name: 'acme-audit'", invalid, "name of the bucket", "Correct the destination"),
		at(write, 400, "invalidArgument", "", invalid, "name of the bucket", "Correct the destination"),
		at(write, 400, "invalidParameter", "", invalid, "name of the bucket", "Correct the destination"),
		at(write, 413, "uploadTooLarge", "", invalid, "larger than Google takes", "size of the export's objects"),

		at(write, 429, "userRateLimitExceeded", "", throttled, "fewer requests", notYet),
		at(list, 403, "quotaExceeded", "", throttled, "fewer requests", notYet),
		at(write, 403, "dailyLimitExceeded", "", throttled, "fewer requests", notYet),
		at(owner, 503, "backendError", "", unavailable, "failed for the moment", notYet),
		at(write, 500, "internalError", "", unavailable, "failed for the moment", notYet),
		at(write, 504, "gatewayTimeout", "", unavailable, "failed for the moment", notYet),
		at(write, 503, "uploadBrokenConnection", "", unavailable, "failed for the moment", notYet),
		at(write, 409, "conflict", "", unavailable, "failed for the moment", notYet),
		at(signIn, 503, "UNAVAILABLE", "", unavailable, "failed for the moment", notYet),
		at(signIn, 500, "INTERNAL", "", unavailable, "failed for the moment", notYet),
	}, network(schemas.GCP))
}
