package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/config"
)

// worker sets what a worker needs at least, and the variables given.
func worker(t *testing.T, over map[string]string) (config.Worker, error) {
	t.Helper()
	variables := map[string]string{
		"DATABASE_URL": "postgres://localhost/auditferry", "PUBLIC_URL": "https://auditferry.example",
		"SMTP_URL": "smtp://localhost:25", "MAIL_FROM": "noreply@auditferry.example",
		"AWS_IAM_USER_ARN": "arn:aws:iam::999999999999:user/auditferry",
		"AZURE_CLIENT_ID":  "id", "AZURE_CLIENT_SECRET": "secret", "AZURE_APP_NAME": "auditferry_1",
		"GCP_SERVICE_ACCOUNT": "exporter@project.iam.gserviceaccount.com",
		"SIGNING_KEY":         "a key",
	}
	for name, value := range over {
		variables[name] = value
	}
	for name, value := range variables {
		t.Setenv("AUDITFERRY_"+name, value)
	}
	return config.LoadWorker()
}

func TestLoadWorker(t *testing.T) {
	cfg, err := worker(t, nil)
	require.NoError(t, err)
	require.EqualValues(t, 10_000_000, cfg.Export.WindowRows)
	require.Equal(t, "secret", cfg.Azure.ClientSecret)
	require.Empty(t, cfg.OperatorEmails)
}

// One start names every variable that is wrong, not one start each.
func TestLoadWorkerNamesAllThatIsWrong(t *testing.T) {
	_, err := worker(t, map[string]string{
		"PUBLIC_URL": "auditferry.example", "LOG_FORMAT": "xml", "PROVISIONER_GCP": "magic",
		"AWS_IAM_USER_ARN": "", "AZURE_BLOB_ENDPOINT": "https://localhost", "EXPORT_PARALLEL_PARTS": "0", "RETENTION": "30m",
	})
	for _, name := range []string{
		"PUBLIC_URL", "LOG_FORMAT", "PROVISIONER_GCP", "AWS_IAM_USER_ARN", "AZURE_BLOB_ENDPOINT", "EXPORT_PARALLEL_PARTS", "RETENTION",
	} {
		require.ErrorContains(t, err, "AUDITFERRY_"+name)
	}
}

func TestLoadNamesAllThatIsMissing(t *testing.T) {
	_, err := config.LoadWorker()
	for _, name := range []string{"DATABASE_URL", "PUBLIC_URL", "SMTP_URL", "MAIL_FROM"} {
		require.ErrorContains(t, err, "AUDITFERRY_"+name)
	}
}

// An external provisioner needs no identity of ours.
func TestLoadWorkerWithExternalProvisioners(t *testing.T) {
	_, err := worker(t, map[string]string{
		"PROVISIONER_AWS": "external", "PROVISIONER_AZURE": "external", "PROVISIONER_GCP": "external",
		"AWS_IAM_USER_ARN": "", "AZURE_CLIENT_ID": "", "AZURE_CLIENT_SECRET": "", "AZURE_APP_NAME": "", "GCP_SERVICE_ACCOUNT": "",
	})
	require.NoError(t, err)
}
