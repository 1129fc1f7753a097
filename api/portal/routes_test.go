package portal

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// estate is an organization with one of everything that has an ID.
type estate struct {
	name                                          string
	org, integration, export, run, backfill, keys uuid.UUID
}

func (s *site) addEstate(name string) estate {
	s.t.Helper()
	e := estate{name: name, org: s.addOrg(name)}
	ctx, call := s.t.Context(), adminOf(e.org)
	created, err := s.service.CreateIntegration(ctx, call, service.CreateIntegration{
		Name: name + " archive", Cloud: schemas.GCP, Destination: "gs://" + strings.ToLower(name) + "/",
	})
	require.NoError(s.t, err)
	e.integration = *created.IntegrationID
	exported, err := s.service.CreateExport(ctx, call, service.CreateExport{
		Name: name + " hourly", IntegrationID: e.integration, Schedule: schemas.Schedule{Kind: schemas.ScheduleInterval, Every: "1h"},
		StartFrom: schemas.StartEarliest,
	})
	require.NoError(s.t, err)
	e.export = *exported.ExportID
	key, err := s.service.CreateAPIKey(ctx, call, service.CreateAPIKey{Name: name + " key", Role: schemas.RoleIngest})
	require.NoError(s.t, err)
	e.keys = key.Key.ID
	first, last := int64(1), int64(2)
	backfill, err := s.service.CreateBackfill(ctx, call, service.CreateBackfill{
		ExportID: e.export, Range: service.BackfillRange{FirstSeq: &first, LastSeq: &last},
	})
	require.NoError(s.t, err)
	e.backfill = *backfill.BackfillID
	s.addRun(&e)
	return e
}

// addRun writes what a worker would have written.
func (s *site) addRun(e *estate) {
	s.t.Helper()
	ctx := s.t.Context()
	require.NoError(s.t, s.store.InOrg(ctx, e.org, func(tx *postgres.Tx) error {
		if err := tx.SetCredentials(ctx, e.integration, schemas.Credentials{GCP: &schemas.GCPCredentials{
			ServiceAccount: "exports-" + strings.ToLower(e.name) + "@project.iam.gserviceaccount.com",
		}}, true); err != nil {
			return err
		}
		export, err := tx.Export(ctx, e.export)
		if err != nil {
			return err
		}
		window := schemas.Window{
			ID: uuid.Must(uuid.NewV7()), ExportID: e.export, Slug: export.Slug, FirstSeq: 1, LastSeq: 2, RowsPerPart: 10,
			Format: export.Format, Compression: export.Compression, PathTemplate: export.PathTemplate, Destination: export.Destination,
		}
		if err := tx.InsertWindow(ctx, window); err != nil {
			return err
		}
		run := schemas.Run{
			ID: uuid.Must(uuid.NewV7()), ExportID: e.export, WindowID: window.ID, WorkflowID: schemas.ExportWorkflowID(e.export),
			Status: schemas.RunRunning, FirstSeq: 1, LastSeq: 2, StartedAt: time.Now(),
		}
		e.run = run.ID
		return tx.InsertRun(ctx, run, run.ID.String(), 0)
	}))
}

// at is a route's path with the IDs of an estate, in the pages of org.
func (e estate) at(org uuid.UUID, route string) string {
	id := e.export
	switch {
	case strings.Contains(route, "/integrations/"):
		id = e.integration
	case strings.Contains(route, "/api-keys/"):
		id = e.keys
	}
	return strings.NewReplacer(
		":org", org.String(), ":id", id.String(), ":run", e.run.String(), ":backfill", e.backfill.String(),
		":seq", "1", ":document", "gcp-terraform", ":name", "app.css", "ledger.csv", "ledger.csv?content=days",
	).Replace(route)
}

// routes lists the paths that the portal registers for a method.
func (s *site) routes(method string) (paths []string) {
	s.t.Helper()
	engine := gin.New()
	s.portal.Register(engine)
	for _, route := range engine.Routes() {
		if route.Method == method {
			paths = append(paths, route.Path)
		}
	}
	require.NotEmpty(s.t, paths)
	return paths
}

