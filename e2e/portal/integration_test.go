package portal

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/actor"
	"github.com/auditferry/auditferry/dev/browser"
	"github.com/auditferry/auditferry/schemas"
)

// addTo fills in the form that the person is before, and sends it; the page is
// the new integration's then. Its bucket is there, as the page asks.
func (o *story) addTo(u user, cloud schemas.Cloud, name, folder string) uuid.UUID {
	o.t.Helper()
	place := o.clouds.Destination(cloud, folder)
	u.must(o.clouds.Prepare(o.ctx, place))
	u.fill("Name", name)
	u.choose(map[schemas.Cloud]string{schemas.AWS: "AWS", schemas.Azure: "Azure", schemas.GCP: "GCP"}[cloud])
	u.fill("Destination", place.URL())
	grant := o.clouds.Grant(cloud)
	switch cloud {
	case schemas.AWS:
		u.fill("Role ARN", grant.RoleARN)
	case schemas.Azure:
		u.fill("Tenant ID", grant.TenantID)
	}
	u.click("Create storage integration")
	u.sees("What to do now")
	return u.id()
}

// grant plays the cloud's admin, who has been given the credentials.
func (o *story) grant(id uuid.UUID, cloud schemas.Cloud, folders ...string) schemas.Credentials {
	o.t.Helper()
	credentials, err := o.admin.Credentials(o.ctx, id)
	require.NoError(o.t, err)
	var places []schemas.Destination
	for _, folder := range folders {
		places = append(places, o.clouds.Destination(cloud, folder))
	}
	require.NoError(o.t, o.clouds.Allow(o.ctx, credentials, 0, places...))
	return credentials
}

// integrated is an active integration, made through the API: for stories that
// begin later.
func (o *story) integrated(cloud schemas.Cloud, name string, folders ...string) uuid.UUID {
	o.t.Helper()
	place := o.clouds.Destination(cloud, folders[0])
	require.NoError(o.t, o.clouds.Prepare(o.ctx, place))
	id, op, err := o.admin.Integrate(o.ctx, name, place, o.clouds.Grant(cloud))
	require.NoError(o.t, err)
	_, err = o.admin.Await(o.ctx, op)
	require.NoError(o.t, err)
	o.grant(id, cloud, folders...)
	require.NoError(o.t, o.admin.AwaitAccess(o.ctx, id))
	return id
}

// exporting is a running export of everything, made through the API.
func (o *story) exporting(integration uuid.UUID, name string) uuid.UUID {
	o.t.Helper()
	id, op, err := o.admin.Export(o.ctx, name, integration, schemas.MinInterval, schemas.CompressionGzip)
	require.NoError(o.t, err)
	_, err = o.admin.Await(o.ctx, op)
	require.NoError(o.t, err)
	return id
}

// What is wrong in Add is said beside the field, what was typed stays, and the
// keyboard is where the first mistake is.
func TestAddWrong(t *testing.T) {
	for _, noScripts := range []bool{false, true} {
		t.Run(fmt.Sprintf("no scripts %t", noScripts), func(t *testing.T) {
			o := begin(t)
			ada := o.as("ada", browser.Look{NoScripts: noScripts})
			ada.Expect(http.StatusUnprocessableEntity)
			ada.click("Add")
			ada.fill("Name", "Archive")
			ada.fill("Destination", "https://example.com/bucket")
			ada.fill("Role ARN", "arn:aws:iam::12:user/nobody")
			ada.fill("Account that owns the bucket", "12")
			ada.click("Create storage integration")
			ada.sees("Nothing was done yet: 3 values below are wrong.")
			ada.wrong(map[string]string{"Destination": "s3://bucket/folder/", "Role ARN": "", "Account that owns the bucket": ""})
			for label, typed := range map[string]string{"Name": "Archive", "Destination": "https://example.com/bucket", "Role ARN": "arn:aws:iam::12:user/nobody"} {
				value, err := ada.Value(label)
				ada.must(err)
				require.Equal(t, typed, value)
			}
			if !noScripts {
				focused, err := ada.Focused()
				ada.must(err)
				require.Equal(t, "Destination", focused)
			}
			// Another cloud asks for other fields, and for them alone.
			ada.choose("GCP")
			ada.fill("Destination", "gs://")
			ada.click("Create storage integration")
			ada.wrong(map[string]string{"Destination": ""})
			ada.seesNo("Role ARN")
			ada.click("Cancel")
			ada.sees("No storage integration yet.")
		})
	}
}

