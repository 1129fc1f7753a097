package setup_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/setup"
)

const azAnswers = `
case "$1 $2 $3" in
"account show --query")
	[ -e "$STATE/tenant" ] || { echo 'Please run az login' >&2; exit 1; }
	cat "$STATE/tenant" ;;
"ad sp list") [ ! -e "$STATE/principal" ] || cat "$STATE/principal" ;;
"storage account show")
	[ -e "$STATE/account" ] || { echo 'The Resource was not found' >&2; exit 3; }
	cat "$STATE/account" ;;
"role assignment create") [ ! -e "$STATE/fails" ] || exit 1 ;;
*) unexpected "$@" ;;
esac
`

const azAccountID = "/subscriptions/6f0e/resourceGroups/logs/providers/Microsoft.Storage/storageAccounts/acmelogs"

func TestAzureScript(t *testing.T) {
	t.Parallel()
	onShells(t, func(t *testing.T, shell string) {
		for _, on := range []string{onAzure, "azure://acmelogs.blob.core.windows.net/audit/", "azure://acmelogs.blob.core.windows.net/audit/" + oddPrefix} {
			// Azure writes IDs in either case.
			d := newDesk(t, shell, "az", azAnswers).has(t, "tenant", "72F988BF-86F1-41AF-91AB-2D7CD011DB47\n").
				has(t, "principal", "3c1d\n").has(t, "account", azAccountID+"\n")
			for range 2 { // assigning what is assigned is no error of az
				said, code, calls := d.run(t, document(t, integration(t, on), setup.AzureCLI))
				require.Zero(t, code, said)
				require.Contains(t, said, consentURL)
				require.Contains(t, said, "45 minutes")
				require.Equal(t, [][]string{
					{"az", "account", "show", "--query", "tenantId", "--output", "tsv"},
					{"az", "ad", "sp", "list", "--filter", "appId eq '" + clientID + "'", "--query", "[0].id", "--output", "tsv"},
					{"az", "storage", "account", "show", "--name", "acmelogs", "--query", "id", "--output", "tsv"},
					{"az", "role", "assignment", "create", "--role", "Storage Blob Data Contributor",
						"--assignee-object-id", "3c1d", "--assignee-principal-type", "ServicePrincipal",
						"--scope", azAccountID + "/blobServices/default/containers/audit", "--output", "none"},
				}, calls)
			}
		}
	})
}

func TestAzureScriptStops(t *testing.T) {
	t.Parallel()
	script := document(t, integration(t, onAzure), setup.AzureCLI)
	onShells(t, func(t *testing.T, shell string) {
		for _, c := range []struct {
			state map[string]string
			says  string
		}{
			{nil, "not signed in. Run this first: az login --tenant " + tenant},
			{map[string]string{"tenant": "another"}, "signed in to the tenant another"},
			{map[string]string{"tenant": tenant, "account": azAccountID}, consentURL}, // no consent yet
			{map[string]string{"tenant": tenant, "principal": "3c1d"}, "acmelogs was not found in this subscription"},
		} {
			d := newDesk(t, shell, "az", azAnswers)
			for name, content := range c.state {
				d.has(t, name, content)
			}
			said, code, calls := d.run(t, script)
			require.Equal(t, 1, code, said)
			require.Contains(t, said, c.says)
			require.Empty(t, changes(calls, "az account show", "az ad sp list", "az storage account show"))
		}
	})
}

const gcloudAnswers = `
case "$1 $2 $3" in
"iam roles describe")
	[ -e "$STATE/denied" ] && { echo 'ERROR: (gcloud.iam.roles.describe) PERMISSION_DENIED' >&2; exit 1; }
	[ -e "$STATE/role" ] || { echo 'ERROR: (gcloud.iam.roles.describe) NOT_FOUND: The role was not found.' >&2; exit 1; }
	cat "$STATE/role" ;;
"iam roles create") [ ! -e "$STATE/fails" ] || exit 1; touch "$STATE/role" ;;
"iam roles undelete") rm "$STATE/role"; touch "$STATE/role" ;;
"iam roles update" | "storage buckets add-iam-policy-binding") ;;
*) unexpected "$@" ;;
esac
`

