package destination_test

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/internal/destination/destinationtest"
	"github.com/auditferry/auditferry/schemas"
)

// cloud answers requests in place of all hosts, so that the SDKs' real parsing
// and retrying is tried with answers that no emulator gives.
type cloud func(r *http.Request) (*http.Response, error)

func (c cloud) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		// A body that ends early is the SDK's news, not this cloud's.
		content, _ := io.ReadAll(r.Body)
		_ = r.Body.Close()
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(content))
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return c(r)
}

func answer(r *http.Request, status int, headers http.Header, body string) *http.Response {
	if headers == nil {
		headers = http.Header{}
	}
	return &http.Response{
		StatusCode: status, Status: fmt.Sprintf("%d %s", status, http.StatusText(status)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: headers, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}
}

// refusal is how a cloud refuses.
type refusal struct {
	status int
	code   string
	err    error  // instead of an answer
	words  string // "": the words of the cloud
}

func (f refusal) says() string {
	if f.words == "" {
		return "the words of the cloud"
	}
	return f.words
}

func (f refusal) xml(r *http.Request) (*http.Response, error) {
	if f.err != nil {
		return nil, f.err
	}
	body := fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>%s</Message></Error>`, f.code, html.EscapeString(f.says()))
	return answer(r, f.status, http.Header{"Content-Type": {"application/xml"}}, body), nil
}

// blob is how Azure refuses: the sign-in's details stand apart, and a 401 tells
// where to sign in.
func (f refusal) blob(r *http.Request) (*http.Response, error) {
	if f.err != nil {
		return nil, f.err
	}
	body := fmt.Sprintf("\ufeff"+`<?xml version="1.0" encoding="utf-8"?><Error><Code>%s</Code><Message>the words of the cloud
RequestId:1
Time:2026-03-01T00:00:00Z</Message><AuthenticationErrorDetail>%s</AuthenticationErrorDetail></Error>`, f.code, html.EscapeString(f.words))
	header := http.Header{"Content-Type": {"application/xml"}, "X-Ms-Error-Code": {f.code}}
	if f.status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", "Bearer authorization_uri=https://"+entraHost+"/9f1b/oauth2/authorize resource_id=https://storage.azure.com")
	}
	return answer(r, f.status, header, body), nil
}

func (f refusal) sts(r *http.Request) (*http.Response, error) {
	body := fmt.Sprintf(`<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>`, f.code, html.EscapeString(f.says()))
	return answer(r, f.status, http.Header{"Content-Type": {"text/xml"}}, body), nil
}

func (f refusal) google(r *http.Request) (*http.Response, error) {
	if f.err != nil {
		return nil, f.err
	}
	body := fmt.Sprintf(`{"error":{"code":%[1]d,"message":%[3]q,"errors":[{"reason":%[2]q,"message":%[3]q}]}}`, f.status, f.code, f.says())
	switch { // the newer APIs
	case strings.HasPrefix(f.code, "IAM_"):
		body = fmt.Sprintf(`{"error":{"code":%[1]d,"message":%[3]q,"status":"PERMISSION_DENIED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":%[2]q}]}}`, f.status, f.code, f.says())
	case strings.ToUpper(f.code) == f.code:
		body = fmt.Sprintf(`{"error":{"code":%[1]d,"message":%[3]q,"status":%[2]q}}`, f.status, f.code, f.says())
	}
	return answer(r, f.status, http.Header{"Content-Type": {"application/json"}}, body), nil
}

func (f refusal) entra(r *http.Request) (*http.Response, error) {
	body := fmt.Sprintf(`{"error":"unauthorized_client","error_description":"%s: The words of \"the cloud\". Trace ID: 1\r\nCorrelation ID: 2","error_codes":[1]}`, f.code)
	return answer(r, f.status, http.Header{"Content-Type": {"application/json"}}, body), nil
}

func assumed(r *http.Request) (*http.Response, error) {
	return answer(r, http.StatusOK, http.Header{"Content-Type": {"text/xml"}}, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
		<AccessKeyId>ASIASESSION</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>
		<Expiration>`+time.Now().Add(time.Hour).UTC().Format(time.RFC3339)+`</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`), nil
}

// careful is STS for a role that wants its external ID.
func careful(r *http.Request) (*http.Response, error) {
	if r.FormValue("ExternalId") != externalID {
		return refusal{status: http.StatusForbidden, code: "AccessDenied"}.sts(r)
	}
	return assumed(r)
}

func isSTS(r *http.Request) bool { return strings.HasPrefix(r.URL.Host, "sts.") }

func entraToken(r *http.Request) (*http.Response, error) {
	body := `{"token_type":"Bearer","expires_in":3600,"access_token":"token"}`
	if strings.Contains(r.URL.Path, "openid-configuration") {
		base := "https://" + r.URL.Host + "/" + strings.Split(r.URL.Path, "/")[1]
		body = fmt.Sprintf(`{"token_endpoint":"%[1]s/oauth2/v2.0/token","authorization_endpoint":"%[1]s/oauth2/v2.0/authorize","issuer":"%[1]s/v2.0"}`, base)
	}
	return answer(r, http.StatusOK, http.Header{"Content-Type": {"application/json"}}, body), nil
}

