package cloudsim

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// storageAudience is what Azure's storage SDKs ask tokens for.
const storageAudience = "https://storage.azure.com"

// The log's words for requests that no cloud has a permission for.
const (
	permissionToken   = "token"   // signing in needs none
	permissionUnknown = "unknown" // calls that no exporter makes; nobody has it
)

// entra is the authority of all tenants: discovery, tokens by client
// credentials, and the consent page.
type entra struct {
	cfg    AzureConfig
	base   string // our own URL
	grants *grants
	log    *requestLog
	tokens *tokens
	admin  *Server
}

// entraError is a refusal with the code that people search the web for.
type entraError struct {
	status  int
	kind    string // OAuth's error
	code    int    // the number after AADSTS
	message string
}

func (e *entraError) Error() string { return fmt.Sprintf("AADSTS%d: %s", e.code, e.message) }

func (e *entra) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{tenant}/v2.0/.well-known/openid-configuration", e.discovery)
	mux.HandleFunc("POST /{tenant}/oauth2/v2.0/token", e.token)
	for _, path := range []string{"oauth2/authorize", "oauth2/v2.0/authorize", "adminconsent", "v2.0/adminconsent"} {
		mux.HandleFunc("GET /{tenant}/"+path, e.askConsent)
		mux.HandleFunc("POST /{tenant}/"+path, e.acceptConsent)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		http.NotFound(e.log.record(w, Request{
			Cloud: "azure", Principal: anonymous, Method: r.Method, Path: r.URL.RequestURI(), Permission: permissionUnknown, Resource: r.URL.Path,
		}), r)
	})
	return http.NewCrossOriginProtection().Handler(mux)
}

// discovery is the first half of asking for a token, and logged as that.
func (e *entra) discovery(w http.ResponseWriter, r *http.Request) {
	tenant := r.PathValue("tenant")
	out := e.log.record(w, Request{
		Cloud: "azure", Principal: anonymous, Method: r.Method, Path: r.URL.Path, Permission: permissionToken, Resource: tenant,
	})
	if err := e.checkTenant(tenant); err != nil {
		out.entry.Reason = err.Error()
		e.refuse(out, err)
		return
	}
	base := e.base + "/" + tenant
	writeJSON(out, http.StatusOK, map[string]any{
		"issuer":                                base + "/v2.0",
		"authorization_endpoint":                base + "/oauth2/v2.0/authorize",
		"token_endpoint":                        base + "/oauth2/v2.0/token",
		"token_endpoint_auth_methods_supported": []string{"client_secret_post"},
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
	})
}

func (e *entra) token(w http.ResponseWriter, r *http.Request) {
	tenant := r.PathValue("tenant")
	out := e.log.record(w, Request{
		Cloud: "azure", Principal: r.PostFormValue("client_id"), Method: r.Method, Path: r.URL.Path,
		Permission: permissionToken, Resource: tenant,
	})
	if refusal := e.checkToken(tenant, r); refusal != nil {
		out.entry.Reason = refusal.Error()
		e.refuse(out, refusal)
		return
	}
	token, err := e.tokens.issue(claims{TenantID: tenant, AppID: r.PostFormValue("client_id")}, tokenLifetime)
	if err != nil {
		out.entry.Reason = err.Error()
		http.Error(out, err.Error(), http.StatusInternalServerError)
		return
	}
	seconds := int(tokenLifetime.Seconds())
	writeJSON(out, http.StatusOK, map[string]any{
		"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token,
	})
}

// checkToken refuses in Entra's order: tenant, app, secret.
func (e *entra) checkToken(tenant string, r *http.Request) *entraError {
	if err := e.checkTenant(tenant); err != nil {
		return err
	}
	client := r.PostFormValue("client_id")
	if grant := r.PostFormValue("grant_type"); grant != "client_credentials" {
		return &entraError{http.StatusBadRequest, "unsupported_grant_type", 70003, "The app requested an unsupported grant type '" + grant + "'."}
	}
	if scope := r.PostFormValue("scope"); !strings.Contains(" "+scope+" ", " "+storageAudience+"/.default ") {
		return &entraError{http.StatusBadRequest, "invalid_scope", 70011, "The provided value for the input parameter 'scope' is not valid. The scope " + scope + " is not valid."}
	}
	app, exists := e.cfg.app(client)
	granted := e.grants.snapshot()
	if !exists || !granted.consented(tenant, client) {
		return &entraError{http.StatusBadRequest, "unauthorized_client", 700016,
			"Application with identifier '" + client + "' was not found in the directory '" + tenant + "'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant."}
	}
	if slices.Contains(granted.DisabledApps, DisabledApp{TenantID: tenant, ClientID: client}) {
		return &entraError{http.StatusBadRequest, "unauthorized_client", 7000112, "Application '" + client + "'(" + app.Name + ") is disabled."}
	}
	if subtle.ConstantTimeCompare([]byte(r.PostFormValue("client_secret")), []byte(app.ClientSecret)) != 1 {
		return &entraError{http.StatusUnauthorized, "invalid_client", 7000215,
			"Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '" + client + "'."}
	}
	return nil
}

func (e *entra) checkTenant(tenant string) *entraError {
	if e.cfg.hasTenant(tenant) {
		return nil
	}
	return &entraError{http.StatusBadRequest, "invalid_request", 90002,
		"Tenant '" + tenant + "' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant."}
}

func (e *entra) refuse(w http.ResponseWriter, refusal *entraError) {
	now := time.Now().UTC().Format("2006-01-02 15:04:05Z")
	trace, correlation := uuid.NewString(), uuid.NewString()
	writeJSON(w, refusal.status, map[string]any{
		"error": refusal.kind,
		"error_description": fmt.Sprintf("%s Trace ID: %s Correlation ID: %s Timestamp: %s",
			refusal, trace, correlation, now),
		"error_codes": []int{refusal.code}, "timestamp": now, "trace_id": trace, "correlation_id": correlation,
		"error_uri": fmt.Sprintf("%s/error?code=%d", e.base, refusal.code),
	})
}

func (e *entra) askConsent(w http.ResponseWriter, r *http.Request) {
	e.consentPage(w, r, http.StatusOK, consentView{})
}

func (e *entra) acceptConsent(w http.ResponseWriter, r *http.Request) {
	// The client ID is in the URL, as on the page that the form was on.
	if err := e.admin.Consent(r.PathValue("tenant"), r.URL.Query().Get("client_id")); err != nil {
		e.consentPage(w, r, http.StatusBadRequest, consentView{Error: err.Error()})
		return
	}
	e.consentPage(w, r, http.StatusOK, consentView{Accepted: true})
}

func (e *entra) consentPage(w http.ResponseWriter, r *http.Request, status int, view consentView) {
	view.TenantID, view.ClientID = r.PathValue("tenant"), r.URL.Query().Get("client_id")
	app, exists := e.cfg.app(view.ClientID)
	view.AppName, view.Page = app.Name, e.admin.endpoints.Page
	if err := e.admin.checkTenant(view.TenantID); err != nil && view.Error == "" {
		status, view.Error = http.StatusBadRequest, err.Error()
	}
	if !exists && view.Error == "" {
		status, view.Error = http.StatusBadRequest, fmt.Sprintf("no app has the client ID %q", view.ClientID)
	}
	render(w, status, "consent.html", view)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	// A client that has gone away does not miss the rest.
	_, _ = w.Write(text)
}
