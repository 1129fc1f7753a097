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

// guide is a small one, which has all that a mail takes from a guide.
func guide(t *testing.T, destination string) schemas.SetupGuide {
	t.Helper()
	i := integration(t, destination)
	g := schemas.SetupGuide{
		Cloud: i.Cloud, Destination: i.Destination, Ready: true,
		Values: []schemas.SetupValue{{Name: "Destination", Value: i.Destination.URL()}},
		Documents: []schemas.SetupDocument{
			{Name: "policy", Format: schemas.SetupJSON, Content: "{\n    \"Effect\": \"Allow\"\n}\n"},
			{Name: "cli", Format: schemas.SetupShell, Content: "set -eu\n"},
			{Name: "terraform", Format: schemas.SetupTerraform, Content: "terraform {}\n"},
		},
	}
	switch c := i.Credentials; i.Cloud {
	case schemas.AWS:
		g.Values = append(g.Values, schemas.SetupValue{Name: "External ID", Value: c.AWS.ExternalID}, schemas.SetupValue{Name: "IAM user ARN", Value: c.AWS.IAMUserARN})
		g.Steps = []schemas.SetupStep{
			{Text: "Make sure that the role has this permission policy:", Link: "https://console.aws.amazon.com/iam/home#/roles", Document: "policy"},
			{Text: "Choose Update policy."},
		}
	case schemas.Azure:
		g.Values = append(g.Values, schemas.SetupValue{Name: "Multi-tenant app name", Value: c.Azure.MultiTenantAppName})
		g.Steps = []schemas.SetupStep{
			{Text: "Open the consent URL and choose Accept:", Link: c.Azure.ConsentURL},
			{Text: "Search for the app:", Copy: c.Azure.MemberSearch()},
		}
	default:
		g.Values = append(g.Values, schemas.SetupValue{Name: "Service account", Value: c.GCP.ServiceAccount})
		g.Steps = []schemas.SetupStep{{Text: "Create a custom role with these permissions:", Copy: "storage.objects.create\nstorage.objects.delete"}}
		g.Documents = g.Documents[:2]
	}
	return g
}

// refused is a report of a check that has ended without success.
func refused(step schemas.AccessStep) schemas.AccessReport {
	step.Status = schemas.StepFailed
	return schemas.AccessReport{
		Check: 1, Attempt: 43, CheckedAt: time.Date(2025, 3, 1, 10, 45, 0, 0, time.UTC),
		Steps: []schemas.AccessStep{{Name: schemas.StepAuthenticate, Status: schemas.StepOK}, step, {Name: schemas.StepDelete, Status: schemas.StepSkipped}},
	}
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
			return mail.IntegrationReady(acme(), integration(t, destination), guide(t, destination), link)
		}
	}
	denied := func(destination string, step schemas.AccessStep) func(*testing.T) (mail.Message, error) {
		return func(t *testing.T) (mail.Message, error) {
			return mail.AccessDenied(acme(), integration(t, destination), refused(step), link)
		}
	}
	for name, build := range map[string]func(*testing.T) (mail.Message, error){
		"integration-ready-aws":   ready(onAWS),
		"integration-ready-azure": ready(onAzure),
		"integration-ready-gcp":   ready(onGCP),
		"access-verified": func(t *testing.T) (mail.Message, error) {
			return mail.AccessVerified(acme(), integration(t, onAWS), link)
		},
		"access-denied-aws": denied(onAWS, schemas.AccessStep{
			Name: schemas.StepWrite, Kind: schemas.KindDenied, Code: "AccessDenied",
			Explanation: "The role may not write objects into the folder audit/ of the bucket acme-logs.",
			Fix:         "Give the role audit-export the permission s3:PutObject on arn:aws:s3:::acme-logs/audit/*.",
			Answer:      "User: arn:aws:sts::123456789012:assumed-role/audit-export is not authorized\nto perform: s3:PutObject",
		}),
		"access-denied-azure": denied(onAzure, schemas.AccessStep{
			Name: schemas.StepList, Kind: schemas.KindDenied, Code: "AuthorizationPermissionMismatch",
			Explanation: "The app has no role on the container audit that lets it list.",
			Fix:         "Assign the role Storage Blob Data Contributor to the app auditferry-prod.",
		}),
		"access-denied-gcp":              denied(onGCP, schemas.AccessStep{Name: schemas.StepOwner, Kind: schemas.KindUnavailable}),
		"destination-updated-paused":     change(mail.DestinationChange{Old: old, Paused: 2}),
		"destination-updated-retargeted": change(mail.DestinationChange{Old: old, Retargeted: 1}),
		"destination-updated-both":       change(mail.DestinationChange{Old: old, Retargeted: 2, Paused: 1}),
		"destination-updated-unlinked":   change(mail.DestinationChange{}),
		"destination-updated-same":       change(mail.DestinationChange{Old: integration(t, onAWS).Destination}),
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
	g := guide(t, onGCP)
	g.Steps = append(g.Steps, schemas.SetupStep{Text: "Look there", Link: "javascript:alert(2)"})
	message, err := mail.IntegrationReady(acme(), i, g, "javascript:alert(1)")
	require.NoError(t, err)
	require.NotContains(t, message.HTML, "<script>")
	require.NotContains(t, message.HTML, `href="javascript:`)
	require.NotContains(t, message.Subject, "\n")
	require.Contains(t, message.HTML, "Acme &amp; Sons")
	require.Contains(t, message.Text, "Acme & Sons")
}

