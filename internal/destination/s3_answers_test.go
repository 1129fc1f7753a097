package destination_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/internal/destination/destinationtest"
	"github.com/auditferry/auditferry/schemas"
)

// The bucket's region is found without a permission, whatever S3 answers to a
// stranger.
func TestS3FindsTheRegion(t *testing.T) {
	t.Parallel()
	region := http.Header{"X-Amz-Bucket-Region": {"eu-central-1"}}
	tests := map[string]struct {
		status int
		header http.Header
		kind   schemas.ErrorKind
	}{
		"ours":      {http.StatusOK, region, ""},
		"private":   {http.StatusForbidden, region, ""},
		"elsewhere": {http.StatusMovedPermanently, region, ""},
		"missing":   {http.StatusNotFound, nil, schemas.KindNotFound},
		"silent":    {http.StatusOK, nil, schemas.KindUnavailable},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lookups := 0
			d := openOver(t, func(r *http.Request) (*http.Response, error) {
				switch {
				case isSTS(r):
					return assumed(r)
				case r.Method == http.MethodHead:
					lookups++
					require.Empty(t, r.Header.Get("Authorization"))
					return answer(r, test.status, test.header.Clone(), ""), nil
				}
				require.Equal(t, "acme-audit.s3.eu-central-1.amazonaws.com", r.URL.Host)
				require.Contains(t, r.Header.Get("Authorization"), "/eu-central-1/s3/")
				return answer(r, http.StatusOK, nil, ""), nil
			}, targets[schemas.AWS])
			for range 2 {
				err := d.Put(t.Context(), "logs/part", destinationtest.NewObject([]byte("content")))
				require.Equal(t, test.kind, destination.KindOf(err), "%v", err)
			}
			if test.kind == "" {
				require.Equal(t, 1, lookups)
			}
		})
	}
}

// encrypted is a bucket whose ETags are no hashes, as with KMS.
type encrypted struct {
	mu     sync.Mutex
	sizes  map[string]int64
	puts   map[string]int
	remove int  // the status of deletions
	create bool // whether puts that could replace are refused
}

func (e *encrypted) answer(r *http.Request) (*http.Response, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	key := strings.TrimPrefix(r.URL.Path, "/")
	_, taken := e.sizes[key]
	switch {
	case isSTS(r):
		return careful(r)
	case r.Method == http.MethodHead:
		return answer(r, http.StatusForbidden, http.Header{"X-Amz-Bucket-Region": {"us-east-1"}}, ""), nil
	case r.Method == http.MethodPut && taken && r.Header.Get("If-None-Match") == "*":
		return refusal{status: http.StatusPreconditionFailed, code: "PreconditionFailed"}.xml(r)
	case r.Method == http.MethodPut && e.create && r.Header.Get("If-None-Match") == "":
		return refusal{status: http.StatusForbidden, code: "AccessDenied"}.xml(r)
	case r.Method == http.MethodPut:
		e.sizes[key] = r.ContentLength
		e.puts[key]++
		return answer(r, http.StatusOK, nil, ""), nil
	case r.Method == http.MethodDelete && e.remove != http.StatusNoContent:
		return refusal{status: e.remove, code: "AccessDenied"}.xml(r)
	case r.Method == http.MethodDelete:
		delete(e.sizes, key)
		return answer(r, http.StatusNoContent, nil, ""), nil
	}
	prefix := r.URL.Query().Get("prefix")
	body := fmt.Sprintf(`<ListBucketResult><Contents><Key>%s</Key><Size>%d</Size><ETag>"00112233445566778899aabbccddeeff"</ETag></Contents></ListBucketResult>`,
		prefix, e.sizes[prefix])
	return answer(r, http.StatusOK, http.Header{"Content-Type": {"application/xml"}}, body), nil
}

// Invariant 2: where listings tell no hashes, an equal size under a key that
// belongs to one range of events is what a retry can go by; another size is
// still another object.
func TestS3RetriesInEncryptedBuckets(t *testing.T) {
	t.Parallel()
	for _, deletion := range []int{http.StatusNoContent, http.StatusForbidden} {
		t.Run(fmt.Sprint(deletion), func(t *testing.T) {
			t.Parallel()
			bucket := &encrypted{sizes: map[string]int64{}, puts: map[string]int{}, remove: deletion}
			d := openOver(t, bucket.answer, targets[schemas.AWS])
			for range 3 {
				require.NoError(t, d.Put(t.Context(), "logs/part", destinationtest.NewObject([]byte("content"))))
			}
			err := d.Put(t.Context(), "logs/part", destinationtest.NewObject([]byte("longer content")))
			require.Equal(t, schemas.KindConflict, destination.KindOf(err), "%v", err)
			require.Equal(t, map[string]int{"logs/part": 1, "logs/_auditferry/etag-check": 1}, bucket.puts, "the bucket is asked once")
			_, left := bucket.sizes["logs/_auditferry/etag-check"]
			require.Equal(t, deletion == http.StatusForbidden, left)
		})
	}
}

// Invariant 6: to a place that has not been proven nothing is written but the
// challenge, also where the bucket cannot tell whether that is already there.
func TestS3ChallengesInEncryptedBuckets(t *testing.T) {
	t.Parallel()
	bucket := &encrypted{sizes: map[string]int64{}, puts: map[string]int{}, remove: http.StatusNoContent}
	for range 2 {
		d := openOver(t, bucket.answer, targets[schemas.AWS])
		report, err := d.Probe(t.Context(), &destination.Challenge{Key: "logs/challenge", Content: []byte("code")})
		require.NoError(t, err)
		failure, _ := report.Failure()
		require.Equal(t, destination.CodeOwnershipOpen, failure.Code, "%+v", report)
	}
	require.Equal(t, map[string]int{"logs/challenge": 1}, bucket.puts)
}

