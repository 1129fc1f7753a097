package portal

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

func (s *site) operator() *visitor {
	opal := person("opal", nil)
	opal.Operator = true
	return s.signedIn(opal)
}

const testTenant = "72f988bf-86f1-41af-91ab-2d7cd011db47"

func TestHandInCredentials(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	acme := s.addOrg("Acme")
	created, err := s.service.CreateIntegration(t.Context(), adminOf(acme), service.CreateIntegration{
		Name: "Container", Cloud: schemas.Azure, Destination: "azure://acme.blob.core.windows.net/logs/", TenantID: testTenant,
	})
	require.NoError(t, err)
	opal := s.operator()
	require.Contains(t, opal.get("/operator").body, "Container")
	path := "/operator/integrations/" + acme.String() + "/" + created.IntegrationID.String() + "/provision"
	page := opal.get(path).body
	require.Contains(t, page, testTenant)
	require.Contains(t, page, "For this organization alone")

	consent := "https://login.microsoftonline.com/" + testTenant + "/adminconsent?client_id=0d3f5c1e-6a1b-4c53-9b0c-5a7f2f0f6a11"
	wrong := opal.post(path, url.Values{
		"credentials.azure.consent_url": {"https://evil.example/?client_id=1"}, "credentials.azure.multi_tenant_app_name": {"auditferry_1"}, "exclusive": {"1"},
	})
	require.Equal(t, http.StatusUnprocessableEntity, wrong.status)
	require.Contains(t, wrong.body, "must be a page of login.microsoftonline.com")
	require.Contains(t, wrong.body, `value="1" checked`, "what was chosen is still there")

	handed := opal.post(path, url.Values{
		"credentials.azure.consent_url": {" " + consent + " "}, "credentials.azure.multi_tenant_app_name": {"auditferry_1"}, "exclusive": {"1"},
		keyField: {uuid.NewString()},
	})
	require.Equal(t, http.StatusSeeOther, handed.status, handed.body)
	shown := opal.get(handed.header.Get("Location")).body
	require.Contains(t, shown, "Handing the credentials in …")
	op := s.dispatcher.ops[len(s.dispatcher.ops)-1]
	require.Equal(t, schemas.OpProvision, op.Kind)
	require.True(t, op.Params.Exclusive)
	require.Equal(t, consent, op.Params.Credentials.Azure.ConsentURL)
	require.NoError(t, s.store.InOrg(t.Context(), acme, func(tx *postgres.Tx) error {
		if err := tx.SetCredentials(t.Context(), *created.IntegrationID, *op.Params.Credentials, true); err != nil {
			return err
		}
		return tx.EndOperation(t.Context(), op.ID, schemas.OperationSucceeded, "")
	}))
	require.Contains(t, opal.get(handed.header.Get("Location")).body, "Credentials handed in")

	// Another operator, whose form was filled before, sees what is there now and
	// can replace it.
	late := url.Values{
		"credentials.azure.consent_url": {consent}, "credentials.azure.multi_tenant_app_name": {"another_2"}, "replaces": {hidden(t, page, "replaces")},
	}
	conflict := opal.post(path, late)
	require.Equal(t, http.StatusConflict, conflict.status)
	require.Contains(t, conflict.body, "Other credentials have been handed in since you looked.")
	require.Contains(t, conflict.body, "<code>auditferry_1</code>")
	require.Contains(t, conflict.body, " by opal")
	require.Contains(t, conflict.body, `value="another_2"`, "what was typed is still there")
	require.Contains(t, conflict.body, "Replace the credentials")
	late.Set("replaces", hidden(t, conflict.body, "replaces"))
	require.Equal(t, http.StatusSeeOther, opal.post(path, late).status)

	// An ID alone leads nowhere: the organization has to be the right one.
	globex := s.addOrg("Globex")
	require.Equal(t, http.StatusNotFound, opal.get("/operator/integrations/"+globex.String()+"/"+created.IntegrationID.String()+"/provision").status)
}

func TestFailingExportsPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	opal := s.operator()
	require.Contains(t, opal.get("/operator/exports").body, "Every active export delivers.")
	acme := s.addEstate("Acme")
	require.NoError(t, s.store.InOrg(t.Context(), acme.org, func(tx *postgres.Tx) error {
		if err := tx.EndRun(t.Context(), schemas.Run{ID: acme.run, Status: schemas.RunFailed, ErrorKind: schemas.KindDenied, Error: "no <way> in"}); err != nil {
			return err
		}
		return tx.MarkFailing(t.Context(), acme.export, time.Now())
	}))
	page := opal.get("/operator/exports").body
	for _, says := range []string{
		"Acme hourly", "Access denied", "Up to the organization", "no &lt;way&gt; in",
		"https://temporal.example/namespaces/default/workflows/" + url.PathEscape(schemas.ExportWorkflowID(acme.export)),
	} {
		require.Contains(t, page, says)
	}
	require.Contains(t, opal.get("/operator").body, "failing export")
}

// Every kind of error has its words, and what no cloud has answered is ours.
func TestWhoseTurn(t *testing.T) {
	t.Parallel()
	for kind := range causes {
		row := failingRowOf(service.FailingExport{Failure: &schemas.Run{ErrorKind: kind}})
		require.NotEmpty(t, row.What, kind)
		require.NotEmpty(t, row.Turn, kind)
		require.False(t, row.Ours, kind)
	}
	require.True(t, failingRowOf(service.FailingExport{Failure: &schemas.Run{}}).Ours)
	require.True(t, failingRowOf(service.FailingExport{}).Ours)
}

func TestOrganizations(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	opal := s.operator()
	require.Contains(t, opal.get("/operator/orgs").body, "No organization yet.")
	wrong := opal.post("/operator/orgs/new", url.Values{"name": {""}, "notice_emails": {"bob@"}})
	require.Equal(t, http.StatusUnprocessableEntity, wrong.status)
	require.Contains(t, wrong.body, "the address “bob@” must be a mail address")

	form := url.Values{"name": {"Initech"}, "notice_emails": {"it@initech.example"}, keyField: {uuid.NewString()}}
	created := opal.post("/operator/orgs/new", form)
	require.Equal(t, http.StatusSeeOther, created.status, created.body)
	again := opal.post("/operator/orgs/new", form)
	require.Equal(t, created.header.Get("Location"), again.header.Get("Location"), "sent twice, the form makes one")
	page := opal.get(created.header.Get("Location")).body
	require.Contains(t, page, "Organization created")
	require.Contains(t, page, "API key of the role", "what comes next")
	plain, _, _ := strings.Cut(created.header.Get("Location"), "?")
	require.NotContains(t, opal.get(plain+"?created="+uuid.NewString()).body, "Organization created")
	require.Contains(t, page, "it@initech.example")
	require.Contains(t, opal.get("/operator/orgs").body, "Initech")
}

func TestHealthPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	opal := s.operator()
	require.Contains(t, opal.get("/operator/health").body, "Its schema has version")
	require.Contains(t, opal.get("/operator").body, "All parts are well")
}

// A part that nobody can ask is not well.
func TestPartsThatAreNotKnown(t *testing.T) {
	t.Parallel()
	body := overviewBody{}
	for _, state := range []service.PartState{service.PartGood, service.PartUnknown, service.PartWarning, service.PartBad} {
		body.add(service.Part{State: state})
	}
	require.Equal(t, 2, body.Warn)
	require.Equal(t, 1, body.Bad)
}

// An operator of one organization finds the way from its pages to the
// operators' and back, and to Temporal.
func TestOperatorWhoIsAMember(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	acme := s.addOrg("Acme")
	who := person("opal", map[uuid.UUID]schemas.Role{acme: schemas.RoleViewer})
	who.Operator = true
	v := s.signedIn(who)
	require.Contains(t, v.get("/orgs/"+acme.String()+"/notices").body, `href="/operator"`)
	require.Contains(t, v.get("/operator").body, "/orgs/"+acme.String()+"/audit-logging")
}