func TestIntegrationReadyNeedsCredentials(t *testing.T) {
	t.Parallel()
	i, g := integration(t, onAWS), guide(t, onAWS)
	i.Credentials = nil
	_, err := mail.IntegrationReady(acme(), i, g, link)
	require.Error(t, err)
	g.Ready = false
	_, err = mail.IntegrationReady(acme(), integration(t, onAWS), g, link)
	require.Error(t, err)
}

// A guide for where the integration was before, or one with a hole, would send
// the admins to the wrong place.
func TestIntegrationReadyNeedsItsGuide(t *testing.T) {
	t.Parallel()
	_, err := mail.IntegrationReady(acme(), integration(t, onAWS), guide(t, "s3://acme-old/audit/"), link)
	require.ErrorContains(t, err, "s3://acme-old/audit/")
	g := guide(t, onAWS)
	g.Steps[0].Document = "bucket-policy"
	_, err = mail.IntegrationReady(acme(), integration(t, onAWS), g, link)
	require.ErrorContains(t, err, "bucket-policy")
}

func TestAccessDeniedNeedsAFailure(t *testing.T) {
	t.Parallel()
	i := integration(t, onAWS)
	for _, report := range []schemas.AccessReport{
		{},
		{Granted: true, Steps: []schemas.AccessStep{{Name: schemas.StepDelete, Status: schemas.StepWarning}}},
		{Granted: true, Steps: refused(schemas.AccessStep{Name: schemas.StepWrite}).Steps},
	} {
		_, err := mail.AccessDenied(acme(), i, report, link)
		require.Error(t, err)
	}
}

// What a cloud, or a proxy before it, answers is quoted in one line and not at
// any length.
func TestAccessDeniedQuotesLittle(t *testing.T) {
	t.Parallel()
	answer := "<html>\n" + strings.Repeat("ö\r\n", 10_000)
	message, err := mail.AccessDenied(acme(), integration(t, onGCP), refused(schemas.AccessStep{Name: schemas.StepWrite, Answer: answer}), link)
	require.NoError(t, err)
	require.Contains(t, message.Text, "\n      <html> ö ö")
	require.Contains(t, message.Text, "ö ...\n")
	require.NotContains(t, message.HTML, "<html> ")
	require.Less(t, len(message.Text), 3_000)
}

// Subjects are read in lists, where about 70 characters show.
func TestSubjectsAreShort(t *testing.T) {
	t.Parallel()
	for _, destination := range []string{onAWS, onAzure, onGCP} {
		message, err := mail.IntegrationReady(acme(), integration(t, destination), guide(t, destination), link)
		require.NoError(t, err)
		verified, err := mail.AccessVerified(acme(), integration(t, destination), link)
		require.NoError(t, err)
		denied, err := mail.AccessDenied(acme(), integration(t, destination), refused(schemas.AccessStep{Name: schemas.StepWrite}), link)
		require.NoError(t, err)
		for _, m := range []mail.Message{message, verified, denied} {
			require.Less(t, len(m.Subject), 70)
			require.NotContains(t, strings.ToLower(m.HTML), "<img")
		}
	}
}

// Where an identity is shared, each new destination wants a proof of its own.
func TestNewDestinationsWantAProof(t *testing.T) {
	t.Parallel()
	for state, want := range map[schemas.OwnershipState]bool{
		schemas.OwnershipImplied: false, schemas.OwnershipOpen: true, schemas.OwnershipWaiting: true, schemas.OwnershipProven: false,
	} {
		i := integration(t, onGCP)
		i.Ownership.State = state
		message, err := mail.DestinationUpdated(acme(), i, mail.DestinationChange{}, link)
		require.NoError(t, err)
		require.Equal(t, want, strings.Contains(message.Text, "Show that the new destination is yours"), state)
	}
}
