package cloudsim

import (
	"net/http"
	"net/http/httputil"
	"strings"
	"time"
)

// s3Gateway passes requests on to versitygw, signature included, and notes
// which permission each one needed. Who owns a bucket it knows itself.
type s3Gateway struct {
	cfg      AWSConfig
	grants   *grants
	sessions *sessions
	client   *http.Client
	log      *requestLog
	upstream *httputil.ReverseProxy
}

func newS3Gateway(cfg AWSConfig, g *grants, sessions *sessions, log *requestLog, transport http.RoundTripper) (*s3Gateway, error) {
	upstream, err := newUpstream("versitygw", cfg.S3Endpoint, transport, func(pr *httputil.ProxyRequest) {
		pr.Out.Host = pr.In.Host // it is signed
	})
	return &s3Gateway{
		cfg: cfg, grants: g, sessions: sessions, log: log, upstream: upstream,
		client: &http.Client{Transport: transport, Timeout: 10 * time.Second},
	}, err
}

func (g *s3Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	permission, resource := s3Permission(r)
	out := g.log.record(w, Request{
		Cloud: "aws", Principal: g.principal(r), Method: r.Method, Path: r.URL.RequestURI(),
		Permission: permission, Resource: resource,
	})
	passed, refusal := g.checkOwner(out, r)
	if refusal != nil {
		out.entry.Reason = refusal.message
		refusal.write(out, r.URL.Path)
		return
	}
	g.upstream.ServeHTTP(out, passed)
}

func (g *s3Gateway) principal(r *http.Request) string {
	sig, err := parseSignature(r)
	if err != nil {
		return anonymous
	}
	if s, open := g.sessions.find(sig.accessKeyID); open {
		return s.arn()
	}
	return sig.accessKeyID
}

// s3Permission names the permission of the path-style calls that exporters
// make; all others have an honest "s3:" with method and subresource.
func s3Permission(r *http.Request) (permission, resource string) {
	bucket, key, isObject := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	isObject = isObject && key != ""
	query := r.URL.Query()
	switch {
	case bucket == "":
		return "s3:ListAllMyBuckets", "*"
	case !isObject:
		resource = "arn:aws:s3:::" + bucket
		switch {
		case r.Method == http.MethodHead, r.Method == http.MethodGet && isListing(query):
			return "s3:ListBucket", resource
		case r.Method == http.MethodGet && query.Has("location"):
			return "s3:GetBucketLocation", resource
		case r.Method == http.MethodPost && query.Has("delete"):
			return "s3:DeleteObject", resource
		}
	default:
		resource = "arn:aws:s3:::" + bucket + "/" + key
		switch {
		case r.Method == http.MethodDelete && query.Has("uploadId"):
			return "s3:AbortMultipartUpload", resource
		case r.Method == http.MethodGet && query.Has("uploadId"):
			return "s3:ListMultipartUploadParts", resource
		case r.Method == http.MethodPut && query.Has("uploadId"), r.Method == http.MethodPost:
			return "s3:PutObject", resource
		case len(query) == 0 || query.Has("x-id"):
			return map[string]string{
				http.MethodGet: "s3:GetObject", http.MethodHead: "s3:GetObject",
				http.MethodPut: "s3:PutObject", http.MethodDelete: "s3:DeleteObject",
			}[r.Method], resource
		}
	}
	return "s3: " + r.Method + " ?" + r.URL.RawQuery, resource
}

// isListing tells a listing from the many subresources of a bucket.
func isListing(query map[string][]string) bool {
	for name := range query {
		switch name {
		case "list-type", "prefix", "delimiter", "max-keys", "start-after", "continuation-token", "marker", "encoding-type", "fetch-owner", "x-id":
		default:
			return false
		}
	}
	return true
}
