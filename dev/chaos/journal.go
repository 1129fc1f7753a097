package chaos

import (
	"slices"
	"sync"
	"time"
)

// disruption is one thing that was done, or happened, to a part of the system.
type disruption struct {
	kind string // kill, fault, exit
	what string // for a kill the program, for a fault its kind
	hits []string
	from time.Time
	to   time.Time // zero: it lasts
}

// journal is the record of all that was done to the system.
type journal struct {
	mu    sync.Mutex
	all   []*disruption
	ended time.Time
}

func newJournal() *journal { return &journal{} }

// begin records a disruption of the programs and links that it hits, until
// over is called.
func (j *journal) begin(kind, what string, hits ...string) (over func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	d := &disruption{kind: kind, what: what, hits: hits, from: time.Now()}
	j.all = append(j.all, d)
	return func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		d.to = time.Now()
	}
}

// end notes when the play ended.
func (j *journal) end() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ended = time.Now()
}

// count counts the disruptions of a kind by what they were.
func (j *journal) count(kind string) (total int, by map[string]int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	by = map[string]int{}
	for _, d := range j.all {
		if d.kind == kind {
			by[d.what]++
			total++
		}
	}
	return total, by
}

// disturbed tells whether any of the programs or links was disrupted at some
// moment between the two.
func (j *journal) disturbed(from, to time.Time, parts ...string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.ContainsFunc(j.all, func(d *disruption) bool {
		return d.from.Before(to) && (d.to.IsZero() || d.to.After(from)) &&
			slices.ContainsFunc(d.hits, func(hit string) bool { return slices.Contains(parts, hit) })
	})
}
