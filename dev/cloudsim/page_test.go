package cloudsim_test

import (
	"encoding/json"
	"errors"
	"html"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/cloudsim"
)

// do posts to the page's port and returns the status and body.
func do(t *testing.T, s *cloudsim.Server, url, contentType, body string, header http.Header) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	require.NoError(t, err)
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", contentType)
	return send(t, s, req)
}

func see(t *testing.T, s *cloudsim.Server, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	return send(t, s, req)
}

func send(t *testing.T, s *cloudsim.Server, req *http.Request) (int, string) {
	t.Helper()
	resp, err := s.HTTPClient().Do(req)
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, errors.Join(err, resp.Body.Close()))
	return resp.StatusCode, string(text)
}

func form(pairs ...string) string {
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	return values.Encode()
}

const formType = "application/x-www-form-urlencoded"

func TestPageForms(t *testing.T) {
	t.Parallel()
	s := offline(t)
	page := s.Endpoints().Page
	tenantID := uuid.NewString()
	for _, step := range []struct{ command, body string }{
		{"aws/put-role", form("arn", "arn:aws:iam::111122223333:role/audit", "trust_policy", trustPolicy, "permission_policy", everythingPolicy)},
		{"azure/consent", form("tenant_id", tenantID, "client_id", clientID)},
		{"azure/assign-role", form("tenant_id", tenantID, "member", "auditferry", "role", cloudsim.StorageBlobDataContributor, "account", "acmeaudit", "delay", "45m")},
		{"gcp/bind", form("bucket", "audit", "member", member, "permissions", "storage.objects.create\r\nstorage.objects.list")},
		{"gcp/impersonation", form("allowed", "false")},
		{"aws/put-role", form("arn", "arn:aws:iam::111122223333:role/late", "trust_policy", trustPolicy, "permission_policy", everythingPolicy, "delay", "12s")},
		{"aws/set-bucket-owner", form("bucket", "acme", "account", "444455556666")},
		{"azure/disable-app", form("tenant_id", tenantID, "client_id", clientID, "disabled", "true")},
		{"azure/set-network-rules", form("account", "acmeaudit", "allowed", "false")},
		{"gcp/create-service-account", form("email", "af-acme-0001@auditferry-dev.iam.gserviceaccount.com")},
		{"gcp/set-bucket-project", form("bucket", "acme", "number", "200000000002")},
	} {
		status, text := do(t, s, page+"/do/"+step.command, formType, step.body, nil)
		require.Equal(t, http.StatusOK, status, text)
	}
	got := s.Grants()
	require.Len(t, got.Roles, 2)
	require.Equal(t, map[string]string{"acme": "444455556666"}, got.BucketOwners)
	require.Equal(t, map[string]string{"acme": "200000000002"}, got.BucketProjects)
	require.Equal(t, []string{"acmeaudit"}, got.ClosedAccounts)
	require.Len(t, got.DisabledApps, 1)
	require.Len(t, got.ServiceAccounts, 1)
	require.Len(t, got.Consents, 1)
	require.Len(t, got.Assignments, 1)
	require.Equal(t, []string{"storage.objects.create", "storage.objects.list"}, got.Bindings[0].Permissions)
	require.True(t, got.ImpersonationDenied)
	_, text := see(t, s, page)
	require.Contains(t, text, tenantID)
	require.Contains(t, text, "effective in 4") // 44 min 59 s, or 45 min
	require.Regexp(t, `effective in \d+ s<`, text)
	require.Contains(t, text, ">effective<")
	require.Contains(t, text, "444455556666")
	require.Contains(t, text, "200000000002")
	require.Contains(t, text, "firewall closed")
	require.Contains(t, text, ">disabled<")
	require.Contains(t, text, "may <b>not</b> impersonate")

	for _, step := range []struct{ command, body string }{
		{"aws/delete-role", form("arn", "arn:aws:iam::111122223333:role/audit")},
		{"aws/delete-role", form("arn", "arn:aws:iam::111122223333:role/late")},
		{"azure/disable-app", form("tenant_id", tenantID, "client_id", clientID, "disabled", "false")},
		{"azure/set-network-rules", form("account", "acmeaudit", "allowed", "true")},
		{"gcp/delete-service-account", form("email", "af-acme-0001@auditferry-dev.iam.gserviceaccount.com")},
		{"azure/remove-assignment", form("tenant_id", tenantID, "member", clientID, "role", cloudsim.StorageBlobDataContributor, "account", "acmeaudit", "container", "")},
		{"azure/revoke-consent", form("tenant_id", tenantID, "client_id", clientID)},
		{"gcp/unbind", form("bucket", "audit", "member", member)},
		{"gcp/impersonation", form("allowed", "true")},
	} {
		status, text := do(t, s, page+"/do/"+step.command, formType, step.body, nil)
		require.Equal(t, http.StatusOK, status, text)
	}
	got = s.Grants()
	require.Empty(t, got.Roles)
	require.Empty(t, got.ClosedAccounts)
	require.Empty(t, got.DisabledApps)
	require.Empty(t, got.ServiceAccounts)
	require.Empty(t, got.Consents)
	require.Empty(t, got.Assignments)
	require.Empty(t, got.Bindings)
	require.False(t, got.ImpersonationDenied)
}

