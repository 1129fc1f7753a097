package destination_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/internal/destination/destinationtest"
	"github.com/auditferry/auditferry/schemas"
)

// explained is an answer that a cloud gives at one step of a probe, and what an
// admin has to read of it.
type explained struct {
	step schemas.Step
	refusal
	kind  schemas.ErrorKind
	tells string // part of the explanation
	fix   string // part of the fix; "": there is nothing to do

	// Where no single answer makes the case: how the cloud behaves, and what
	// is different of the target.
	cloud  cloud
	change func(*destination.Target)
}

func (e explained) String() string {
	return fmt.Sprintf("%s %d %s %.30s", e.step, e.status, e.code, e.words)
}

// checkExplanations lets the cloud's SDK read each answer, and wants a case for
// every row of the cloud's table.
func checkExplanations(t *testing.T, at schemas.Cloud, cases []explained, network func(explained) cloud) {
	t.Helper()
	covered := map[string]bool{}
	for _, c := range cases {
		row := destination.RowOf(at, c.step, c.status, c.code, c.words)
		require.NotEmpty(t, row, "no row explains %s", c)
		covered[row] = true
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // SDKs pause before they try again
				target, behaves := targets[at], c.cloud
				if c.change != nil {
					c.change(&target)
				}
				if behaves == nil {
					behaves = network(c)
				}
				report, err := openOver(t, behaves, target).Probe(t.Context(), nil)
				require.NoError(t, err)
				checkExplanation(t, report, c)
				outlastSDKs()
			})
		})
	}
	for _, row := range destination.Rows(at) {
		if at == schemas.AWS && row == untoldRow {
			continue
		}
		require.True(t, covered[row], "%s has no case", row)
	}
}

// untoldRow explains a step that is skipped; TestOwnerThatIsNotTold has it.
var untoldRow = destination.RowOf(schemas.AWS, schemas.StepOwner, http.StatusForbidden, "AccessDenied", "")

func checkExplanation(t *testing.T, report schemas.AccessReport, c explained) {
	t.Helper()
	step := stepNamed(t, report, c.step)
	want := schemas.StepFailed
	if c.step == schemas.StepDelete {
		want = schemas.StepWarning
	}
	require.Equal(t, want, step.Status, "%+v", report)
	require.Equal(t, c.kind, step.Kind, "%+v", step)
	if c.err == nil {
		require.Equal(t, c.code, step.Code)
	}
	if c.cloud == nil {
		require.NotEmpty(t, step.Answer)
	}
	require.Contains(t, step.Explanation, c.tells)
	require.Equal(t, c.fix == "", step.Fix == "", "fix: %s", step.Fix)
	require.Contains(t, step.Fix, c.fix)
	checkText(t, step)
}

// checkText holds for all that admins read.
func checkText(t *testing.T, step schemas.AccessStep) {
	t.Helper()
	read := step.Explanation + step.Fix
	require.NotRegexp(t, `[{}]`, read, "a placeholder is left")
	require.NotContains(t, read, externalID)
	require.NotContains(t, read, consentURL)
	require.NotContains(t, read+step.Answer, "\n")
	require.NotContains(t, read, "  ")
	require.NotContains(t, read, " .")
	require.True(t, strings.HasSuffix(step.Explanation, "."), step.Explanation)
}

func stepNamed(t *testing.T, report schemas.AccessReport, name schemas.Step) schemas.AccessStep {
	t.Helper()
	for _, step := range report.Steps {
		if step.Name == name {
			return step
		}
	}
	t.Fatalf("there is no step %s in %+v", name, report)
	return schemas.AccessStep{}
}

// stepOfS3 tells what a request to S3 is for.
func stepOfS3(r *http.Request) schemas.Step {
	switch {
	case r.Method == http.MethodPut:
		return schemas.StepWrite
	case r.Method == http.MethodDelete:
		return schemas.StepDelete
	case r.URL.Query().Get("max-keys") == "1":
		return schemas.StepOwner
	}
	return schemas.StepList
}

// awsCloud grants everything, but what refuse answers.
func awsCloud(refuse func(step schemas.Step, r *http.Request) (*http.Response, error)) cloud {
	return func(r *http.Request) (*http.Response, error) {
		step := stepOfS3(r)
		if isSTS(r) {
			step = schemas.StepAuthenticate
			if r.FormValue("ExternalId") != externalID {
				step = schemas.StepExternalID
			}
		}
		if r.Method != http.MethodHead {
			if refused, err := refuse(step, r); refused != nil || err != nil {
				return refused, err
			}
		}
		switch {
		case isSTS(r):
			return careful(r)
		case r.Method == http.MethodHead:
			return answer(r, http.StatusForbidden, http.Header{"X-Amz-Bucket-Region": {"us-east-1"}}, ""), nil
		case r.Method == http.MethodGet:
			return answer(r, http.StatusOK, http.Header{"Content-Type": {"application/xml"}}, `<ListBucketResult></ListBucketResult>`), nil
		}
		return answer(r, http.StatusOK, nil, ""), nil
	}
}

