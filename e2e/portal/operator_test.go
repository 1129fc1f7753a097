package portal

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/browser"
	"github.com/auditferry/auditferry/dev/pictures"
	"github.com/auditferry/auditferry/dev/stack"
	"github.com/auditferry/auditferry/schemas"
)

// Operators see what fails in which organization, why, and whether the service
// itself is well.
func TestOperatorSeesTrouble(t *testing.T) {
	t.Parallel()
	s, _ := scene(t)
	opal := sit(t, s, pictures.Operator, browser.Look{})
	opal.visit("/operator")
	opal.in("Data lake").seesNo("Hand in credentials") // its credentials are there
	opal.in("Analytics").sees("Hand in credentials")
	opal.click("Failing exports")
	opal.in("Hot standby").sees("Acme", "Workflow")
	opal.click("Acme")
	opal.in("Security archive").sees("Active", "Granted")
	opal.click("Health")
	opal.sees("Database", "Temporal", "Workers")
	opal.seesNo("Stands still")
}

// Two operators who answer the same request do not overwrite each other: the
// second sees what the first has handed in, and may replace it.
func TestTwoOperatorsHandIn(t *testing.T) {
	o := begin(t)
	place := o.clouds.Destination(schemas.GCP, "vault")
	require.NoError(t, o.clouds.Prepare(o.ctx, place))
	_, created, err := o.admin.Integrate(o.ctx, "Vault", place, o.clouds.Grant(schemas.GCP))
	require.NoError(t, err)
	first, second := o.open(t, browser.Look{}), o.open(t, browser.Look{})
	second.Expect(http.StatusConflict)
	for _, opal := range []user{first, second} {
		opal.signIn("opal", "/operator")
		opal.click("Hand in credentials for Vault of " + o.name)
	}
	first.fill("Service account", "first-"+o.name+"@auditferry-dev.iam.gserviceaccount.com")
	first.click("Hand in credentials")
	first.sees("Credentials handed in")
	_, err = o.admin.Await(o.ctx, created)
	require.NoError(t, err)

	mine := "second-" + o.name + "@auditferry-dev.iam.gserviceaccount.com"
	second.fill("Service account", mine)
	second.click("Hand in credentials")
	second.sees("Other credentials have been handed in since you looked.", "first-"+o.name+"@", "by Opal Operator")
	value, err := second.Value("Service account")
	second.must(err)
	require.Equal(t, mine, value)
	second.click("Replace the credentials")
	second.sees("Credentials handed in")
	stored, err := o.admin.Credentials(o.ctx, *created.IntegrationID)
	require.NoError(t, err)
	require.Equal(t, mine, stored.GCP.ServiceAccount)
}

// An operator who belongs to an organization goes on from its pages to what
// Temporal knows. To other members Temporal is not named.
func TestLinksToTemporal(t *testing.T) {
	o := begin(t)
	integration := o.integrated(schemas.AWS, "Archive", "one")
	export := o.exporting(integration, "Everything")
	require.NoError(t, o.welcome(stack.OIDCUser{
		Login: "omar" + o.name, Name: "Omar Operator", Email: "omar@auditferry.example", Operator: true,
		Orgs: map[uuid.UUID]schemas.Role{o.org.ID: schemas.RoleViewer},
	}))
	omar, vic := o.open(t, browser.Look{}), o.as("vic", browser.Look{})
	omar.signIn("omar"+o.name, o.path("audit-logging"))
	for page, leads := range map[string]string{
		o.path("integrations", integration.String()): "/workflows/" + url.PathEscape(schemas.IntegrationWorkflowID(integration)),
		o.path("exports", export.String()):           "/schedules/" + url.PathEscape(schemas.ExportScheduleID(export)),
	} {
		reply, err := omar.Fetch(http.MethodGet, page, nil)
		omar.must(err)
		require.Contains(t, reply.Body, `href="`+o.Temporal.UI+"/namespaces/default"+leads+`"`)
		// The UI answers for any path; whether there is something to show, the
		// API behind it knows.
		for _, at := range []string{"/namespaces/default", "/api/v1/namespaces/default"} {
			request, err := http.NewRequestWithContext(o.ctx, http.MethodGet, o.Temporal.UI+at+leads, nil)
			require.NoError(t, err)
			answer, err := http.DefaultClient.Do(request)
			require.NoError(t, err)
			require.NoError(t, answer.Body.Close())
			require.Equal(t, http.StatusOK, answer.StatusCode, at+leads)
		}
		reply, err = vic.Fetch(http.MethodGet, page, nil)
		vic.must(err)
		require.NotContains(t, reply.Body, o.Temporal.UI)
	}
}

// A new organization has people as soon as the identity provider names it.
func TestOperatorCreatesOrganization(t *testing.T) {
	o := begin(t)
	opal := o.open(t, browser.Look{})
	opal.Expect(http.StatusUnprocessableEntity)
	opal.signIn("opal", "/operator")
	opal.click("Organizations")
	opal.click("Create organization")
	opal.fill("Mail addresses", "nobody")
	opal.click("Create organization")
	opal.wrong(map[string]string{"Name": "", "Mail addresses": ""})
	opal.fill("Name", "Made by "+o.name)
	opal.fill("Mail addresses", "admins@example.com")
	opal.click("Create organization")
	opal.sees("Organization created", "Made by "+o.name, "admins@example.com", "No integration yet.")

	made := opal.id()
	require.NoError(t, o.welcome(stack.OIDCUser{
		Login: "new" + o.name, Name: "Nia New", Email: "nia@example.com",
		Orgs: map[uuid.UUID]schemas.Role{made: schemas.RoleAdmin},
	}))
	nia := o.open(t, browser.Look{})
	nia.signIn("new"+o.name, "/")
	nia.sees("Made by "+o.name, "Add the first integration")
}

// Operators see no organization's own pages, and others none of the operators'.
func TestOperatorPagesAreForOperators(t *testing.T) {
	o := begin(t)
	ada, opal := o.as("ada", browser.Look{}), o.open(t, browser.Look{})
	opal.signIn("opal", "/operator")
	ada.Expect(http.StatusForbidden, http.StatusNotFound)
	opal.Expect(http.StatusForbidden, http.StatusNotFound)
	for _, path := range []string{"/operator", "/operator/exports", "/operator/orgs", "/operator/orgs/new", "/operator/health"} {
		reply, err := opal.Fetch(http.MethodGet, path, nil)
		opal.must(err)
		require.Equal(t, http.StatusOK, reply.Status, path)
		reply, err = ada.Fetch(http.MethodGet, path, nil)
		ada.must(err)
		require.Contains(t, []int{http.StatusForbidden, http.StatusNotFound}, reply.Status, path)
	}
	reply, err := ada.Fetch(http.MethodPost, "/operator/orgs/new", map[string]string{"name": "mine"})
	ada.must(err)
	require.Contains(t, []int{http.StatusForbidden, http.StatusNotFound}, reply.Status)
	reply, err = opal.Fetch(http.MethodGet, o.path("audit-logging"), nil)
	opal.must(err)
	require.Equal(t, http.StatusNotFound, reply.Status)
}
