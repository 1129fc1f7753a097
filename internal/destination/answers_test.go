package destination_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
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
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
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
	err    error // instead of an answer
}

func (f refusal) xml(r *http.Request) (*http.Response, error) {
	if f.err != nil {
		return nil, f.err
	}
	body := fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>the words of the cloud</Message></Error>`, f.code)
	return answer(r, f.status, http.Header{"Content-Type": {"application/xml"}, "X-Ms-Error-Code": {f.code}}, body), nil
}

func (f refusal) sts(r *http.Request) (*http.Response, error) {
	body := fmt.Sprintf(`<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>the words of the cloud</Message></Error></ErrorResponse>`, f.code)
	return answer(r, f.status, http.Header{"Content-Type": {"text/xml"}}, body), nil
}

func (f refusal) google(r *http.Request) (*http.Response, error) {
	if f.err != nil {
		return nil, f.err
	}
	body := fmt.Sprintf(`{"error":{"code":%d,"message":"the words of the cloud","errors":[{"reason":%q,"message":"the words of the cloud"}]}}`, f.status, f.code)
	return answer(r, f.status, http.Header{"Content-Type": {"application/json"}}, body), nil
}

func (f refusal) entra(r *http.Request) (*http.Response, error) {
	body := fmt.Sprintf(`{"error":"unauthorized_client","error_description":"%s: The words of \"Entra\". Trace ID: 1\r\nCorrelation ID: 2","error_codes":[1]}`, f.code)
	return answer(r, f.status, http.Header{"Content-Type": {"application/json"}}, body), nil
}

func assumed(r *http.Request) (*http.Response, error) {
	return answer(r, http.StatusOK, http.Header{"Content-Type": {"text/xml"}}, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
		<AccessKeyId>ASIASESSION</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>
		<Expiration>`+time.Now().Add(time.Hour).UTC().Format(time.RFC3339)+`</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`), nil
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

