package destination

import "github.com/auditferry/auditferry/schemas"

// azureRows are the answers of Microsoft Entra and of Blob Storage.
// Placeholders: {account}, {container}, {folder}, {tenant}, {app} (its full
// name), {member} (what Azure's member search finds it by), {step}.
//
// https://learn.microsoft.com/entra/identity-platform/reference-error-codes
// https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
var azureRows = []row{
	{
		codes: []string{CodeUnknownApp}, kind: schemas.KindUnavailable,
		explanation: "The service has no secret for the app {app}.", fix: operators,
	},

	// Consent. Entra gives no better reason for consent in the wrong tenant.
	{
		codes: []string{"AADSTS700016", "AADSTS7000229", "AADSTS65001"}, kind: schemas.KindDenied,
		explanation: "The tenant {tenant} does not know the app {app}: nobody has consented yet, or it was done in another tenant.",
		fix:         "As an administrator of the tenant {tenant}, open the consent URL shown with the integration's credentials and accept. If the storage account is in another tenant, " + otherTenant,
	},
	{
		codes: []string{"AADSTS7000112"}, kind: schemas.KindDenied,
		explanation: "The app {app} is disabled in the tenant {tenant}.",
		fix:         "In Microsoft Entra ID, open Enterprise applications, {member}, Properties, and enable sign-in.",
	},
	{
		codes: []string{"AADSTS650052", "AADSTS500011"}, kind: schemas.KindDenied,
		explanation: "The tenant {tenant} does not know Azure Storage, so no storage account can be in it.",
		fix:         "If the storage account's subscription is in this tenant, an administrator can register Azure Storage in it with: az ad sp create --id e406a681-f3d4-42a8-90b6-c2b029497af1 - If it is in another tenant, " + otherTenant,
	},
	{
		codes: []string{"AADSTS501051"}, kind: schemas.KindDenied,
		explanation: "In the tenant {tenant} apps must be assigned to Azure Storage before they may use it, and the app {app} is not.",
		fix:         "In Microsoft Entra ID, open Enterprise applications, Azure Storage, Properties, and switch off that assignment is required.",
	},
	{
		codes: []string{"AADSTS53003", "AADSTS530032", "AADSTS530035"}, kind: schemas.KindDenied,
		explanation: "A Conditional Access policy or the security defaults of the tenant {tenant} keep the app {app} out.",
		fix:         "In Microsoft Entra ID, open Sign-in logs, Service principal sign-ins to see which policy it was, and exclude the app from it.",
	},
	{
		codes: []string{"AADSTS5000225"}, kind: schemas.KindDenied,
		explanation: "Microsoft has blocked the tenant {tenant} because it was not used.",
		fix:         "Ask Microsoft to restore the tenant. If the storage account is in another one, " + otherTenant,
	},
	{
		codes: []string{"AADSTS90002", "AADSTS900021", "AADSTS900023"}, kind: schemas.KindNotFound,
		explanation: "There is no tenant {tenant}.",
		fix:         "Copy the tenant ID from Microsoft Entra ID, Overview, then " + otherTenant,
	},

	// The service's own app.
	{
		codes: []string{"AADSTS7000215", "AADSTS7000222", "AADSTS7000216", "AADSTS7000218", "AADSTS700027"}, kind: schemas.KindUnavailable,
		explanation: "Microsoft Entra does not accept the service's own secret for the app {app}.", fix: operators,
	},
	{codes: []string{"AADSTS50196", "AADSTS90055"}, kind: schemas.KindThrottled, explanation: tooMany},
	{codes: []string{"AADSTS90033", "AADSTS90006", "AADSTS90024"}, kind: schemas.KindUnavailable, explanation: failed},

	// Sign-in at the storage account.
	{
		codes: []string{"InvalidAuthenticationInfo", "AuthenticationFailed"}, says: "ssuer", kind: schemas.KindDenied,
		explanation: "The storage account {account} is in another tenant than {tenant}.",
		fix:         "If the storage account is the wrong one, correct the destination. If it is the right one, " + otherTenant,
	},
	{
		codes: []string{"InvalidAuthenticationInfo", "AuthenticationFailed"}, says: "ifetime", kind: schemas.KindUnavailable,
		explanation: "The service's sign-in has ended, or its clock is wrong. It signs in anew by itself.",
	},
	{
		codes: []string{"InvalidAuthenticationInfo", "AuthenticationFailed", "NoAuthenticationInformation"}, kind: schemas.KindDenied,
		explanation: "The storage account {account} does not accept the sign-in, most often because it is in another tenant than {tenant}.",
		fix:         "Compare the tenant ID with that of the storage account's subscription. If it is another, " + otherTenant,
	},

	// What the app may do there.
	{
		codes: []string{"AuthorizationPermissionMismatch"}, kind: schemas.KindDenied,
		explanation: "The app {app} may not {step} in the container {container}, or not yet: Azure takes up to 45 minutes until a role has an effect.",
		fix:         "Give the role Storage Blob Data Contributor on the container {container}, or on the storage account {account}, to the member {member}. If that has been done, wait.",
	},
	{
		codes: []string{"AuthorizationFailure"}, kind: schemas.KindDenied,
		explanation: "The storage account {account} does not let requests in from the service's network.",
		fix:         "On the storage account, under Networking, allow the addresses of the service, or allow all networks. If all are allowed, check the role as well.",
	},
	{
		codes: []string{"InsufficientAccountPermissions"}, kind: schemas.KindDenied,
		explanation: "The storage account {account} cannot be written to at present.",
		fix:         "Look at the state of the storage account in the Azure portal.",
	},
	{
		codes: []string{"AccountIsDisabled"}, kind: schemas.KindDenied,
		explanation: "The storage account {account} is disabled, most often because its subscription is.",
		fix:         "Look at the state of the subscription in the Azure portal.",
	},
	{
		codes: []string{"ContainerDisabled"}, kind: schemas.KindDenied,
		explanation: "The container {container} has been disabled.", fix: "Contact Azure support, or choose another container.",
	},
	{
		codes: []string{"KeyVaultEncryptionKeyNotFound", "KeyVaultVaultNotFound", "KeyVaultAccessTokenCannotBeAcquired"}, kind: schemas.KindDenied,
		explanation: "The storage account {account} cannot reach the key in Key Vault that it is encrypted with.",
		fix:         "On the storage account, under Encryption, see which key it is. Enable or restore it, and give the account's identity access to it.",
	},
	{
		codes: []string{"BlobImmutableDueToPolicy"}, steps: removal, kind: schemas.KindDenied,
		explanation: "A retention policy or legal hold protects the objects of the container {container}.",
		fix:         "Nothing needs to be done: exported objects are not deleted or replaced.",
	},
	{
		codes: []string{"LeaseIdMissing"}, steps: removal, kind: schemas.KindDenied,
		explanation: "Somebody holds a lease on the object.", fix: "Break the lease, or leave the object where it is.",
	},

	// The place.
	{
		codes: []string{"ContainerNotFound"}, kind: schemas.KindNotFound,
		explanation: "There is no container {container} in the storage account {account}.", fix: "Create the container, or correct the destination.",
	},
	{
		codes: []string{"ContainerBeingDeleted"}, kind: schemas.KindNotFound,
		explanation: "The container {container} is being deleted.", fix: "Create it anew in a minute, or correct the destination.",
	},
	{
		codes: []string{"ResourceNotFound", "AccountNotFound"}, kind: schemas.KindNotFound,
		explanation: "There is no storage account {account} with a container {container}.", fix: "Create them, or correct the destination.",
	},
	{
		says: "there is no host ", kind: schemas.KindNotFound,
		explanation: "There is no storage account {account}.", fix: "Create the storage account, or correct the destination.",
	},
	{
		codes: []string{"InvalidResourceName", "InvalidUri", "OutOfRangeInput"}, kind: schemas.KindInvalid,
		explanation: "Azure does not take the name of the container or of the object.", fix: "Correct the destination, or the path of the export.",
	},
	{
		codes: []string{"RequestBodyTooLarge"}, kind: schemas.KindInvalid,
		explanation: "The object is larger than Azure takes.", fix: "Lower the size of the export's objects.",
	},

	// What passes.
	{codes: []string{"ServerBusy", "IngressExceedsAccountLimit", "TooManyRequests"}, kind: schemas.KindThrottled, explanation: tooMany},
	{codes: []string{"Md5Mismatch", "Crc64Mismatch"}, kind: schemas.KindUnavailable, explanation: damaged},
	{codes: []string{"InternalError", "OperationTimedOut", "AccountBeingCreated"}, kind: schemas.KindUnavailable, explanation: failed},
}
