package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/config"
)

const twoApps = `[
	{"client_id": "5b1f7c52-2f0e-4d53-8f0a-0c6f7a1d2e01", "client_secret": "first~secret", "app_name": "ferryone_x1"},
	{"client_id": "5b1f7c52-2f0e-4d53-8f0a-0c6f7a1d2e02", "client_secret": "second~secret", "app_name": "ferrytwo_x2"}
]`

// poolFile writes a pool to a file that only its owner may read.
func poolFile(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "apps.json")
	require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
	return file
}

// withPool sets a pool instead of the one app, and the variables given.
func withPool(t *testing.T, content string, over map[string]string) (config.Worker, error) {
	t.Helper()
	variables := map[string]string{
		"AZURE_APP_POOL_FILE": poolFile(t, content),
		"AZURE_CLIENT_ID":     "", "AZURE_CLIENT_SECRET": "", "AZURE_APP_NAME": "",
	}
	for name, value := range over {
		variables[name] = value
	}
	return worker(t, variables)
}

func TestAzureAppPool(t *testing.T) {
	cfg, err := withPool(t, twoApps, nil)
	require.NoError(t, err)
	require.Equal(t, []config.AppKey{
		{ClientID: "5b1f7c52-2f0e-4d53-8f0a-0c6f7a1d2e01", ClientSecret: "first~secret", AppName: "ferryone_x1"},
		{ClientID: "5b1f7c52-2f0e-4d53-8f0a-0c6f7a1d2e02", ClientSecret: "second~secret", AppName: "ferrytwo_x2"},
	}, cfg.Azure.AppPool)
	require.Equal(t, map[string]string{
		"5b1f7c52-2f0e-4d53-8f0a-0c6f7a1d2e01": "first~secret",
		"5b1f7c52-2f0e-4d53-8f0a-0c6f7a1d2e02": "second~secret",
	}, cfg.Azure.Secrets())
}

// Integrations that were given the one app before there was a pool keep it, and
// its name is needed for new ones only.
func TestAzureAppPoolBesideTheFormerApp(t *testing.T) {
	cfg, err := withPool(t, twoApps, map[string]string{
		"AZURE_CLIENT_ID": "0f2b5b5e-7a51-4a39-8fd5-5fb0d9e3f6b1", "AZURE_CLIENT_SECRET": "former",
	})
	require.NoError(t, err)
	secrets := cfg.Azure.Secrets()
	require.Len(t, secrets, 3)
	require.Equal(t, "former", secrets["0f2b5b5e-7a51-4a39-8fd5-5fb0d9e3f6b1"])

	for _, half := range []map[string]string{
		{"AZURE_CLIENT_ID": "0f2b5b5e-7a51-4a39-8fd5-5fb0d9e3f6b1", "AZURE_CLIENT_SECRET": ""},
		{"AZURE_CLIENT_ID": "", "AZURE_CLIENT_SECRET": "former"},
	} {
		_, err := withPool(t, twoApps, half)
		require.ErrorContains(t, err, "AUDITFERRY_AZURE_CLIENT_SECRET go together")
	}
	_, err = withPool(t, twoApps, map[string]string{
		"AZURE_CLIENT_ID": "5B1F7C52-2F0E-4D53-8F0A-0C6F7A1D2E02", "AZURE_CLIENT_SECRET": "former",
	})
	require.ErrorContains(t, err, "AUDITFERRY_AZURE_CLIENT_ID is in the pool")
}

func TestAzureSecretsWithoutAPool(t *testing.T) {
	cfg, err := worker(t, map[string]string{"AZURE_APP_POOL_FILE": ""})
	require.NoError(t, err)
	require.Empty(t, cfg.Azure.AppPool)
	require.Equal(t, map[string]string{"id": "secret"}, cfg.Azure.Secrets())
	require.Empty(t, config.Azure{}.Secrets())
}

// Errors say where to look, and quote nothing: a secret may stand anywhere.
func TestAzureAppPoolRefusals(t *testing.T) {
	const hidden = "hunter2"
	app := func(id, secret, name string) string {
		return `{"client_id": "` + id + `", "client_secret": "` + secret + `", "app_name": "` + name + `"}`
	}
	const id = "5b1f7c52-2f0e-4d53-8f0a-0c6f7a1d2e01"
	good := app(id, hidden, "ferryone_x1")
	for name, test := range map[string]struct{ content, says string }{
		"empty file":          {"", "not from line 1 on"},
		"cut short":           {"[\n" + good + ",\n{\"client_id\": \"" + hidden, "not from line 3 on"},
		"words":               {hidden, "not from line 1 on"},
		"more behind":         {"[" + good + "]\n" + hidden, "not from line 2 on"},
		"no list":             {good, "must be a list"},
		"a word":              {`"` + hidden + `"`, "must be a list"},
		"null":                {"null", "list is empty"},
		"empty list":          {"[]", "list is empty"},
		"unknown member":      {`[{"client_id": "` + id + `", "client_secret": "s", "app_name": "a_b", "` + hidden + `": 1}]`, "app 1 must be an object of"},
		"a secret as member":  {"[" + good + `, {"` + hidden + `": ""}]`, "app 2 must be an object of"},
		"number":              {`[{"client_id": "` + id + `", "client_secret": 4711, "app_name": "a_b"}]`, "app 1 must be an object of"},
		"null app":            {"[null]", "app 1 must be an object of"},
		"app without members": {"[{}]", "app 1 needs a client_secret"},
		"client ID":           {"[" + app(hidden, "s", "a_b") + "]", "app 1 needs a client_id"},
		"client ID in capitals": {
			"[" + app(strings.ToUpper(id), hidden, "a_b") + "]", "app 1 needs a client_id: a UUID in lower case",
		},
		"no secret":          {"[" + app(id, "", "a_b") + "]", "app 1 needs a client_secret"},
		"pasted line end":    {"[" + app(id, hidden+`\n`, "a_b") + "]", "app 1 needs a client_secret without spaces"},
		"name":               {"[" + app(id, hidden, "auditferry") + "]", "app 1 needs an app_name, which must be a name, an underscore and a suffix"},
		"twice":              {"[" + good + "," + app(id, hidden+"-2", "other_x") + "]", "app 2 has the client_id of app 1"},
		"behind another one": {"[" + app("", hidden, "a_b") + "," + app(id, "", "a_b") + "]", "app 2 needs a client_secret"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := withPool(t, test.content, nil)
			require.ErrorContains(t, err, "AUDITFERRY_AZURE_APP_POOL_FILE cannot be used: ")
			require.ErrorContains(t, err, test.says)
			require.NotContains(t, err.Error(), hidden)
			require.NotContains(t, err.Error(), "4711")
		})
	}
}

