package destination

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"github.com/auditferry/auditferry/schemas"
)

// Config is the service's own side of the trust, and where the clouds are.
// Endpoints are the operator's choice only: a tenant can never name a host.
type Config struct {
	AWS   AWSConfig
	Azure AzureConfig
	GCP   GCPConfig
}

// AWSConfig is for Amazon S3. The service user's access key comes from the
// SDK's standard sources.
type AWSConfig struct {
	Region      string // of STS; also of S3 if S3Endpoint is set. Empty: the SDK's standard sources
	STSEndpoint string // empty: AWS
	S3Endpoint  string // empty: AWS; otherwise addressed in path style
}

// AzureConfig is for Azure Blob Storage: the service's multi-tenant apps. Which
// of them a destination uses is said by its credentials.
type AzureConfig struct {
	Apps          map[string]string // client ID -> client secret
	AuthorityHost string            // empty: Microsoft's public cloud
	BlobEndpoint  string            // with {account}; empty: https://{account}.blob.core.windows.net
}

// GCPConfig is for Google Cloud Storage. The identity that impersonates the
// integrations' service accounts comes from application default credentials.
type GCPConfig struct {
	IAMEndpoint     string // base URL of the IAM Credentials API; empty: Google
	StorageEndpoint string // base URL of the Cloud Storage JSON API; empty: Google
}

// Temporal is the retry loop. SDKs may try a second time at once, which saves
// it a round when a connection was just stale.
const (
	sdkAttempts = 2
	sdkPause    = time.Second // before the second one, at most
)

// Opener opens destinations. It is safe for concurrent use, and one is enough
// for a process: its destinations share connections.
type Opener struct {
	cfg    Config
	aws    aws.Config
	google googleIdentity
	http   *http.Client // of Azure and GCP
}

// NewOpener reads the SDKs' standard configuration. Credentials that are
// missing there are found out only when a destination needs them.
func NewOpener(ctx context.Context, cfg Config) (*Opener, error) {
	options := []func(*awsconfig.LoadOptions) error{
		// The SDK's own client, since only that heeds AWS_CA_BUNDLE.
		awsconfig.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(limitSilence)),
		awsconfig.WithRetryer(func() aws.Retryer { return awsRetryer() }),
	}
	if cfg.AWS.Region != "" {
		options = append(options, awsconfig.WithRegion(cfg.AWS.Region))
	}
	base, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("load AWS configuration: %w", err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 8
	limitSilence(transport)
	client := &http.Client{
		Transport: transport,
		// No API used here redirects, so whoever does wants requests to go to
		// another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &Opener{cfg: cfg, aws: base, google: googleIdentity{http: client}, http: client}, nil
}

// limitSilence makes a request fail whose server has all of it and does not
// begin to answer.
func limitSilence(transport *http.Transport) {
	transport.ResponseHeaderTimeout = 2 * time.Minute
}

// Open prepares a destination and sends nothing yet, so that it fails only for
// a target that can never work (KindInvalid). Close it after use.
func (o *Opener) Open(_ context.Context, t Target) (Destination, error) {
	if t.SessionName == "" {
		t.SessionName = "auditferry"
	}
	if err := t.validate(); err != nil {
		return nil, t.unusable(err)
	}
	var d driver
	var err error
	switch t.Destination.Cloud {
	case schemas.AWS:
		d, err = o.openS3(t)
	case schemas.Azure:
		d, err = o.openAzure(t)
	default: // validate has refused all others
		d, err = o.openGCS(t)
	}
	if err != nil {
		return nil, t.unusable(err)
	}
	return &store{at: t.Destination, driver: d}, nil
}

func (t Target) validate() error {
	if err := t.Grant.Validate(t.Destination.Cloud); err != nil {
		return err
	}
	return t.Credentials.Validate(t.Destination.Cloud)
}

func (t Target) unusable(err error) error {
	return &Error{Kind: schemas.KindInvalid, Op: "open", Place: t.Destination.URL(), Message: err.Error(), Err: err}
}
