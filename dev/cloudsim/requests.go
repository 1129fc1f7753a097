package cloudsim

import (
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// maxRequests bounds the log; the oldest go first.
const maxRequests = 10_000

// anonymous is the principal of a request without credentials.
const anonymous = "anonymous"

// Request is one call that reached the simulator, with what it needed.
type Request struct {
	Time       time.Time `json:"time"`
	Cloud      string    `json:"cloud"`     // aws, azure or gcp
	Principal  string    `json:"principal"` // anonymous for a request without credentials
	Method     string    `json:"method"`
	Path       string    `json:"path"`
	Permission string    `json:"permission"` // in the cloud's own words, such as s3:PutObject
	Resource   string    `json:"resource"`
	Status     int       `json:"status"`
	Reason     string    `json:"reason,omitempty"` // why it was refused
}

// requestLog remembers the latest requests.
type requestLog struct {
	mu       sync.Mutex
	requests []Request
	used     map[Permission]Request // the first request that needed it; never forgotten
}

// Permission is one permission of one cloud, in the cloud's own words.
type Permission struct{ Cloud, Name string }

func (l *requestLog) add(r Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.Time = time.Now()
	if permission := (Permission{r.Cloud, r.Permission}); l.used[permission] == (Request{}) {
		if l.used == nil {
			l.used = map[Permission]Request{}
		}
		l.used[permission] = r
	}
	if len(l.requests) == maxRequests {
		l.requests = slices.Delete(l.requests, 0, maxRequests/10)
	}
	l.requests = append(l.requests, r)
}

func (l *requestLog) all() []Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Request{}, l.requests...)
}

// recorder is a ResponseWriter that logs its request once the answer is known,
// and before the client can see it: whoever has an answer finds the entry.
type recorder struct {
	http.ResponseWriter
	log   *requestLog
	entry Request // its status is filled in
}

func (l *requestLog) record(w http.ResponseWriter, entry Request) *recorder {
	return &recorder{ResponseWriter: w, log: l, entry: entry}
}

// WriteHeader logs the request and sends the status.
func (w *recorder) WriteHeader(status int) {
	if status >= http.StatusOK { // below are words in between
		w.entry.Status = status
		w.log.add(w.entry)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Permissions returns every permission that a request has needed since the
// start, each with the first such request.
func (s *Server) Permissions() map[Permission]Request {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return maps.Clone(s.log.used)
}

// Requests returns the latest requests, oldest first. A request is there
// before its answer is.
func (s *Server) Requests() []Request { return s.log.all() }