// A dialog is left as dialogs are, and the keyboard goes back to where it was.
func TestDialogByKeyboard(t *testing.T) {
	o := begin(t)
	ada := o.as("ada", browser.Look{})
	ada.click("Add")
	focused, err := ada.Focused()
	ada.must(err)
	require.Equal(t, "Name", focused)
	ada.must(ada.Press(kb.Escape))
	ada.must(ada.Until("document.querySelector('dialog') === null", "the dialog to close"))
	focused, err = ada.Focused()
	ada.must(err)
	require.Equal(t, "Add", focused)
	ada.must(ada.Press("\r"))
	ada.sees("Create storage integration")
}

// The guide beside Add follows what is typed, and an answer that comes late does
// not take the place of a newer one.
func TestGuideFollowsWhatIsTyped(t *testing.T) {
	o := begin(t)
	ada := o.as("ada", browser.Look{})
	ada.visit(o.path("audit-logging", "add"))
	ada.click("What you need in your cloud")
	ada.sees("arn:aws:s3:::your-bucket/your-folder/*")
	ada.must(ada.Do(chromedp.Evaluate[chromedp.Void](`{
		const [fetchNow, textNow] = [window.fetch, Response.prototype.text];
		let asked = 0;
		window.read = 0;
		window.fetch = async (...request) => {
			const first = asked++ === 0;
			const answer = await fetchNow(...request);
			if (first) await new Promise((release) => { window.release = release; });
			return answer;
		};
		Response.prototype.text = function () {
			const text = textNow.call(this);
			text.catch(() => {}).then(() => setTimeout(() => { window.read++; }));
			return text;
		};
	}`)))
	ada.fill("Destination", "s3://older/audit/")
	ada.must(ada.Until("window.release", "the first answer to be held back"))
	ada.fill("Destination", "s3://newer/audit/")
	ada.sees("arn:aws:s3:::newer/audit/*")
	ada.must(ada.Do(chromedp.Evaluate[chromedp.Void]("window.release()")))
	ada.must(ada.Until("window.read === 2", "the first answer to be read"))
	ada.sees("arn:aws:s3:::newer/audit/*")
	ada.choose("Azure")
	ada.sees("Storage Blob Data Contributor")
	ada.seesNo("arn:aws:s3")
}

// A form that does not reach the server says so, keeps what was typed and can be
// sent again.
func TestDialogWithoutAConnection(t *testing.T) {
	o := begin(t)
	ada := o.as("ada", browser.Look{})
	ada.visit(o.path("audit-logging"))
	ada.click("Add")
	ada.fill("Name", "Archive")
	ada.must(ada.CutOff(true))
	ada.click("Create storage integration")
	ada.sees("Nothing has come back.")
	value, err := ada.Value("Name")
	ada.must(err)
	require.Equal(t, "Archive", value)
	ada.must(ada.CutOff(false))
	ada.Complaints() // of the browser, about the connection
	ada.Expect(http.StatusUnprocessableEntity)
	ada.click("Create storage integration")
	ada.wrong(map[string]string{"Destination": "", "Role ARN": ""})
}

