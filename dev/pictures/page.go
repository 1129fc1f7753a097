package pictures

import (
	"context"
	"fmt"

	"github.com/auditferry/auditferry/dev/browser"
)

// Page is one page of the portal as one person sees it.
type Page struct {
	Name string // of its picture
	Who  string // Admin, Viewer, Operator, Outsider; "" for somebody who is not signed in
	Path string

	// Click is clicked there, to open a dialog or a menu; "" is nothing.
	Click string

	// Says is on the page when all is as it should be.
	Says string

	// Status is what the page answers with; 0 is 200.
	Status int
}

// Pages are all pages of the portal, in the states of the scene.
func (o *Scene) Pages(ctx context.Context) ([]Page, error) {
	events, err := o.admin.Events(ctx, "auditferry.integration.created")
	if err != nil {
		return nil, err
	}
	acme, globex := "/orgs/"+o.admin.Org.ID.String(), "/orgs/"+o.empty.ID.String()
	integration := func(id interface{ String() string }) string { return acme + "/integrations/" + id.String() }
	export := func(id interface{ String() string }) string { return acme + "/exports/" + id.String() }
	event := acme + "/events/1"
	if len(events) > 0 {
		event = fmt.Sprintf("%s/events/%d", acme, events[0].Seq)
	}
	pages := []Page{
		{Name: "signed-out", Path: "/signed-out", Says: "You are signed out"},
		{Name: "no-organization", Who: Outsider, Path: "/", Status: 403, Says: "You are not a member of any organization here"},

		{Name: "settings", Path: acme + "/audit-logging", Says: "Security archive"},
		{Name: "settings-with-deleted", Path: acme + "/audit-logging?deleted=1", Says: "First try"},
		{Name: "settings-empty", Path: globex + "/audit-logging", Says: "No storage integration yet."},
		{Name: "add", Path: acme + "/audit-logging/add", Says: "Create a storage integration"},

		{Name: "integration-active", Path: integration(o.active), Says: "All set."},
		{Name: "integration-awaiting-access", Path: integration(o.awaiting), Says: "What to do now"},
		{Name: "integration-provisioning", Path: integration(o.provisioning), Says: "The operators of the service prepare them."},
		{Name: "integration-deleted", Path: integration(o.deleted), Says: "This integration has been deleted."},
		{Name: "integration-attempts", Path: integration(o.awaiting) + "/attempts", Says: "Not granted"},
		{Name: "integration-ownership", Path: integration(o.provisioning) + "/ownership"},
		{Name: "integration-edit", Path: integration(o.active) + "/edit", Says: "Update export destination for all linked scheduled exports instead of pausing"},
		{Name: "integration-delete", Path: integration(o.active) + "/delete", Says: "Delete all linked scheduled exports"},
		{Name: "credentials-aws", Path: integration(o.active) + "/credentials", Says: "External ID"},
		{Name: "credentials-azure", Path: integration(o.awaiting) + "/credentials", Says: "Azure Consent URL"},
		{Name: "credentials-gcp-waiting", Path: integration(o.provisioning) + "/credentials", Says: "The credentials are being prepared."},

		{Name: "exports", Path: acme + "/exports", Says: "Nightly archive"},
		{Name: "exports-with-deleted", Path: acme + "/exports?deleted=1", Says: "Nightly archive"},
		{Name: "exports-empty", Path: globex + "/exports", Says: "No scheduled export yet."},
		{Name: "export-new", Path: acme + "/exports/new?integration=" + o.active.String(), Says: "Preview"},
		{Name: "export-new-no-integration", Path: globex + "/exports/new", Says: "There is no storage integration yet."},
		{Name: "export-active", Path: export(o.nightly), Says: "Latest runs"},
		{Name: "export-paused", Path: export(o.paused), Says: "Paused by an admin."},
		{Name: "export-moved", Path: export(o.moved), Says: "Paused because the destination was updated."},
		{Name: "export-orphan", Path: export(o.orphan), Says: "Paused because its integration was deleted."},
		{Name: "export-failing", Path: export(o.failing), Says: "Failing since"},
		{Name: "export-edit", Path: export(o.nightly) + "/edit", Says: "Preview"},
		{Name: "export-resume", Path: export(o.moved) + "/resume", Says: "It will deliver to"},
		{Name: "export-relink", Path: export(o.orphan) + "/relink", Says: "Storage integration"},
		{Name: "export-backfill", Path: export(o.nightly) + "/backfill", Says: "Which events"},
		{Name: "export-delete", Path: export(o.nightly) + "/delete", Says: "This cannot be undone."},

		{Name: "runs", Path: export(o.nightly) + "/runs", Says: "Delivered"},
		{Name: "runs-failing", Path: export(o.failing) + "/runs", Says: "Failed"},
		{Name: "runs-empty", Path: export(o.orphan) + "/runs", Says: "No run yet."},
		{Name: "run", Path: export(o.nightly) + "/runs/" + o.goodRun.String(), Says: "Manifest"},
		{Name: "run-failed", Path: export(o.failing) + "/runs/" + o.failedRun.String(), Says: "Failed"},

		{Name: "ledger", Path: acme + "/ledger", Says: "Nightly archive"},
		{Name: "ledger-of-export", Path: acme + "/ledger?export=" + o.nightly.String(), Says: "Day by day"},
		{Name: "ledger-empty", Path: globex + "/ledger", Says: "No scheduled export yet."},

		{Name: "events", Path: acme + "/events", Says: "Outcome"},
		{Name: "events-none-found", Path: acme + "/events?action=no.such.action", Says: "No event matches."},
		{Name: "events-empty", Path: globex + "/events?action=user.login"},
		{Name: "event", Path: event, Says: "Download as recorded"},

		{Name: "api-keys", Path: acme + "/api-keys", Says: "Create key"},
		{Name: "api-key-new", Path: acme + "/api-keys/new", Says: "Create key"},
		{Name: "api-key-revoke", Path: acme + "/api-keys/" + o.key.String() + "/revoke", Says: "at once and for good"},
		{Name: "mails", Path: acme + "/notices", Says: "What is mailed, and when"},
		{Name: "mails-nobody", Path: globex + "/notices", Says: "Nobody is told of anything yet"},

		{Name: "account", Path: "/account", Says: "Sign out everywhere"},
		{Name: "not-found", Path: "/nowhere", Status: 404, Says: "There is nothing here"},

		{Name: "menu-organizations", Path: acme + "/audit-logging", Click: "Organization: Acme", Says: "Globex"},
		{Name: "menu-person", Path: acme + "/audit-logging", Click: "Signed in as Ada Admin", Says: "Your account"},
		{Name: "dialog-add", Path: acme + "/audit-logging", Click: "Add", Says: "Create storage integration"},
		{Name: "dialog-edit-destination", Path: integration(o.active), Click: "Edit Destination", Says: "instead of pausing"},
		{Name: "dialog-delete-integration", Path: integration(o.active), Click: "Delete integration", Says: "cannot be undone"},
		{Name: "dialog-resume", Path: export(o.moved), Click: "Resume …", Says: "It will deliver to"},
		{Name: "dialog-link", Path: export(o.orphan), Click: "Link to another integration", Says: "Storage integration"},
		{Name: "dialog-backfill", Path: export(o.nightly), Click: "Backfill", Says: "Which events"},
		{Name: "dialog-delete-export", Path: export(o.nightly), Click: "Delete", Says: "This cannot be undone."},
		{Name: "dialog-api-key", Path: acme + "/api-keys", Click: "Create key", Says: "Which program uses it"},

		{Name: "viewer-settings", Who: Viewer, Path: acme + "/audit-logging", Says: "Security archive"},
		{Name: "viewer-integration", Who: Viewer, Path: integration(o.awaiting), Says: "What to do now"},
		{Name: "viewer-export", Who: Viewer, Path: export(o.nightly), Says: "Latest runs"},
		{Name: "viewer-mails", Who: Viewer, Path: acme + "/notices", Says: "Admins of your organization can change them."},

		{Name: "operator", Who: Operator, Path: "/operator", Says: "Analytics"},
		{Name: "operator-provision", Who: Operator, Path: "/operator/integrations/" + o.admin.Org.ID.String() + "/" + o.provisioning.String() + "/provision", Says: "Service account"},
		{Name: "operator-failing", Who: Operator, Path: "/operator/exports", Says: "Hot standby"},
		{Name: "operator-organizations", Who: Operator, Path: "/operator/orgs", Says: "Acme"},
		{Name: "operator-organization", Who: Operator, Path: "/operator/orgs/" + o.admin.Org.ID.String(), Says: "Security archive"},
		{Name: "operator-organization-new", Who: Operator, Path: "/operator/orgs/new", Says: "Create organization"},
		{Name: "operator-health", Who: Operator, Path: "/operator/health", Says: "Temporal"},
	}
	for i := range pages {
		if pages[i].Who == "" && pages[i].Name != "signed-out" {
			pages[i].Who = Admin
		}
	}
	return pages, nil
}

// Open has a person open the page, and wait until it says what it should.
func (g Page) Open(p *browser.Person) error {
	p.Expect(g.Status)
	if err := p.Visit(g.Path); err != nil {
		return err
	}
	if g.Click != "" {
		if err := p.Click(g.Click); err != nil {
			return err
		}
	}
	return p.WaitFor(g.Says)
}
