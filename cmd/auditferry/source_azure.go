package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/schemas"
)

// The variables that the az program reads, too.
const (
	azureKeyVariable = "AZURE_STORAGE_KEY"
	azureSASVariable = "AZURE_STORAGE_SAS_TOKEN"
)

// azureSource reads a container with an account key, a SAS token, or whatever
// identity DefaultAzureCredential finds.
type azureSource struct {
	client *container.Client
	folder string
}

func openAzure(place schemas.Destination, at endpoints) (source, error) {
	base := "https://" + place.Account + ".blob.core.windows.net"
	if at.azure != "" {
		base = strings.TrimSuffix(strings.ReplaceAll(at.azure, "{account}", place.Account), "/")
	}
	client, err := azureClient(base+"/"+place.Bucket, place.Account)
	if err != nil {
		return nil, fmt.Errorf("sign in to Azure: %w", err)
	}
	return &azureSource{client, folderOf(place)}, nil
}

func azureClient(url, account string) (*container.Client, error) {
	options := &container.ClientOptions{ClientOptions: azcore.ClientOptions{Retry: policy.RetryOptions{MaxRetries: sdkAttempts - 1}}}
	if key := os.Getenv(azureKeyVariable); key != "" {
		credential, err := container.NewSharedKeyCredential(account, key)
		if err != nil {
			return nil, fmt.Errorf("%s is not an account key: %w", azureKeyVariable, err)
		}
		return container.NewClientWithSharedKeyCredential(url, credential, options)
	}
	if token := os.Getenv(azureSASVariable); token != "" {
		return container.NewClientWithNoCredential(url+"?"+strings.TrimPrefix(token, "?"), options)
	}
	credential, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		return nil, err
	}
	return container.NewClient(url, credential, options)
}

// List implements manifest.Source.
func (a *azureSource) List(ctx context.Context, yield func(manifest.Entry) error) error {
	pages := a.client.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{
		Prefix: &a.folder, Include: container.ListBlobsInclude{Metadata: true},
	})
	for pages.More() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return azureAnswer(err)
		}
		for _, blob := range page.Segment.BlobItems {
			if blob.Name == nil || blob.Properties == nil || blob.Properties.ContentLength == nil {
				return errors.New("the answer has a blob without name or length")
			}
			if isAzureFolder(blob) {
				continue
			}
			if err := yield(manifest.Entry{Key: (*blob.Name)[len(a.folder):], Size: *blob.Properties.ContentLength}); err != nil {
				return err
			}
		}
	}
	return nil
}

// isAzureFolder tells whether it is a folder of an account with a hierarchical
// namespace, which lists them as empty blobs.
func isAzureFolder(blob *container.BlobItem) bool {
	for name, value := range blob.Metadata {
		if strings.EqualFold(name, "hdi_isfolder") && value != nil && *value == "true" {
			return *blob.Properties.ContentLength == 0
		}
	}
	return false
}

// Open implements manifest.Source.
func (a *azureSource) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	answer, err := a.client.NewBlobClient(a.folder+key).DownloadStream(ctx, nil)
	if bloberror.HasCode(err, bloberror.BlobNotFound) {
		return nil, errors.Join(fs.ErrNotExist, err)
	}
	if err != nil {
		return nil, azureAnswer(err)
	}
	return answer.Body, nil
}

// azureAnswer says in one line what the SDK says with a page of headers and XML.
func azureAnswer(err error) error {
	var answer *azcore.ResponseError
	if !errors.As(err, &answer) {
		return err
	}
	return fmt.Errorf("the blob server answered %d %s", answer.StatusCode, cmp.Or(answer.ErrorCode, http.StatusText(answer.StatusCode)))
}

// Close implements source.
func (a *azureSource) Close() error { return nil }
