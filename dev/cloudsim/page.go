package cloudsim

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// contentPolicy lets pages load nothing but their own style. Forms end here
// or, for the consent page, at the authority, which has https and a port that
// is not known yet.
const contentPolicy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self' https:; frame-ancestors 'none'; base-uri 'none'"

// maxRequestsShown keeps the page short; /requests has all.
const maxRequestsShown = 50

//go:embed templates
var templateFiles embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"join":    strings.Join,
	"waiting": waiting,
}).ParseFS(templateFiles, "templates/*.html"))

// pageView is what the cloud admin's page shows.
type pageView struct {
	Error     string
	Grants    Grants
	Requests  []Request // newest first
	Endpoints Endpoints

	// What the forms begin with.
	Role           roleForm
	Apps           []AzureApp
	Roles          []string // of Azure
	Accounts       []accountView
	ServiceAccount string
	Permissions    []string
	BucketOwner    string
	BucketProject  string
}

// roleForm is the form that puts a role; it is open when there is something
// in it that is not the example.
type roleForm struct {
	Role
	Delay string
	Open  bool
}

// accountView is a storage account.
type accountView struct {
	Name   string
	Closed bool // its firewall keeps the service out
}

// consentView is what the consent page shows.
type consentView struct {
	TenantID string
	ClientID string
	AppName  string
	Page     string // the cloud admin's page
	Accepted bool
	Error    string
}

func (s *Server) pageHandler(b *browser) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		s.page(w, http.StatusOK, "", s.roleForm(r.URL.Query().Get("role")))
	})
	mux.HandleFunc("GET /consent", s.openConsent)
	mux.HandleFunc("POST /do/{cloud}/{command}", s.do)
	mux.HandleFunc("GET /grants", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.Grants()) })
	mux.HandleFunc("GET /requests", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.Requests()) })
	b.register(mux)
	return http.NewCrossOriginProtection().Handler(mux)
}

func (s *Server) page(w http.ResponseWriter, status int, problem string, role roleForm) {
	requests := s.Requests()
	slices.Reverse(requests)
	view := pageView{
		Error: problem, Grants: s.Grants(), Requests: requests[:min(len(requests), maxRequestsShown)], Endpoints: s.endpoints,
		Role: role, Apps: s.cfg.Azure.apps(),
		Roles:          []string{StorageBlobDataContributor, "Storage Blob Data Reader", "Storage Blob Data Owner", "Contributor"},
		ServiceAccount: s.cfg.GCP.ServiceAccount, Permissions: GCPExportPermissions(),
		BucketOwner: DefaultBucketOwner, BucketProject: DefaultBucketProject,
	}
	for _, name := range slices.Sorted(maps.Keys(s.cfg.Azure.Accounts)) {
		view.Accounts = append(view.Accounts, accountView{name, slices.Contains(view.Grants.ClosedAccounts, name)})
	}
	render(w, status, "page.html", view)
}

// roleForm begins with the role that has the ARN, as it is or will be, or with
// the reference's example.
func (s *Server) roleForm(arn string) roleForm {
	roles := s.Grants().Roles
	for _, role := range slices.Backward(roles) {
		if arn != "" && role.ARN == arn {
			return roleForm{Role: role, Open: true}
		}
	}
	trust, permissions := examplePolicies(s.cfg.AWS.ServiceUserARN)
	return roleForm{Role: Role{TrustPolicy: trust, PermissionPolicy: permissions}}
}

// refusedForm is the page with what is wrong and, as a policy is long, with
// what was written.
func (s *Server) refusedForm(w http.ResponseWriter, f fields, problem error) {
	form := s.roleForm("")
	if f["trust_policy"] != "" {
		form = roleForm{
			Role:  Role{ARN: f["arn"], TrustPolicy: f["trust_policy"], PermissionPolicy: f["permission_policy"]},
			Delay: f["delay"], Open: true,
		}
	}
	s.page(w, http.StatusBadRequest, problem.Error(), form)
}

// openConsent leads to the page that the consent URL of an integration shows.
func (s *Server) openConsent(w http.ResponseWriter, r *http.Request) {
	tenant, client := r.URL.Query().Get("tenant_id"), r.URL.Query().Get("client_id")
	if err := s.checkTenant(tenant); err != nil {
		s.refusedForm(w, nil, err)
		return
	}
	at := s.endpoints.Authority + "/" + url.PathEscape(tenant) + "/oauth2/authorize?" +
		url.Values{"client_id": {client}, "response_type": {"code"}}.Encode()
	http.Redirect(w, r, at, http.StatusSeeOther)
}

// appName is what people call an app.
func (v pageView) AppName(clientID string) string {
	for _, app := range v.Apps {
		if app.ClientID == clientID {
			return app.Name
		}
	}
	return clientID
}

// Disabled tells whether a tenant has switched an app off.
func (v pageView) Disabled(tenantID, clientID string) bool {
	return slices.Contains(v.Grants.DisabledApps, DisabledApp{TenantID: tenantID, ClientID: clientID})
}

// examplePolicies are the reference's, with what is to be filled in in angle
// brackets.
func examplePolicies(serviceUserARN string) (trust, permissions string) {
	trustDocument := policyDocument{Version: "2012-10-17", Statement: statements{{
		Effect: "Allow", Principal: principals{"AWS": {serviceUserARN}}, Action: oneOrMany{permissionAssumeRole},
		Condition: conditions{"StringEquals": {"sts:ExternalId": {"<external ID>"}}},
	}}}
	permissionDocument := policyDocument{Version: "2012-10-17", Statement: statements{
		{
			Effect: "Allow", Action: oneOrMany{"s3:ListBucket", "s3:GetBucketLocation"}, Resource: oneOrMany{"arn:aws:s3:::<bucket>"},
			Condition: conditions{"StringLike": {"s3:prefix": {"<prefix>/*"}}},
		},
		{Effect: "Allow", Action: oneOrMany{"s3:PutObject", "s3:DeleteObject"}, Resource: oneOrMany{"arn:aws:s3:::<bucket>/<prefix>/*"}},
	}}
	return indented(trustDocument), indented(permissionDocument)
}

// indented is the document as people write it.
func indented(doc policyDocument) string {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // html/template does it, once
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(doc); err != nil {
		return err.Error()
	}
	return text.String()
}

// waiting is how long a grant has yet to wait, or empty if it is in effect.
func waiting(at time.Time) string {
	left := time.Until(at).Round(time.Second)
	switch {
	case time.Until(at) <= 0:
		return ""
	case left < time.Minute:
		return fmt.Sprintf("%d s", max(1, int(left.Seconds())))
	case left < time.Hour:
		return fmt.Sprintf("%d min %d s", int(left.Minutes()), int(left.Seconds())%60)
	}
	return fmt.Sprintf("%d h %d min", int(left.Hours()), int(left.Minutes())%60)
}

// render writes a page, whole or not at all.
func render(w http.ResponseWriter, status int, name string, view any) {
	var text bytes.Buffer
	if err := templates.ExecuteTemplate(&text, name, view); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", contentPolicy)
	w.WriteHeader(status)
	// A browser that has gone away does not miss the rest.
	_, _ = text.WriteTo(w)
}