// azureCloud is like awsCloud.
func azureCloud(refuse func(step schemas.Step, r *http.Request) (*http.Response, error)) cloud {
	return func(r *http.Request) (*http.Response, error) {
		discovery := strings.Contains(r.URL.Path, "openid-configuration")
		step := map[string]schemas.Step{
			http.MethodPut: schemas.StepWrite, http.MethodGet: schemas.StepList, http.MethodDelete: schemas.StepDelete,
		}[r.Method]
		if r.URL.Host == entraHost {
			step = schemas.StepAuthenticate
		}
		if !discovery {
			if refused, err := refuse(step, r); refused != nil || err != nil {
				return refused, err
			}
		}
		switch step {
		case schemas.StepAuthenticate:
			return entraToken(r)
		case schemas.StepWrite:
			return answer(r, http.StatusCreated, nil, ""), nil
		case schemas.StepList:
			return answer(r, http.StatusOK, http.Header{"Content-Type": {"application/xml"}}, `<EnumerationResults><Blobs></Blobs></EnumerationResults>`), nil
		}
		return answer(r, http.StatusAccepted, nil, ""), nil
	}
}

// gcpCloud is like awsCloud.
func gcpCloud(refuse func(step schemas.Step, r *http.Request) (*http.Response, error)) cloud {
	return func(r *http.Request) (*http.Response, error) {
		step := schemas.StepList
		switch {
		case isIAM(r):
			step = schemas.StepAuthenticate
		case r.Method == http.MethodPost:
			step = schemas.StepWrite
		case r.Method == http.MethodDelete:
			step = schemas.StepDelete
		case strings.HasSuffix(r.URL.Path, "/b/acme-audit"):
			step = schemas.StepOwner
		}
		if refused, err := refuse(step, r); refused != nil || err != nil {
			return refused, err
		}
		body := `{}`
		switch step {
		case schemas.StepAuthenticate:
			return impersonatedToken(r)
		case schemas.StepOwner:
			body = `{"projectNumber":"100000000001"}`
		case schemas.StepWrite:
			body = fmt.Sprintf(`{"crc32c":%q}`, uploadedCRC(r))
		}
		return answer(r, http.StatusOK, http.Header{"Content-Type": {"application/json"}}, body), nil
	}
}

// uploadedCRC is the checksum that Cloud Storage gives back for an upload,
// whose second part is the content.
func uploadedCRC(r *http.Request) string {
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return err.Error()
	}
	parts := multipart.NewReader(r.Body, params["boundary"])
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	for range 2 {
		part, err := parts.NextPart()
		if err != nil {
			return err.Error()
		}
		sum.Reset()
		if _, err := io.Copy(sum, part); err != nil {
			return err.Error()
		}
	}
	return base64.StdEncoding.EncodeToString(sum.Sum(nil))
}

// grantAll refuses nothing.
func grantAll(schemas.Step, *http.Request) (*http.Response, error) { return nil, nil }

// network is a cloud that refuses one step so.
func network(at schemas.Cloud) func(explained) cloud {
	return func(c explained) cloud {
		refuse := func(step schemas.Step, r *http.Request) (*http.Response, error) {
			switch {
			case step != c.step:
				return nil, nil
			case at == schemas.GCP:
				return c.google(r)
			case at == schemas.Azure && step == schemas.StepAuthenticate:
				return c.entra(r)
			case at == schemas.Azure:
				return c.blob(r)
			case isSTS(r):
				return c.sts(r)
			}
			return c.xml(r)
		}
		return map[schemas.Cloud]func(func(schemas.Step, *http.Request) (*http.Response, error)) cloud{
			schemas.AWS: awsCloud, schemas.Azure: azureCloud, schemas.GCP: gcpCloud,
		}[at](refuse)
	}
}

// Whatever has no row is shown with its code, and tried again.
func TestUnknownAnswersStayRetryable(t *testing.T) {
	t.Parallel()
	for at := range targets {
		for status, kind := range map[int]schemas.ErrorKind{
			400: schemas.KindUnavailable, 401: schemas.KindDenied, 403: schemas.KindDenied, 404: schemas.KindNotFound,
			405: schemas.KindUnavailable, 409: schemas.KindUnavailable, 418: schemas.KindUnavailable,
			429: schemas.KindThrottled, 500: schemas.KindUnavailable, 503: schemas.KindUnavailable,
		} {
			t.Run(fmt.Sprint(at, status), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					c := explained{step: schemas.StepWrite, refusal: refusal{status: status, code: "SomethingNew"}}
					d := openOver(t, network(at)(c), targets[at])
					report, err := d.Probe(t.Context(), nil)
					require.NoError(t, err)
					step := stepNamed(t, report, schemas.StepWrite)
					require.Equal(t, kind, step.Kind, "%+v", step)
					require.Equal(t, "SomethingNew", step.Code)
					require.Contains(t, step.Explanation, "the code SomethingNew")
					require.Contains(t, step.Answer, "the words of the cloud")
					checkText(t, step)

					err = d.Put(t.Context(), "logs/part", destinationtest.NewObject([]byte("content")))
					require.Equal(t, kind, destination.KindOf(err), "%v", err)
					require.Equal(t, "SomethingNew", destination.CodeOf(err))
					require.ErrorContains(t, err, step.Explanation)
					require.ErrorContains(t, err, "The answer was: the words of the cloud")
					require.NotContains(t, err.Error(), "\n")
					outlastSDKs()
				})
			})
		}
	}
}

