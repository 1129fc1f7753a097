package mail_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/mail"
	"github.com/auditferry/auditferry/schemas"
)

var update = flag.Bool("update", false, "write the golden files")

const link = "https://audit.example.com/integrations/0192f0c0-0000-7000-8000-000000000002"

func acme() schemas.Org {
	return schemas.Org{ID: uuid.MustParse("0192f0c0-0000-7000-8000-000000000001"), Name: "Acme & Sons"}
}

func integration(t *testing.T, destination string) schemas.Integration {
	t.Helper()
	d, err := schemas.ParseDestination(destination)
	require.NoError(t, err)
	i := schemas.Integration{
		ID: uuid.MustParse("0192f0c0-0000-7000-8000-000000000002"), OrgID: acme().ID,
		Name: "Long-term archive", Cloud: d.Cloud, Destination: d,
	}
	switch d.Cloud {
	case schemas.AWS:
		i.Grant.RoleARN = "arn:aws:iam::123456789012:role/audit-export"
		i.Credentials = &schemas.Credentials{AWS: &schemas.AWSCredentials{
			ExternalID: "auditferry-3f2c9b1e", IAMUserARN: "arn:aws:iam::999988887777:user/auditferry",
		}}
	case schemas.Azure:
		i.Grant.TenantID = "72f988bf-86f1-41af-91ab-2d7cd011db47"
		i.Credentials = &schemas.Credentials{Azure: &schemas.AzureCredentials{
			ConsentURL:         "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/oauth2/authorize?client_id=5d1f3c7e&response_type=code",
			MultiTenantAppName: "auditferry-prod_1700000000000",
		}}
	case schemas.GCP:
		i.Credentials = &schemas.Credentials{GCP: &schemas.GCPCredentials{ServiceAccount: "ferry@auditferry-prod.iam.gserviceaccount.com"}}
	}
	return i
}

const (
	onAWS   = "s3://acme-logs/audit/"
	onAzure = "azure://acmelogs.blob.core.windows.net/audit/logs/"
	onGCP   = "gs://acme-logs/audit/"
)

// Every mail, as text and as HTML, as it is in testdata. After a change on
// purpose: go test ./internal/mail -update, and read the difference.
func TestMessages(t *testing.T) {
	t.Parallel()
	old, err := schemas.ParseDestination("s3://acme-old/audit/")
	require.NoError(t, err)
	since := time.Date(2025, 3, 1, 9, 30, 0, 0, time.UTC)
	change := func(c mail.DestinationChange) func(*testing.T) (mail.Message, error) {
		return func(t *testing.T) (mail.Message, error) {
			return mail.DestinationUpdated(acme(), integration(t, onAWS), c, link)
		}
	}
	deletion := func(destination string, links mail.DeletedLinks) func(*testing.T) (mail.Message, error) {
		return func(t *testing.T) (mail.Message, error) {
			return mail.IntegrationDeleted(acme(), integration(t, destination), links, link)
		}
	}
	ready := func(destination string) func(*testing.T) (mail.Message, error) {
		return func(t *testing.T) (mail.Message, error) {
			return mail.IntegrationReady(acme(), integration(t, destination), link)
		}
	}
	for name, build := range map[string]func(*testing.T) (mail.Message, error){
		"integration-ready-aws":          ready(onAWS),
		"integration-ready-azure":        ready(onAzure),
		"integration-ready-gcp":          ready(onGCP),
		"destination-updated-paused":     change(mail.DestinationChange{Old: old, Paused: 2}),
		"destination-updated-retargeted": change(mail.DestinationChange{Old: old, Retargeted: 1}),
		"destination-updated-both":       change(mail.DestinationChange{Old: old, Retargeted: 2, Paused: 1}),
		"destination-updated-unlinked":   change(mail.DestinationChange{}),
		"integration-deleted-paused":     deletion(onAWS, mail.DeletedLinks{Paused: 1}),
		"integration-deleted-deleted":    deletion(onAzure, mail.DeletedLinks{Deleted: 3}),
		"integration-deleted-both":       deletion(onGCP, mail.DeletedLinks{Paused: 2, Deleted: 1}),
		"integration-deleted-unlinked":   deletion(onGCP, mail.DeletedLinks{}),
		"provisioning-waiting": func(t *testing.T) (mail.Message, error) {
			return mail.ProvisioningWaiting(acme(), integration(t, onGCP), since, link)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			message, err := build(t)
			require.NoError(t, err)
			requireGolden(t, name+".txt", "Subject: "+message.Subject+"\n\n"+message.Text)
			requireGolden(t, name+".html", message.HTML)
		})
	}
}

func requireGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
	}
	want, err := os.ReadFile(path) // #nosec G304 -- the golden files
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// Names are an admin's to choose, so they must not be able to say more than a
// name: no markup, no second subject, no script behind a link.
func TestMessagesAreEscaped(t *testing.T) {
	t.Parallel()
	i := integration(t, onGCP)
	i.Name = "<script>alert(1)</script>\r\nBcc: everyone@example.com"
	message, err := mail.IntegrationReady(acme(), i, "javascript:alert(1)")
	require.NoError(t, err)
	require.NotContains(t, message.HTML, "<script>")
	require.NotContains(t, message.HTML, `href="javascript:`)
	require.NotContains(t, message.Subject, "\n")
	require.Contains(t, message.HTML, "Acme &amp; Sons")
	require.Contains(t, message.Text, "Acme & Sons")
}

func TestIntegrationReadyNeedsCredentials(t *testing.T) {
	t.Parallel()
	i := integration(t, onAWS)
	i.Credentials = nil
	_, err := mail.IntegrationReady(acme(), i, link)
	require.Error(t, err)
	i.Credentials = &schemas.Credentials{}
	_, err = mail.IntegrationReady(acme(), i, link)
	require.Error(t, err)
}

// Subjects are read in lists, where about 70 characters show.
func TestSubjectsAreShort(t *testing.T) {
	t.Parallel()
	for _, destination := range []string{onAWS, onAzure, onGCP} {
		message, err := mail.IntegrationReady(acme(), integration(t, destination), link)
		require.NoError(t, err)
		require.Less(t, len(message.Subject), 70)
		require.NotContains(t, strings.ToLower(message.HTML), "<img")
	}
}
