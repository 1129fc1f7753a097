package cloudsim

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	googleKeyFile    = "google-key.pem"
	googleConfigFile = "google-service-account.json"

	// baseServiceAccount is who the service is in Google Cloud before it
	// impersonates the account that customers grant access to.
	baseServiceAccount = "auditferry-worker@" + defaultProject + ".iam.gserviceaccount.com"

	googleIssuer   = "https://accounts.google.com"
	googleAudience = "https://www.googleapis.com"

	permissionGetAccessToken = "iam.serviceAccounts.getAccessToken" // #nosec G101 -- a permission's name
)

// googleIdentity answers for oauth2.googleapis.com,
// iamcredentials.googleapis.com and iam.googleapis.com.
type googleIdentity struct {
	cfg    GCPConfig
	grants *grants
	log    *requestLog
	tokens *tokens
	base   crypto.PublicKey // of baseServiceAccount
}

// writeGoogleKey writes the base identity's key file as Google hands it out,
// except that tokens come from the simulator.
func writeGoogleKey(dir, tokenURL string, key crypto.Signer) (file string, err error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", err
	}
	text, err := json.MarshalIndent(map[string]string{
		"type":            "service_account",
		"project_id":      defaultProject,
		"private_key_id":  "cloudsim",
		"private_key":     string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"client_email":    baseServiceAccount,
		"client_id":       "100000000000000000000",
		"token_uri":       tokenURL,
		"universe_domain": "googleapis.com",
	}, "", "  ")
	if err != nil {
		return "", err
	}
	file = filepath.Join(dir, googleConfigFile)
	return file, os.WriteFile(file, text, 0o600)
}

func (g *googleIdentity) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", g.token)
	mux.HandleFunc("POST /v1/projects/-/serviceAccounts/{call}", g.generateAccessToken)
	mux.HandleFunc("POST /v1/projects/{project}/serviceAccounts", g.createAccount)
	mux.HandleFunc("GET /v1/projects/{project}/serviceAccounts/{email}", g.getAccount)
	mux.HandleFunc("DELETE /v1/projects/{project}/serviceAccounts/{email}", g.deleteAccount)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		g.answer(w, r, permissionUnknown, r.URL.Path, g.cfg.project(), func() (any, *googleError) {
			return nil, &googleError{http.StatusNotFound, "NOT_FOUND", "notFound", "Method not found."}
		})
	})
	return mux
}

// token trades a JWT signed by the base identity's key for an access token.
func (g *googleIdentity) token(w http.ResponseWriter, r *http.Request) {
	out := g.log.record(w, Request{
		Cloud: "gcp", Principal: anonymous, Method: r.Method, Path: r.URL.Path, Permission: permissionToken, Resource: baseServiceAccount,
	})
	refuse := func(code string, description string) {
		out.entry.Reason = code + ": " + description
		writeJSON(out, http.StatusBadRequest, map[string]string{"error": code, "error_description": description})
	}
	if grant := r.PostFormValue("grant_type"); grant != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		refuse("unsupported_grant_type", "Invalid grant_type: "+grant)
		return
	}
	assertion, err := g.readAssertion(r.PostFormValue("assertion"))
	if err != nil {
		refuse("invalid_grant", "Invalid JWT Signature: "+err.Error())
		return
	}
	out.entry.Principal = assertion.Issuer
	token, err := g.tokens.issue(claims{Email: baseServiceAccount, Scope: assertion.Scope}, tokenLifetime)
	if err != nil {
		refuse("internal_failure", err.Error())
		return
	}
	writeJSON(out, http.StatusOK, map[string]any{
		"access_token": token, "expires_in": int(tokenLifetime.Seconds()), "token_type": "Bearer",
	})
}

// readAssertion reads a JWT that the base identity signed itself.
func (g *googleIdentity) readAssertion(raw string) (claims, error) {
	c, err := readJWT(raw, g.base)
	if err != nil {
		return claims{}, err
	}
	return c, c.Validate(jwt.Expected{Issuer: baseServiceAccount})
}