// Those who hear a page are told that something has been copied, over a dialog
// too, and by the name of its button what.
func TestCopyingIsAnnounced(t *testing.T) {
	o := begin(t)
	ada := o.as("ada", browser.Look{})
	integration := o.integrated(schemas.AWS, "Archive", "one")
	announced := "[...document.querySelectorAll(`${document.querySelector('dialog[open]') ? 'dialog ' : ''}[role=status]`)].some((el) => el.textContent === 'Copied')"
	ada.visit(o.path("integrations", integration.String(), "credentials"))
	ada.click("Copy External ID")
	ada.must(ada.Until(announced, "the copying to be announced"))
	ada.visit(o.path("audit-logging"))
	ada.click("Add")
	ada.click("What you need in your cloud")
	ada.click("Copy what step 3 asks for")
	ada.must(ada.Until(announced, "the copying to be announced in the dialog"))
}

// Editing the destination pauses the linked exports, or takes them along.
func TestEditDestination(t *testing.T) {
	o := begin(t)
	ada := o.as("ada", browser.Look{})
	integration := o.integrated(schemas.AWS, "Archive", "one", "two", "three")
	export := o.exporting(integration, "Everything")
	ada.Expect(http.StatusUnprocessableEntity)
	ada.visit(o.path("integrations", integration.String()))

	ada.click("Edit Destination")
	value, err := ada.Value("Destination")
	ada.must(err)
	require.Equal(t, o.clouds.Destination(schemas.AWS, "one").URL(), value)
	ada.sees("a confirmation goes by mail to admins@" + o.name + ".example.")
	ada.fill("Destination", "gs://"+o.name+"-audit/two/")
	ada.click("Save")
	ada.wrong(map[string]string{"Destination": ""})
	ada.fill("Destination", o.clouds.Destination(schemas.AWS, "two").URL())
	ada.tick("Update export destination for all linked scheduled exports instead of pausing")
	ada.click("Save")
	ada.sees("Cloud destination updated", "1 linked export moved to the new destination.")
	now, err := o.admin.ReadExport(o.ctx, export)
	ada.must(err)
	require.Equal(t, schemas.ExportActive, now.State)
	require.Equal(t, o.clouds.Destination(schemas.AWS, "two"), now.Destination)
	ada.click("Close this message")
	ada.seesNo("Cloud destination updated")

	ada.click("Edit Destination")
	ada.fill("Destination", o.clouds.Destination(schemas.AWS, "three").URL())
	ada.click("Save")
	ada.sees("Cloud destination updated", "1 linked export paused.")
	now, err = o.admin.ReadExport(o.ctx, export)
	ada.must(err)
	require.Equal(t, schemas.ExportPaused, now.State)
	require.Equal(t, o.clouds.Destination(schemas.AWS, "two"), now.Destination, "it keeps its destination")
	ada.in("Update destination").sees("Ada", "Done")
	ada.in("Everything").sees("Paused")
	ada.visit(o.path("integrations", integration.String(), "attempts"))
	ada.sees("Try")
}

// Deleting asks for the name, also of those whose browser runs no scripts.
func TestDeleteIntegration(t *testing.T) {
	for _, noScripts := range []bool{false, true} {
		t.Run(fmt.Sprintf("no scripts %t", noScripts), func(t *testing.T) {
			o := begin(t)
			ada := o.as("ada", browser.Look{NoScripts: noScripts})
			ada.Expect(http.StatusUnprocessableEntity)
			integration := o.integrated(schemas.AWS, "Archive", "one")
			export := o.exporting(integration, "Everything")
			ada.visit(o.path("integrations", integration.String()))
			ada.click("Delete integration")
			ada.sees("cannot be undone", "a confirmation goes by mail to admins@"+o.name+".example.")
			if noScripts {
				ada.fill("Type the integration’s name to confirm", "archive")
				ada.click("Delete integration")
				ada.wrong(map[string]string{"Type the integration’s name to confirm": ""})
			}
			ada.fill("Type the integration’s name to confirm", "Archive")
			ada.tick("Delete all linked scheduled exports")
			ada.click("Delete integration")
			ada.sees("Integration deleted", "1 linked export deleted.", "No storage integration yet.")
			now, err := o.admin.ReadExport(o.ctx, export)
			ada.must(err)
			require.Equal(t, schemas.ExportDeleted, now.State)

			ada.click("Show deleted integrations too")
			ada.click("Archive")
			ada.sees("This integration has been deleted.")
			ada.seesNo("What to do now")
			ada.in("Everything").sees("Deleted")
			ada.in("Delete integration").sees("Ada", "Done")
			commands, err := ada.Commands()
			ada.must(err)
			require.Empty(t, commands)
		})
	}
}