const gcloudQuestion = "gcloud iam roles describe auditferryAuditExport --project=acme-prod --format=value(deleted)"

func TestGCPScript(t *testing.T) {
	t.Parallel()
	role := func(verb string) []string {
		return []string{"gcloud", "iam", "roles", verb, "auditferryAuditExport", "--project=acme-prod", "--title=Auditferry audit export",
			"--permissions=storage.objects.create,storage.objects.delete,storage.objects.list,storage.buckets.get", "--stage=GA", "--quiet"}
	}
	undelete := []string{"gcloud", "iam", "roles", "undelete", "auditferryAuditExport", "--project=acme-prod", "--quiet"}
	bind := []string{"gcloud", "storage", "buckets", "add-iam-policy-binding", "gs://acme-logs", "--member=serviceAccount:" + account,
		"--role=projects/acme-prod/roles/auditferryAuditExport", "--condition=None", "--quiet"}
	onShells(t, func(t *testing.T, shell string) {
		for _, on := range []string{onGCP, "gs://acme-logs/", "gs://acme-logs/" + oddPrefix} {
			script := document(t, integration(t, on), setup.GCPCLI)
			d := newDesk(t, shell, "gcloud", gcloudAnswers)
			for _, want := range [][][]string{
				{role("create"), bind},
				{role("update"), bind},
			} {
				said, code, calls := d.run(t, script, "PROJECT=acme-prod")
				require.Zero(t, code, said)
				require.Equal(t, want, changes(calls, gcloudQuestion))
			}
			d.has(t, "role", "True\n")
			said, code, calls := d.run(t, script, "PROJECT=acme-prod")
			require.Zero(t, code, said)
			require.Equal(t, [][]string{undelete, role("update"), bind}, changes(calls, gcloudQuestion), "a role that has been deleted")
		}
	})
}

func TestGCPScriptStops(t *testing.T) {
	t.Parallel()
	script := document(t, integration(t, onGCP), setup.GCPCLI)
	onShells(t, func(t *testing.T, shell string) {
		d := newDesk(t, shell, "gcloud", gcloudAnswers)
		for _, env := range [][]string{nil, {"PROJECT="}} {
			said, code, calls := d.run(t, script, env...)
			require.Equal(t, 1, code)
			require.Contains(t, said, "Say which project the bucket acme-logs is in")
			require.Empty(t, calls)
		}
		said, code, calls := d.has(t, "denied", "").run(t, script, "PROJECT=acme-prod")
		require.Equal(t, 1, code)
		require.Contains(t, said, "could not be looked up: ERROR: (gcloud.iam.roles.describe) PERMISSION_DENIED")
		require.Empty(t, changes(calls, gcloudQuestion))
	})
}

// When the cloud refuses a change, the script ends there and says nothing of
// success.
func TestScriptsEndWithTheCloudsRefusal(t *testing.T) {
	t.Parallel()
	onShells(t, func(t *testing.T, shell string) {
		aws := newDesk(t, shell, "aws", awsAnswers).has(t, "account", "210987654321\n").has(t, "fails", "")
		said, code, calls := aws.run(t, document(t, integration(t, onAWS), setup.AWSCLI))
		require.Equal(t, 254, code)
		require.NotContains(t, said, "Done")
		require.Len(t, changes(calls, awsQuestions...), 1)

		az := newDesk(t, shell, "az", azAnswers).has(t, "tenant", tenant).has(t, "principal", "3c1d").has(t, "account", azAccountID).has(t, "fails", "")
		said, code, _ = az.run(t, document(t, integration(t, onAzure), setup.AzureCLI))
		require.Equal(t, 1, code)
		require.NotContains(t, said, "Done")

		gcloud := newDesk(t, shell, "gcloud", gcloudAnswers).has(t, "fails", "")
		said, code, calls = gcloud.run(t, document(t, integration(t, onGCP), setup.GCPCLI), "PROJECT=acme-prod")
		require.Equal(t, 1, code)
		require.NotContains(t, said, "Done")
		require.Len(t, changes(calls, gcloudQuestion), 1)
	})
}
