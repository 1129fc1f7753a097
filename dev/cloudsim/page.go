package cloudsim

import (
	"bytes"
	"embed"
	"encoding/json"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// maxRequestsShown keeps the page short; /requests has all.
const maxRequestsShown = 50

//go:embed templates
var templateFiles embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"join":  strings.Join,
	"until": until,
}).ParseFS(templateFiles, "templates/*.html"))

// pageView is what the cloud admin's page shows.
type pageView struct {
	Error     string
	Grants    Grants
	Requests  []Request // newest first
	Endpoints Endpoints
	Roles     []string // of Azure
	Accounts  []string // storage accounts

	// What the forms begin with.
	TrustPolicy      string
	PermissionPolicy string
	ClientID         string
	Member           string
	ServiceAccount   string
	Permissions      []string
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

func (s *Server) pageHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { s.page(w, http.StatusOK, "") })
	mux.HandleFunc("POST /do/{cloud}/{command}", s.do)
	mux.HandleFunc("GET /grants", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.Grants()) })
	mux.HandleFunc("GET /requests", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.Requests()) })
	return http.NewCrossOriginProtection().Handler(mux)
}

func (s *Server) page(w http.ResponseWriter, status int, problem string) {
	requests := s.Requests()
	slices.Reverse(requests)
	trust, permissions := examplePolicies(s.cfg.AWS.ServiceUserARN)
	member, _, _ := strings.Cut(s.cfg.Azure.AppName, "_")
	render(w, status, "page.html", pageView{
		Error: problem, Grants: s.Grants(), Requests: requests[:min(len(requests), maxRequestsShown)], Endpoints: s.endpoints,
		Roles:       append([]string{StorageBlobDataContributor}, "Storage Blob Data Reader", "Storage Blob Data Owner", "Contributor"),
		Accounts:    slices.Sorted(maps.Keys(s.cfg.Azure.Accounts)),
		TrustPolicy: trust, PermissionPolicy: permissions,
		ClientID: s.cfg.Azure.ClientID, Member: member,
		ServiceAccount: s.cfg.GCP.ServiceAccount, Permissions: GCPExportPermissions(),
	})
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

// until says when a grant takes effect.
func until(at time.Time) string {
	left := time.Until(at).Round(time.Second)
	if left <= 0 {
		return "in effect"
	}
	return "takes effect in " + left.String()
}

// render writes a page, whole or not at all.
func render(w http.ResponseWriter, status int, name string, view any) {
	var text bytes.Buffer
	if err := templates.ExecuteTemplate(&text, name, view); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	w.WriteHeader(status)
	// A browser that has gone away does not miss the rest.
	_, _ = text.WriteTo(w)
}
