package httpapi_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/schemas"
)

// roles says who may call what. Every operation must be in it.
var roles = map[string][]schemas.Role{
	"ListOrgs":                 {schemas.RoleOperator},
	"ListProvisioningRequests": {schemas.RoleOperator},
	"PreviewSetup":             {schemas.RoleAdmin, schemas.RoleViewer},
	"GetSetup":                 {schemas.RoleAdmin, schemas.RoleViewer},
	"ListAccessAttempts":       {schemas.RoleAdmin, schemas.RoleViewer},
	"ProveOwnership":           {schemas.RoleAdmin},
	"CreateOrg":                {schemas.RoleOperator},
	"GetOrg":                   {schemas.RoleOperator},
	"ListOrgAPIKeys":           {schemas.RoleOperator},
	"CreateOrgAPIKey":          {schemas.RoleOperator},
	"RevokeOrgAPIKey":          {schemas.RoleOperator},
	"ListOrgIntegrations":      {schemas.RoleOperator},
	"ProvisionIntegration":     {schemas.RoleOperator},
	"GetOwnOrg":                {schemas.RoleAdmin, schemas.RoleViewer},
	"EditOwnOrg":               {schemas.RoleAdmin},
	"ListAPIKeys":              {schemas.RoleAdmin},
	"CreateAPIKey":             {schemas.RoleAdmin},
	"RevokeAPIKey":             {schemas.RoleAdmin},
	"SearchEvents":             {schemas.RoleAdmin, schemas.RoleViewer},
	"AppendEvents":             {schemas.RoleAdmin, schemas.RoleIngest},
	"ListIntegrations":         {schemas.RoleAdmin, schemas.RoleViewer},
	"CreateIntegration":        {schemas.RoleAdmin},
	"GetIntegration":           {schemas.RoleAdmin, schemas.RoleViewer},
	"DeleteIntegration":        {schemas.RoleAdmin},
	"GetCredentials":           {schemas.RoleAdmin, schemas.RoleViewer},
	"UpdateDestination":        {schemas.RoleAdmin},
	"CheckAccess":              {schemas.RoleAdmin},
	"ListLinkedExports":        {schemas.RoleAdmin, schemas.RoleViewer},
	"ListExports":              {schemas.RoleAdmin, schemas.RoleViewer},
	"CreateExport":             {schemas.RoleAdmin},
	"GetExport":                {schemas.RoleAdmin, schemas.RoleViewer},
	"EditExport":               {schemas.RoleAdmin},
	"DeleteExport":             {schemas.RoleAdmin},
	"PauseExport":              {schemas.RoleAdmin},
	"ResumeExport":             {schemas.RoleAdmin},
	"RelinkExport":             {schemas.RoleAdmin},
	"RunExport":                {schemas.RoleAdmin},
	"ListRuns":                 {schemas.RoleAdmin, schemas.RoleViewer},
	"GetRun":                   {schemas.RoleAdmin, schemas.RoleViewer},
	"PreviewExport":            {schemas.RoleAdmin, schemas.RoleViewer},
	"ListBackfills":            {schemas.RoleAdmin, schemas.RoleViewer},
	"CreateBackfill":           {schemas.RoleAdmin},
	"GetBackfill":              {schemas.RoleAdmin, schemas.RoleViewer},
	"CancelBackfill":           {schemas.RoleAdmin},
	"GetLedger":                {schemas.RoleAdmin, schemas.RoleViewer},
	"DownloadLedger":           {schemas.RoleAdmin, schemas.RoleViewer},
	"GetOperation":             {schemas.RoleAdmin, schemas.RoleViewer, schemas.RoleOperator},
}

// belongings are one organization's rows, by the names that the contract has
// for their IDs.
type belongings map[string]uuid.UUID

func (s *server) fill(t *testing.T, o tenant, bucket string) belongings {
	t.Helper()
	integration := s.newAWS(t, o, "s3://"+bucket+"/")
	s.provision(t, o, integration)
	export := s.newExport(t, o, "hourly", integration)
	var keys struct{ Items []schemas.APIKey }
	s.get(t, o.admin(), "/v1/api-keys").is(t, http.StatusOK, &keys)
	run := s.newRun(t, o, export)
	own := belongings{
		"org_id": o.id, "integration_id": integration, "export_id": export.ID, "run_id": run.ID,
		"backfill_id": s.newBackfill(t, o, export, 1, 1), "key_id": keys.Items[len(keys.Items)-1].ID,
	}
	for _, op := range s.dispatcher.dispatched() {
		if op.OrgID == o.id {
			own["operation_id"] = op.ID
		}
	}
	return own
}

