package setup_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/setup"
	"github.com/auditferry/auditferry/schemas"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	roleARN    = "arn:aws:iam::210987654321:role/logging/audit-export"
	userARN    = "arn:aws:iam::999988887777:user/auditferry"
	externalID = "auditferry-3f2c9b1e"
	tenant     = "72f988bf-86f1-41af-91ab-2d7cd011db47"
	clientID   = "0f2b5b5e-7a51-4a39-8fd5-5fb0d9e3f6b1"
	consentURL = "https://login.microsoftonline.com/" + tenant + "/adminconsent?client_id=" + clientID
	account    = "auditferry@auditferry-prod.iam.gserviceaccount.com"

	onAWS   = "s3://acme-logs/audit/logs/"
	onAzure = "azure://acmelogs.blob.core.windows.net/audit/logs/"
	onGCP   = "gs://acme-logs/audit/logs/"

	// oddPrefix has all that a folder's name may have and a shell, Terraform or
	// IAM could take for something else.
	oddPrefix = `it's $HOME; (a) & b, c=+@:!/$(x)-ünï'/$`
)

// integration is one with credentials.
func integration(t *testing.T, destination string) schemas.Integration {
	t.Helper()
	d, err := schemas.ParseDestination(destination)
	require.NoError(t, err)
	i := schemas.Integration{Cloud: d.Cloud, Destination: d}
	switch d.Cloud {
	case schemas.AWS:
		i.Grant.RoleARN = roleARN
		i.Credentials = &schemas.Credentials{AWS: &schemas.AWSCredentials{ExternalID: externalID, IAMUserARN: userARN}}
	case schemas.Azure:
		i.Grant.TenantID = tenant
		i.Credentials = &schemas.Credentials{Azure: &schemas.AzureCredentials{ConsentURL: consentURL, MultiTenantAppName: "auditferry-prod_1700000000000"}}
	default:
		i.Credentials = &schemas.Credentials{GCP: &schemas.GCPCredentials{ServiceAccount: account}}
	}
	return i
}

func without(i schemas.Integration) schemas.Integration {
	i.Credentials = nil
	return i
}

func inBucketOf(i schemas.Integration, owner string) schemas.Integration {
	i.Grant.BucketOwner = owner
	return i
}

func owned(i schemas.Integration, state schemas.OwnershipState, challenge string) schemas.Integration {
	i.ID = uuid.MustParse("01900000-0000-7000-8000-000000000001")
	i.Ownership = schemas.Ownership{State: state, Challenge: challenge}
	return i
}

func preview(i schemas.Integration) schemas.Integration {
	i.Credentials, i.Grant = nil, schemas.Grant{}
	return i
}

func guide(t *testing.T, i schemas.Integration) schemas.SetupGuide {
	t.Helper()
	g, err := setup.Guide(i)
	require.NoError(t, err)
	return g
}

func document(t *testing.T, i schemas.Integration, name string) string {
	t.Helper()
	d, ok := guide(t, i).Document(name)
	require.True(t, ok, name)
	return d.Content
}

// cases are the integrations that differ in what their guides say.
func cases(t *testing.T) map[string]schemas.Integration {
	china := integration(t, onAWS)
	china.Grant.RoleARN = strings.Replace(roleARN, "arn:aws:", "arn:aws-cn:", 1)
	all := map[string]schemas.Integration{
		"aws-other-account": inBucketOf(integration(t, onAWS), "555566667777"),
		"aws-china":         china,
		"azure-shared":      owned(integration(t, onAzure), schemas.OwnershipOpen, ""),
		"gcp-challenged":    owned(integration(t, onGCP), schemas.OwnershipWaiting, onGCP+"_auditferry/ownership-ABCD2345.txt"),
	}
	for _, on := range []string{onAWS, onAzure, onGCP} {
		cloud := string(integration(t, on).Cloud)
		place := strings.TrimSuffix(on, "audit/logs/")
		if cloud == "azure" {
			place += "audit/"
		}
		all[cloud+"-ready"] = integration(t, on)
		all[cloud+"-not-ready"] = without(integration(t, on))
		all[cloud+"-preview"] = preview(integration(t, on))
		all[cloud+"-no-prefix"] = integration(t, place)
		all[cloud+"-odd-prefix"] = integration(t, place+oddPrefix)
	}
	return all
}

// Every guide as it is in testdata. After a change on purpose:
// go test ./internal/setup -update, and read the difference.
func TestGuides(t *testing.T) {
	t.Parallel()
	for name, i := range cases(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := readable(guide(t, i))
			path := filepath.Join("testdata", name+".txt")
			if *update {
				require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(want), got)
			require.Equal(t, got, readable(guide(t, i)), "the same integration gives the same guide")
		})
	}
}

func readable(g schemas.SetupGuide) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s on %s, ready: %t\n\n", g.Destination, g.Cloud, g.Ready)
	for _, v := range g.Values {
		fmt.Fprintf(&b, "%s: %s\n", v.Name, v.Value)
	}
	for n, s := range g.Steps {
		fmt.Fprintf(&b, "\n%d. %s\n", n+1, s.Text)
		for _, extra := range []struct{ what, text string }{{"link", s.Link}, {"copy", s.Copy}, {"document", s.Document}} {
			if extra.text != "" {
				fmt.Fprintf(&b, "   %s: %s\n", extra.what, strings.ReplaceAll(extra.text, "\n", " | "))
			}
		}
	}
	for _, d := range g.Documents {
		fmt.Fprintf(&b, "\n==== %s: %s (%s, %s)\n%s", d.Name, d.Title, d.Format, d.Filename, d.Content)
	}
	return b.String()
}

