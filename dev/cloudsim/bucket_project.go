package cloudsim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
)

// DefaultBucketProject is the number of the project that every Cloud Storage
// bucket is in of which nothing else was said.
const DefaultBucketProject = "100000000001"

var projectNumber = regexp.MustCompile(`^[1-9]\d{0,18}$`)

// SetBucketProject says in which project a Cloud Storage bucket is, as if
// somebody had deleted it and made it anew there. What is in it stays.
func (s *Server) SetBucketProject(bucket, number string) error {
	if bucket == "" || !projectNumber.MatchString(number) {
		return fmt.Errorf("the project of bucket %q must be a project's number, not %q", bucket, number)
	}
	return s.grants.change(func(g *Grants) error {
		g.BucketProjects[bucket] = number
		return nil
	})
}

func (g Grants) bucketProject(bucket string) string {
	if number, set := g.BucketProjects[bucket]; set {
		return number
	}
	return DefaultBucketProject
}

// describeBucket answers with fake-gcs-server's description, in which every
// bucket is in project 0, and the bucket's own project.
func (p *gcsProxy) describeBucket(w http.ResponseWriter, r *http.Request, call gcsCall) {
	description, refusal := p.bucket(r, call.bucket)
	if refusal != nil {
		refusal.write(w)
		return
	}
	description["projectNumber"] = p.grants.snapshot().bucketProject(call.bucket)
	writeJSON(w, http.StatusOK, description)
}

func (p *gcsProxy) bucket(r *http.Request, name string) (map[string]any, *googleError) {
	unavailable := func(err error) *googleError {
		return &googleError{http.StatusServiceUnavailable, "UNAVAILABLE", "backendError", "ask fake-gcs-server: " + err.Error()}
	}
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, p.target+"/storage/v1/b/"+url.PathEscape(name), nil)
	if err != nil {
		return nil, unavailable(err)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, unavailable(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return nil, unavailable(err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, &googleError{http.StatusNotFound, "NOT_FOUND", "notFound", "The specified bucket does not exist."}
	}
	var description map[string]any
	if err := json.Unmarshal(text, &description); err != nil {
		return nil, unavailable(err)
	}
	return description, nil
}
