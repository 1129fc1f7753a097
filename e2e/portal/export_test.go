package portal

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/browser"
	"github.com/auditferry/auditferry/schemas"
)

// Every button of an export's page does what it says.
func TestExportButtons(t *testing.T) {
	o := begin(t)
	newest, err := o.product.Report(o.ctx, 100)
	require.NoError(t, err)
	integration := o.integrated(schemas.AWS, "Archive", "one", "two")
	export := o.exporting(integration, "Everything")
	require.NoError(t, o.admin.AwaitDelivered(o.ctx, export, newest))
	ada := o.as("ada", browser.Look{})
	ada.Expect(http.StatusUnprocessableEntity)
	ada.click("Scheduled exports")
	ada.click("Everything")

	ada.must(ada.Mark())
	newest, err = o.product.Report(o.ctx, 10)
	ada.must(err)
	require.NoError(t, o.admin.AwaitDelivered(o.ctx, export, newest))
	ada.in("Latest runs").sees("Delivered")
	ada.stays()

	// Invariant 5: after a pause has been confirmed, no new run starts.
	ada.click("Pause")
	ada.sees("Export paused", "Paused by an admin.", "No run starts while it is paused.")
	ada.seesNo("Run now")
	ada.click("Resume")
	ada.sees("Export resumed", "Run now")

	ada.click("Edit")
	ada.fill("Name", "")
	ada.choose("Weekly")
	ada.fill("Time of day", "03:30")
	ada.fill("Time zone", "Nowhere/Land")
	ada.click("Save")
	ada.sees("Nothing was done yet", "Must name at least one day")
	ada.wrong(map[string]string{"Name": "", "Monday": "", "Time zone": ""})
	ada.tick("Monday")
	ada.tick("Friday")
	ada.click("Save")
	ada.wrong(map[string]string{"Name": "", "Time zone": ""})
	ada.fill("Name", "Weekly")
	ada.fill("Time zone", "America/New_York")
	ada.sees("Monday and Friday at 03:30 America/New_York")
	ada.click("Save")
	ada.sees("Export saved", "Weekly", "Monday and Friday at 03:30 America/New_York")

	ada.click("Run now")
	ada.sees("Run started")

	ada.click("Backfill")
	ada.choose("By number")
	ada.fill("First event", "x")
	ada.fill("Last event", "5")
	ada.click("Start the backfill")
	ada.wrong(map[string]string{"First event": ""})
	ada.fill("First event", "1")
	ada.click("Start the backfill")
	ada.sees("Backfill delivered")
	ada.in("Backfills").sees("1 to 5", "Delivered", "5 events in 1 ")
	backfills, err := o.admin.Backfills(o.ctx, export)
	ada.must(err)
	require.Len(t, backfills, 1)
	require.Equal(t, schemas.BackfillSucceeded, backfills[0].Status)

	for _, what := range []string{"Create export", "Pause export", "Resume export", "Edit export", "Run export", "Backfill export"} {
		ada.in("Who did what").sees(what)
	}
	ada.in("Who did what").in("Pause export").sees("Ada", "Done")

	ada.click("Delete")
	ada.fill("Type Weekly to confirm", "Weekly")
	ada.click("Delete export")
	ada.sees("Export deleted")
	now, err := o.admin.ReadExport(o.ctx, export)
	ada.must(err)
	require.Equal(t, schemas.ExportDeleted, now.State)
}

// A backfill that cannot go on is cancelled by its button.
func TestCancelBackfill(t *testing.T) {
	o := begin(t)
	newest, err := o.product.Report(o.ctx, 50)
	require.NoError(t, err)
	integration := o.integrated(schemas.AWS, "Archive", "one")
	export := o.exporting(integration, "Everything")
	require.NoError(t, o.admin.AwaitDelivered(o.ctx, export, newest))
	ada := o.as("ada", browser.Look{})
	o.revoke()
	ada.visit(o.path("exports", export.String()))
	ada.click("Backfill")
	ada.choose("By number")
	ada.fill("First event", "1")
	ada.fill("Last event", "20")
	ada.click("Start the backfill")
	ada.in("Backfills").sees("Running")
	ada.in("Backfills").click("Cancel")
	ada.sees("Backfill cancelled")
	ada.in("Backfills").sees("Cancelled")
}

// revoke takes the role's permissions away again.
func (o *story) revoke() {
	o.t.Helper()
	require.NoError(o.t, o.clouds.SetRole(o.ctx,
		`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "sts:AssumeRole"}]}`,
		`{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]}`))
}

// Where the destination moved while the export was paused, resuming says so
// first.
func TestResumeMoved(t *testing.T) {
	o := begin(t)
	integration := o.integrated(schemas.AWS, "Archive", "one", "two")
	export := o.exporting(integration, "Everything")
	op, err := o.admin.UpdateDestination(o.ctx, integration, o.clouds.Destination(schemas.AWS, "two"), false)
	require.NoError(t, o.admin.Done(o.ctx)(op, err))
	ada := o.as("ada", browser.Look{})
	ada.visit(o.path("exports", export.String()))
	ada.sees("Paused because the destination was updated.")
	ada.click("Resume …")
	ada.sees("It delivered to s3://"+o.name+"-audit/one/", "It will deliver to s3://"+o.name+"-audit/two/")
	ada.click("Resume at the new destination")
	ada.sees("Export resumed", "Run now")
	now, err := o.admin.ReadExport(o.ctx, export)
	ada.must(err)
	require.Equal(t, o.clouds.Destination(schemas.AWS, "two"), now.Destination)
}

// An export outlives its integration, and goes on with another.
func TestRelink(t *testing.T) {
	o := begin(t)
	first := o.integrated(schemas.AWS, "First", "one", "two")
	export := o.exporting(first, "Everything")
	op, err := o.admin.DeleteIntegration(o.ctx, first, false)
	require.NoError(t, o.admin.Done(o.ctx)(op, err))
	second := o.integrated(schemas.AWS, "Second", "two")
	ada := o.as("ada", browser.Look{})
	ada.visit(o.path("exports", export.String()))
	ada.sees("Paused because its integration was deleted.")
	ada.click("Link to another integration")
	ada.pick("Storage integration", "Second")
	ada.click("Link")
	ada.sees("Export linked to the integration")
	ada.click("Resume")
	ada.sees("Export resumed")
	now, err := o.admin.ReadExport(o.ctx, export)
	ada.must(err)
	require.Equal(t, second, now.IntegrationID)
	require.Equal(t, schemas.ExportActive, now.State)
}

// What is wrong in a new export is said beside its fields, with scripts and
// without.
func TestNewExportWrong(t *testing.T) {
	for _, look := range []browser.Look{{}, {NoScripts: true}} {
		t.Run(map[bool]string{false: "scripts", true: "no scripts"}[look.NoScripts], func(t *testing.T) {
			o := begin(t)
			o.integrated(schemas.AWS, "Archive", "one")
			ada := o.as("ada", look)
			ada.Expect(http.StatusUnprocessableEntity)
			ada.click("Scheduled exports")
			ada.click("Schedule the first export")
			ada.choose("Cron")
			ada.fill("Cron expression", "every day")
			ada.click("Schedule the export")
			ada.wrong(map[string]string{"Name": "", "Cron expression": ""})
			value, err := ada.Value("Cron expression")
			ada.must(err)
			require.Equal(t, "every day", value)
			ada.choose("Every …")
			ada.fill("How many", "0")
			ada.fill("Name", "Everything")
			ada.click("Schedule the export")
			found, err := ada.Wrong()
			ada.must(err)
			require.Len(t, found, 1)
		})
	}
}