// What holds for every guide, whatever it says.
func TestGuidesAreWhole(t *testing.T) {
	t.Parallel()
	for name, i := range cases(t) {
		g := guide(t, i)
		require.Equal(t, i.Credentials != nil, g.Ready, name)
		require.Equal(t, schemas.SetupValue{Name: "Destination", Value: i.Destination.URL()}, g.Values[0], name)
		seen := map[string]bool{}
		for _, d := range g.Documents {
			require.False(t, seen[d.Name], "%s: %s twice", name, d.Name)
			seen[d.Name] = true
			require.NotEmpty(t, d.Title)
			require.NotEmpty(t, d.Filename)
			require.True(t, strings.HasSuffix(d.Content, "\n") && !strings.HasSuffix(d.Content, "\n\n"), "%s: how %s ends", name, d.Name)
			require.NotContains(t, d.Content, "<no value>")
			if g.Ready && d.Format != schemas.SetupShell {
				require.NotContains(t, strings.ReplaceAll(d.Content, "<project>", ""), "<", "%s: a placeholder in %s", name, d.Name)
			}
		}
		for _, s := range g.Steps {
			require.NotEmpty(t, s.Text)
			if s.Document != "" {
				require.True(t, seen[s.Document], "%s: a step names %s", name, s.Document)
			}
			if s.Link != "" {
				require.True(t, strings.HasPrefix(s.Link, "https://"), s.Link)
			}
			if g.Ready {
				require.NotContains(t, s.Text+s.Copy, "<", name)
			}
		}
	}
}

func TestReadyGuidesHaveEveryValue(t *testing.T) {
	t.Parallel()
	for on, want := range map[string][]string{
		onAWS:   {onAWS, externalID, userARN, roleARN},
		onAzure: {onAzure, tenant, consentURL, "auditferry-prod_1700000000000", "auditferry-prod"},
		onGCP:   {onGCP, account},
	} {
		var got []string
		for _, v := range guide(t, integration(t, on)).Values {
			got = append(got, v.Value)
		}
		require.Equal(t, want, got)
	}
}

func TestStepsOfAzure(t *testing.T) {
	t.Parallel()
	steps := guide(t, integration(t, onAzure)).Steps
	require.Equal(t, consentURL, steps[0].Link)
	require.Contains(t, steps[0].Text, tenant, "consent in the wrong tenant looks like success")
	require.Contains(t, steps[1].Link, tenant)
	require.Equal(t, "Storage Blob Data Contributor", steps[2].Copy)
	require.Equal(t, "auditferry-prod", steps[3].Copy, "only the characters before the underscore")
	require.Contains(t, steps[4].Text, "45 minutes")
}

// What the contract would refuse must not become part of a command.
func TestGuideRefuses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*schemas.Integration){
		"another cloud":              func(i *schemas.Integration) { i.Cloud = schemas.GCP },
		"no cloud":                   func(i *schemas.Integration) { i.Cloud, i.Destination = "", schemas.Destination{} },
		"another cloud's credential": func(i *schemas.Integration) { i.Credentials = integration(t, onGCP).Credentials },
		"empty credentials":          func(i *schemas.Integration) { i.Credentials = &schemas.Credentials{} },
		"a line break in the folder": func(i *schemas.Integration) { i.Destination.Prefix = "a\nrm -rf b" },
		"a folder in the bucket":     func(i *schemas.Integration) { i.Destination.Bucket += "/logs" },
		"a wildcard in the folder":   func(i *schemas.Integration) { i.Destination.Prefix = "a*" },
		"a variable in the folder":   func(i *schemas.Integration) { i.Destination.Prefix = "${aws:username}" },
		"a bucket that is a command": func(i *schemas.Integration) { i.Destination.Bucket = "$(id)" },
		"a role that is none":        func(i *schemas.Integration) { i.Grant.RoleARN = "role" },
		"a bucket owner that is none": func(i *schemas.Integration) {
			i.Grant = schemas.Grant{BucketOwner: "acme"}
		},
	} {
		i := integration(t, onAWS)
		change(&i)
		_, err := setup.Guide(i)
		require.Error(t, err, name)
	}
}

// A proof is asked for only where one is wanted, and not before there is an
// identity that could be shared.
func TestProofOfOwnership(t *testing.T) {
	t.Parallel()
	plain := len(guide(t, integration(t, onGCP)).Steps)
	for state, more := range map[schemas.OwnershipState]int{
		schemas.OwnershipImplied: 0, schemas.OwnershipProven: 0, schemas.OwnershipOpen: 1, schemas.OwnershipWaiting: 1,
	} {
		i := owned(integration(t, onGCP), state, "gs://somewhere/challenge.txt")
		require.Len(t, guide(t, i).Steps, plain+more, state)
		require.Len(t, guide(t, without(i)).Steps, plain, state)
	}
}