// Invariant 6: whatever is asked of the bucket names the account that it has to
// be in.
func TestS3NamesTheOwnerEverywhere(t *testing.T) {
	t.Parallel()
	for _, owner := range []string{"", "111122223333"} {
		bucket := &encrypted{sizes: map[string]int64{}, puts: map[string]int{}, remove: http.StatusNoContent}
		expected := cmp.Or(owner, "123456789012")
		methods := map[string]bool{}
		d := openOver(t, func(r *http.Request) (*http.Response, error) {
			if !isSTS(r) && r.Method != http.MethodHead {
				methods[r.Method] = true
				require.Equal(t, expected, r.Header.Get("X-Amz-Expected-Bucket-Owner"), "%s %s", r.Method, r.URL)
				require.Contains(t, r.Header.Get("Authorization"), "x-amz-expected-bucket-owner", "it is signed")
			}
			return bucket.answer(r)
		}, pinned(targets[schemas.AWS], owner))
		report, err := d.Probe(t.Context(), nil)
		require.NoError(t, err)
		require.True(t, report.Granted, "%+v", report)
		require.Equal(t, expected, report.Owner)
		for range 2 {
			require.NoError(t, d.Put(t.Context(), "logs/part", destinationtest.NewObject([]byte("content"))))
		}
		require.Equal(t, map[string]bool{http.MethodPut: true, http.MethodGet: true, http.MethodDelete: true}, methods)
	}
}

// The role is tried without an external ID and with one that nobody can guess,
// for sessions that would be as short and as narrow as any.
func TestS3TriesTheRoleAsAStranger(t *testing.T) {
	t.Parallel()
	policy, err := destination.SessionPolicy(targets[schemas.AWS])
	require.NoError(t, err)
	var strangers []string
	d := openOver(t, awsCloud(func(step schemas.Step, r *http.Request) (*http.Response, error) {
		if step == schemas.StepExternalID {
			strangers = append(strangers, r.FormValue("ExternalId"))
			require.Equal(t, "900", r.FormValue("DurationSeconds"))
			require.Equal(t, policy, r.FormValue("Policy"))
			require.Equal(t, targets[schemas.AWS].Grant.RoleARN, r.FormValue("RoleArn"))
		}
		return nil, nil
	}), targets[schemas.AWS])
	for range 2 {
		report, err := d.Probe(t.Context(), nil)
		require.NoError(t, err)
		require.Equal(t, schemas.StepOK, stepNamed(t, report, schemas.StepExternalID).Status, "%+v", report)
	}
	require.Len(t, strangers, 4)
	require.Empty(t, strangers[0])
	require.Empty(t, strangers[2])
	require.Regexp(t, `^[\w+=,.@:/-]{16,100}$`, strangers[1])
	require.NotEqual(t, strangers[1], strangers[3])
}

// A bucket policy may insist on create-only writes, and forbid deletions.
func TestS3RetriesWhereNothingMayBeReplaced(t *testing.T) {
	t.Parallel()
	bucket := &encrypted{sizes: map[string]int64{}, puts: map[string]int{}, remove: http.StatusForbidden, create: true}
	for range 2 { // two workers; the second finds the marker of the first
		d := openOver(t, bucket.answer, targets[schemas.AWS])
		for range 2 {
			require.NoError(t, d.Put(t.Context(), "logs/part", destinationtest.NewObject([]byte("content"))))
		}
		report, err := d.Probe(t.Context(), nil)
		require.NoError(t, err)
		require.True(t, report.Granted, "%+v", report)
	}
	require.Equal(t, map[string]int{"logs/part": 1, "logs/_auditferry/etag-check": 1, "logs/_auditferry/access-check": 1}, bucket.puts)
}

// Invariant 6: whatever the role allows, the session reaches one folder.
func TestSessionPolicy(t *testing.T) {
	t.Parallel()
	target := targets[schemas.AWS]
	target.Grant.RoleARN = "arn:aws-us-gov:iam::123456789012:role/audit"
	target.Destination.Prefix = "größe & 🚢"
	text, err := destination.SessionPolicy(target)
	require.NoError(t, err)
	require.NotRegexp(t, `[^ -~]`, text, "STS takes Latin-1 only")
	require.JSONEq(t, `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":["s3:ListBucket"],"Resource":"arn:aws-us-gov:s3:::acme-audit","Condition":{"StringLike":{"s3:prefix":"größe & 🚢/*"}}},
		{"Effect":"Allow","Action":["s3:PutObject","s3:DeleteObject"],"Resource":"arn:aws-us-gov:s3:::acme-audit/größe & 🚢/*"},
		{"Effect":"Allow","Action":["kms:GenerateDataKey"],"Resource":"*","Condition":{"StringLike":{"kms:ViaService":"s3.*.amazonaws.com*"}}}
	]}`, text)

	target.Destination.Prefix = ""
	text, err = destination.SessionPolicy(target)
	require.NoError(t, err)
	var document struct{ Statement []map[string]any }
	require.NoError(t, json.Unmarshal([]byte(text), &document))
	require.NotContains(t, document.Statement[0], "Condition")
	require.Equal(t, "arn:aws-us-gov:s3:::acme-audit/*", document.Statement[1]["Resource"])

	target.Destination.Prefix = strings.Repeat("&", schemas.MaxPrefixBytes)
	text, err = destination.SessionPolicy(target)
	require.NoError(t, err)
	require.LessOrEqual(t, len(text), 2048, "what STS takes")
}