// targets are ones that the real clouds could have.
var targets = map[schemas.Cloud]destination.Target{
	schemas.AWS: {
		Destination: schemas.Destination{Cloud: schemas.AWS, Bucket: "acme-audit", Prefix: "logs"},
		Grant:       schemas.Grant{RoleARN: "arn:aws:iam::123456789012:role/audit"},
		Credentials: schemas.Credentials{AWS: &schemas.AWSCredentials{ExternalID: "external", IAMUserARN: serviceUserARN}},
	},
	schemas.Azure: {
		Destination: schemas.Destination{Cloud: schemas.Azure, Account: azureAccount, Bucket: "audit", Prefix: "logs"},
		Grant:       schemas.Grant{TenantID: "72f988bf-86f1-41af-91ab-2d7cd011db47"},
		Credentials: schemas.Credentials{Azure: &schemas.AzureCredentials{
			ConsentURL: "https://login.microsoftonline.com/x?client_id=" + clientID, MultiTenantAppName: appName,
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

type errorRow struct {
	refusal
	kind schemas.ErrorKind
}

func checkErrors(t *testing.T, at schemas.Cloud, rows []errorRow, network func(refusal) cloud) {
	t.Helper()
	for _, row := range rows {
		t.Run(fmt.Sprintf("%d %s %v", row.status, row.code, row.err), func(t *testing.T) {
			t.Parallel()
			d := openOver(t, network(row.refusal), targets[at])
			err := d.Put(t.Context(), "logs/part", destinationtest.NewObject([]byte("content")))
			require.Error(t, err)
			require.Equal(t, row.kind, destination.KindOf(err), "%v", err)
			require.NotContains(t, err.Error(), "\n")
			if row.err == nil {
				require.Equal(t, row.code, destination.CodeOf(err), "%v", err)
				require.Contains(t, err.Error(), row.code)
			}
		})
	}
}

func TestS3ErrorKinds(t *testing.T) {
	t.Parallel()
	rows := []errorRow{
		{refusal{403, "AccessDenied", nil}, schemas.KindDenied},
		{refusal{403, "AllAccessDisabled", nil}, schemas.KindDenied},
		{refusal{400, "KMS.DisabledException", nil}, schemas.KindDenied},
		{refusal{403, "SomethingNew", nil}, schemas.KindDenied},
		{refusal{404, "NoSuchBucket", nil}, schemas.KindNotFound},
		{refusal{503, "SlowDown", nil}, schemas.KindThrottled},
		{refusal{429, "TooManyRequests", nil}, schemas.KindThrottled},
		{refusal{500, "InternalError", nil}, schemas.KindUnavailable},
		{refusal{503, "ServiceUnavailable", nil}, schemas.KindUnavailable},
		{refusal{400, "RequestTimeout", nil}, schemas.KindUnavailable},
		{refusal{400, "BadDigest", nil}, schemas.KindUnavailable},
		{refusal{400, "ExpiredToken", nil}, schemas.KindUnavailable},
		{refusal{403, "RequestTimeTooSkewed", nil}, schemas.KindUnavailable},
		{refusal{403, "InvalidAccessKeyId", nil}, schemas.KindUnavailable},
		{refusal{403, "SignatureDoesNotMatch", nil}, schemas.KindUnavailable},
		{refusal{409, "ConditionalRequestConflict", nil}, schemas.KindUnavailable},
		{refusal{409, "OperationAborted", nil}, schemas.KindUnavailable},
		{refusal{301, "PermanentRedirect", nil}, schemas.KindUnavailable},
		{refusal{400, "InvalidRequest", nil}, schemas.KindInvalid},
		{refusal{400, "KeyTooLongError", nil}, schemas.KindInvalid},
		{refusal{405, "MethodNotAllowed", nil}, schemas.KindInvalid},
		{refusal{0, "", os.ErrDeadlineExceeded}, schemas.KindUnavailable},
		{refusal{0, "", &net.OpError{Op: "dial", Err: errors.New("connection refused")}}, schemas.KindUnavailable},
	}
	checkErrors(t, schemas.AWS, rows, func(f refusal) cloud {
		return func(r *http.Request) (*http.Response, error) {
			switch {
			case isSTS(r):
				return assumed(r)
			case r.Method == http.MethodHead:
				return answer(r, http.StatusForbidden, http.Header{"X-Amz-Bucket-Region": {"us-east-1"}}, ""), nil
			}
			return f.xml(r)
		}
	})
}

func TestSTSErrorKinds(t *testing.T) {
	t.Parallel()
	rows := []errorRow{
		{refusal{403, "AccessDenied", nil}, schemas.KindDenied},
		{refusal{403, "RegionDisabledException", nil}, schemas.KindDenied},
		{refusal{403, "InvalidClientTokenId", nil}, schemas.KindUnavailable},
		{refusal{403, "SignatureDoesNotMatch", nil}, schemas.KindUnavailable},
		{refusal{400, "ExpiredTokenException", nil}, schemas.KindUnavailable},
		{refusal{400, "Throttling", nil}, schemas.KindThrottled},
		{refusal{400, "ValidationError", nil}, schemas.KindInvalid},
		{refusal{400, "PackedPolicyTooLarge", nil}, schemas.KindInvalid},
		{refusal{400, "MalformedPolicyDocument", nil}, schemas.KindInvalid},
		{refusal{503, "ServiceUnavailable", nil}, schemas.KindUnavailable},
	}
	checkErrors(t, schemas.AWS, rows, func(f refusal) cloud {
		return func(r *http.Request) (*http.Response, error) {
			if isSTS(r) {
				return f.sts(r)
			}
			return answer(r, http.StatusForbidden, http.Header{"X-Amz-Bucket-Region": {"us-east-1"}}, ""), nil
		}
	})
}

func TestAzureErrorKinds(t *testing.T) {
	t.Parallel()
	rows := []errorRow{
		{refusal{403, "AuthorizationPermissionMismatch", nil}, schemas.KindDenied},
		{refusal{403, "AuthorizationFailure", nil}, schemas.KindDenied},
		{refusal{403, "AccountIsDisabled", nil}, schemas.KindDenied},
		{refusal{404, "ContainerNotFound", nil}, schemas.KindNotFound},
		{refusal{404, "ResourceNotFound", nil}, schemas.KindNotFound},
		{refusal{409, "ContainerBeingDeleted", nil}, schemas.KindNotFound},
		{refusal{0, "", &net.DNSError{Name: "acmeaudit.blob.core.windows.net", IsNotFound: true}}, schemas.KindNotFound},
		{refusal{503, "ServerBusy", nil}, schemas.KindThrottled},
		{refusal{429, "TooManyRequests", nil}, schemas.KindThrottled},
		{refusal{500, "InternalError", nil}, schemas.KindUnavailable},
		{refusal{500, "OperationTimedOut", nil}, schemas.KindUnavailable},
		{refusal{400, "Md5Mismatch", nil}, schemas.KindUnavailable},
		{refusal{409, "OperationNotAllowedOnTheBlob", nil}, schemas.KindUnavailable},
		{refusal{0, "", &net.DNSError{Name: "acmeaudit.blob.core.windows.net", IsTemporary: true}}, schemas.KindUnavailable},
		{refusal{0, "", os.ErrDeadlineExceeded}, schemas.KindUnavailable},
		{refusal{400, "InvalidResourceName", nil}, schemas.KindInvalid},
		{refusal{413, "RequestBodyTooLarge", nil}, schemas.KindInvalid},
	}
	checkErrors(t, schemas.Azure, rows, func(f refusal) cloud {
		return func(r *http.Request) (*http.Response, error) {
			if r.URL.Host == entraHost {
				return entraToken(r)
			}
			return f.xml(r)
		}
	})
}

func TestEntraErrorKinds(t *testing.T) {
	t.Parallel()
	rows := []errorRow{
		{refusal{400, "AADSTS700016", nil}, schemas.KindDenied},
		{refusal{401, "AADSTS7000112", nil}, schemas.KindDenied},
		{refusal{400, "AADSTS65001", nil}, schemas.KindDenied},
		{refusal{401, "AADSTS7000229", nil}, schemas.KindDenied},
		{refusal{400, "AADSTS90002", nil}, schemas.KindNotFound},
		{refusal{401, "AADSTS7000215", nil}, schemas.KindUnavailable},
		{refusal{401, "AADSTS7000222", nil}, schemas.KindUnavailable},
		{refusal{400, "AADSTS90033", nil}, schemas.KindUnavailable},
		{refusal{400, "AADSTS50196", nil}, schemas.KindThrottled},
		{refusal{400, "AADSTS9999999", nil}, schemas.KindInvalid},
	}
	checkErrors(t, schemas.Azure, rows, func(f refusal) cloud {
		return func(r *http.Request) (*http.Response, error) {
			if strings.Contains(r.URL.Path, "openid-configuration") {
				return entraToken(r)
			}
			return f.entra(r)
		}
	})
}

func TestGCSErrorKinds(t *testing.T) {
	t.Parallel()
	rows := []errorRow{
		{refusal{403, "forbidden", nil}, schemas.KindDenied},
		{refusal{401, "required", nil}, schemas.KindDenied},
		{refusal{403, "accountDisabled", nil}, schemas.KindDenied},
		{refusal{401, "authError", nil}, schemas.KindUnavailable},
		{refusal{404, "notFound", nil}, schemas.KindNotFound},
		{refusal{403, "rateLimitExceeded", nil}, schemas.KindThrottled},
		{refusal{429, "userRateLimitExceeded", nil}, schemas.KindThrottled},
		{refusal{500, "internalError", nil}, schemas.KindUnavailable},
		{refusal{503, "backendError", nil}, schemas.KindUnavailable},
		{refusal{0, "", &net.OpError{Op: "dial", Err: errors.New("connection refused")}}, schemas.KindUnavailable},
		{refusal{400, "invalid", nil}, schemas.KindInvalid},
		{refusal{412, "orgPolicyConstraintFailed", nil}, schemas.KindDenied},
	}
	checkErrors(t, schemas.GCP, rows, func(f refusal) cloud {
		return func(r *http.Request) (*http.Response, error) {
			if isIAM(r) {
				return impersonatedToken(r)
			}
			return f.google(r)
		}
	})
}

func TestImpersonationErrorKinds(t *testing.T) {
	t.Parallel()
	rows := []errorRow{
		{refusal{403, "forbidden", nil}, schemas.KindUnavailable},
		{refusal{404, "notFound", nil}, schemas.KindNotFound},
		{refusal{429, "rateLimitExceeded", nil}, schemas.KindThrottled},
	}
	checkErrors(t, schemas.GCP, rows, func(f refusal) cloud { return f.google })
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
// within the minute that one attempt of an access check has.
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
				time.Sleep(time.Hour) // of the bubble's own clock, for the renewal to end
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
