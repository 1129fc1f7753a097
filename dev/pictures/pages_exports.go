package pictures

import "net/http"

func (o *Scene) exportPages() []Page {
	return []Page{
		{Name: "exports", Path: o.acme("/exports"), Says: "Nightly archive"},
		{Name: "exports-with-deleted", Path: o.acme("/exports?deleted=1"), Says: "Proof of concept"},
		{Name: "exports-empty", Path: o.globex("/exports"), Says: "No scheduled export yet."},

		{Name: "export-active", Path: o.export(o.nightly, ""), Says: "Latest runs"},
		{Name: "export-paused", Path: o.export(o.paused, ""), Says: "Paused by an admin."},
		{Name: "export-moved", Path: o.export(o.moved, ""), Says: "Paused because the destination was updated."},
		{Name: "export-orphan", Path: o.export(o.orphan, ""), Says: "Paused because its integration was deleted."},
		{Name: "export-deleted", Path: o.export(o.discarded, ""), Says: "Its history stays here."},
		{Name: "export-failing", Path: o.export(o.failing, ""), Says: "Failing since"},
		{Name: "export-under-way", Path: o.export(o.stuck, ""), Says: "The run under way has met trouble"},
		{Name: "export-backfilling", Path: told(o.export(o.stuck, ""), o.opBackfilling), Says: "The backfill is under way …"},
	}
}

// exportForms are the forms about exports, as they are shown and as they come
// again.
func (o *Scene) exportForms() []Page {
	const refused, says = http.StatusUnprocessableEntity, "Nothing was done yet"
	create, edit := o.acme("/exports/new?integration="+o.active.String()), o.export(o.nightly, "/edit")
	backfill, start := o.export(o.nightly, "/backfill"), click("Start the backfill")
	return []Page{
		{Name: "export-new", Path: create, Says: "Preview"},
		{Name: "export-new-no-integration", Path: o.globex("/exports/new"), Says: "There is no storage integration yet."},
		{Name: "export-new-refused", Path: create, Status: refused, Says: says, Do: []Step{
			choose("Cron"), fill("Cron expression", "every day"), click("More:"), fill("Path", "{week}"), fill("Only these actions", "user login"),
			click("Schedule the export"),
		}},
		{Name: "export-edit", Path: edit, Says: "Preview"},
		{Name: "export-edit-refused", Path: edit, Status: refused, Says: says, Do: []Step{
			fill("Name", ""), choose("Weekly"), fill("Time of day", ""), fill("Time zone", "Nowhere/Land"), click("Save"),
		}},
		{Name: "export-edit-every", Path: edit, Do: []Step{choose("Every …")}, Says: "seconds minutes hours days"},
		{Name: "export-resume", Path: o.export(o.moved, "/resume"), Says: "It will deliver to"},
		{Name: "export-relink", Path: o.export(o.orphan, "/relink"), Says: "Storage integration"},
		{Name: "export-relink-refused", Path: o.export(o.orphan, "/relink"), Status: refused, Says: says, Do: []Step{click("Link")}},
		{Name: "export-backfill", Path: backfill, Says: "Which events"},
		{Name: "export-backfill-refused", Path: backfill, Status: refused, Says: says, Do: []Step{
			choose("By number"), fill("First event", "x"), fill("Last event", "5"), start,
		}},
		{Name: "export-backfill-refused-times", Path: backfill, Status: refused, Says: says, Do: []Step{
			fill("From", "2026-02-01T00:00"), fill("Before", "2026-01-01T00:00"), start,
		}},
		{Name: "export-delete", Path: o.export(o.nightly, "/delete"), Says: "This cannot be undone."},
		{Name: "export-delete-refused", Path: o.export(o.nightly, "/delete"), Status: refused, Says: says, Do: []Step{
			fill("Type Nightly archive to confirm", "nightly"), send,
		}},
	}
}
