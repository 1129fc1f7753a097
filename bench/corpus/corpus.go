// Package corpus makes audit events that look like a product's: many people
// with habits, dozens of actions, targets with names, random identifiers, and
// metadata whose shape depends on the action. What compresses, and how well,
// should be what compresses in a real log.
//
// The same seed gives the same events, in whatever order they are made.
package corpus

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/schemas"
)

// people is the size of the organization; a few of them do most of the work.
const people = 4_000

// Corpus makes events. It is safe for concurrent use.
type Corpus struct {
	seed   uint64
	people [people]person
}

// person is somebody, or a program with a key, with what stays the same from
// one event to the next.
type person struct {
	actor     schemas.Actor
	address   string
	userAgent string
}

// New makes a corpus of its own for each seed.
func New(seed uint64) *Corpus {
	c := &Corpus{seed: seed}
	for i := range c.people {
		c.people[i] = newPerson(newDice(seed, 1<<40+uint64(i)))
	}
	return c
}

func newPerson(d *dice) person {
	p := person{address: d.address(), userAgent: d.userAgent()}
	if d.one(12) {
		name := pick(d, adjectives) + "-" + pick(d, nouns)
		p.actor = schemas.Actor{Type: "api_key", ID: "key_" + d.base36(16), Name: name}
		p.userAgent = fmt.Sprintf("example-sdk-%s/%d.%d.%d", pick(d, sdks), 1+d.below(4), d.below(20), d.below(10))
		return p
	}
	first, last := pick(d, firstNames), pick(d, lastNames)
	p.actor = schemas.Actor{
		Type: "user", ID: "usr_" + d.base36(12), Name: first + " " + last,
		Email: asciiOf(first) + "." + asciiOf(last) + d.number(100) + "@" + pick(d, domains),
	}
	return p
}

// Event is the n-th event, as a product that handed it in at recordedAt would
// send it.
func (c *Corpus) Event(n int64, recordedAt time.Time) schemas.Event {
	d := newDice(c.seed, uint64(n))
	who := &c.people[d.skewed(people)]
	did := actions[d.skewed(len(actions))]
	occurredAt := recordedAt.Add(-time.Duration(d.below(4_000_000)) * time.Microsecond)
	event := schemas.Event{
		ID:         d.uuidV7(occurredAt),
		OccurredAt: occurredAt,
		Action:     did.name,
		Actor:      who.actor,
		Targets:    d.targets(did.target),
		Outcome:    schemas.OutcomeSuccess,
		Context: &schemas.EventContext{
			IP:        who.address,
			UserAgent: who.userAgent,
			RequestID: "req_" + d.base36(16),
			SessionID: session(who, n),
		},
		Metadata: did.metadata(d),
	}
	if d.one(16) {
		event.Outcome, event.Reason = schemas.OutcomeFailure, pick(d, reasons)
	}
	switch d.below(10) {
	case 0: // travels, or uses another device
		event.Context.IP, event.Context.UserAgent = d.address(), d.userAgent()
	case 1, 2, 3, 4, 5: // a job in the background
		event.Context = &schemas.EventContext{RequestID: event.Context.RequestID}
	}
	return event
}

// LargeBytes is about how long a large event's canonical JSON is: close to the
// most that the API takes.
const LargeBytes = schemas.MaxEventBytes - 1_024

// Large is the n-th event with a document's text in its metadata.
func (c *Corpus) Large(n int64, recordedAt time.Time) schemas.Event {
	event := c.Event(n, recordedAt)
	d := newDice(c.seed, 1<<41+uint64(n))
	event.Metadata = d.text(LargeBytes - 1_024)
	return event
}

// session lasts for a person's next ten thousand events of everybody.
func session(who *person, n int64) string {
	day := binary.LittleEndian.AppendUint64([]byte(who.actor.ID), uint64(n/10_000))
	return "sess_" + uuid.NewSHA1(uuid.NameSpaceOID, day).String()[:13]
}

// Product is the n-th event in the form in which a product sends it.
func (c *Corpus) Product(n int64, at time.Time) ([]byte, error) {
	line, err := json.Marshal(c.Event(n, at))
	if err != nil {
		return nil, fmt.Errorf("make event %d: %w", n, err)
	}
	return line, nil
}