func isOrgs(route string) bool      { return strings.HasPrefix(route, "/orgs/:org/") }
func isOperators(route string) bool { return strings.HasPrefix(route, "/operator") }
func isPublic(route string) bool {
	switch route {
	case "/login", "/login/callback", "/signed-out", "/static/:name", "/logout", "/orgs/:org":
		return true
	}
	return false
}

// Invariant 6, by any guess: whose organization it is not gets nothing of it, on
// every page there is.
func TestPagesOfAnotherOrganization(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	acme, globex := s.addEstate("Acme"), s.addEstate("Globex")
	opal := person("opal", nil)
	opal.Operator = true
	strangers := map[string]*visitor{
		"admin of another": s.signedIn(person("gus", map[uuid.UUID]schemas.Role{globex.org: schemas.RoleAdmin})),
		"outsider":         s.signedIn(person("otto", nil)),
		"operator":         s.signedIn(opal),
	}
	for _, route := range s.routes(http.MethodGet) {
		for who, stranger := range strangers {
			switch {
			case isOrgs(route):
				a := stranger.get(acme.at(acme.org, route))
				require.Equal(t, http.StatusNotFound, a.status, "%s: %s", who, route)
				require.NotContains(t, a.body, "Acme", "%s: %s", who, route)
			case isOperators(route) && who != "operator":
				require.Equal(t, http.StatusForbidden, stranger.get(acme.at(acme.org, route)).status, "%s: %s", who, route)
			}
		}
		// IDs of Acme in the pages of Globex, and in the links of mails.
		if isOrgs(route) && strings.Contains(route, "/:id") || route == "/integrations/:id" || route == "/exports/:id" {
			a := strangers["admin of another"].get(acme.at(globex.org, route))
			require.Equal(t, http.StatusNotFound, a.status, route)
			require.NotContains(t, a.body, "Acme", route)
		}
		// One's own export, and another's run.
		if strings.Contains(route, "/:run") {
			mixed := globex
			mixed.run = acme.run
			require.Equal(t, http.StatusNotFound, strangers["admin of another"].get(mixed.at(globex.org, route)).status, route)
		}
	}
}

// Every page shows itself to those it is for, and sends others to sign in.
func TestEveryPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	acme := s.addEstate("Acme")
	opal := person("opal", map[uuid.UUID]schemas.Role{acme.org: schemas.RoleViewer})
	opal.Operator = true
	people := map[string]*visitor{
		"admin":    s.signedIn(person("ada", map[uuid.UUID]schemas.Role{acme.org: schemas.RoleAdmin})),
		"viewer":   s.signedIn(person("vic", map[uuid.UUID]schemas.Role{acme.org: schemas.RoleViewer})),
		"operator": s.signedIn(opal),
	}
	nobody := s.newVisitor()
	for _, route := range s.routes(http.MethodGet) {
		path := acme.at(acme.org, route)
		if !isPublic(route) {
			nobody.get(path).leads(t, "/login?next="+url.QueryEscape(path))
		}
		for who, visitor := range people {
			a := visitor.get(path)
			require.Less(t, a.status, http.StatusInternalServerError, "%s: %s: %s", who, route, a.body)
			if !strings.HasPrefix(route, "/static/") {
				requireSecure(t, a, route)
			}
			if strings.Contains(a.header.Get("Content-Type"), "html") {
				require.NotContains(t, a.body, "<no value>", "%s: %s", who, route)
				require.NotContains(t, a.body, " style=", "%s: %s: the content policy blocks it", who, route)
				require.NotContains(t, a.body, "<script>", "%s: %s", who, route)
			}
			if isOrgs(route) && who == "admin" {
				require.Equal(t, http.StatusOK, a.status, "the test has no %s for its admin: %s", route, a.body)
			}
			if isOperators(route) && who == "operator" {
				require.Equal(t, http.StatusOK, a.status, route)
			}
		}
	}
}