func TestPageJSON(t *testing.T) {
	t.Parallel()
	s := offline(t)
	page, tenantID := s.Endpoints().Page, uuid.NewString()
	status, _ := do(t, s, page+"/do/azure/consent", "application/json", `{"tenant_id":"`+tenantID+`","client_id":"`+clientID+`"}`, nil)
	require.Equal(t, http.StatusNoContent, status)
	_, text := see(t, s, page+"/grants")
	var grants cloudsim.Grants
	require.NoError(t, json.Unmarshal([]byte(text), &grants))
	require.Equal(t, tenantID, grants.Consents[0].TenantID)

	for command, body := range map[string]string{
		"aws/put-role":      `{"arn":"x"}`,
		"azure/consent":     `{"tenant_id":"x","client_id":"` + clientID + `"}`,
		"azure/assign-role": `{"tenant_id":"` + tenantID + `","member":"somebody","role":"r","account":"a"}`,
		"gcp/bind":          `{"bucket":"b","member":"` + member + `","permissions":"p","delay":"soon"}`,
		"gcp/unbind":        `not JSON`,

		"aws/set-bucket-owner":       `{"bucket":"b","account":"acme"}`,
		"azure/disable-app":          `{"tenant_id":"` + uuid.NewString() + `","client_id":"` + clientID + `","disabled":"true"}`,
		"azure/set-network-rules":    `{"account":"nobody"}`,
		"gcp/create-service-account": `{"email":"somebody"}`,
		"gcp/delete-service-account": `{"email":"somebody"}`,
		"gcp/set-bucket-project":     `{"bucket":"b","number":"acme"}`,
	} {
		status, text := do(t, s, page+"/do/"+command, "application/json", body, nil)
		require.Equal(t, http.StatusBadRequest, status, command)
		require.Contains(t, text, `"error"`, command)
	}
	status, _ = do(t, s, page+"/do/azure/nothing", "application/json", `{}`, nil)
	require.Equal(t, http.StatusNotFound, status)
	require.Len(t, s.Grants().Consents, 1)
}

func TestPageShowsWhatIsWrongAndEscapes(t *testing.T) {
	t.Parallel()
	s := offline(t)
	status, text := do(t, s, s.Endpoints().Page+"/do/gcp/bind", formType, form("bucket", "b", "member", member, "permissions", "p", "delay", "<script>"), nil)
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, text, "&lt;script&gt;")
	require.NotContains(t, text, "<script>")
}

