package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/auditferry/auditferry/internal/config"
	"github.com/auditferry/auditferry/internal/postgres/postgrestest"
	"github.com/auditferry/auditferry/schemas"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Run(m)) }

const (
	patience    = 30 * time.Second
	operatorKey = "af_operator_" + "0123456789abcdef0123456789abcdef"
)

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close() //nolint:errcheck // its address is all that counts
	return listener.Addr().String()
}

type client struct{ url string }

func (c client) post(t *testing.T, key, path, body string, status int, into any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.url+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer answer.Body.Close() //nolint:errcheck // read only
	content, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, status, answer.StatusCode, "%s", content)
	require.NoError(t, json.Unmarshal(content, into))
}

// Not parallel: the program is configured by the environment.
func TestServesWithoutTemporalAndDrains(t *testing.T) {
	_, ownerURL, appURL := postgrestest.New(t)
	address := freeAddress(t)
	for name, value := range map[string]string{
		"AUDITFERRY_DATABASE_URL":         appURL,
		"AUDITFERRY_MIGRATE_DATABASE_URL": ownerURL,
		"AUDITFERRY_PUBLIC_URL":           "http://" + address,
		"AUDITFERRY_LISTEN":               address,
		"AUDITFERRY_OPERATOR_KEY":         operatorKey,
		"AUDITFERRY_LOG_LEVEL":            "error",
		"TEMPORAL_ADDRESS":                freeAddress(t), // nobody listens there
	} {
		t.Setenv(name, value)
	}
	ctx, terminate := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	require.Eventually(t, func() bool {
		answer, err := http.Get("http://" + address + "/readyz")
		return err == nil && answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
	}, patience, 20*time.Millisecond)

	c := client{url: "http://" + address}
	var org schemas.Org
	c.post(t, operatorKey, "/v1/orgs", `{"name":"Acme","notice_emails":["admin@acme.example"]}`, http.StatusCreated, &org)
	var admin struct{ Secret string }
	c.post(t, operatorKey, "/v1/orgs/"+org.ID.String()+"/api-keys", `{"name":"Ada","role":"admin"}`, http.StatusCreated, &admin)
	begin := time.Now()
	var op schemas.Operation
	c.post(t, admin.Secret, "/v1/integrations", `{"name":"audit log","cloud":"gcp","destination":"gs://acme-audit/"}`, http.StatusAccepted, &op)
	require.Equal(t, schemas.OperationPending, op.Status)
	t.Logf("accepted without Temporal after %s", time.Since(begin))

	terminate()
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(patience):
		t.Fatal("the program does not end")
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	https := config.API{Common: config.Common{PublicURL: "https://auditferry.example"}, Portal: config.Portal{Made: true}}
	core, logged := observer.New(zap.WarnLevel)
	warn(https, zap.New(core))
	require.Equal(t, 1, logged.FilterMessageSnippet("AUDITFERRY_SESSION_KEY").Len())
	require.Equal(t, 1, logged.FilterMessageSnippet("AUDITFERRY_TRUSTED_PROXIES").Len())

	https.TrustedProxies, https.Portal.Made = []string{"10.0.0.0/8"}, false
	core, logged = observer.New(zap.WarnLevel)
	warn(https, zap.New(core))
	require.Zero(t, logged.Len())
}

// Every variable that is missing or wrong is named at once.
func TestConfigurationErrors(t *testing.T) {
	t.Setenv("AUDITFERRY_DATABASE_URL", "")
	t.Setenv("AUDITFERRY_PUBLIC_URL", "")
	err := run(t.Context())
	require.ErrorContains(t, err, "AUDITFERRY_DATABASE_URL")
	require.ErrorContains(t, err, "AUDITFERRY_PUBLIC_URL")

	t.Setenv("AUDITFERRY_DATABASE_URL", "postgres://nowhere/db")
	t.Setenv("AUDITFERRY_PUBLIC_URL", "nowhere")
	t.Setenv("AUDITFERRY_LOG_FORMAT", "xml")
	t.Setenv("AUDITFERRY_PROVISIONER_GCP", "magic")
	t.Setenv("AUDITFERRY_OPERATOR_KEY", "secret")
	err = run(t.Context())
	for _, name := range []string{"PUBLIC_URL", "LOG_FORMAT", "PROVISIONER_GCP", "OPERATOR_KEY"} {
		require.ErrorContains(t, err, "AUDITFERRY_"+name)
	}
}
