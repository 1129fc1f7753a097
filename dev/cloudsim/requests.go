package cloudsim

import (
	"slices"
	"sync"
	"time"
)

// maxRequests bounds the log; the oldest go first.
const maxRequests = 10_000

// Request is one call that reached the simulator, with what it needed.
type Request struct {
	Time       time.Time `json:"time"`
	Cloud      string    `json:"cloud"` // aws, azure or gcp
	Principal  string    `json:"principal"`
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
}

func (l *requestLog) add(r Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.Time = time.Now()
	if len(l.requests) == maxRequests {
		l.requests = slices.Delete(l.requests, 0, maxRequests/10)
	}
	l.requests = append(l.requests, r)
}

func (l *requestLog) all() []Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.requests)
}

// Requests returns the latest requests, oldest first.
func (s *Server) Requests() []Request { return s.log.all() }
