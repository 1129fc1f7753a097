package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/iterator"

	"github.com/auditferry/auditferry/schemas"
)

// StoredObject is an object as its store lists it.
type StoredObject struct {
	Key  string
	Size int64 // bytes
}

// bucket is a customer's bucket seen with the store's root key, past trust and
// past the product's code, so that a test can check what the product did.
type bucket interface {
	create(ctx context.Context) error // existing already is fine
	list(ctx context.Context, prefix string) ([]StoredObject, error)
	open(ctx context.Context, key string) (io.ReadCloser, error)
	put(ctx context.Context, key string, data []byte) error
}

// CreateBucket makes the bucket or container of d, as the customer would. One
// that exists is fine.
func (s *Stack) CreateBucket(ctx context.Context, d schemas.Destination) error {
	b, err := s.bucket(d)
	if err == nil {
		err = b.create(ctx)
	}
	if err != nil {
		return fmt.Errorf("create the bucket of %s: %w", d.URL(), err)
	}
	return nil
}

// Objects lists everything in d's folder, sorted by key. It reads the store
// with its root key, independently of the product.
func (s *Stack) Objects(ctx context.Context, d schemas.Destination) ([]StoredObject, error) {
	prefix := d.Prefix
	if prefix != "" {
		prefix += "/"
	}
	b, err := s.bucket(d)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", d.URL(), err)
	}
	objects, err := b.list(ctx, prefix)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", d.URL(), err)
	}
	slices.SortFunc(objects, func(a, b StoredObject) int { return strings.Compare(a.Key, b.Key) })
	return objects, nil
}

// OpenObject reads the object with the full key in d's bucket. It reads the
// store with its root key, independently of the product.
func (s *Stack) OpenObject(ctx context.Context, d schemas.Destination, key string) (io.ReadCloser, error) {
	b, err := s.bucket(d)
	if err != nil {
		return nil, fmt.Errorf("read %s of %s: %w", key, d.URL(), err)
	}
	body, err := b.open(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("read %s of %s: %w", key, d.URL(), err)
	}
	return body, nil
}

// ReadObject is OpenObject for objects that fit into memory.
func (s *Stack) ReadObject(ctx context.Context, d schemas.Destination, key string) ([]byte, error) {
	body, err := s.OpenObject(ctx, d, key)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(body)
	return data, errors.Join(err, body.Close())
}

// PutObject stores data under the full key in d's bucket, over whatever is
// there, as the customer could.
func (s *Stack) PutObject(ctx context.Context, d schemas.Destination, key string, data []byte) error {
	b, err := s.bucket(d)
	if err == nil {
		err = b.put(ctx, key, data)
	}
	if err != nil {
		return fmt.Errorf("put %s into %s: %w", key, d.URL(), err)
	}
	return nil
}

func (s *Stack) bucket(d schemas.Destination) (bucket, error) {
	switch {
	case d.Cloud == schemas.AWS && s.S3.Endpoint != "":
		return s3Bucket{client: s.S3.client(), name: d.Bucket}, nil
	case d.Cloud == schemas.Azure && s.Azurite.Endpoint != "":
		return s.azureContainer(d)
	case d.Cloud == schemas.GCP && s.gcs != nil:
		return gcsBucket{handle: s.gcs.Bucket(d.Bucket)}, nil
	}
	return nil, fmt.Errorf("the store of cloud %q was not started", d.Cloud)
}

type s3Bucket struct {
	client *s3.Client
	name   string
}

// client has the root key.
func (s S3Server) client() *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(s.Endpoint), Region: s.Region, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(s.AccessKeyID, s.SecretAccessKey, ""),
	})
}

func (b s3Bucket) create(ctx context.Context) error {
	_, err := b.client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &b.name})
	var owned *s3types.BucketAlreadyOwnedByYou
	if errors.As(err, &owned) {
		return nil
	}
	return err
}

func (b s3Bucket) list(ctx context.Context, prefix string) ([]StoredObject, error) {
	var objects []StoredObject
	pages := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			objects = append(objects, StoredObject{Key: aws.ToString(o.Key), Size: aws.ToInt64(o.Size)})
		}
	}
	return objects, nil
}

func (b s3Bucket) open(ctx context.Context, key string) (io.ReadCloser, error) {
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: &key})
	if err != nil {
		return nil, err
	}
	return out.Body, nil
}

func (b s3Bucket) put(ctx context.Context, key string, data []byte) error {
	_, err := b.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &b.name, Key: &key, Body: bytes.NewReader(data)})
	return err
}

type azureContainer struct{ client *container.Client }

func (s *Stack) azureContainer(d schemas.Destination) (bucket, error) {
	key, ok := s.Azurite.Accounts[d.Account]
	if !ok {
		return nil, fmt.Errorf("there is no storage account %s; known are those in azureAccounts", d.Account)
	}
	credential, err := azblob.NewSharedKeyCredential(d.Account, key)
	if err != nil {
		return nil, err
	}
	client, err := container.NewClientWithSharedKeyCredential(s.Azurite.Endpoint+"/"+d.Account+"/"+d.Bucket, credential, nil)
	return azureContainer{client}, err
}

func (c azureContainer) create(ctx context.Context) error {
	_, err := c.client.Create(ctx, nil)
	if bloberror.HasCode(err, bloberror.ContainerAlreadyExists) {
		return nil
	}
	return err
}

func (c azureContainer) list(ctx context.Context, prefix string) ([]StoredObject, error) {
	var objects []StoredObject
	pages := c.client.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: &prefix})
	for pages.More() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, item := range page.Segment.BlobItems {
			objects = append(objects, StoredObject{Key: *item.Name, Size: *item.Properties.ContentLength})
		}
	}
	return objects, nil
}

func (c azureContainer) open(ctx context.Context, key string) (io.ReadCloser, error) {
	out, err := c.client.NewBlobClient(key).DownloadStream(ctx, nil)
	if err != nil {
		return nil, err
	}
	return out.Body, nil
}

func (c azureContainer) put(ctx context.Context, key string, data []byte) error {
	_, err := c.client.NewBlockBlobClient(key).UploadBuffer(ctx, data, nil)
	return err
}

type gcsBucket struct{ handle *storage.BucketHandle }

func (b gcsBucket) create(ctx context.Context) error {
	err := b.handle.Create(ctx, "auditferry-dev", nil)
	var refused *googleapi.Error
	if errors.As(err, &refused) && refused.Code == http.StatusConflict {
		return nil
	}
	return err
}

func (b gcsBucket) list(ctx context.Context, prefix string) ([]StoredObject, error) {
	var objects []StoredObject
	all := b.handle.Objects(ctx, &storage.Query{Prefix: prefix})
	for {
		attrs, err := all.Next()
		if errors.Is(err, iterator.Done) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		objects = append(objects, StoredObject{Key: attrs.Name, Size: attrs.Size})
	}
}

func (b gcsBucket) open(ctx context.Context, key string) (io.ReadCloser, error) {
	return b.handle.Object(key).NewReader(ctx)
}

func (b gcsBucket) put(ctx context.Context, key string, data []byte) error {
	w := b.handle.Object(key).NewWriter(ctx)
	if _, err := w.Write(data); err != nil {
		return errors.Join(err, w.Close())
	}
	return w.Close()
}
