package destination

import (
	"bytes"
	"context"
	"encoding/xml"
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
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
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

// checks are none: a storage account cannot change hands under a tenant whose
// tokens it accepts.
func (d *azureDriver) checks() []step { return nil }

func (d *azureDriver) owner() string { return "" }

func (d *azureDriver) close() error { return nil }

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

func (d *azureDriver) sort(tried schemas.Step, err error) verdict {
	a := answered{step: tried, words: err.Error()}
	var answer *azcore.ResponseError
	var refused *azidentity.AuthenticationFailedError
	var lookup *net.DNSError
	var unknown *unknownApp
	switch {
	case errors.As(err, &unknown):
		a.code, a.words = CodeUnknownApp, ""
	case errors.As(err, &answer):
		a.status, a.code, a.words = answer.StatusCode, answer.ErrorCode, blobWords(answer)
	case errors.As(err, &refused):
		a.step = schemas.StepAuthenticate
		if refused.RawResponse != nil {
			a.status = refused.RawResponse.StatusCode
		}
	case errors.As(err, &lookup) && lookup.IsNotFound:
		// Every storage account has a host of its own.
		a.words = "there is no host " + lookup.Name
	}
	if found := entraError.FindStringSubmatch(err.Error()); a.code == "" && found != nil {
		words, _, _ := strings.Cut(found[2], "Trace ID:")
		a.code, a.words = found[1], words
	}
	if tried == schemas.StepWrite && (a.status == http.StatusPreconditionFailed || azurePresent[a.code]) {
		return taken(a)
	}
	return explain(azureRows, a, d.names(a.step))
}

// blobWords are those of Blob Storage's answer. Details come only with some
// refusals, and tell most.
func blobWords(answer *azcore.ResponseError) string {
	var body struct {
		Message string
		Detail  string `xml:"AuthenticationErrorDetail"`
	}
	status := fmt.Sprintf("HTTP status %d", answer.StatusCode)
	content, err := runtime.Payload(answer.RawResponse)
	if err != nil || xml.Unmarshal(bytes.TrimPrefix(content, []byte("\xef\xbb\xbf")), &body) != nil {
		return status
	}
	words, _, _ := strings.Cut(body.Message, "RequestId:")
	words = strings.TrimSpace(words + " " + body.Detail)
	if words == "" {
		return status
	}
	return words
}

func (d *azureDriver) names(tried schemas.Step) map[string]string {
	at, credentials := d.target.Destination, d.target.Credentials.Azure
	return map[string]string{
		"account": at.Account, "container": at.Bucket, "folder": at.URL(), "tenant": d.target.Grant.TenantID,
		"app": credentials.MultiTenantAppName, "member": credentials.MemberSearch(), "step": string(tried),
	}
}