const entraHost = "entra.example"

func impersonatedToken(r *http.Request) (*http.Response, error) {
	body := fmt.Sprintf(`{"accessToken":"token","expireTime":%q}`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	return answer(r, http.StatusOK, http.Header{"Content-Type": {"application/json"}}, body), nil
}

func isIAM(r *http.Request) bool { return strings.HasPrefix(r.URL.Host, "iamcredentials.") }

// Values of credentials, which no explanation may hold.
const (
	externalID = "af-61f0c0de"
	consentURL = "https://login.microsoftonline.com/x/oauth2/authorize?client_id=" + clientID
)

// targets are ones that the real clouds could have.
var targets = map[schemas.Cloud]destination.Target{
	schemas.AWS: {
		Destination: schemas.Destination{Cloud: schemas.AWS, Bucket: "acme-audit", Prefix: "logs"},
		Grant:       schemas.Grant{RoleARN: "arn:aws:iam::123456789012:role/audit"},
		Credentials: schemas.Credentials{AWS: &schemas.AWSCredentials{ExternalID: externalID, IAMUserARN: serviceUserARN}},
	},
	schemas.Azure: {
		Destination: schemas.Destination{Cloud: schemas.Azure, Account: azureAccount, Bucket: "audit", Prefix: "logs"},
		Grant:       schemas.Grant{TenantID: "72f988bf-86f1-41af-91ab-2d7cd011db47"},
		Credentials: schemas.Credentials{Azure: &schemas.AzureCredentials{
			ConsentURL: consentURL, MultiTenantAppName: appName,
		}},
	},
	schemas.GCP: {
		Destination: schemas.Destination{Cloud: schemas.GCP, Bucket: "acme-audit", Prefix: "logs"},
		Credentials: schemas.Credentials{GCP: &schemas.GCPCredentials{ServiceAccount: serviceAccount}},
	},
}

func openOver(t *testing.T, network cloud, target destination.Target) destination.Destination {
	t.Helper()
	o, err := destination.NewOpenerOver(t.Context(), destination.Config{
		AWS:   destination.AWSConfig{Region: "us-east-1"},
		Azure: destination.AzureConfig{Apps: map[string]string{clientID: clientSecret}, AuthorityHost: "https://" + entraHost + "/"},
	}, network)
	require.NoError(t, err)
	o.BeSomebody()
	d, err := o.Open(t.Context(), target)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

// A deadline is the caller's, and no cloud's failure.
func TestPutEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for at, target := range targets {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			d := openOver(t, func(r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}, target)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			err := d.Put(ctx, "logs/part", destinationtest.NewObject([]byte("content")))
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, schemas.KindUnavailable, destination.KindOf(err))
		})
	}
}

// A cloud that does not answer at all is a finding like any other, and comes
// within what one attempt of an access check may take.
func TestProbeOfASilentCloud(t *testing.T) {
	t.Parallel()
	for at, target := range targets {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := openOver(t, func(r *http.Request) (*http.Response, error) {
					select {
					case <-r.Context().Done():
						return nil, r.Context().Err()
					case <-time.After(2 * time.Minute): // AWS renews credentials without regard to who waits
						return nil, os.ErrDeadlineExceeded
					}
				}, target)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				report, err := d.Probe(ctx, nil)
				require.NoError(t, err)
				failure, failed := report.Failure()
				require.True(t, failed)
				require.Equal(t, schemas.KindUnavailable, failure.Kind, "%+v", failure)
				outlastSDKs()
			})
		})
	}
}

func TestOpenRefusesWhatCanNeverWork(t *testing.T) {
	t.Parallel()
	o, err := destination.NewOpener(t.Context(), destination.Config{})
	require.NoError(t, err)
	for at, target := range targets {
		target.Credentials = schemas.Credentials{}
		_, err := o.Open(t.Context(), target)
		require.Equal(t, schemas.KindInvalid, destination.KindOf(err), "%s: %v", at, err)
		require.ErrorContains(t, err, "credentials")
	}
	wrongRole := targets[schemas.AWS]
	wrongRole.Grant.RoleARN = "role"
	_, err = o.Open(t.Context(), wrongRole)
	require.Equal(t, schemas.KindInvalid, destination.KindOf(err))
	_, err = o.Open(t.Context(), destination.Target{})
	require.Equal(t, schemas.KindInvalid, destination.KindOf(err))
}

// outlastSDKs lets what SDKs do by the way, such as renewing a token, come to
// its end before a bubble of synctest does. No time passes but on the bubble's
// own clock.
func outlastSDKs() { time.Sleep(time.Hour) }
