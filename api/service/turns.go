package service

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
)

const (
	// maxDownloads bounds the files that are written at a time. Each holds a
	// connection to the database for as long as its reader takes, and commands
	// need some as well.
	maxDownloads = 4

	// maxOrgDownloads bounds those of one organization, so that nobody's slow
	// readers keep the others out.
	maxOrgDownloads = 2

	// downloadTurn is how long a file waits for its turn.
	downloadTurn = 10 * time.Second
)

// turns bounds how many files are written at a time. It is safe for concurrent
// use.
type turns struct {
	patience time.Duration

	mu    sync.Mutex
	taken map[uuid.UUID]int // by organization
	all   int
	ended chan struct{} // closed when a turn ends
}

func newTurns() *turns {
	return &turns{patience: downloadTurn, taken: make(map[uuid.UUID]int), ended: make(chan struct{})}
}

// take waits until few enough files are being written. It is Busy when that
// takes too long.
func (t *turns) take(ctx context.Context, org uuid.UUID) (done func(), err error) {
	patience := time.NewTimer(t.patience)
	defer patience.Stop()
	for {
		ended, busy := t.try(org)
		if busy == nil {
			return func() { t.end(org) }, nil
		}
		select {
		case <-ended:
		case <-patience.C:
			return nil, busy
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// try takes a turn, or says why there is none. Another may be free when ended is
// closed.
func (t *turns) try(org uuid.UUID) (ended <-chan struct{}, busy error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.taken[org] == maxOrgDownloads:
		return t.ended, &Error{Kind: Busy, Detail: "Your organization is downloading other files now. Wait until they are done, or cancel them, and try again."}
	case t.all == maxDownloads:
		return t.ended, &Error{Kind: Busy, Detail: "Too many files are being downloaded now. Try again in a minute."}
	}
	t.taken[org]++
	t.all++
	return nil, nil
}

func (t *turns) end(org uuid.UUID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all--
	if t.taken[org]--; t.taken[org] == 0 {
		delete(t.taken, org)
	}
	close(t.ended)
	t.ended = make(chan struct{})
}
