package temporalclient_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/auditferry/auditferry/internal/temporalclient"
	"github.com/auditferry/auditferry/schemas"
)

// useServer makes the environment of the test name the package's server. Tests
// that use it cannot run in parallel: the environment is the process's.
func useServer(t *testing.T, namespace string) {
	t.Helper()
	t.Setenv("TEMPORAL_ADDRESS", address)
	t.Setenv("TEMPORAL_NAMESPACE", namespace)
	t.Setenv("TEMPORAL_CONFIG_FILE", filepath.Join(t.TempDir(), "none.toml"))
}

func TestDial(t *testing.T) {
	useServer(t, "")
	lines, logged := observer.New(zap.DebugLevel)
	c, err := temporalclient.Dial(temporalclient.Options{Log: zap.New(lines)})
	require.NoError(t, err)
	defer c.Close()
	_, err = c.CheckHealth(t.Context(), &client.CheckHealthRequest{})
	require.NoError(t, err)
	require.Zero(t, logged.FilterLevelExact(zap.ErrorLevel).Len())
}

func TestDialNoServer(t *testing.T) {
	useServer(t, "")
	t.Setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
	_, err := temporalclient.Dial(temporalclient.Options{})
	require.ErrorContains(t, err, "connect to Temporal at 127.0.0.1:1")

	c, err := temporalclient.Dial(temporalclient.Options{Lazy: true})
	require.NoError(t, err, "a lazy client does not need the server yet")
	c.Close()
}

func TestDialBadEnvironment(t *testing.T) {
	useServer(t, "")
	t.Setenv("TEMPORAL_TLS_CLIENT_CERT_PATH", filepath.Join(t.TempDir(), "missing.pem"))
	_, err := temporalclient.Dial(temporalclient.Options{})
	require.Error(t, err)
}

func TestEnsureSearchAttributes(t *testing.T) {
	namespace := "test-" + uuid.NewString()
	_, err := server.WorkflowService().RegisterNamespace(t.Context(), &workflowservice.RegisterNamespaceRequest{
		Namespace: namespace, WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
	})
	require.NoError(t, err)
	useServer(t, namespace)
	c, err := temporalclient.Dial(temporalclient.Options{Lazy: true})
	require.NoError(t, err)
	defer c.Close()
	require.EventuallyWithT(t, func(collect *assert.CollectT) { // the server learns of namespaces now and then
		_, err := c.CountWorkflow(t.Context(), &workflowservice.CountWorkflowExecutionsRequest{})
		require.NoError(collect, err)
	}, 30*time.Second, 100*time.Millisecond)

	cloud := dialRefused(t, namespace)
	err = temporalclient.EnsureSearchAttributes(t.Context(), cloud)
	require.ErrorContains(t, err, "AuditferryOrg, AuditferryIntegration, AuditferryExport, each of type Keyword")

	require.NoError(t, temporalclient.EnsureSearchAttributes(t.Context(), c))
	org, integration, export := uuid.New(), uuid.New(), uuid.New()
	_, err = c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		TaskQueue: "nobody", TypedSearchAttributes: temporalclient.SearchAttributes(org, &integration, &export),
	}, "Nothing")
	require.NoError(t, err, "they can be used at once")

	require.NoError(t, temporalclient.EnsureSearchAttributes(t.Context(), c), "again")
	require.NoError(t, temporalclient.EnsureSearchAttributes(t.Context(), cloud), "somebody has registered them")
}

// dialRefused makes a client whose administrative calls are refused, as
// Temporal Cloud does.
func dialRefused(t *testing.T, namespace string) client.Client {
	t.Helper()
	refuse := func(ctx context.Context, method string, in, out any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
		if strings.Contains(method, "OperatorService") {
			return status.Error(codes.PermissionDenied, "not here")
		}
		return invoke(ctx, method, in, out, conn, o...)
	}
	c, err := client.Dial(client.Options{
		HostPort: address, Namespace: namespace, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		ConnectionOptions: client.ConnectionOptions{DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(refuse)}},
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestSearchAttributes(t *testing.T) {
	t.Parallel()
	org, export := uuid.New(), uuid.New()
	set := temporalclient.SearchAttributes(org, nil, &export)
	require.Equal(t, 2, set.Size())
	got, _ := set.GetKeyword(temporal.NewSearchAttributeKeyKeyword(schemas.SearchExport))
	require.Equal(t, export.String(), got)
}
