package cloudsim

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"
)

// DefaultBucketOwner is the AWS account that owns every bucket of which
// nothing else was said.
const DefaultBucketOwner = "123456789012"

const (
	expectedBucketOwner = "X-Amz-Expected-Bucket-Owner"
	bucketRegion        = "X-Amz-Bucket-Region"
	contentHash         = "X-Amz-Content-Sha256"
)

var accountID = regexp.MustCompile(`^\d{12}$`)

// s3Error is a refusal in the words of S3.
type s3Error struct {
	status  int
	code    string
	message string
}

// checkOwner carries out what S3 does with the header that names the account
// which the caller takes for the bucket's owner, and gives back the request as
// versitygw is to see it: there every bucket belongs to its root key, so the
// header goes and the request is signed anew.
//
// Who is not who they say gets their request passed on as it was signed, for
// versitygw to refuse, and who says nothing about themselves can be told
// nothing about the owner.
//
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html
func (g *s3Gateway) checkOwner(w http.ResponseWriter, r *http.Request) (*http.Request, *s3Error) {
	expected := r.Header.Get(expectedBucketOwner)
	bucket, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if expected == "" || bucket == "" {
		return r, nil
	}
	passed := r.Clone(r.Context())
	passed.Header.Del(expectedBucketOwner)
	sig, err := parseSignature(r)
	if err != nil {
		return passed, nil
	}
	hash, secret := r.Header.Get(contentHash), g.secret(sig.accessKeyID)
	if secret == "" || sig.verify(r.Context(), r, hash, secret) != nil {
		return passed, nil
	}
	if strings.HasPrefix(hash, "STREAMING-AWS4-") {
		return nil, &s3Error{http.StatusNotImplemented, "NotImplemented", "The simulator cannot check the owner of a bucket for an upload that is signed chunk by chunk."}
	}
	if refusal := g.compareOwner(w, r, bucket, expected); refusal != nil {
		return nil, refusal
	}
	header, err := sig.without(expectedBucketOwner).sign(r.Context(), r, hash, secret)
	if err != nil {
		return nil, &s3Error{http.StatusInternalServerError, "InternalError", err.Error()}
	}
	passed.Header.Set("Authorization", header)
	return passed, nil
}

func (g *s3Gateway) compareOwner(w http.ResponseWriter, r *http.Request, bucket, expected string) *s3Error {
	if !accountID.MatchString(expected) {
		return &s3Error{http.StatusBadRequest, "InvalidBucketOwnerAWSAccountID", "The value of the expected bucket owner parameter must be an AWS account ID."}
	}
	if g.grants.snapshot().bucketOwner(bucket) == expected {
		return nil
	}
	exists, region, err := g.lookUp(r, bucket)
	if err != nil {
		return &s3Error{http.StatusServiceUnavailable, "ServiceUnavailable", err.Error()}
	}
	if !exists {
		return nil // versitygw says so better
	}
	w.Header().Set(bucketRegion, region) // which no answer about a bucket lacks
	return &s3Error{http.StatusForbidden, "AccessDenied", "Access Denied"}
}

// lookUp asks without credentials, which tells no more than this.
func (g *s3Gateway) lookUp(r *http.Request, bucket string) (exists bool, region string, err error) {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodHead, strings.TrimSuffix(g.cfg.S3Endpoint, "/")+"/"+bucket, nil)
	if err != nil {
		return false, "", err
	}
	resp, err := g.client.Do(req)
	if err != nil {
		return false, "", fmt.Errorf("ask versitygw: %w", err)
	}
	if err := resp.Body.Close(); err != nil {
		return false, "", fmt.Errorf("ask versitygw: %w", err)
	}
	return resp.StatusCode != http.StatusNotFound, resp.Header.Get(bucketRegion), nil
}

// secret of a key that may be used now, or empty.
func (g *s3Gateway) secret(accessKeyID string) string {
	if accessKeyID == g.cfg.RootAccessKeyID {
		return g.cfg.RootSecretAccessKey
	}
	if open, is := g.sessions.find(accessKeyID); is && open.expires.After(time.Now()) {
		return open.credentials.SecretAccessKey
	}
	return ""
}

func (e *s3Error) write(w http.ResponseWriter, resource string) {
	writeXML(w, e.status, struct {
		XMLName   xml.Name `xml:"Error"`
		Code      string
		Message   string
		Resource  string
		RequestID string `xml:"RequestId"`
	}{Code: e.code, Message: e.message, Resource: resource, RequestID: uuid.NewString()})
}

// bucketOwner is the account that an S3 bucket belongs to.
func (g Grants) bucketOwner(bucket string) string {
	if owner, set := g.BucketOwners[bucket]; set {
		return owner
	}
	return DefaultBucketOwner
}

// SetBucketOwner says which AWS account an S3 bucket belongs to, as if that
// account had deleted it and made it anew. What is in it stays.
func (s *Server) SetBucketOwner(bucket, account string) error {
	if bucket == "" || !accountID.MatchString(account) {
		return fmt.Errorf("the owner of bucket %q must be an AWS account of 12 digits, not %q", bucket, account)
	}
	return s.grants.change(func(g *Grants) error {
		g.BucketOwners[bucket] = account
		return nil
	})
}
