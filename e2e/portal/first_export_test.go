package portal

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/browser"
	"github.com/auditferry/auditferry/dev/stack"
	"github.com/auditferry/auditferry/schemas"
)

var picturesFlag = flag.String("pictures", "", "folder, as an absolute path, for the pictures of docs/first-export.md")

// The path of docs/first-export.md, click by click, by what the pages say
// alone: from signing in to the first delivered file.
func TestFirstExport(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	o := shared.storyOf(ctx, t, "acme", "Acme")
	place := schemas.Destination{Cloud: schemas.AWS, Bucket: "acme-audit", Prefix: "logs"}
	require.NoError(t, o.CreateBucket(o.ctx, place))
	newest, err := o.product.Report(o.ctx, 1_000)
	require.NoError(t, err)
	// She is in two organizations, as on the stack of make dev.
	other, _, err := o.vendor.Welcome(ctx, "Globex", "audit@globex.example")
	require.NoError(t, err)
	require.NoError(t, o.welcome(stack.OIDCUser{
		Login: "both" + o.name, Name: "Ada Admin", Email: "ada@acme.example",
		Orgs: map[uuid.UUID]schemas.Role{o.org.ID: schemas.RoleAdmin, other.Org.ID: schemas.RoleAdmin},
	}))
	ada := o.as("both", browser.Look{})

	// 1. Add
	ada.click("Add the first integration")
	ada.fill("Name", "Security archive")
	ada.fill("Destination", place.URL())
	const role = "arn:aws:iam::123456789012:role/auditferry"
	ada.fill("Role ARN", role)
	ada.picture("1-add")
	ada.click("Create storage integration")
	ada.sees("Integration created")
	ada.in("Credentials ready").sees("Done")
	ada.picture("2-what-to-do")

	// 2. Grant access
	ada.click("View credentials")
	ada.sees("External ID", "Grant access")
	permission, err := ada.Read("Permission policy")
	ada.must(err)
	trust, err := ada.Read("Trust policy")
	ada.must(err)
	ada.picture("3-credentials")
	cloud := o.openAt(t, o.CloudAdmin, browser.Look{})
	cloud.visit("/")
	cloud.click("Create or replace a role")
	cloud.fill("Role ARN", role)
	cloud.fill("Trust policy", trust)
	cloud.fill("Permission policy", permission)
	cloud.click("Save role")
	ada.click("What to do next")
	ada.in("Verified").sees("Done")

	// 3. Schedule
	ada.click("Schedule an export")
	ada.fill("Name", "Nightly archive")
	ada.choose("All events that are still kept")
	ada.sees("Next runs")
	ada.picture("4-schedule")
	ada.click("Schedule the export")
	ada.sees("Export scheduled")
	export := ada.id()

	// 4. Run now
	ada.click("Run now")
	ada.in("Latest runs").sees("Delivered")
	ada.picture("5-delivered")

	// 5. Look
	cloud.visit("/objects")
	cloud.click(place.Bucket)
	cloud.click("logs")
	cloud.sees("_manifests", "date=")
	ada.click("Audit logging")
	ada.click("Security archive")
	ada.sees("All set.")
	o.requireDelivered(export, newest, place)
}

// picture keeps a picture for the documentation when it is asked for.
func (u user) picture(name string) {
	u.t.Helper()
	if *picturesFlag == "" {
		return
	}
	require.NoError(u.t, os.MkdirAll(*picturesFlag, 0o755))
	u.must(u.Window(filepath.Join(*picturesFlag, name+".png")))
}
