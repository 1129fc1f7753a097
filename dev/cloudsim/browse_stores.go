package cloudsim

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"
)

// pageSize is how many objects and folders the page shows at a time.
const pageSize = 200

// store is what one cloud holds, seen with the store's root key: the customer
// sees their own objects, whatever they grant to others.
type store interface {
	// places are buckets, and containers as account/container.
	places(ctx context.Context) ([]string, error)
	// list is one page of a folder; from is an earlier one's next, or empty.
	list(ctx context.Context, place, prefix, from string) (listing, error)
	open(ctx context.Context, place, key string) (io.ReadCloser, error)
}

// listing is a page of a folder.
type listing struct {
	folders []string // full prefixes
	objects []storedObject
	next    string // empty: this is the last
}

type storedObject struct {
	key     string
	size    int64 // bytes
	written time.Time
}

// stores are those that run, by cloud.
func (c Config) stores(ctx context.Context, client *http.Client) (map[string]store, error) {
	all := map[string]store{}
	if c.AWS.S3Endpoint != "" {
		all["aws"] = s3Store{s3.New(s3.Options{
			// versitygw takes any region's name here; the signature only has to have one.
			BaseEndpoint: aws.String(c.AWS.S3Endpoint), Region: "us-east-1", UsePathStyle: true, HTTPClient: client,
			Credentials: credentials.NewStaticCredentialsProvider(c.AWS.RootAccessKeyID, c.AWS.RootSecretAccessKey, ""),
		})}
	}
	if c.Azure.BlobEndpoint != "" {
		all["azure"] = azureStore{c.Azure, client}
	}
	if c.GCP.StorageEndpoint != "" {
		gcs, err := storage.NewClient(ctx, option.WithoutAuthentication(), option.WithHTTPClient(client),
			option.WithEndpoint(strings.TrimSuffix(c.GCP.StorageEndpoint, "/")+"/storage/v1/"))
		if err != nil {
			return nil, err
		}
		all["gcp"] = gcsStore{gcs}
	}
	return all, nil
}

type s3Store struct{ client *s3.Client }

func (s s3Store) places(ctx context.Context) ([]string, error) {
	out, err := s.client.ListBuckets(ctx, &s3.ListBucketsInput{})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, b := range out.Buckets {
		names = append(names, aws.ToString(b.Name))
	}
	return names, nil
}

func (s s3Store) list(ctx context.Context, place, prefix, from string) (listing, error) {
	in := &s3.ListObjectsV2Input{Bucket: &place, Prefix: &prefix, Delimiter: aws.String("/"), MaxKeys: aws.Int32(pageSize)}
	if from != "" {
		in.ContinuationToken = &from
	}
	out, err := s.client.ListObjectsV2(ctx, in)
	if err != nil {
		return listing{}, err
	}
	found := listing{next: aws.ToString(out.NextContinuationToken)}
	for _, p := range out.CommonPrefixes {
		found.folders = append(found.folders, aws.ToString(p.Prefix))
	}
	for _, o := range out.Contents {
		found.objects = append(found.objects, storedObject{aws.ToString(o.Key), aws.ToInt64(o.Size), aws.ToTime(o.LastModified)})
	}
	return found, nil
}

func (s s3Store) open(ctx context.Context, place, key string) (io.ReadCloser, error) {
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &place, Key: &key})
	if err != nil {
		return nil, err
	}
	return out.Body, nil
}

type azureStore struct {
	cfg    AzureConfig
	client *http.Client
}

func (s azureStore) account(name string) (*azblob.Client, error) {
	key, exists := s.cfg.Accounts[name]
	if !exists {
		return nil, errors.New("there is no storage account " + name)
	}
	credential, err := azblob.NewSharedKeyCredential(name, key)
	if err != nil {
		return nil, err
	}
	return azblob.NewClientWithSharedKeyCredential(strings.TrimSuffix(s.cfg.BlobEndpoint, "/")+"/"+name, credential,
		&azblob.ClientOptions{ClientOptions: azcore.ClientOptions{Transport: s.client}})
}

func (s azureStore) container(place string) (*container.Client, error) {
	account, name, _ := strings.Cut(place, "/")
	client, err := s.account(account)
	if err != nil {
		return nil, err
	}
	return client.ServiceClient().NewContainerClient(name), nil
}

func (s azureStore) places(ctx context.Context) ([]string, error) {
	var names []string
	for _, account := range slices.Sorted(maps.Keys(s.cfg.Accounts)) {
		client, err := s.account(account)
		if err != nil {
			return nil, err
		}
		for pages := client.NewListContainersPager(nil); pages.More(); {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			for _, c := range page.ContainerItems {
				names = append(names, account+"/"+*c.Name)
			}
		}
	}
	return names, nil
}

func (s azureStore) list(ctx context.Context, place, prefix, from string) (listing, error) {
	client, err := s.container(place)
	if err != nil {
		return listing{}, err
	}
	options := &container.ListBlobsHierarchyOptions{Prefix: &prefix, MaxResults: new(int32(pageSize))}
	if from != "" {
		options.Marker = &from
	}
	page, err := client.NewListBlobsHierarchyPager("/", options).NextPage(ctx)
	if err != nil {
		return listing{}, err
	}
	found := listing{next: aws.ToString(page.NextMarker)}
	for _, p := range page.Segment.BlobPrefixes {
		found.folders = append(found.folders, *p.Name)
	}
	for _, b := range page.Segment.BlobItems {
		found.objects = append(found.objects, storedObject{*b.Name, *b.Properties.ContentLength, *b.Properties.LastModified})
	}
	return found, nil
}

func (s azureStore) open(ctx context.Context, place, key string) (io.ReadCloser, error) {
	client, err := s.container(place)
	if err != nil {
		return nil, err
	}
	out, err := client.NewBlobClient(key).DownloadStream(ctx, nil)
	if err != nil {
		return nil, err
	}
	return out.Body, nil
}

type gcsStore struct{ client *storage.Client }

func (s gcsStore) places(ctx context.Context) ([]string, error) {
	var names []string
	all := s.client.Buckets(ctx, defaultProject)
	for {
		b, err := all.Next()
		if errors.Is(err, iterator.Done) {
			return names, nil
		}
		if err != nil {
			return nil, err
		}
		names = append(names, b.Name)
	}
}

func (s gcsStore) list(ctx context.Context, place, prefix, from string) (listing, error) {
	objects := s.client.Bucket(place).Objects(ctx, &storage.Query{Prefix: prefix, Delimiter: "/"})
	var page []*storage.ObjectAttrs
	next, err := iterator.NewPager(objects, pageSize, from).NextPage(&page)
	if err != nil {
		return listing{}, err
	}
	found := listing{next: next}
	for _, o := range page {
		if o.Prefix != "" {
			found.folders = append(found.folders, o.Prefix)
			continue
		}
		found.objects = append(found.objects, storedObject{o.Name, o.Size, o.Updated})
	}
	return found, nil
}

func (s gcsStore) open(ctx context.Context, place, key string) (io.ReadCloser, error) {
	return s.client.Bucket(place).Object(key).ReadCompressed(true).NewReader(ctx)
}
