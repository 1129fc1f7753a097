package stack_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/stack"
	"github.com/auditferry/auditferry/internal/config"
)

// The programs are told where the simulated clouds are, and the worker which
// identities it has for single orgs; the simulator knows them all.
func TestCloudIdentities(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Clouds)
	var apps []struct {
		ClientID     string `json:"client_id"`
		ClientSecret string `json:"client_secret"`
		AppName      string `json:"app_name"`
	}
	text, err := os.ReadFile(s.AzureAppPoolFile)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &apps))
	require.Greater(t, len(apps), 1)
	tenant := uuid.NewString()
	for _, app := range apps {
		require.NotEmpty(t, app.ClientSecret)
		require.Contains(t, app.AppName, "_")
		require.NoError(t, s.Clouds.Consent(tenant, app.ClientID))
	}

	worker, at := s.Env(stack.Worker), s.Clouds.Endpoints()
	require.Contains(t, worker, "AUDITFERRY_AZURE_APP_POOL_FILE="+s.AzureAppPoolFile)
	require.Contains(t, worker, "AUDITFERRY_GCP_PROJECT=auditferry-dev")
	require.Contains(t, worker, "AUDITFERRY_GCP_IAM_ENDPOINT="+at.IAM)
	require.Contains(t, worker, "AUDITFERRY_AWS_S3_ENDPOINT="+at.S3, "the store itself does not know who owns a bucket")
	require.Contains(t, s.Env(stack.API), "AUDITFERRY_AZURE_AUTHORITY_HOST="+at.Authority)
	require.NotContains(t, strings.Join(s.Env(stack.API), "\n"), "POOL")
}

// A worker reads what it is told, and a stack can be one in which all orgs
// share their identities.
func TestWorkerReadsItsIdentities(t *testing.T) {
	for _, c := range []struct {
		name    string
		env     []string
		apps    int
		project string
	}{
		{"of single orgs", nil, 50, "auditferry-dev"},
		{"shared", stack.SharedIdentities(), 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			noDatabase := "AUDITFERRY_DATABASE_URL=postgres://nobody@127.0.0.1/none"
			s, err := open(t, stack.Options{Services: []stack.Service{stack.Clouds}, Env: append(c.env, noDatabase)})
			require.NoError(t, err)
			for _, pair := range s.Env(stack.Worker) {
				if name, value, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "AUDITFERRY_") {
					t.Setenv(name, value)
				}
			}
			cfg, err := config.LoadWorker()
			require.NoError(t, err)
			require.Len(t, cfg.Azure.AppPool, c.apps)
			require.Equal(t, c.project, cfg.GCP.Project)
		})
	}
}
