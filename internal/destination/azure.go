package destination

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/auditferry/auditferry/schemas"
)

// azureDriver writes to one container with the rights that the service's
// multi-tenant app has been given in the admin's tenant.
type azureDriver struct {
	target     Target
	credential azcore.TokenCredential
	container  *container.Client
}

var _ driver = (*azureDriver)(nil)

const publicBlobEndpoint = "https://{account}.blob.core.windows.net"

func (o *Opener) openAzure(t Target) (driver, error) {
	options := azcore.ClientOptions{
		Transport: o.http,
		Retry:     policy.RetryOptions{MaxRetries: sdkAttempts - 1, RetryDelay: sdkPause / 2, MaxRetryDelay: sdkPause},
	}
	identity := &azidentity.ClientSecretCredentialOptions{ClientOptions: options}
	if host := o.cfg.Azure.AuthorityHost; host != "" {
		identity.Cloud = cloud.Configuration{ActiveDirectoryAuthorityHost: host}
		// Discovery would ask Microsoft whether the operator's host is one of
		// its own.
		identity.DisableInstanceDiscovery = true
	}
	credential, err := o.azureCredential(t, identity)
	if err != nil {
		return nil, fmt.Errorf("prepare the sign-in to tenant %s: %w", t.Grant.TenantID, err)
	}
	endpoint := o.cfg.Azure.BlobEndpoint
	if endpoint == "" {
		endpoint = publicBlobEndpoint
	}
	endpoint = strings.TrimSuffix(strings.ReplaceAll(endpoint, "{account}", t.Destination.Account), "/")
	client, err := container.NewClient(endpoint+"/"+t.Destination.Bucket, credential, &container.ClientOptions{ClientOptions: options})
	if err != nil {
		return nil, fmt.Errorf("prepare the container client: %w", err)
	}
	return &azureDriver{target: t, credential: credential, container: client}, nil
}

// azureCredential signs in as the app that the target's credentials name. The
// lack of its secret is a finding of the first request, and not of opening: the
// operators can still bring it.
func (o *Opener) azureCredential(t Target, options *azidentity.ClientSecretCredentialOptions) (azcore.TokenCredential, error) {
	id := t.Credentials.Azure.ClientID()
	secret, known := o.cfg.Azure.Apps[id]
	if !known {
		return &unknownApp{clientID: id}, nil
	}
	return azidentity.NewClientSecretCredential(t.Grant.TenantID, id, secret, options)
}

// unknownApp is the credential, and its error, of an app without a secret.
type unknownApp struct{ clientID string }

func (u *unknownApp) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, u
}

func (u *unknownApp) Error() string { return "the service has no secret for the app " + u.clientID }

// NonRetriable tells azcore that asking again at once is of no use.
func (u *unknownApp) NonRetriable() {}

// azureScope is what the client library asks tokens for as well.
const azureScope = "https://storage.azure.com/.default"

func (d *azureDriver) authenticate(ctx context.Context) error {
	_, err := d.credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{azureScope}})
	return err
}

func (d *azureDriver) put(ctx context.Context, key string, body io.ReadSeeker, object Object, createOnly bool) error {
	options := &blockblob.UploadOptions{
		// The first is kept beside the blob and listed with it, the second is
		// compared with what arrives.
		HTTPHeaders:             &blob.HTTPHeaders{BlobContentType: &object.ContentType, BlobContentMD5: object.MD5[:]},
		TransactionalValidation: blob.TransferValidationTypeMD5(object.MD5[:]),
	}
	if createOnly {
		options.AccessConditions = &blob.AccessConditions{
			ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)},
		}
	}
	_, err := d.container.NewBlockBlobClient(key).Upload(ctx, streaming.NopCloser(body), options)
	return err
}

func (d *azureDriver) stat(ctx context.Context, key string) (listed, error) {
	pages := d.container.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: &key})
	for pages.More() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return listed{}, err
		}
		for _, item := range page.Segment.BlobItems {
			if item.Name == nil || *item.Name != key || item.Properties == nil || item.Properties.ContentLength == nil {
				continue
			}
			return listed{found: true, size: *item.Properties.ContentLength, md5: item.Properties.ContentMD5, certain: true}, nil
		}
	}
	return listed{}, nil
}

func (d *azureDriver) remove(ctx context.Context, key string) error {
	_, err := d.container.NewBlobClient(key).Delete(ctx, nil)
	return err
}

func (d *azureDriver) checks() []step { return nil }

func (d *azureDriver) owner() string { return "" }

func (d *azureDriver) close() error { return nil }

