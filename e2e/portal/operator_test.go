package portal

import (
	"net/http"
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
	opal.sees("Made by "+o.name, "admins@example.com", "No integration yet.")

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
