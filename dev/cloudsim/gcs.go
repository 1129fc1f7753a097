package cloudsim

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	permissionObjectsCreate = "storage.objects.create"
	permissionObjectsDelete = "storage.objects.delete"
	permissionObjectsList   = "storage.objects.list"
	permissionObjectsGet    = "storage.objects.get"
	permissionObjectsUpdate = "storage.objects.update"
	permissionBucketsGet    = "storage.buckets.get"
	permissionBucketsCreate = "storage.buckets.create"
	permissionBucketsDelete = "storage.buckets.delete"
	permissionBucketsList   = "storage.buckets.list"
	permissionBucketsUpdate = "storage.buckets.update"
)

// gcsProxy stands before fake-gcs-server, which checks nothing: it checks the
// bearer token and the bucket's IAM bindings, call by call.
type gcsProxy struct {
	cfg      GCPConfig
	grants   *grants
	log      *requestLog
	tokens   *tokens
	target   string
	client   *http.Client
	upstream *httputil.ReverseProxy
}

// gcsCall is a request of the JSON API, understood.
type gcsCall struct {
	bucket     string
	object     string
	permission string
	isAllowed  bool   // the session URL of an upload that was allowed is its own proof
	mayReplace bool   // an upload that can overwrite needs storage.objects.delete too
	path       string // as fake-gcs-server knows it
}

func newGCSProxy(cfg GCPConfig, own string, g *grants, log *requestLog, t *tokens, transport http.RoundTripper) (*gcsProxy, error) {
	target := strings.TrimSuffix(cfg.StorageEndpoint, "/")
	upstream, err := newUpstream("fake-gcs-server", target, transport, func(pr *httputil.ProxyRequest) {
		pr.Out.Header.Del("Authorization")
	})
	if err != nil {
		return nil, err
	}
	// Resumable uploads go on where the answer says.
	upstream.ModifyResponse = func(resp *http.Response) error {
		if location, err := url.Parse(resp.Header.Get("Location")); err == nil && location.Host != "" {
			resp.Header.Set("Location", own+location.RequestURI())
		}
		return nil
	}
	return &gcsProxy{
		cfg: cfg, grants: g, log: log, tokens: t, target: target, upstream: upstream,
		client: &http.Client{Transport: transport, Timeout: 10 * time.Second},
	}, nil
}

func (p *gcsProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := parseGCSCall(r)
	out := p.log.record(w, Request{
		Cloud: "gcp", Principal: anonymous, Method: r.Method, Path: r.URL.RequestURI(),
		Permission: call.permission, Resource: call.resource(),
	})
	if refusal := p.check(r, &out.entry, call); refusal != nil {
		out.entry.Reason = refusal.message
		refusal.write(out)
		return
	}
	if call.permission == permissionBucketsGet {
		p.describeBucket(out, r, call)
		return
	}
	forward := r.Clone(r.Context())
	forward.URL.Path, forward.URL.RawPath = unescape(call.path), call.path
	p.upstream.ServeHTTP(out, forward)
}

func (p *gcsProxy) check(r *http.Request, entry *Request, call gcsCall) *googleError {
	raw := bearer(r)
	if call.isAllowed {
		if token, err := p.tokens.read(raw); err == nil {
			entry.Principal = token.Email
		}
		return nil
	}
	if raw == "" {
		return &googleError{http.StatusUnauthorized, "UNAUTHENTICATED", "required",
			"Anonymous caller does not have " + call.permission + " access to " + call.description() + "."}
	}
	granted := p.grants.snapshot()
	token, err := p.tokens.read(raw)
	if err == nil {
		entry.Principal = token.Email
		err = token.isOf(p.cfg, granted)
	}
	if err != nil {
		return unauthenticated(err)
	}
	if !token.hasScope() {
		return &googleError{http.StatusForbidden, "PERMISSION_DENIED", "insufficientPermissions", "Request had insufficient authentication scopes."}
	}
	needed, err := p.needed(r.Context(), call)
	if err != nil {
		return &googleError{http.StatusServiceUnavailable, "UNAVAILABLE", "backendError", err.Error()}
	}
	bound := granted.bound(call.bucket, "serviceAccount:"+token.Email, time.Now())
	for _, permission := range needed {
		if !slices.Contains(bound, permission) {
			return p.deny(r.Context(), token.Email, permission, call)
		}
	}
	return nil
}

// needed lists every permission of a call: writing over an object is deleting
// the old one.
func (p *gcsProxy) needed(ctx context.Context, call gcsCall) ([]string, error) {
	needed := []string{call.permission}
	if !call.mayReplace {
		return needed, nil
	}
	replaces := true // a name that the URL does not tell may be any
	if call.object != "" {
		var err error
		if replaces, err = p.exists(ctx, "/storage/v1/b/"+url.PathEscape(call.bucket)+"/o/"+url.PathEscape(call.object)); err != nil {
			return nil, err
		}
	}
	if replaces {
		needed = append(needed, permissionObjectsDelete)
	}
	return needed, nil
}