// A role that may not list leaves open whose the bucket is. That is no reason
// to stop: every request names the account.
func TestOwnerThatIsNotTold(t *testing.T) {
	t.Parallel()
	var puts int
	d := openOver(t, awsCloud(func(step schemas.Step, r *http.Request) (*http.Response, error) {
		switch step {
		case schemas.StepOwner:
			return refusal{status: http.StatusForbidden, code: "AccessDenied", words: denies("s3:ListBucket", "with an explicit deny in a resource-based policy")}.xml(r)
		case schemas.StepWrite:
			puts++
			require.Equal(t, "123456789012", r.Header.Get("X-Amz-Expected-Bucket-Owner"))
		}
		return nil, nil
	}), targets[schemas.AWS])
	report, err := d.Probe(t.Context(), nil)
	require.NoError(t, err)
	require.True(t, report.Granted, "%+v", report)
	require.Equal(t, 1, puts)
	require.Equal(t, "123456789012", report.Owner, "the write has confirmed it")
	step := stepNamed(t, report, schemas.StepOwner)
	require.Equal(t, schemas.StepSkipped, step.Status)
	require.Empty(t, step.Kind)
	require.Contains(t, step.Explanation, "cannot be told without s3:ListBucket")
	checkText(t, step)
}

// What never reached a cloud is tried again, and has no code.
func TestLostRequestsStayRetryable(t *testing.T) {
	t.Parallel()
	for at, target := range targets {
		for _, lost := range []error{
			os.ErrDeadlineExceeded,
			&net.OpError{Op: "dial", Err: errors.New("connection refused")},
			&net.DNSError{Name: "somewhere.example", IsTemporary: true},
		} {
			t.Run(fmt.Sprint(at, lost), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					d := openOver(t, func(*http.Request) (*http.Response, error) { return nil, lost }, target)
					err := d.Put(t.Context(), "logs/part", destinationtest.NewObject([]byte("content")))
					require.Equal(t, schemas.KindUnavailable, destination.KindOf(err), "%v", err)
					require.Empty(t, destination.CodeOf(err))
					require.ErrorContains(t, err, "could not be reached")
					require.NotContains(t, err.Error(), "\n")
					outlastSDKs()
				})
			})
		}
	}
}

// A put may fail for want of a session or a token, and explains that.
func TestPutExplainsTheSignIn(t *testing.T) {
	t.Parallel()
	tests := map[schemas.Cloud]struct {
		refusal
		tells string
	}{
		schemas.AWS:   {refusal{status: http.StatusForbidden, code: "AccessDenied"}, "does not let the service in"},
		schemas.Azure: {refusal{status: http.StatusBadRequest, code: "AADSTS700016"}, "nobody has consented"},
		schemas.GCP:   {refusal{status: http.StatusForbidden, code: "forbidden"}, "may not act as its service account"},
	}
	for at, test := range tests {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			d := openOver(t, network(at)(explained{step: schemas.StepAuthenticate, refusal: test.refusal}), targets[at])
			err := d.Put(t.Context(), "logs/part", destinationtest.NewObject([]byte("content")))
			require.Equal(t, test.code, destination.CodeOf(err), "%v", err)
			require.ErrorContains(t, err, test.tells)
		})
	}
	t.Run("unknown app", func(t *testing.T) {
		t.Parallel()
		target := targets[schemas.Azure]
		target.Credentials.Azure = &schemas.AzureCredentials{ConsentURL: "https://login.microsoftonline.com/x?client_id=another", MultiTenantAppName: appName}
		err := openOver(t, azureCloud(grantAll), target).Put(t.Context(), "logs/part", destinationtest.NewObject(nil))
		require.Equal(t, destination.CodeUnknownApp, destination.CodeOf(err), "%v", err)
		require.Equal(t, schemas.KindUnavailable, destination.KindOf(err))
		require.ErrorContains(t, err, "no secret for the app "+appName)
	})
}

// A challenge that may not be written is explained like any other write.
func TestChallengeThatIsRefused(t *testing.T) {
	t.Parallel()
	refused := explained{step: schemas.StepWrite, refusal: refusal{status: http.StatusForbidden, code: "AccessDenied"}}
	d := openOver(t, network(schemas.AWS)(refused), targets[schemas.AWS])
	report, err := d.Probe(t.Context(), &destination.Challenge{Key: "logs/challenge", Content: []byte("code")})
	require.NoError(t, err)
	step := stepNamed(t, report, schemas.StepOwnership)
	require.Equal(t, schemas.StepFailed, step.Status)
	require.Equal(t, "AccessDenied", step.Code)
	require.Contains(t, step.Fix, "allow s3:PutObject on arn:aws:s3:::acme-audit/logs/*")
	checkText(t, step)
}
