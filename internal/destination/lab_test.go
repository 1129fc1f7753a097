package destination_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/cloudsim"
	"github.com/auditferry/auditferry/dev/stack"
	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/schemas"
)

// Who the service is in the simulated clouds.
const (
	serviceUserARN = "arn:aws:iam::999988887777:user/auditferry"
	serviceAccount = "auditferry-export@auditferry-dev.iam.gserviceaccount.com"
	appName        = "auditferry_1700000000000"
	clientID       = "0f3dd0a6-6b0e-4f9f-9d2a-5b8a3b1c7e10"
	clientSecret   = "app-secret"
	azureAccount   = "acmeaudit"
)

// lab is a set of real object stores behind the simulated trust of the clouds.
type lab struct {
	stores *stack.Stack
	clouds *cloudsim.Server
}

var (
	theLab   = sync.OnceValues(startLab)
	labAsked atomic.Bool
)

func TestMain(m *testing.M) {
	code := m.Run()
	if labAsked.Load() {
		if l, err := theLab(); err == nil {
			if err := errors.Join(l.clouds.Close(), l.stores.Stop()); err != nil {
				fmt.Fprintln(os.Stderr, err)
				code = 1
			}
		}
	}
	os.Exit(code)
}

func startLab() (lab, error) {
	ctx := context.Background()
	stores, err := stack.Start(ctx, stack.Options{Services: stack.Stores(), Log: os.Stderr})
	if err != nil {
		return lab{}, err
	}
	clouds, err := cloudsim.Start(ctx, cloudsim.Config{
		AWS: cloudsim.AWSConfig{
			ServiceUserARN: serviceUserARN, AccessKeyID: "AKIASERVICE", SecretAccessKey: "service-secret",
			IAMEndpoint: stores.S3.IAMEndpoint, S3Endpoint: stores.S3.Endpoint,
			RootAccessKeyID: stores.S3.AccessKeyID, RootSecretAccessKey: stores.S3.SecretAccessKey,
		},
		Azure: cloudsim.AzureConfig{
			ClientID: clientID, ClientSecret: clientSecret, AppName: appName,
			BlobEndpoint: stores.Azurite.Endpoint, Accounts: stores.Azurite.Accounts,
		},
		GCP: cloudsim.GCPConfig{ServiceAccount: serviceAccount, StorageEndpoint: stores.GCS.Endpoint},
	})
	if err != nil {
		return lab{}, errors.Join(err, stores.Stop())
	}
	// The SDKs' standard sources, which a worker has as well.
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID":              "AKIASERVICE",
		"AWS_SECRET_ACCESS_KEY":          "service-secret",
		"GOOGLE_APPLICATION_CREDENTIALS": clouds.Endpoints().GoogleKeyFile,
	} {
		if err := os.Setenv(name, value); err != nil {
			return lab{}, errors.Join(err, clouds.Close(), stores.Stop())
		}
	}
	return lab{stores: stores, clouds: clouds}, nil
}

func openLab(t *testing.T) lab {
	t.Helper()
	labAsked.Store(true)
	l, err := theLab()
	require.NoError(t, err)
	return l
}

// opener is what a worker has, over connections that can fail.
func (l lab) opener(t *testing.T, network *flaky, change func(*destination.Config)) *destination.Opener {
	t.Helper()
	at := l.clouds.Endpoints()
	cfg := destination.Config{
		AWS: destination.AWSConfig{Region: "us-east-1", STSEndpoint: at.STS, S3Endpoint: at.S3},
		Azure: destination.AzureConfig{
			Apps:          map[string]string{clientID: clientSecret},
			AuthorityHost: at.Authority, BlobEndpoint: at.Blob,
		},
		GCP: destination.GCPConfig{IAMEndpoint: at.IAMCredentials, StorageEndpoint: at.Storage},
	}
	if change != nil {
		change(&cfg)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: l.clouds.CertPool(), MinVersion: tls.VersionTLS12}
	t.Cleanup(transport.CloseIdleConnections)
	network.RoundTripper = transport
	o, err := destination.NewOpenerOver(t.Context(), cfg, network)
	require.NoError(t, err)
	return o
}

// open returns what opens the target.
func open(o *destination.Opener, target destination.Target) func(*testing.T) destination.Destination {
	return func(t *testing.T) destination.Destination {
		t.Helper()
		d, err := o.Open(t.Context(), target)
		require.NoError(t, err)
		return d
	}
}

// unique is a name that all three clouds take for a bucket.
func unique(prefix string) string { return prefix + "-" + strings.ToLower(rand.Text())[:12] }

// flaky is a network that can lose the answers to uploads and refuse deletions.
type flaky struct {
	http.RoundTripper
	lose   atomic.Int32 // how many answers are still to be lost
	refuse atomic.Pointer[http.Response]
}

func (f *flaky) RoundTrip(r *http.Request) (*http.Response, error) {
	if refusal := f.refuse.Load(); refusal != nil && r.Method == http.MethodDelete {
		answer := *refusal
		answer.Request = r
		return &answer, nil
	}
	upload := r.Method == http.MethodPut || strings.HasPrefix(r.URL.Path, "/upload/")
	answer, err := f.RoundTripper.RoundTrip(r)
	if err == nil && upload && answer.StatusCode < 300 && f.lose.Add(-1) >= 0 {
		_, _ = io.Copy(io.Discard, answer.Body) // the answer counts as never received
		_ = answer.Body.Close()
		return nil, io.ErrUnexpectedEOF
	}
	return answer, err
}

// keys lists a whole bucket past the code under test.
func (l lab) keys(at schemas.Destination) func(*testing.T) []string {
	at.Prefix = ""
	return func(t *testing.T) []string {
		t.Helper()
		objects, err := l.stores.Objects(t.Context(), at)
		require.NoError(t, err)
		var keys []string
		for _, object := range objects {
			keys = append(keys, object.Key)
		}
		return keys
	}
}

func (l lab) read(at schemas.Destination) func(*testing.T, string) []byte {
	return func(t *testing.T, key string) []byte {
		t.Helper()
		content, err := l.stores.ReadObject(t.Context(), at, key)
		require.NoError(t, err)
		return content
	}
}

func (l lab) store(at schemas.Destination) func(*testing.T, string, []byte) {
	return func(t *testing.T, key string, content []byte) {
		t.Helper()
		require.NoError(t, l.stores.PutObject(t.Context(), at, key, content))
	}
}
