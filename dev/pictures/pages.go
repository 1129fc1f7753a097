package pictures

import (
	"context"
	"fmt"
	"net/http"

	"github.com/google/uuid"
)

// Pages are all pages of the portal, in the states of the scene. Pages that say
// one thing alone, for an error or too many sign-ins, look like not-found.
func (o *Scene) Pages(ctx context.Context) ([]Page, error) {
	events, err := o.admin.Events(ctx, "auditferry.integration.created")
	if err != nil {
		return nil, err
	}
	if len(events) == 0 {
		return nil, fmt.Errorf("the organization has no event")
	}
	var all []Page
	for _, subject := range [][]Page{
		o.integrationPages(), o.integrationForms(), o.exportPages(), o.exportForms(), o.runPages(),
		o.eventPages(events[0].Seq), o.organizationPages(), o.longPages(), o.dialogPages(),
	} {
		all = append(all, asAdmin(subject)...)
	}
	all = append(all, o.viewerPages()...)
	all = append(all, o.operatorPages()...)
	return append(all,
		Page{Name: "signed-out", Path: "/signed-out", Says: "You are signed out"},
		Page{Name: "no-organization", Who: Outsider, Path: "/", Status: http.StatusForbidden, Says: "You are not a member of any organization here"},
		Page{Name: "not-found", Who: Admin, Path: "/nowhere", Status: http.StatusNotFound, Says: "There is nothing here"},
	), nil
}

func asAdmin(pages []Page) []Page {
	for i := range pages {
		pages[i].Who = Admin
	}
	return pages
}

// The addresses of the organizations' pages.

func (o *Scene) acme(path string) string   { return "/orgs/" + o.admin.Org.ID.String() + path }
func (o *Scene) globex(path string) string { return "/orgs/" + o.empty.ID.String() + path }

func (o *Scene) integration(id uuid.UUID, path string) string {
	return o.acme("/integrations/" + id.String() + path)
}

func (o *Scene) export(id uuid.UUID, path string) string {
	return o.acme("/exports/" + id.String() + path)
}

func (o *Scene) runPages() []Page {
	run := func(export, run uuid.UUID) string { return o.export(export, "/runs/"+run.String()) }
	return []Page{
		{Name: "runs", Path: o.export(o.nightly, "/runs"), Says: "Delivered"},
		{Name: "runs-failing", Path: o.export(o.failing, "/runs"), Says: "Failed"},
		{Name: "runs-under-way", Path: o.export(o.stuck, "/runs"), Says: "Running"},
		{Name: "runs-empty", Path: o.export(o.orphan, "/runs"), Says: "No run yet."},
		{Name: "run", Path: run(o.nightly, o.goodRun), Says: "Manifest"},
		{Name: "run-failed", Path: run(o.failing, o.failedRun), Says: "Failed"},
		{Name: "run-under-way", Path: run(o.stuck, o.stuckRun), Says: "These objects do not count yet"},
		{Name: "run-expired", Path: run(o.late, o.lateRun), Says: "Expired before"},

		{Name: "ledger", Path: o.acme("/ledger"), Says: "Nightly archive"},
		{Name: "ledger-of-export", Path: o.acme("/ledger?export=" + o.nightly.String()), Says: "Day by day"},
		{Name: "ledger-of-export-expired", Path: o.acme("/ledger?export=" + o.late.String()), Says: "Some expired before delivery"},
		{Name: "ledger-of-export-filtered", Path: o.acme("/ledger?export=" + o.paused.String()), Says: "All excluded by the filter"},
		{Name: "ledger-of-export-year", Path: o.acme("/ledger?days=365&export=" + o.nightly.String()), Says: "Day by day"},
		{Name: "ledger-empty", Path: o.globex("/ledger"), Says: "No scheduled export yet."},
	}
}

func (o *Scene) eventPages(event int64) []Page {
	return []Page{
		{Name: "events", Path: o.acme("/events"), Says: "Outcome"},
		{Name: "events-none-found", Path: o.acme("/events?action=no.such.action"), Says: "No event matches."},
		{Name: "events-none-of-action", Path: o.globex("/events?action=user.login"), Says: "No event matches."},
		{Name: "events-refused", Path: o.acme("/events?from=2026-02-01T00:00&to=2026-01-01T00:00"), Status: http.StatusUnprocessableEntity, Says: "From"},
		{Name: "event", Path: o.acme(fmt.Sprintf("/events/%d", event)), Says: "Download as recorded"},
	}
}

