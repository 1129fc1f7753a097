package cloudsim

import (
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"github.com/google/uuid"
)

// Data actions, without their common beginning
// Microsoft.Storage/storageAccounts/blobServices/.
const (
	actionContainersRead   = "containers/read"
	actionContainersWrite  = "containers/write"
	actionContainersDelete = "containers/delete"
	actionBlobsRead        = "containers/blobs/read"
	actionBlobsWrite       = "containers/blobs/write"
	actionBlobsDelete      = "containers/blobs/delete"
)

// blobRoles are the built-in roles that reach data. Management roles such as
// Contributor do not, which is the mistake most often made here.
//
// https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/storage
var blobRoles = map[string][]string{
	"Storage Blob Data Reader": {actionContainersRead, actionBlobsRead},
	StorageBlobDataContributor: {
		actionContainersRead, actionContainersWrite, actionContainersDelete,
		actionBlobsRead, actionBlobsWrite, actionBlobsDelete,
	},
	"Storage Blob Data Owner": {
		actionContainersRead, actionContainersWrite, actionContainersDelete,
		actionBlobsRead, actionBlobsWrite, actionBlobsDelete,
	},
}

// sasLifetime has to cover one request.
const sasLifetime = time.Hour

// blobProxy stands before Azurite, which knows shared keys only: it checks the
// bearer token and the role assignments, then vouches with an account SAS.
type blobProxy struct {
	cfg       AzureConfig
	authority string
	grants    *grants
	log       *requestLog
	tokens    *tokens
	upstream  *httputil.ReverseProxy
}

type blobError struct {
	status  int
	code    string
	message string
}

func newBlobProxy(cfg AzureConfig, authority string, g *grants, log *requestLog, t *tokens, transport http.RoundTripper) (*blobProxy, error) {
	upstream, err := newUpstream("azurite", cfg.BlobEndpoint, transport, func(pr *httputil.ProxyRequest) {
		pr.Out.Header.Del("Authorization")
	})
	return &blobProxy{cfg: cfg, authority: authority, grants: g, log: log, tokens: t, upstream: upstream}, err
}

func (p *blobProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	account, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	container, blob, _ := strings.Cut(rest, "/")
	out := p.log.record(w, Request{
		Cloud: "azure", Method: r.Method, Path: r.URL.RequestURI(),
		Permission: blobAction(r, container, blob), Resource: strings.TrimSuffix(account+"/"+container+"/"+blob, "/"),
	})
	refusal := p.check(r, &out.entry, account, container)
	if refusal == nil {
		r, refusal = p.sign(r, account)
	}
	if refusal != nil {
		out.entry.Reason = refusal.code
		p.refuse(out, refusal)
		return
	}
	p.upstream.ServeHTTP(out, r)
}

func (p *blobProxy) check(r *http.Request, entry *Request, account, container string) *blobError {
	raw := bearer(r)
	if raw == "" {
		entry.Principal = anonymous
		return &blobError{http.StatusUnauthorized, "NoAuthenticationInformation", "Server failed to authenticate the request. Please refer to the information in the www-authenticate header."}
	}
	token, err := p.tokens.read(raw)
	if err != nil {
		return &blobError{http.StatusUnauthorized, "InvalidAuthenticationInfo", "Server failed to authenticate the request. Please refer to the information in the www-authenticate header. " + err.Error()}
	}
	entry.Principal = token.AppID + " in " + token.TenantID
	if _, exists := p.cfg.Accounts[account]; !exists {
		return &blobError{http.StatusNotFound, "ResourceNotFound", "The specified resource does not exist: there is no storage account " + account + "."}
	}
	granted := p.grants.snapshot()
	if slices.Contains(granted.ClosedAccounts, account) {
		return &blobError{http.StatusForbidden, "AuthorizationFailure", "This request is not authorized to perform this operation."}
	}
	if !granted.assigned(token, account, container, entry.Permission, time.Now()) {
		return &blobError{http.StatusForbidden, "AuthorizationPermissionMismatch", "This request is not authorized to perform this operation using this permission."}
	}
	return nil
}

// assigned tells whether a role that has taken effect allows the action.
func (g Grants) assigned(token claims, account, container, action string, now time.Time) bool {
	return slices.ContainsFunc(g.Assignments, func(a Assignment) bool {
		return a.TenantID == token.TenantID && a.ClientID == token.AppID &&
			a.Account == account && (a.Container == "" || a.Container == container) &&
			!a.EffectiveAt.After(now) && slices.Contains(blobRoles[a.Role], action)
	})
}

// sign gives the request the account's own word.
func (p *blobProxy) sign(r *http.Request, account string) (*http.Request, *blobError) {
	extra, err := accountSAS(account, p.cfg.Accounts[account])
	if err != nil {
		return nil, &blobError{http.StatusInternalServerError, "InternalError", err.Error()}
	}
	signed := r.Clone(r.Context())
	values := signed.URL.Query()
	maps.Copy(values, extra)
	signed.URL.RawQuery = values.Encode()
	return signed, nil
}

func accountSAS(account, key string) (url.Values, error) {
	credential, err := azblob.NewSharedKeyCredential(account, key)
	if err != nil {
		return nil, err
	}
	query, err := sas.AccountSignatureValues{
		Version:       "2021-12-02", // any that every Azurite knows
		Protocol:      sas.ProtocolHTTPSandHTTP,
		ExpiryTime:    time.Now().Add(sasLifetime),
		Permissions:   (&sas.AccountPermissions{Read: true, Write: true, Delete: true, List: true, Add: true, Create: true}).String(),
		ResourceTypes: (&sas.AccountResourceTypes{Service: true, Container: true, Object: true}).String(),
	}.SignWithSharedKey(credential)
	if err != nil {
		return nil, err
	}
	return url.ParseQuery(query.Encode())
}

func (p *blobProxy) refuse(w http.ResponseWriter, refusal *blobError) {
	id := uuid.NewString()
	w.Header().Set("X-Ms-Error-Code", refusal.code)
	w.Header().Set("X-Ms-Request-Id", id)
	if refusal.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf("Bearer authorization_uri=%s/common/oauth2/authorize resource_id=%s", p.authority, storageAudience))
	}
	writeXML(w, refusal.status, struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
	}{Code: refusal.code, Message: fmt.Sprintf("%s\nRequestId:%s\nTime:%s", refusal.message, id, time.Now().UTC().Format(time.RFC3339Nano))})
}

// blobAction names the data action that a request needs.
//
// https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory
func blobAction(r *http.Request, container, blob string) string {
	query := r.URL.Query()
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case container == "":
		return actionContainersRead
	case blob == "" && read && query.Get("comp") == "list":
		return actionBlobsRead
	case blob == "" && read:
		return actionContainersRead
	case blob == "" && r.Method == http.MethodDelete:
		return actionContainersDelete
	case blob == "":
		return actionContainersWrite
	case read:
		return actionBlobsRead
	case r.Method == http.MethodDelete:
		return actionBlobsDelete
	default:
		return actionBlobsWrite
	}
}