// A role is edited from what it is, and what was typed survives a refusal.
func TestPageKeepsPolicies(t *testing.T) {
	t.Parallel()
	s := offline(t)
	const arn = "arn:aws:iam::111122223333:role/audit"
	role := cloudsim.Role{ARN: arn, TrustPolicy: trustPolicy, PermissionPolicy: everythingPolicy}
	require.NoError(t, s.PutRole(t.Context(), role))
	page := s.Endpoints().Page
	_, text := see(t, s, page)
	require.Contains(t, text, "&lt;external ID&gt;", "the form begins with the reference's example")
	_, text = see(t, s, page+"/?role="+url.QueryEscape(arn))
	require.Contains(t, text, html.EscapeString(everythingPolicy)+"</textarea>")
	require.NotContains(t, text, "&lt;external ID&gt;")

	status, text := do(t, s, page+"/do/aws/put-role", formType, form("arn", arn, "trust_policy", "my policy", "permission_policy", "p", "delay", "7m"), nil)
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, text, "my policy</textarea>")
	require.Contains(t, text, `value="7m"`)
	require.Contains(t, text, "Refused")
}

// The page leads to the consent page of the tenant and the app.
func TestPageOpensConsent(t *testing.T) {
	t.Parallel()
	s := offline(t)
	status, text := see(t, s, s.Endpoints().Page+"/consent?tenant_id="+uuid.NewString()+"&client_id="+pool()[1].ClientID)
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, text, "Permissions requested")
	require.Contains(t, text, pool()[1].Name)
	status, text = see(t, s, s.Endpoints().Page+"/consent?tenant_id=elsewhere&client_id="+clientID)
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, text, "there is no tenant")
}

func TestPageRefusesOtherSites(t *testing.T) {
	t.Parallel()
	s := offline(t)
	foreign := http.Header{"Sec-Fetch-Site": {"cross-site"}}
	status, _ := do(t, s, s.Endpoints().Page+"/do/gcp/impersonation", formType, form("allowed", "false"), foreign)
	require.Equal(t, http.StatusForbidden, status)
	status, _ = do(t, s, s.Endpoints().Authority+"/"+uuid.NewString()+"/oauth2/authorize?client_id="+clientID, formType, "", foreign)
	require.Equal(t, http.StatusForbidden, status)
	require.Empty(t, s.Grants().Consents)
}

// A person opens the consent URL of an integration and clicks Accept.
func TestConsentPage(t *testing.T) {
	t.Parallel()
	s := offline(t)
	tenantID := uuid.NewString()
	for _, path := range []string{"/oauth2/authorize", "/adminconsent"} {
		consent := s.Endpoints().Authority + "/" + tenantID + path + "?client_id=" + clientID + "&response_type=code"
		status, text := see(t, s, consent)
		require.Equal(t, http.StatusOK, status)
		require.Contains(t, text, appName)
		require.Contains(t, text, "Accept")
		require.Empty(t, s.Grants().Consents)
		status, text = do(t, s, consent, formType, "", nil)
		require.Equal(t, http.StatusOK, status)
		require.Contains(t, text, "Accepted")
		require.Len(t, s.Grants().Consents, 1)
		require.NoError(t, s.RevokeConsent(tenantID, clientID))
	}
	for _, wrong := range []string{"/common/oauth2/authorize?client_id=" + clientID, "/" + tenantID + "/oauth2/authorize?client_id=other"} {
		status, _ := see(t, s, s.Endpoints().Authority+wrong)
		require.Equal(t, http.StatusBadRequest, status)
		status, _ = do(t, s, s.Endpoints().Authority+wrong, formType, "", nil)
		require.Equal(t, http.StatusBadRequest, status)
	}
	require.Empty(t, s.Grants().Consents)
}

func TestTakenPort(t *testing.T) {
	t.Parallel()
	s := offline(t)
	_, err := cloudsim.Start(t.Context(), cloudsim.Config{Listen: cloudsim.Listen{Page: strings.TrimPrefix(s.Endpoints().Page, "http://")}})
	require.ErrorContains(t, err, "listen for page")
}

func TestStartChecksTheServiceUser(t *testing.T) {
	t.Parallel()
	_, err := cloudsim.Start(t.Context(), cloudsim.Config{AWS: cloudsim.AWSConfig{AccessKeyID: "AKIASERVICE", ServiceUserARN: "me"}})
	require.ErrorContains(t, err, "service user")
}