// A check that fails says which step, why and what to do; a person can ask for
// another at once.
func TestAccessCheck(t *testing.T) {
	o := begin(t)
	ada := o.as("ada", browser.Look{})
	ada.click("Add")
	id := o.addTo(ada, schemas.AWS, "Archive", "one")
	ada.must(ada.Mark())
	ada.sees("Assume the role Not yet", "What to do:", "next try")
	ada.stays()
	ada.click("Check access now")
	ada.sees("Access check started")
	ada.must(ada.Mark())
	o.grant(id, schemas.AWS, "one")
	ada.sees("Verified", "Granted", "Schedule an export")
	ada.stays()
	ada.click("All attempts")
	ada.sees("Not granted", "Try 1 of check 1")
}

// Credentials that are not ready are waited for on their page; an operator
// brings them by a form of the operators' pages.
func TestOperatorProvisions(t *testing.T) {
	o := begin(t)
	ada, opal := o.as("ada", browser.Look{}), o.open(t, browser.Look{})
	ada.click("Add")
	id := o.addTo(ada, schemas.GCP, "Archive", "one")
	ada.visit(o.path("integrations", id.String(), "credentials"))
	ada.sees("The credentials are being prepared.", "The operators of the service do this")

	opal.Expect(http.StatusUnprocessableEntity)
	opal.signIn("opal", "/operator")
	handIn := "Hand in credentials for Archive of " + o.name
	opal.click(handIn)
	opal.fill("Service account", "nobody")
	opal.click("Hand in")
	opal.wrong(map[string]string{"Service account": ""})
	account := fmt.Sprintf("exporter-%s@auditferry-dev.iam.gserviceaccount.com", o.name)
	opal.must(o.Clouds.CreateServiceAccount(account))
	opal.fill("Service account", account)
	opal.click("Hand in")
	opal.sees("Credentials handed in")
	opal.seesNo(o.name + "-audit")

	ada.sees("The credentials are ready.")
	ada.click("View credentials")
	ada.sees(account)
	o.grant(id, schemas.GCP, "one")

	// The operator did not say that nobody else is given this account.
	ada.Expect(http.StatusUnprocessableEntity)
	ada.click("Hand in the code")
	place, code := o.challenge(id)
	ada.sees(place)
	ada.fill("Code", "a guess")
	ada.click("Hand in the code")
	ada.wrong(map[string]string{"Code": ""})
	ada.fill("Code", code)
	ada.click("Hand in the code")
	ada.sees("What to do now")
	ada.in("Verified").sees("Done")
	require.NoError(t, o.admin.AwaitAccess(o.ctx, id))
}

// challenge is where the owner of a destination is to read, and what lies there.
func (o *story) challenge(id uuid.UUID) (place, code string) {
	o.t.Helper()
	require.NoError(o.t, actor.Until(o.ctx, func() (string, error) {
		integration, err := o.admin.Integration(o.ctx, id)
		place = integration.Ownership.Challenge
		if err != nil || place == "" {
			return "a challenge", err
		}
		key := strings.TrimPrefix(place, "gs://"+integration.Destination.Bucket+"/")
		content, err := o.ReadObject(o.ctx, integration.Destination, key)
		code = string(content)
		return "", err
	}))
	return place, code
}