// azureKinds are the codes of Blob Storage and of Microsoft Entra whose HTTP
// status would mislead.
// https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
// https://learn.microsoft.com/entra/identity-platform/reference-error-codes
var azureKinds = map[string]schemas.ErrorKind{
	"AccountIsDisabled":          schemas.KindDenied,
	"BlobNotFound":               schemas.KindNotFound,
	"ContainerBeingDeleted":      schemas.KindNotFound,
	"ContainerDisabled":          schemas.KindDenied,
	"ServerBusy":                 schemas.KindThrottled,
	"IngressExceedsAccountLimit": schemas.KindThrottled,
	"Md5Mismatch":                schemas.KindUnavailable, // bytes were lost on the way

	// The admin has not consented, or not let the app in.
	"AADSTS700016":  schemas.KindDenied, // the app is unknown in the tenant
	"AADSTS7000229": schemas.KindDenied, // the app has no service principal there
	"AADSTS7000112": schemas.KindDenied, // the app is disabled there
	"AADSTS65001":   schemas.KindDenied,
	"AADSTS650052":  schemas.KindDenied,
	"AADSTS500011":  schemas.KindDenied,
	"AADSTS501051":  schemas.KindDenied, // the app must be assigned
	"AADSTS53003":   schemas.KindDenied, // conditional access
	"AADSTS530035":  schemas.KindDenied,

	"AADSTS90002":  schemas.KindNotFound, // no such tenant
	"AADSTS900021": schemas.KindNotFound,
	"AADSTS900023": schemas.KindNotFound,

	// The service's own identity; see Error.
	"AADSTS7000215": schemas.KindUnavailable, // wrong client secret
	"AADSTS7000222": schemas.KindUnavailable, // expired client secret
	"AADSTS7000216": schemas.KindUnavailable,
	"AADSTS7000218": schemas.KindUnavailable,
	"AADSTS90033":   schemas.KindUnavailable, // Entra itself
	"AADSTS90006":   schemas.KindUnavailable,
	"AADSTS50196":   schemas.KindThrottled,
	"AADSTS90055":   schemas.KindThrottled,
}

// azurePresent are the refusals that speak of the blob which has the name.
var azurePresent = map[string]bool{
	"BlobAlreadyExists":        true,
	"ConditionNotMet":          true,
	"BlobImmutableDueToPolicy": true,
	"InvalidBlobType":          true,
}

// entraError finds the code and its explanation in what azidentity makes of an
// answer; the ends of the JSON string and of the sentence are left out.
var entraError = regexp.MustCompile(`(AADSTS\d+): ?([^"\\\r\n]*)`)

func (d *azureDriver) sort(err error) verdict {
	v := verdict{kind: schemas.KindUnavailable, message: oneLine(err.Error())}
	var answer *azcore.ResponseError
	var refused *azidentity.AuthenticationFailedError
	var lookup *net.DNSError
	var unknown *unknownApp
	switch {
	case errors.As(err, &unknown):
		v.code, v.message = CodeUnknownApp, unknown.Error()
	case errors.As(err, &answer):
		v.kind, v.code, v.message = byStatus(answer.StatusCode), answer.ErrorCode, fmt.Sprintf("HTTP status %d", answer.StatusCode)
		v.present = answer.StatusCode == http.StatusPreconditionFailed || azurePresent[v.code]
	case errors.As(err, &refused):
		if refused.RawResponse != nil {
			v.kind = byStatus(refused.RawResponse.StatusCode)
		}
	case errors.As(err, &lookup) && lookup.IsNotFound:
		// Every storage account has a host of its own.
		v.kind, v.message = schemas.KindNotFound, "there is no host "+lookup.Name
	}
	if found := entraError.FindStringSubmatch(err.Error()); v.code == "" && found != nil {
		explanation, _, _ := strings.Cut(found[2], "Trace ID:")
		v.code, v.message = found[1], oneLine(explanation)
	}
	if kind, known := azureKinds[v.code]; known {
		v.kind = kind
	}
	if v.present {
		v.kind = schemas.KindConflict
	}
	return v
}

func (d *azureDriver) advise(step schemas.Step, v verdict) string {
	at := d.target.Destination
	credentials := d.target.Credentials.Azure
	switch {
	case v.kind == schemas.KindNotFound && step == schemas.StepAuthenticate:
		return fmt.Sprintf("There is no tenant %s. Copy the tenant ID from Microsoft Entra ID > Overview.", d.target.Grant.TenantID)
	case v.kind == schemas.KindNotFound:
		return fmt.Sprintf("There is no container %q in the storage account %q. Create it, or correct the destination.", at.Bucket, at.Account)
	case v.kind != schemas.KindDenied:
		return ""
	case step == schemas.StepAuthenticate:
		return fmt.Sprintf("The tenant does not know the service's app yet, or does not let it in. Open %s as an administrator of the tenant and accept.", credentials.ConsentURL)
	case v.code == "AuthorizationFailure":
		return fmt.Sprintf("The storage account %q refuses the network that the requests come from. Allow it under Networking, or allow all networks.", at.Account)
	}
	return fmt.Sprintf("The app may not %s here. Give the role Storage Blob Data Contributor on the container %q, or on its storage account, to the member %s; Azure may take up to 45 minutes until that has an effect.", step, at.Bucket, credentials.MemberSearch())
}
