package provision_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/cloudsim"
	"github.com/auditferry/auditferry/internal/provision"
	"github.com/auditferry/auditferry/schemas"
)

const (
	userARN        = "arn:aws:iam::210987654321:user/auditferry"
	tenant         = "72f988bf-86f1-41af-91ab-2d7cd011db47"
	serviceAccount = "exporter@auditferry-dev.iam.gserviceaccount.com"
	project        = "auditferry-dev"
)

// provisioner is what the worker asks for credentials.
type provisioner interface {
	Provision(context.Context, schemas.Integration) (issued provision.Issued, made bool, err error)
	Revoke(context.Context, schemas.Integration) error
}

var (
	_ provisioner = provision.AWS{}
	_ provisioner = provision.AzureApp{}
	_ provisioner = provision.AzurePool{}
	_ provisioner = provision.GCPAccount{}
	_ provisioner = (*provision.GCPAccounts)(nil)
	_ provisioner = provision.External{}
)

// clouds is Google as the tests see it: the simulator answers for the IAM API.
var clouds *cloudsim.Server

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) (code int) {
	var err error
	clouds, err = cloudsim.Start(context.Background(), cloudsim.Config{GCP: cloudsim.GCPConfig{ServiceAccount: serviceAccount}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := clouds.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}()
	// Where a worker's own identity comes from, too.
	if err := os.Setenv("GOOGLE_APPLICATION_CREDENTIALS", clouds.Endpoints().GoogleKeyFile); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// transport trusts the simulator.
func transport(t *testing.T) http.RoundTripper {
	t.Helper()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: clouds.CertPool(), MinVersion: tls.VersionTLS12}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func gcpAccounts(t *testing.T, project, endpoint string) *provision.GCPAccounts {
	t.Helper()
	accounts, err := provision.NewGCPAccountsOver(t.Context(), project, endpoint, transport(t))
	require.NoError(t, err)
	return accounts
}

func integration(cloud schemas.Cloud) schemas.Integration {
	i := schemas.Integration{ID: uuid.New(), OrgID: uuid.New(), Cloud: cloud}
	if cloud == schemas.Azure {
		i.Grant.TenantID = tenant
	}
	return i
}

// issued is what a provisioner makes of an integration; it must.
func issued(t *testing.T, p provisioner, i schemas.Integration) provision.Issued {
	t.Helper()
	got, made, err := p.Provision(t.Context(), i)
	require.NoError(t, err)
	require.True(t, made)
	require.NoError(t, got.Credentials.Validate(i.Cloud))
	return got
}