// body is a valid body for an operation on these rows; nil when it takes none.
func (b belongings) body(operation string) any {
	switch operation {
	case "CreateOrg":
		return map[string]any{"name": "Another", "notice_emails": []string{}}
	case "EditOwnOrg":
		return map[string]any{"notice_emails": []string{"a@acme.example"}}
	case "CreateOrgAPIKey", "CreateAPIKey":
		return map[string]any{"name": "key", "role": "viewer"}
	case "AppendEvents":
		return []any{event("document.read")}
	case "CreateIntegration":
		return map[string]any{"name": "gcp", "cloud": "gcp", "destination": "gs://acme-" + uuid.NewString() + "/"}
	case "UpdateDestination":
		return map[string]any{"destination": "s3://acme-" + uuid.NewString() + "/"}
	case "ProvisionIntegration":
		return map[string]any{"org_id": b["org_id"], "credentials": map[string]any{
			"aws": map[string]any{"external_id": "external", "iam_user_arn": "arn:aws:iam::999999999999:user/auditferry"},
		}}
	case "CheckAccess":
		return map[string]any{"accept_owner": false}
	case "ProveOwnership":
		return map[string]any{"code": "k5v2wq7m3xj4c6zr8t9n1p0s"}
	case "CreateExport":
		return map[string]any{"name": uuid.NewString(), "integration_id": b["integration_id"], "schedule": hourly()}
	case "EditExport":
		return map[string]any{"compression": "zstd"}
	case "RelinkExport", "PreviewExport":
		return map[string]any{"integration_id": b["integration_id"]}
	case "CreateBackfill":
		return map[string]any{"first_seq": 1, "last_seq": 1}
	default:
		return nil
	}
}

// call is one operation of the contract with valid input for these rows.
type call struct {
	id, method, path string
	params           []string
}

func (c call) with(key string, b belongings) request {
	path := c.path
	for _, param := range c.params {
		path = strings.ReplaceAll(path, "{"+param+"}", b[param].String())
	}
	switch c.id {
	case "PreviewSetup":
		path += "?cloud=gcp&destination=gs://acme-audit/"
	case "DownloadLedger":
		path += "?content=days"
	}
	return request{method: c.method, path: path, key: key, body: b.body(c.id)}
}

// calls are the operations that need a caller.
func calls(t *testing.T) []call {
	t.Helper()
	document, err := openapi3.NewLoader().LoadFromData(schemas.OpenAPI)
	require.NoError(t, err)
	var all []call
	for path, item := range document.Paths.Map() {
		for method, operation := range item.Operations() {
			if operation.Security != nil && len(*operation.Security) == 0 {
				continue
			}
			c := call{id: operation.OperationID, method: method, path: path}
			for _, parameters := range []openapi3.Parameters{item.Parameters, operation.Parameters} {
				for _, parameter := range parameters {
					if parameter.Value.In == openapi3.ParameterInPath {
						c.params = append(c.params, parameter.Value.Name)
					}
				}
			}
			require.Contains(t, roles, c.id, "every operation needs a row in the table of roles")
			all = append(all, c)
		}
	}
	// Deletes last, so that what the others need is still there.
	slices.SortFunc(all, func(a, b call) int {
		return strings.Compare(fmt.Sprint(a.method == http.MethodDelete, a.id), fmt.Sprint(b.method == http.MethodDelete, b.id))
	})
	return all
}

// Invariant 6: no request of one org can touch another's.
func TestAnotherOrgsIDsAreNotFound(t *testing.T) {
	t.Parallel()
	s := setup(t)
	ours, theirs := s.newTenant(t, "Acme"), s.newTenant(t, "Globex")
	own, foreign := s.fill(t, ours, "acme-audit"), s.fill(t, theirs, "globex-audit")
	before := s.snapshot(t, theirs, foreign)

	for _, c := range calls(t) {
		switch {
		case !slices.Contains(roles[c.id], schemas.RoleAdmin):
			s.do(t, c.with(ours.admin(), foreign)).problem(t, http.StatusForbidden)
		case len(c.params) > 0 || c.id == "CreateExport" || c.id == "PreviewExport":
			s.do(t, c.with(ours.admin(), foreign)).problem(t, http.StatusNotFound)
		}
		// Half ours, half theirs: each of the IDs must be ours.
		for _, param := range c.params {
			if len(c.params) < 2 && c.id != "RelinkExport" || !slices.Contains(roles[c.id], schemas.RoleAdmin) {
				continue
			}
			mixed := belongings{}
			for name, id := range own {
				mixed[name] = id
			}
			mixed[param] = foreign[param]
			s.do(t, c.with(ours.admin(), mixed)).problem(t, http.StatusNotFound)
		}
	}
	relink := request{
		method: http.MethodPost, path: "/v1/exports/" + own["export_id"].String() + "/relink", key: ours.admin(),
		body: map[string]any{"integration_id": foreign["integration_id"]},
	}
	s.post(t, ours.admin(), "/v1/exports/"+own["export_id"].String()+"/pause", nil).is(t, http.StatusAccepted, nil)
	s.do(t, relink).problem(t, http.StatusNotFound)
	require.Equal(t, before, s.snapshot(t, theirs, foreign))
}

