package cloudsim

import (
	"context"
	"time"
)

// EndExpired lets tests reach the end of a session's 15 minutes.
func (s *Server) EndExpired(ctx context.Context, now time.Time) error {
	return s.sessions.endExpired(ctx, now)
}
