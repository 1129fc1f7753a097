package portal

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/actor"
	"github.com/auditferry/auditferry/dev/browser"
	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/schemas"
)

// The main path, on each cloud, and on one for those whose browser runs no
// scripts: from Add to delivered objects.
func TestDeliver(t *testing.T) {
	for name, way := range map[string]struct {
		cloud schemas.Cloud
		look  browser.Look
	}{
		"aws":            {schemas.AWS, browser.Look{Zone: "Europe/Berlin"}},
		"azure":          {schemas.Azure, browser.Look{Phone: true}},
		"gcp":            {schemas.GCP, browser.Look{Dark: true}},
		"aws no scripts": {schemas.AWS, browser.Look{NoScripts: true}},
	} {
		t.Run(name, func(t *testing.T) {
			o := begin(t)
			newest, err := o.product.Report(o.ctx, 300)
			require.NoError(t, err)
			ada := o.as("ada", way.look)
			ada.click("Add the first integration")
			integration := o.addTo(ada, way.cloud, "Archive", "audit")
			if way.cloud == schemas.GCP {
				o.provision(integration, true)
			}
			o.grantWatched(ada, integration, way.cloud)
			ada.click("Schedule an export")
			export := o.scheduleDaily(ada)
			o.runNow(ada, export, newest)

			place := o.clouds.Destination(way.cloud, "audit")
			o.requireDelivered(export, newest, place)
			ada.visit(o.path("integrations", integration.String()))
			ada.sees("All set.")
			ada.in("Everything").sees("Delivered")
		})
	}
}

// provision brings a service account of the org's own, as the operators'
// automation does.
func (o *story) provision(integration uuid.UUID, exclusive bool) string {
	o.t.Helper()
	account := fmt.Sprintf("exporter-%s@auditferry-dev.iam.gserviceaccount.com", o.name)
	require.NoError(o.t, o.Clouds.CreateServiceAccount(account))
	op, err := o.vendor.Provision(o.ctx, schemas.Integration{ID: integration, OrgID: o.org.ID},
		schemas.Credentials{GCP: &schemas.GCPCredentials{ServiceAccount: account}}, exclusive)
	require.NoError(o.t, err)
	_, err = o.admin.Await(o.ctx, op)
	require.NoError(o.t, err)
	return account
}

// grantWatched reads the credentials on their page, grants access, and sees it
// come.
func (o *story) grantWatched(u user, integration uuid.UUID, cloud schemas.Cloud) {
	o.t.Helper()
	u.in("Credentials ready").sees("Done")
	u.click("View credentials")
	u.sees("Credentials", "Grant access")
	credentials, err := o.admin.Credentials(o.ctx, integration)
	u.must(err)
	switch cloud {
	case schemas.AWS:
		u.sees("External ID", credentials.AWS.ExternalID, "IAM User ARN", credentials.AWS.IAMUserARN)
	case schemas.Azure:
		u.sees("Azure Consent URL", credentials.Azure.ConsentURL, "Multi Tenant App Name", credentials.Azure.MultiTenantAppName)
	case schemas.GCP:
		u.sees("Service account", credentials.GCP.ServiceAccount)
	}
	u.must(u.Mark())
	o.grant(integration, cloud, "audit")
	if u.NoScripts() {
		// This page does not load itself again: each view of it is recorded.
		u.click("Archive")
	} else {
		u.sees("What to do next")
		u.stays()
		u.click("What to do next")
	}
	u.in("Access granted").sees("Done")
	u.in("Verified").sees("Done")
}

// scheduleDaily fills in the form of a new export of all that is kept.
func (o *story) scheduleDaily(u user) uuid.UUID {
	o.t.Helper()
	u.fill("Name", "Everything")
	u.choose("Daily")
	u.fill("Time of day", "02:00")
	u.fill("Time zone", "Europe/Berlin")
	u.choose("All events that are still kept")
	u.choose("CSV")
	if u.NoScripts() {
		u.click("Preview")
	}
	u.sees("Runs every day at 02:00 Europe/Berlin.", "All of the newest", ".csv.gz", "_manifests/")
	u.click("Schedule the export")
	u.sees("Export scheduled", "Runs every day at 02:00 Europe/Berlin.")
	return u.id()
}

// runNow presses Run now and watches the run.
func (o *story) runNow(u user, export uuid.UUID, newest int64) {
	o.t.Helper()
	u.click("Run now")
	u.sees("Run started", "Everything is delivered")
	u.click("All runs")
	u.sees("Delivered")
	runs, err := o.admin.Runs(o.ctx, export)
	u.must(err)
	u.visit(o.path("exports", export.String(), "runs", runs[len(runs)-1].ID.String()))
	u.sees("Delivered", "Manifest", "Objects", ".csv.gz", "everything-")
	require.GreaterOrEqual(o.t, runs[0].LastSeq, newest)
}

// requireDelivered holds Invariants 1 and 3: what the page calls delivered an
// auditor finds, by the manifests alone.
func (o *story) requireDelivered(export uuid.UUID, newest int64, place schemas.Destination) {
	o.t.Helper()
	report, err := actor.Verify(o.ctx, o.Stack, place)
	require.NoError(o.t, err)
	require.NotZero(o.t, report.Manifests)
	for _, finding := range report.Findings {
		require.NotEqual(o.t, manifest.Error, finding.Severity, "%s: %s", finding.Class, finding.Message)
	}
	now, err := o.admin.ReadExport(o.ctx, export)
	require.NoError(o.t, err)
	require.GreaterOrEqual(o.t, now.DeliveredSeq, newest)
	objects, err := o.Objects(o.ctx, place)
	require.NoError(o.t, err)
	var files int
	for _, object := range objects {
		if strings.Contains(object.Key, now.Slug+"-") && strings.HasSuffix(object.Key, now.Format.Extension(now.Compression)) {
			files++
		}
	}
	require.NotZero(o.t, files)
}
