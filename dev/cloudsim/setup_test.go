package cloudsim_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/cloudsim"
	"github.com/auditferry/auditferry/dev/stack"
)

const (
	serviceUser    = "arn:aws:iam::999988887777:user/auditferry"
	serviceAccount = "auditferry-export@auditferry-dev.iam.gserviceaccount.com"
	clientID       = "0f3dd0a6-6b0e-4f9f-9d2a-5b8a3b1c7e10"
	appName        = "auditferry_1700000000000"
)

// stores are shared by all tests and start with the first that needs them;
// buckets and simulators are each test's own.
var stores = sync.OnceValues(func() (*stack.Stack, error) {
	return stack.Start(context.Background(), stack.Options{
		Services: []stack.Service{stack.S3, stack.Azurite, stack.GCS}, Log: os.Stderr,
	})
})

var storesAsked atomic.Bool

func TestMain(m *testing.M) {
	code := m.Run()
	if err := stopStores(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func stopStores() error {
	if !storesAsked.Load() {
		return nil
	}
	if s, err := stores(); err == nil { // otherwise a test has said so
		return s.Stop()
	}
	return nil
}

// world is a simulator before real stores.
type world struct {
	*cloudsim.Server
	stores *stack.Stack
	at     cloudsim.Endpoints
}

func setup(t *testing.T) world {
	t.Helper()
	w := world{stores: startStores(t)}
	w.Server = start(t, w.config(""))
	w.at = w.Endpoints()
	return w
}

func startStores(t *testing.T) *stack.Stack {
	t.Helper()
	storesAsked.Store(true)
	s, err := stores()
	require.NoError(t, err)
	return s
}

func (w world) config(dir string) cloudsim.Config {
	return cloudsim.Config{
		Dir: dir,
		AWS: cloudsim.AWSConfig{
			ServiceUserARN: serviceUser, AccessKeyID: "AKIASERVICE", SecretAccessKey: "service-secret",
			IAMEndpoint: w.stores.S3.IAMEndpoint, S3Endpoint: w.stores.S3.Endpoint,
			RootAccessKeyID: w.stores.S3.AccessKeyID, RootSecretAccessKey: w.stores.S3.SecretAccessKey,
		},
		Azure: cloudsim.AzureConfig{
			ClientID: clientID, ClientSecret: "app-secret", AppName: appName,
			Apps:         pool(),
			BlobEndpoint: w.stores.Azurite.Endpoint, Accounts: w.stores.Azurite.Accounts,
		},
		GCP: cloudsim.GCPConfig{ServiceAccount: serviceAccount, StorageEndpoint: w.stores.GCS.Endpoint},
	}
}

// pool are the apps beside the first.
func pool() []cloudsim.AzureApp {
	return []cloudsim.AzureApp{
		{ClientID: "5b1f7c52-2f0e-4d53-8f0a-0c6f7a1d2e01", ClientSecret: "pool-secret-1", Name: "auditferrypool1_x1"},
		{ClientID: "5b1f7c52-2f0e-4d53-8f0a-0c6f7a1d2e02", ClientSecret: "pool-secret-2", Name: "auditferrypool2_x2"},
	}
}

// offline is a simulator without stores, for what needs none.
func offline(t *testing.T) *cloudsim.Server {
	t.Helper()
	return start(t, cloudsim.Config{
		AWS:   cloudsim.AWSConfig{ServiceUserARN: serviceUser},
		Azure: cloudsim.AzureConfig{ClientID: clientID, ClientSecret: "app-secret", AppName: appName, Apps: pool(), Accounts: map[string]string{"acmeaudit": ""}},
		GCP:   cloudsim.GCPConfig{ServiceAccount: serviceAccount},
	})
}

func start(t *testing.T, cfg cloudsim.Config) *cloudsim.Server {
	t.Helper()
	s, err := cloudsim.Start(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// unique is a name that all three clouds take for a bucket.
func unique(prefix string) string { return prefix + "-" + strings.ToLower(rand.Text())[:12] }

// eventually polls until the condition holds.
func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, 20*time.Second, 50*time.Millisecond)
}

// permissions lists what the simulator saw in a cloud, each once, in order of
// first use.
func (w world) permissions(cloud string) []string {
	var seen []string
	known := map[string]bool{}
	for _, r := range w.Requests() {
		if r.Cloud == cloud && !known[r.Permission] {
			known[r.Permission] = true
			seen = append(seen, r.Permission)
		}
	}
	return seen
}