func (g *googleIdentity) generateAccessToken(w http.ResponseWriter, r *http.Request) {
	email, verb, _ := strings.Cut(r.PathValue("call"), ":")
	out := g.log.record(w, Request{
		Cloud: "gcp", Method: r.Method, Path: r.URL.Path,
		Permission: permissionGetAccessToken, Resource: email,
	})
	refuse := func(refusal *googleError) {
		out.entry.Reason = refusal.message
		refusal.write(out)
	}
	out.entry.Principal = anonymous
	caller, err := g.caller(r)
	if err != nil {
		refuse(unauthenticated(err))
		return
	}
	out.entry.Principal = caller
	if verb != "generateAccessToken" {
		refuse(&googleError{http.StatusNotFound, "NOT_FOUND", "notFound", "Method not found."})
		return
	}
	granted := g.grants.snapshot()
	uniqueID, exists := g.cfg.uniqueID(granted, email)
	if !exists || email == baseServiceAccount || caller != baseServiceAccount || granted.ImpersonationDenied {
		refuse(permissionDenied(permissionGetAccessToken))
		return
	}
	answer, refusal := g.impersonate(r, email, uniqueID)
	if refusal != nil {
		refuse(refusal)
		return
	}
	writeJSON(out, http.StatusOK, answer)
}

// caller is whose token the request carries: one from token, or a JWT that
// the base identity signed itself, which Google's libraries prefer at times.
func (g *googleIdentity) caller(r *http.Request) (email string, err error) {
	raw := bearer(r)
	token, err := g.tokens.read(raw)
	if err == nil {
		return token.Email, nil
	}
	if _, selfErr := g.readAssertion(raw); selfErr == nil {
		return baseServiceAccount, nil
	}
	return "", err
}

func (g *googleIdentity) impersonate(r *http.Request, email, uniqueID string) (map[string]string, *googleError) {
	var order struct {
		Scope    []string `json:"scope"`
		Lifetime string   `json:"lifetime"`
	}
	if err := json.NewDecoder(r.Body).Decode(&order); err != nil {
		return nil, invalidArgument("Invalid JSON payload received. " + err.Error())
	}
	if len(order.Scope) == 0 {
		return nil, invalidArgument("Request contains an invalid argument: scope is required.")
	}
	lifetime := tokenLifetime
	if order.Lifetime != "" {
		parsed, err := time.ParseDuration(order.Lifetime)
		if err != nil || parsed <= 0 || parsed > tokenLifetime {
			return nil, invalidArgument("The lifetime must be from 1s to 3600s.")
		}
		lifetime = parsed
	}
	token, err := g.tokens.issue(claims{Claims: jwt.Claims{Subject: uniqueID}, Email: email, Scope: strings.Join(order.Scope, " ")}, lifetime)
	if err != nil {
		return nil, internal(err)
	}
	return map[string]string{
		"accessToken": token, "expireTime": time.Now().Add(lifetime).UTC().Format(time.RFC3339),
	}, nil
}

// googleError is a refusal in the form that all of Google's JSON APIs share.
type googleError struct {
	status  int
	name    string // canonical status
	reason  string // the older, finer word
	message string
}

func unauthenticated(err error) *googleError {
	return &googleError{http.StatusUnauthorized, "UNAUTHENTICATED", "authError", fmt.Sprintf("Invalid Credentials: %v", err)}
}

func (e *googleError) write(w http.ResponseWriter) {
	writeJSON(w, e.status, map[string]any{"error": map[string]any{
		"code": e.status, "message": e.message, "status": e.name,
		"errors": []map[string]string{{"message": e.message, "domain": "global", "reason": e.reason}},
	}})
}

// hasScope tells whether an access token may be used for writing storage.
func (c claims) hasScope() bool {
	return slices.ContainsFunc(strings.Fields(c.Scope), func(scope string) bool {
		return slices.Contains([]string{
			"https://www.googleapis.com/auth/devstorage.read_write",
			"https://www.googleapis.com/auth/devstorage.full_control",
			"https://www.googleapis.com/auth/cloud-platform",
		}, scope)
	})
}