// organizationPages are those about an organization as a whole, and its people.
func (o *Scene) organizationPages() []Page {
	return []Page{
		{Name: "api-keys", Path: o.acme("/api-keys"), Says: "Create key"},
		{Name: "api-key-new", Path: o.acme("/api-keys/new"), Says: "Create key"},
		{
			Name: "api-key-new-refused", Path: o.acme("/api-keys/new"), Status: http.StatusUnprocessableEntity,
			Do: []Step{choose("Viewer"), click("Create key")}, Says: "Nothing was done yet",
		},
		{
			Name: "api-key-created", Path: o.globex("/api-keys/new"),
			Do: []Step{fill("Name", "Product, production"), click("Create key")}, Says: "Copy the key now.",
		},
		{Name: "api-key-revoke", Path: o.acme("/api-keys/" + o.key.String() + "/revoke"), Says: "at once and for good"},
		{Name: "api-key-revoked", Path: o.acme("/api-keys?revoked=" + o.revokedKey.String()), Says: "API key revoked"},
		{Name: "mails", Path: o.acme("/notices"), Says: "What is mailed, and when"},
		{Name: "mails-nobody", Path: o.globex("/notices"), Says: "Nobody is told of anything yet"},
		{Name: "mails-saved", Path: o.acme("/notices?saved=1"), Says: "Addresses saved"},
		{
			Name: "mails-refused", Path: o.acme("/notices"), Status: http.StatusUnprocessableEntity,
			Do: []Step{fill("Mail addresses", "security@acme.example\nnobody"), click("Save")}, Says: "Nothing was done yet",
		},
		{Name: "account", Path: "/account", Says: "Sign out everywhere"},
		{Name: "menu-organizations", Path: o.acme("/audit-logging"), Do: []Step{click("Organization: Acme")}, Says: "Globex"},
		{Name: "menu-person", Path: o.acme("/audit-logging"), Do: []Step{click("Signed in as Ada Admin")}, Says: "Your account"},
	}
}

// longPages are those of the organization in which everything is long.
func (o *Scene) longPages() []Page {
	at := "/orgs/" + o.long.admin.Org.ID.String()
	integration, export := at+"/integrations/"+o.long.integration.String(), at+"/exports/"+o.long.export.String()
	return []Page{
		{Name: "long-settings", Path: at + "/audit-logging", Says: "Tamper-evident"},
		{Name: "long-integration", Path: integration, Says: "All set."},
		{Name: "long-credentials", Path: integration + "/credentials", Says: "Service account"},
		{Name: "long-integration-delete", Path: integration + "/delete", Says: "cannot be undone"},
		{Name: "long-exports", Path: at + "/exports", Says: "Everything that"},
		{Name: "long-export", Path: export, Says: "Latest runs"},
		{Name: "long-export-edit", Path: export + "/edit", Says: "Preview"},
		{Name: "long-export-delete", Path: export + "/delete", Says: "This cannot be undone."},
		{Name: "long-run", Path: export + "/runs/" + o.long.run.String(), Says: "Manifest"},
		{Name: "long-ledger", Path: at + "/ledger", Says: "Everything that"},
		{Name: "long-events", Path: at + "/events", Says: "Outcome"},
		{Name: "long-event", Path: fmt.Sprintf("%s/events/%d", at, o.long.event), Says: "Download as recorded"},
		{Name: "long-api-keys", Path: at + "/api-keys", Says: "Gateway"},
		{Name: "long-mails", Path: at + "/notices", Says: "What is mailed, and when"},
	}
}

func (o *Scene) viewerPages() []Page {
	pages := []Page{
		{Name: "viewer-settings", Path: o.acme("/audit-logging"), Says: "Security archive"},
		{Name: "viewer-integration", Path: o.integration(o.awaiting, ""), Says: "What to do now"},
		{Name: "viewer-ownership", Path: o.integration(o.unproven, "/ownership"), Status: http.StatusForbidden, Says: "You may not do this"},
		{Name: "viewer-export", Path: o.export(o.nightly, ""), Says: "Latest runs"},
		{Name: "viewer-mails", Path: o.acme("/notices"), Says: "Admins of your organization can change them."},
		{Name: "viewer-form-of-admins", Path: o.acme("/audit-logging/add"), Status: http.StatusForbidden, Says: "You may not do this"},
		{Name: "viewer-another-organization", Path: o.globex("/audit-logging"), Status: http.StatusNotFound, Says: "There is nothing here"},
	}
	for i := range pages {
		pages[i].Who = Viewer
	}
	return pages
}

func (o *Scene) operatorPages() []Page {
	provision := "/operator/integrations/" + o.admin.Org.ID.String() + "/" + o.provisioning.String() + "/provision"
	pages := []Page{
		{Name: "operator", Path: "/operator", Says: "Analytics"},
		{Name: "operator-provision", Path: provision, Says: "Service account"},
		{
			Name: "operator-provision-refused", Path: provision, Status: http.StatusUnprocessableEntity,
			Do: []Step{fill("Service account", "nobody"), click("Hand in")}, Says: "Nothing was done yet",
		},
		{Name: "operator-replace", Path: "/operator/integrations/" + o.admin.Org.ID.String() + "/" + o.awaiting.String() + "/provision", Says: "Consent URL"},
		{Name: "operator-failing", Path: "/operator/exports", Says: "Hot standby"},
		{Name: "operator-organizations", Path: "/operator/orgs", Says: "Acme"},
		{Name: "operator-organization", Path: "/operator/orgs/" + o.admin.Org.ID.String(), Says: "Security archive"},
		{Name: "operator-organization-long", Path: "/operator/orgs/" + o.long.admin.Org.ID.String(), Says: "Tamper-evident"},
		{Name: "operator-organization-new", Path: "/operator/orgs/new", Says: "Create organization"},
		{
			Name: "operator-organization-refused", Path: "/operator/orgs/new", Status: http.StatusUnprocessableEntity,
			Do: []Step{fill("Mail addresses", "nobody"), click("Create organization")}, Says: "Nothing was done yet",
		},
		{Name: "operator-organization-created", Path: "/operator/orgs/" + o.empty.ID.String() + "?created=" + o.empty.ID.String(), Says: "Organization created"},
		{Name: "operator-health", Path: "/operator/health", Says: "Temporal"},
	}
	for i := range pages {
		pages[i].Who = Operator
	}
	return pages
}