func (p *gcsProxy) deny(ctx context.Context, email, permission string, call gcsCall) *googleError {
	exists, err := p.exists(ctx, "/storage/v1/b/"+url.PathEscape(call.bucket))
	if err != nil {
		return &googleError{http.StatusServiceUnavailable, "UNAVAILABLE", "backendError", err.Error()}
	}
	if !exists {
		return &googleError{http.StatusNotFound, "NOT_FOUND", "notFound", "The specified bucket does not exist."}
	}
	return &googleError{http.StatusForbidden, "PERMISSION_DENIED", "forbidden",
		fmt.Sprintf("%s does not have %s access to %s. Permission '%s' denied on resource (or it may not exist).",
			email, permission, call.description(), permission)}
}

func (p *gcsProxy) exists(ctx context.Context, path string) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.target+path, nil)
	if err != nil {
		return false, err
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return false, fmt.Errorf("ask fake-gcs-server: %w", err)
	}
	// Only the status is wanted, and the object is small: a description.
	if err := resp.Body.Close(); err != nil {
		return false, fmt.Errorf("ask fake-gcs-server: %w", err)
	}
	return resp.StatusCode == http.StatusOK, nil
}

// bound is what a member may do with a bucket by now.
func (g Grants) bound(bucket, member string, now time.Time) []string {
	for _, b := range g.Bindings {
		if b.Bucket == bucket && b.Member == member && !b.EffectiveAt.After(now) {
			return b.Permissions
		}
	}
	return nil
}

func (c gcsCall) resource() string {
	switch {
	case c.bucket == "":
		return c.path
	case c.object == "":
		return "buckets/" + c.bucket
	}
	return "buckets/" + c.bucket + "/objects/" + c.object
}

func (c gcsCall) description() string {
	if strings.HasPrefix(c.permission, "storage.buckets.") {
		return "the Google Cloud Storage bucket"
	}
	return "the Google Cloud Storage object"
}

// parseGCSCall understands the JSON API with and without its prefix, as SDKs
// with an endpoint of their own send both, and downloads of the XML API.
func parseGCSCall(r *http.Request) gcsCall {
	path := r.URL.EscapedPath()
	switch {
	case strings.HasPrefix(path, "/upload/resumable/"), r.URL.Query().Has("upload_id"):
		return gcsCall{path: path, permission: permissionObjectsCreate, isAllowed: true}
	case strings.HasPrefix(path, "/upload/storage/v1/b/"):
		call := splitGCSPath(strings.TrimPrefix(path, "/upload/storage/v1"))
		call.path = path
		return call.asUpload(r)
	case strings.HasPrefix(path, "/download/storage/v1/b/"):
		call := splitGCSPath(strings.TrimPrefix(path, "/download/storage/v1"))
		call.path, call.permission = path, permissionObjectsGet
		return call
	case path == "/b", strings.HasPrefix(path, "/b/"), strings.HasPrefix(path, "/storage/v1/b"):
		path = strings.TrimPrefix(path, "/storage/v1")
		call := splitGCSPath(path)
		call.path, call.permission = "/storage/v1"+path, gcsPermission(r.Method, path, call)
		return call
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		bucket, object, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		return gcsCall{
			bucket: unescape(bucket), object: unescape(object), permission: permissionObjectsGet,
			path: "/download/storage/v1/b/" + bucket + "/o/" + url.PathEscape(unescape(object)),
		}
	}
	return gcsCall{path: path, permission: permissionUnknown}
}

func (c gcsCall) asUpload(r *http.Request) gcsCall {
	query := r.URL.Query()
	c.object, c.permission = query.Get("name"), permissionObjectsCreate
	c.mayReplace = query.Get("ifGenerationMatch") != "0"
	return c
}

// splitGCSPath takes /b/{bucket}/o/{object} apart.
func splitGCSPath(path string) gcsCall {
	parts := strings.SplitN(strings.Trim(path, "/"), "/", 4)
	var call gcsCall
	if len(parts) > 1 {
		call.bucket = unescape(parts[1])
	}
	if len(parts) > 3 && parts[2] == "o" {
		call.object = unescape(parts[3])
	}
	return call
}

// gcsPermission names the permission of a JSON API call; those on ACLs,
// notifications and the like are unknown.
//
// https://cloud.google.com/storage/docs/access-control/iam-json
func gcsPermission(method, path string, call gcsCall) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	byMethod := map[int]map[string]string{
		1: {http.MethodGet: permissionBucketsList, http.MethodPost: permissionBucketsCreate},
		2: {
			http.MethodGet: permissionBucketsGet, http.MethodPatch: permissionBucketsUpdate,
			http.MethodPut: permissionBucketsUpdate, http.MethodDelete: permissionBucketsDelete,
		},
		3: {http.MethodGet: permissionObjectsList},
		4: {
			http.MethodGet: permissionObjectsGet, http.MethodDelete: permissionObjectsDelete,
			http.MethodPatch: permissionObjectsUpdate, http.MethodPut: permissionObjectsUpdate,
		},
	}
	isObject := call.object != ""
	if (len(parts) == 3 || len(parts) == 4) && parts[2] != "o" || len(parts) == 4 && !isObject {
		return permissionUnknown
	}
	if permission, known := byMethod[len(parts)][method]; known {
		return permission
	}
	return permissionUnknown
}

func unescape(escaped string) string {
	// It was the path of a request, which net/http has unescaped before.
	text, err := url.PathUnescape(escaped)
	if err != nil {
		return escaped
	}
	return text
}