func TestAzureAppPoolNeedsItsFile(t *testing.T) {
	_, err := worker(t, map[string]string{"AZURE_APP_POOL_FILE": filepath.Join(t.TempDir(), "missing.json"), "AZURE_CLIENT_ID": "", "AZURE_CLIENT_SECRET": ""})
	require.ErrorContains(t, err, "AUDITFERRY_AZURE_APP_POOL_FILE")
	require.ErrorContains(t, err, "missing.json")
}

// With a project, every integration gets a service account of its own.
func TestGCPProject(t *testing.T) {
	cfg, err := worker(t, map[string]string{
		"GCP_PROJECT": "auditferry-prod", "GCP_SERVICE_ACCOUNT": "", "GCP_IAM_ENDPOINT": "https://iam.example.com",
	})
	require.NoError(t, err)
	require.Equal(t, "auditferry-prod", cfg.GCP.Project)
	require.Equal(t, "https://iam.example.com", cfg.GCP.IAMAdminEndpoint)
	require.Empty(t, cfg.GCP.IAMEndpoint, "that is the IAM Credentials API's")

	_, err = worker(t, map[string]string{"GCP_PROJECT": "", "GCP_SERVICE_ACCOUNT": ""})
	require.ErrorContains(t, err, "AUDITFERRY_GCP_SERVICE_ACCOUNT")
	for _, wrong := range []string{"Auditferry", "prod", "123456789012", "auditferry-", "projects/auditferry-prod", strings.Repeat("a", 31)} {
		_, err := worker(t, map[string]string{"GCP_PROJECT": wrong})
		require.ErrorContains(t, err, "AUDITFERRY_GCP_PROJECT must be", wrong)
	}
}

// Nobody is trusted with a shared identity unless the operator says so.
func TestIdentitiesAreSharedByDefault(t *testing.T) {
	cfg, err := worker(t, map[string]string{"AZURE_APP_EXCLUSIVE": "", "GCP_SERVICE_ACCOUNT_EXCLUSIVE": ""})
	require.NoError(t, err)
	require.False(t, cfg.Azure.Exclusive)
	require.False(t, cfg.GCP.Exclusive)

	cfg, err = worker(t, map[string]string{"AZURE_APP_EXCLUSIVE": "true", "GCP_SERVICE_ACCOUNT_EXCLUSIVE": "true"})
	require.NoError(t, err)
	require.True(t, cfg.Azure.Exclusive)
	require.True(t, cfg.GCP.Exclusive)
}

// The worker makes consent URLs, and the api checks those that operators make.
func TestBothProgramsKnowTheAuthority(t *testing.T) {
	cfg, err := worker(t, map[string]string{"AZURE_AUTHORITY_HOST": "https://login.microsoftonline.us/"})
	require.NoError(t, err)
	require.Equal(t, "https://login.microsoftonline.us/", cfg.AzureAuthorityHost)
	api, err := config.LoadAPI()
	require.NoError(t, err)
	require.Equal(t, "https://login.microsoftonline.us/", api.AzureAuthorityHost)

	for _, wrong := range []string{"login.microsoftonline.us", "http://login.microsoftonline.us", "https://"} {
		_, err := worker(t, map[string]string{"AZURE_AUTHORITY_HOST": wrong})
		require.ErrorContains(t, err, "AUDITFERRY_AZURE_AUTHORITY_HOST must be an https URL", wrong)
	}
}

func TestUsageListsVariables(t *testing.T) {
	usage := config.Usage[config.Worker]("worker")
	for _, name := range []string{
		"DATABASE_URL (required)", "AZURE_AUTHORITY_HOST\n", "AZURE_APP_POOL_FILE\n", "AZURE_APP_EXCLUSIVE\n",
		"GCP_PROJECT\n", "GCP_IAM_ENDPOINT\n", "GCP_IAM_CREDENTIALS_ENDPOINT\n", "GCP_SERVICE_ACCOUNT_EXCLUSIVE\n",
	} {
		require.Contains(t, usage, "  AUDITFERRY_"+name)
	}
	require.NotRegexp(t, `(?m)(_|-)( |$)`, usage, "what comes from a file is no variable")
	require.Contains(t, config.Usage[config.API]("api"), "  AUDITFERRY_AZURE_AUTHORITY_HOST\n")
}
