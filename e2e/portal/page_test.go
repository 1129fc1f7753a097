package portal

import (
	"net/http"
	"slices"
	"testing"

	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/browser"
	"github.com/auditferry/auditferry/dev/pictures"
	"github.com/auditferry/auditferry/schemas"
)

// Values are copied by a button, and the ways to grant access are tabs, also
// for the keyboard.
func TestCopyAndTabs(t *testing.T) {
	o := begin(t)
	integration := o.integrated(schemas.AWS, "Archive", "one")
	ada := o.as("ada", browser.Look{})
	ada.visit(o.path("integrations", integration.String(), "credentials"))
	ada.in("External ID").click("Copy")
	ada.in("External ID").sees("Copied")
	ada.seesNo("aws_iam_role_policy")
	ada.click("Terraform")
	ada.sees("aws_iam_role_policy")
	ada.must(ada.Press(kb.ArrowLeft))
	ada.seesNo("aws_iam_role_policy")
	ada.sees("aws iam")
	focused, err := ada.Focused()
	ada.must(err)
	require.Equal(t, "Command line", focused)
}

// Times are in the zone of whoever reads them; without scripts, in UTC.
func TestTimesInTheReadersZone(t *testing.T) {
	t.Parallel()
	s, _ := scene(t)
	tokyo := sit(t, s, pictures.Admin, browser.Look{Zone: "Asia/Tokyo"})
	tokyo.visit("/account")
	tokyo.sees("Times in Asia/Tokyo")
	plain := sit(t, s, pictures.Admin, browser.Look{Zone: "Asia/Tokyo", NoScripts: true})
	plain.visit("/account")
	plain.sees("Times in UTC")
}

// On a phone the search is folded, so that what was found comes first; a desktop
// has room for it.
func TestSearchOnAPhone(t *testing.T) {
	t.Parallel()
	s, byPerson := scene(t)
	pages := byPerson[pictures.Admin]
	events := pages[slices.IndexFunc(pages, func(p pictures.Page) bool { return p.Name == "events-none-found" })].Path
	phone := sit(t, s, pictures.Admin, browser.Look{Phone: true})
	phone.visit(events)
	phone.sees("No event matches.")
	phone.seesNo("Times are when it happened.")
	phone.click("Search: no.such.action")
	phone.sees("Times are when it happened.")
	phone.fill("Action", "auditferry.export.created")
	phone.click("Search")
	phone.sees("Search: auditferry.export.created", "Download what was found")
	phone.seesNo("Times are when it happened.")
	desktop := sit(t, s, pictures.Admin, browser.Look{NoScripts: true})
	desktop.visit(events)
	desktop.sees("No event matches.", "Times are when it happened.")
}

// A page that cannot be kept up to date says since when, until it can again.
func TestNotUpToDate(t *testing.T) {
	o := begin(t)
	ada := o.as("ada", browser.Look{})
	ada.visit(o.path("exports"))
	ada.must(ada.CutOff(true))
	ada.looksUntil("document.querySelector('[role=status]').textContent.startsWith('Not up to date since ')", "the page to say that it is old")
	ada.sees("No scheduled export yet.")
	ada.must(ada.CutOff(false))
	ada.looksUntil("document.querySelector('[role=status]').textContent === ''", "the page to be as it was")
}

// What is wrong in the smaller forms is said as well, and nothing is done.
func TestSmallFormsWrong(t *testing.T) {
	o := begin(t)
	first := o.integrated(schemas.AWS, "First", "one", "two", "three")
	export := o.exporting(first, "Everything")
	for _, name := range []string{"two", "three"} {
		_, op, err := o.admin.Integrate(o.ctx, "To "+name, o.clouds.Destination(schemas.AWS, name), o.clouds.Grant(schemas.AWS))
		require.NoError(t, o.admin.Done(o.ctx)(op, err))
	}
	require.NoError(t, o.admin.Done(o.ctx)(o.admin.Pause(o.ctx, export)))
	ada, plain := o.as("ada", browser.Look{}), o.as("ada", browser.Look{NoScripts: true})
	ada.Expect(http.StatusUnprocessableEntity)
	plain.Expect(http.StatusUnprocessableEntity)

	ada.visit(o.path("exports", export.String()))
	ada.click("Link to another integration")
	ada.click("Link")
	ada.wrong(map[string]string{"Storage integration": ""})
	focused, err := ada.Focused()
	ada.must(err)
	require.Contains(t, focused, "Storage integration")

	plain.visit(o.path("exports", export.String(), "delete"))
	plain.fill("Type Everything to confirm", "everything else")
	plain.click("Delete export")
	plain.wrong(map[string]string{"Type Everything to confirm": ""})
	value, err := plain.Value("Type Everything to confirm")
	plain.must(err)
	require.Equal(t, "everything else", value)

	ada.visit(o.path("events"))
	ada.fill("From", "2026-02-01T00:00")
	ada.fill("Before", "2026-01-01T00:00")
	ada.click("Search")
	ada.wrong(map[string]string{"From": ""})
	ada.fill("Action", "no.such.action")
	ada.fill("From", "")
	ada.fill("Before", "")
	ada.click("Search")
	ada.sees("No event matches.")

	now, err := o.admin.ReadExport(o.ctx, export)
	ada.must(err)
	require.Equal(t, schemas.ExportPaused, now.State)
	require.Equal(t, first, now.IntegrationID)
}
