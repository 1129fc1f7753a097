package pictures

import (
	"net/http"

	"github.com/auditferry/auditferry/schemas"
)

// told is a page that tells of the operation that led to it.
func told(path string, op schemas.Operation) string { return path + "?operation=" + op.ID.String() }

func (o *Scene) integrationPages() []Page {
	return []Page{
		{Name: "settings", Path: o.acme("/audit-logging"), Says: "Security archive"},
		{Name: "settings-with-deleted", Path: o.acme("/audit-logging?deleted=1"), Says: "First try"},
		{Name: "settings-empty", Path: o.globex("/audit-logging"), Says: "No storage integration yet."},
		{Name: "settings-after-delete", Path: told(o.acme("/audit-logging"), o.opDeleted), Says: "Integration deleted"},

		{Name: "integration-active", Path: o.integration(o.active, ""), Says: "Set up, but not all of it is delivered."},
		{Name: "integration-awaiting-access", Path: o.integration(o.awaiting, ""), Says: "What to do now"},
		{Name: "integration-provisioning", Path: o.integration(o.provisioning, ""), Says: "The operators of the service prepare them."},
		{Name: "integration-denied", Path: o.integration(o.denied, ""), Says: "not tried again by itself"},
		{Name: "integration-warned", Path: o.integration(o.warned, ""), Says: "Granted, and exports work, but a step below needs a look."},
		{Name: "integration-unproven", Path: o.integration(o.unproven, ""), Says: "Auditferry waits for the code"},
		{Name: "integration-deleted", Path: o.integration(o.deleted, ""), Says: "This integration has been deleted."},
		{Name: "integration-attempts", Path: o.integration(o.awaiting, "/attempts"), Says: "Not granted"},
		{Name: "integration-updated", Path: told(o.integration(*o.opMoved.IntegrationID, ""), o.opMoved), Says: "Cloud destination updated"},
		{Name: "integration-being-created", Path: told(o.integration(o.provisioning, ""), o.opUnderWay), Says: "Creating the integration …"},
		{Name: "integration-not-created", Path: told(o.integration(*o.opFailed.IntegrationID, ""), o.opFailed), Says: "Integration not created"},

		{Name: "credentials-aws", Path: o.integration(o.active, "/credentials"), Says: "External ID"},
		{Name: "credentials-azure", Path: o.integration(o.awaiting, "/credentials"), Says: "Azure Consent URL"},
		{Name: "credentials-gcp", Path: o.integration(o.unproven, "/credentials"), Says: "Service account"},
		{Name: "credentials-gcp-waiting", Path: o.integration(o.provisioning, "/credentials"), Says: "The credentials are being prepared."},
	}
}

// integrationForms are the forms about integrations, as they are shown and as
// they come again.
func (o *Scene) integrationForms() []Page {
	add, create := o.acme("/audit-logging/add"), click("Create storage integration")
	const refused, says = http.StatusUnprocessableEntity, "Nothing was done yet"
	return []Page{
		{Name: "add", Path: add, Says: "Create a storage integration"},
		{Name: "add-refused-aws", Path: add, Status: refused, Says: says, Do: []Step{
			fill("Destination", "https://example.com/bucket"), fill("Role ARN", "arn:aws:iam::12:user/nobody"), fill("Account that owns the bucket", "12"), create,
		}},
		{Name: "add-refused-azure", Path: add, Status: refused, Says: says, Do: []Step{
			choose("Azure"), fill("Name", "Data lake"), fill("Destination", "azure://nowhere"), fill("Tenant ID", "contoso"), create,
		}},
		{Name: "add-refused-gcp", Path: add, Status: refused, Says: says, Do: []Step{
			choose("GCP"), fill("Name", "Analytics"), fill("Destination", "gs://"), create,
		}},
		{Name: "integration-edit", Path: o.integration(o.active, "/edit"), Says: "Update export destination for all linked scheduled exports instead of pausing"},
		{Name: "integration-edit-refused", Path: o.integration(o.active, "/edit"), Status: refused, Says: says, Do: []Step{
			fill("Destination", "gs://elsewhere/audit/"), click("Save"),
		}},
		{Name: "integration-delete", Path: o.integration(o.active, "/delete"), Says: "Delete all linked scheduled exports"},
		{Name: "integration-delete-refused", Path: o.integration(o.active, "/delete"), Status: refused, Says: says, Do: []Step{
			fill("Type the integration’s name to confirm", "security"), send,
		}},
		{Name: "ownership-none", Path: o.integration(o.provisioning, "/ownership"), Says: "No code has been put there yet"},
		{Name: "ownership", Path: o.integration(o.unproven, "/ownership"), Says: "Open this object in your storage"},
		{Name: "ownership-implied", Path: o.integration(o.active, "/ownership"), Says: "Nothing is to be shown here"},
		{Name: "ownership-refused", Path: o.integration(o.unproven, "/ownership"), Status: refused, Says: says, Do: []Step{
			fill("Code", "a guess"), click("Hand in the code"),
		}},
	}
}

func (o *Scene) dialogPages() []Page {
	return []Page{
		{Name: "dialog-add", Path: o.acme("/audit-logging"), Do: []Step{click("Add")}, Says: "Create storage integration"},
		{Name: "dialog-edit-destination", Path: o.integration(o.active, ""), Do: []Step{click("Edit Destination")}, Says: "instead of pausing"},
		{Name: "dialog-delete-integration", Path: o.integration(o.active, ""), Do: []Step{click("Delete integration")}, Says: "cannot be undone"},
		{Name: "dialog-ownership", Path: o.integration(o.unproven, "/credentials"), Do: []Step{click("Hand in the code")}, Says: "Open this object in your storage"},
		{Name: "dialog-resume", Path: o.export(o.moved, ""), Do: []Step{click("Resume …")}, Says: "It will deliver to"},
		{Name: "dialog-link", Path: o.export(o.orphan, ""), Do: []Step{click("Link to another integration")}, Says: "Storage integration"},
		{Name: "dialog-backfill", Path: o.export(o.nightly, ""), Do: []Step{click("Backfill")}, Says: "Which events"},
		{Name: "dialog-delete-export", Path: o.export(o.nightly, ""), Do: []Step{click("Delete")}, Says: "This cannot be undone."},
		{Name: "dialog-api-key", Path: o.acme("/api-keys"), Do: []Step{click("Create key")}, Says: "Which program uses it"},
		{
			Name: "dialog-api-key-refused", Path: o.acme("/api-keys"), Status: http.StatusUnprocessableEntity,
			Do: []Step{click("Create key"), click("Create key")}, Says: "Nothing was done yet",
		},
	}
}
