package setup

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/auditferry/auditferry/schemas"
)

// gcpRoleID names the custom role in its project, gcpRoleTitle in the console.
// All integrations with a project's buckets share it: its permissions are the
// same for all, and each bucket binds its own service account.
const (
	gcpRoleID    = "auditferryAuditExport"
	gcpRoleTitle = "Auditferry audit export"
)

// gcpSetup is what the documents and steps of Google Cloud are made of.
type gcpSetup struct {
	Destination    schemas.Destination
	Ready          bool // the credentials are there
	ServiceAccount string
	RoleID         string
	RoleTitle      string
	Permissions    []string
}

func newGCP(i schemas.Integration) gcpSetup {
	g := gcpSetup{
		Destination: i.Destination, ServiceAccount: "<service account>", RoleID: gcpRoleID, RoleTitle: gcpRoleTitle,
		Permissions: []string{"storage.objects.create", "storage.objects.delete", "storage.objects.list", "storage.buckets.get"},
	}
	if i.Credentials != nil {
		g.Ready, g.ServiceAccount = true, i.Credentials.GCP.ServiceAccount
	}
	return g
}

// describe adds values and steps to the guide, and returns the documents.
func (g gcpSetup) describe(guide *schemas.SetupGuide) ([]schemas.SetupDocument, error) {
	if g.Ready {
		guide.Values = append(guide.Values, schemas.SetupValue{Name: "Service account", Value: g.ServiceAccount})
	}
	guide.Steps = g.steps()
	return appendFilled(nil, g,
		schemas.SetupDocument{Name: GCPCustomRole, Title: "Custom role, for gcloud iam roles create --file", Format: schemas.SetupYAML, Filename: "auditferry-role.yaml"},
		schemas.SetupDocument{Name: GCPCLI, Title: "Everything, by gcloud", Format: schemas.SetupShell, Filename: "auditferry-gcp.sh"},
		schemas.SetupDocument{Name: GCPTerraform, Title: "Everything, by Terraform", Format: schemas.SetupTerraform, Filename: "auditferry-gcp.tf"})
}

func (g gcpSetup) steps() []schemas.SetupStep {
	principal := "Under New principals, enter the service account:"
	if !g.Ready {
		principal = "Wait until the credentials are there. Then enter the service account under New principals:"
	}
	return []schemas.SetupStep{
		{Text: fmt.Sprintf("In the Google Cloud console, select the project that the bucket %s is in, open IAM & Admin > Roles and choose Create role. Call it %s and choose Add permissions for these four:",
			g.Destination.Bucket, g.RoleTitle),
			Link: "https://console.cloud.google.com/iam-admin/roles/create", Copy: strings.Join(g.Permissions, "\n")},
		{Text: fmt.Sprintf("Open Cloud Storage > Buckets > %s > Permissions and choose Grant access.", g.Destination.Bucket),
			Link: "https://console.cloud.google.com/storage/browser/" + url.PathEscape(g.Destination.Bucket) + ";tab=permissions"},
		{Text: principal, Copy: g.ServiceAccount},
		{Text: fmt.Sprintf("Under Assign roles, select the custom role %s and choose Save. It takes effect within a few minutes.", g.RoleTitle)},
	}
}
