package service

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
)

// turnRules bound what holds a connection to the database for long, because
// commands need some as well: how many at a time, and how many of one
// organization, so that nobody keeps the others out.
type turnRules struct {
	all, org    int
	patience    time.Duration // how long one waits for a turn
	own, others string        // what to do when the organization, or all, have too many
}

// downloading is for files, which are written for as long as their reader takes.
var downloading = turnRules{
	all: 4, org: 2, patience: 10 * time.Second,
	own:    "Your organization is downloading other files now. Wait until they are done, or cancel them, and try again.",
	others: "Too many files are being downloaded now. Try again in a minute.",
}

// searching is for searches of events, which end after searchTimeout.
var searching = turnRules{
	all: 4, org: 2, patience: searchTimeout,
	own:    "Your organization is searching its events several times at once. Wait until that is done, and try again.",
	others: "Too many searches are under way now. Try again in a few seconds.",
}

// turns bounds how many of something are under way at a time. It is safe for
// concurrent use.
type turns struct {
	turnRules

	mu    sync.Mutex
	taken map[uuid.UUID]int // by organization
	total int
	ended chan struct{} // closed when a turn ends
}

func newTurns(rules turnRules) *turns {
	return &turns{turnRules: rules, taken: make(map[uuid.UUID]int), ended: make(chan struct{})}
}

// take waits until few enough others are under way. It is Busy when that takes
// too long.
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
	case t.taken[org] == t.org:
		return t.ended, &Error{Kind: Busy, Detail: t.own}
	case t.total == t.all:
		return t.ended, &Error{Kind: Busy, Detail: t.others}
	}
	t.taken[org]++
	t.total++
	return nil, nil
}

func (t *turns) end(org uuid.UUID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total--
	if t.taken[org]--; t.taken[org] == 0 {
		delete(t.taken, org)
	}
	close(t.ended)
	t.ended = make(chan struct{})
}
