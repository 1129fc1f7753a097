package service

import "time"

// SetRefusalClock lets tests pass the pause between two recorded refusals.
func (s *Service) SetRefusalClock(now func() time.Time) { s.refusals.now = now }

// RememberedRefusals is how many counts are in memory.
func (s *Service) RememberedRefusals() int {
	s.refusals.mu.Lock()
	defer s.refusals.mu.Unlock()
	return len(s.refusals.counts)
}

// SetDownloadTurn lets tests wait less for a turn.
func (s *Service) SetDownloadTurn(d time.Duration) { s.downloads.patience = d }

// SetSearchTimeout lets tests wait less for a search that takes too long.
func (s *Service) SetSearchTimeout(d time.Duration) { s.searchTimeout = d }