// Invariant 6: operators too are bound to the organization that they name.
func TestOperatorsNameTheOrganization(t *testing.T) {
	t.Parallel()
	s := setup(t)
	ours, theirs := s.newTenant(t, "Acme"), s.newTenant(t, "Globex")
	own, foreign := s.fill(t, ours, "acme-audit"), s.fill(t, theirs, "globex-audit")

	body := own.body("ProvisionIntegration")
	s.post(t, operatorKey, "/v1/integrations/"+foreign["integration_id"].String()+"/provisioning", body).problem(t, http.StatusNotFound)
	s.do(t, request{
		method: http.MethodDelete, key: operatorKey,
		path: "/v1/orgs/" + ours.id.String() + "/api-keys/" + foreign["key_id"].String(),
	}).problem(t, http.StatusNotFound)
	for _, unknown := range []uuid.UUID{uuid.New(), uuid.Nil} {
		org := "/v1/orgs/" + unknown.String()
		s.get(t, operatorKey, org).problem(t, http.StatusNotFound)
		s.get(t, operatorKey, org+"/api-keys").problem(t, http.StatusNotFound)
		s.get(t, operatorKey, org+"/integrations").problem(t, http.StatusNotFound)
		s.post(t, operatorKey, org+"/api-keys", own.body("CreateAPIKey")).problem(t, http.StatusNotFound)
		s.post(t, operatorKey, "/v1/integrations/"+own["integration_id"].String()+"/provisioning",
			belongings{"org_id": unknown}.body("ProvisionIntegration")).problem(t, http.StatusNotFound)
	}
}

// soFar is how long a run has been running, which changes by itself.
var soFar = regexp.MustCompile(`"duration_seconds":[0-9.]+`)

// snapshot is all that the API shows of an organization to its admin.
func (s *server) snapshot(t *testing.T, o tenant, b belongings) []string {
	t.Helper()
	var all []string
	for _, path := range []string{
		"/v1/org", "/v1/integrations", "/v1/exports", "/v1/events",
		"/v1/exports/" + b["export_id"].String() + "/runs", "/v1/exports/" + b["export_id"].String() + "/backfills",
		"/v1/exports/" + b["export_id"].String() + "/ledger", "/v1/operations/" + b["operation_id"].String(),
	} {
		answer := s.get(t, o.admin(), path)
		answer.is(t, http.StatusOK, nil)
		all = append(all, soFar.ReplaceAllString(string(answer.body), ""))
	}
	return all
}

func TestRoles(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for _, role := range []schemas.Role{schemas.RoleAdmin, schemas.RoleViewer, schemas.RoleIngest, schemas.RoleOperator} {
		t.Run(string(role), func(t *testing.T) {
			t.Parallel()
			// An organization for each role, because some calls delete.
			o := s.newTenant(t, "Acme "+string(role))
			own := s.fill(t, o, "acme-"+string(role))
			key := o.keys[role]
			if role == schemas.RoleOperator {
				key = operatorKey
			}
			for _, c := range calls(t) {
				answer := s.do(t, c.with(key, own))
				if !slices.Contains(roles[c.id], role) {
					p := answer.problem(t, http.StatusForbidden)
					require.Contains(t, p.Detail, "yours is "+string(role))
					continue
				}
				require.NotContains(t, []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound}, answer.status, "%s: %s", c.id, answer.body)
				require.Less(t, answer.status, http.StatusInternalServerError, "%s: %s", c.id, answer.body)
			}
		})
	}
}

func TestUnknownCallers(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	own := s.fill(t, o, "acme-audit")
	var created struct {
		Key    schemas.APIKey `json:"api_key"`
		Secret string
	}
	s.post(t, o.admin(), "/v1/api-keys", map[string]any{"name": "short-lived", "role": "admin"}).is(t, http.StatusCreated, &created)
	require.Regexp(t, `^af_admin_[0-9A-Za-z]{32}$`, created.Secret)
	s.get(t, created.Secret, "/v1/org").is(t, http.StatusOK, nil)
	s.do(t, request{method: http.MethodDelete, path: "/v1/api-keys/" + created.Key.ID.String(), key: o.admin()}).is(t, http.StatusNoContent, nil)

	for _, key := range []string{"", created.Secret, "af_admin_" + strings.Repeat("x", 32)} {
		for _, c := range calls(t) {
			answer := s.do(t, c.with(key, own))
			answer.problem(t, http.StatusUnauthorized)
			require.Contains(t, answer.header.Get("WWW-Authenticate"), "Bearer")
		}
	}
}
