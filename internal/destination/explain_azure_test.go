package destination_test

import (
	"net"
	"testing"

	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/schemas"
)

func TestAzureExplanations(t *testing.T) {
	t.Parallel()
	const (
		tenant    = "72f988bf-86f1-41af-91ab-2d7cd011db47"
		operators = "the operators of the service"
		notYet    = ""
	)
	at := func(step schemas.Step, status int, code, words string, kind schemas.ErrorKind, tells, fix string) explained {
		return explained{step: step, refusal: refusal{status: status, code: code, words: words}, kind: kind, tells: tells, fix: fix}
	}
	signIn, write, list, remove := schemas.StepAuthenticate, schemas.StepWrite, schemas.StepList, schemas.StepDelete
	denied, unavailable, throttled := schemas.KindDenied, schemas.KindUnavailable, schemas.KindThrottled
	invalid, missing := schemas.KindInvalid, schemas.KindNotFound
	noHost := at(write, 0, "", "there is no host "+azureAccount+".blob.core.windows.net", missing, "no storage account "+azureAccount, "Create the storage account")
	noHost.err = &net.DNSError{Name: azureAccount + ".blob.core.windows.net", IsNotFound: true}

	unknownApp := at(signIn, 0, destination.CodeUnknownApp, "", unavailable, "no secret for the app "+appName, operators)
	unknownApp.cloud = azureCloud(grantAll)
	unknownApp.change = func(target *destination.Target) {
		target.Credentials.Azure = &schemas.AzureCredentials{
			ConsentURL: "https://login.microsoftonline.com/x?client_id=8b1b5c0a-0000-4000-8000-000000000000", MultiTenantAppName: appName,
		}
	}

	checkExplanations(t, schemas.Azure, []explained{
		unknownApp,
		at(signIn, 400, "AADSTS700016", "", denied, "tenant "+tenant+" does not know the app "+appName, "open the consent URL"),
		at(signIn, 401, "AADSTS7000229", "", denied, "nobody has consented", "accept"),
		at(signIn, 400, "AADSTS65001", "", denied, "nobody has consented", "accept. If the storage account is in another tenant, delete the integration"),
		at(signIn, 401, "AADSTS7000112", "", denied, appName+" is disabled", "Enterprise applications, auditferry, Properties"),
		at(signIn, 400, "AADSTS650052", "", denied, "does not know Azure Storage", "e406a681-f3d4-42a8-90b6-c2b029497af1"),
		at(signIn, 400, "AADSTS500011", "", denied, "does not know Azure Storage", "create it again with the right tenant ID"),
		at(signIn, 400, "AADSTS501051", "", denied, "must be assigned", "assignment is required"),
		at(signIn, 400, "AADSTS53003", "", denied, "Conditional Access", "exclude the app"),
		at(signIn, 400, "AADSTS530032", "", denied, "Conditional Access", "exclude the app"),
		at(signIn, 400, "AADSTS530035", "", denied, "security defaults", "exclude the app"),
		at(signIn, 400, "AADSTS5000225", "", denied, "blocked the tenant "+tenant, "restore"),
		at(signIn, 400, "AADSTS90002", "", missing, "no tenant "+tenant, "Copy the tenant ID"),
		at(signIn, 400, "AADSTS900021", "", missing, "no tenant", "delete the integration"),
		at(signIn, 400, "AADSTS900023", "", missing, "no tenant", "Copy the tenant ID"),
		at(signIn, 401, "AADSTS7000215", "", unavailable, "own secret", operators),
		at(signIn, 401, "AADSTS7000222", "", unavailable, "own secret", operators),
		at(signIn, 401, "AADSTS7000216", "", unavailable, "own secret", operators),
		at(signIn, 401, "AADSTS7000218", "", unavailable, "own secret", operators),
		at(signIn, 401, "AADSTS700027", "", unavailable, "own secret", operators),
		at(signIn, 400, "AADSTS50196", "", throttled, "fewer requests", notYet),
		at(signIn, 429, "AADSTS90055", "", throttled, "fewer requests", notYet),
		at(signIn, 503, "AADSTS90033", "", unavailable, "failed for the moment", notYet),
		at(signIn, 400, "AADSTS90006", "", unavailable, "failed for the moment", notYet),
		at(signIn, 400, "AADSTS90024", "", unavailable, "failed for the moment", notYet),

		at(write, 401, "InvalidAuthenticationInfo", "Issuer validation failed. Issuer did not match.", denied, azureAccount+" is in another tenant than "+tenant, "tenant ID"),
		at(write, 403, "AuthenticationFailed", "Issuer validation failed. Issuer did not match.", denied, "another tenant", "create it again with the right tenant ID"),
		at(write, 401, "InvalidAuthenticationInfo", "Lifetime validation failed. The token is expired.", unavailable, "signs in anew", notYet),
		at(write, 403, "AuthenticationFailed", "Lifetime validation failed. The token is expired.", unavailable, "signs in anew", notYet),
		at(write, 401, "InvalidAuthenticationInfo", "", denied, "does not accept the sign-in", "Compare the tenant ID"),
		at(write, 403, "AuthenticationFailed", "", denied, "does not accept the sign-in", "Compare the tenant ID"),
		at(write, 401, "NoAuthenticationInformation", "", denied, "does not accept the sign-in", "If it is another, delete the integration"),

		at(write, 403, "AuthorizationPermissionMismatch", "", denied, "may not write in the container audit, or not yet: Azure takes up to 45 minutes", "to the member auditferry."),
		at(list, 403, "AuthorizationPermissionMismatch", "", denied, "may not list", "Storage Blob Data Contributor"),
		at(remove, 403, "AuthorizationPermissionMismatch", "", denied, "Exports work without deleting", "Storage Blob Data Contributor"),
		at(write, 403, "AuthorizationFailure", "", denied, "network", "Networking"),
		at(write, 403, "InsufficientAccountPermissions", "", denied, "cannot be written to", "state of the storage account"),
		at(write, 403, "AccountIsDisabled", "", denied, "disabled", "subscription"),
		at(write, 403, "ContainerDisabled", "", denied, "container audit", "another container"),
		at(write, 403, "KeyVaultEncryptionKeyNotFound", "", denied, "Key Vault", "Encryption"),
		at(write, 403, "KeyVaultVaultNotFound", "", denied, "Key Vault", "Encryption"),
		at(write, 403, "KeyVaultAccessTokenCannotBeAcquired", "", denied, "Key Vault", "identity"),
		at(remove, 409, "BlobImmutableDueToPolicy", "", denied, "retention policy", "Nothing needs to be done"),
		at(remove, 412, "LeaseIdMissing", "", denied, "lease", "Break the lease"),

		at(write, 404, "ContainerNotFound", "", missing, "no container audit in the storage account "+azureAccount, "Create the container"),
		at(write, 409, "ContainerBeingDeleted", "", missing, "being deleted", "anew"),
		at(write, 404, "ResourceNotFound", "", missing, azureAccount, "Create them"),
		at(write, 404, "AccountNotFound", "", missing, azureAccount, "Create them"),
		noHost,
		at(write, 400, "InvalidResourceName", "", invalid, "name", "Correct the destination"),
		at(write, 400, "InvalidUri", "", invalid, "name", "Correct the destination"),
		at(write, 400, "OutOfRangeInput", "", invalid, "name", "Correct the destination"),
		at(write, 413, "RequestBodyTooLarge", "", invalid, "larger than Azure takes", "size of the export's objects"),

		at(write, 503, "ServerBusy", "", throttled, "fewer requests", notYet),
		at(list, 503, "IngressExceedsAccountLimit", "", throttled, "fewer requests", notYet),
		at(write, 429, "TooManyRequests", "", throttled, "fewer requests", notYet),
		at(write, 400, "Md5Mismatch", "", unavailable, "sent again", notYet),
		at(write, 400, "Crc64Mismatch", "", unavailable, "sent again", notYet),
		at(write, 500, "InternalError", "", unavailable, "failed for the moment", notYet),
		at(write, 500, "OperationTimedOut", "", unavailable, "failed for the moment", notYet),
		at(write, 409, "AccountBeingCreated", "", unavailable, "failed for the moment", notYet),
	}, network(schemas.Azure))
}