// Viewers see no button that changes anything, and what they send all the same
// is refused. So is what strangers send.
func TestCommandsOfThoseWhoMayNot(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	acme, globex := s.addEstate("Acme"), s.addEstate("Globex")
	gus := s.signedIn(person("gus", map[uuid.UUID]schemas.Role{globex.org: schemas.RoleAdmin}))
	vic := s.signedIn(person("vic", map[uuid.UUID]schemas.Role{acme.org: schemas.RoleViewer}))
	before := s.dispatcher.count()
	for _, route := range s.routes(http.MethodPost) {
		form := filled(acme)
		switch {
		case isOrgs(route):
			a := s.newVisitor().post(acme.at(acme.org, route), form)
			require.Equal(t, http.StatusUnauthorized, a.status, route)
			a = vic.post(acme.at(acme.org, route), form)
			require.Equal(t, http.StatusForbidden, a.status, "%s: %s", route, a.body)
			a = gus.post(acme.at(acme.org, route), form)
			require.Equal(t, http.StatusNotFound, a.status, route)
			require.NotContains(t, a.body, "Acme", route)
			if strings.Contains(route, "/:id") {
				a = gus.post(acme.at(globex.org, route), form)
				require.Equal(t, http.StatusNotFound, a.status, "%s: %s", route, a.body)
				require.NotContains(t, a.body, "Acme", route)
			}
		case isOperators(route):
			for _, v := range []*visitor{vic, gus} {
				require.Equal(t, http.StatusForbidden, v.post(acme.at(acme.org, route), form).status, route)
			}
		}
	}
	require.Equal(t, before, s.dispatcher.count(), "nothing was begun")
}

// filled answers every form well enough to get to the permission check.
func filled(e estate) url.Values {
	return url.Values{
		"name": {"Stolen"}, "cloud": {"gcp"}, "destination.gcp": {"gs://stolen/"}, "destination": {"gs://stolen/"}, "role": {"admin"},
		"confirm": {e.name + " archive"}, "integration_id": {e.integration.String()}, "kind": {"interval"}, "every": {"1"}, "unit": {"h"},
		"schedule.kind": {"interval"}, "format": {"ndjson"}, "compression": {"gzip"}, "notice_emails": {"gus@globex.example"}, "code": {"code"},
	}
}

// Another site can make a browser send a form, and its cookies with it.
func TestForgedForms(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	acme := s.addEstate("Acme")
	ada := s.signedIn(person("ada", map[uuid.UUID]schemas.Role{acme.org: schemas.RoleAdmin}))
	before := s.dispatcher.count()
	for name, header := range map[string]http.Header{
		"another site": {"Sec-Fetch-Site": {"cross-site"}},
		"a subdomain":  {"Sec-Fetch-Site": {"same-site"}},
		"old browser":  {"Origin": {"https://evil.example"}},
		"no origin":    {"Origin": {"null"}},
	} {
		for _, route := range s.routes(http.MethodPost) {
			a := ada.do(http.MethodPost, acme.at(acme.org, route), filled(acme), header)
			require.Equal(t, http.StatusForbidden, a.status, "%s: %s", name, route)
			requireSecure(t, a, route)
		}
	}
	require.Equal(t, before, s.dispatcher.count())
	require.Equal(t, http.StatusOK, ada.get("/account").status, "nobody else can sign her out")
}

func requireSecure(t *testing.T, a answer, where string) {
	t.Helper()
	h := a.header
	for name, want := range map[string]string{
		"Content-Security-Policy": contentPolicy, "X-Content-Type-Options": "nosniff",
		"Cross-Origin-Opener-Policy": "same-origin", "Referrer-Policy": "same-origin",
		"Cache-Control": "no-store",
	} {
		require.Equal(t, want, h.Get(name), "%s of %s", name, where)
	}
	require.NotContains(t, fmt.Sprint(h["Content-Security-Policy"]), "unsafe")
}
