package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2/client"

	"github.com/auditferry/auditferry/dev/stack"
)

// toxic is a way to disturb a link.
type toxic struct {
	name string
	kind string // toxiproxy's; "" refuses and drops every connection
	with func(*rand.Rand) toxiproxy.Attributes
}

var toxics = []toxic{
	{name: "cut"},
	{"silence", "timeout", func(*rand.Rand) toxiproxy.Attributes {
		return toxiproxy.Attributes{"timeout": 0} // nothing arrives, and nobody is told
	}},
	{"reset", "reset_peer", func(c *rand.Rand) toxiproxy.Attributes {
		return toxiproxy.Attributes{"timeout": c.IntN(500)} // milliseconds
	}},
	{"cut midway", "limit_data", func(c *rand.Rand) toxiproxy.Attributes {
		return toxiproxy.Attributes{"bytes": 200 + c.IntN(40_000)}
	}},
	{"latency", "latency", func(c *rand.Rand) toxiproxy.Attributes {
		return toxiproxy.Attributes{"latency": 50 + c.IntN(1200), "jitter": c.IntN(400)} // milliseconds
	}},
	{"slow", "bandwidth", func(c *rand.Rand) toxiproxy.Attributes {
		return toxiproxy.Attributes{"rate": 2 + c.IntN(40)} // KB/s
	}},
}

// disturb disturbs one link after the other until ctx ends. Two of it may run:
// each has its own half of the links.
func (p *play) disturb(ctx context.Context, chance *rand.Rand, links []stack.Link) error {
	for pause(ctx, between(chance, 500*time.Millisecond, 5*time.Second)) {
		link := links[chance.IntN(len(links))]
		t := toxics[chance.IntN(len(toxics))]
		stream := []string{"upstream", "downstream"}[chance.IntN(2)]
		if err := p.poison(ctx, link, t, stream, between(chance, time.Second, 8*time.Second), chance); err != nil {
			return err
		}
	}
	return nil
}

func (p *play) poison(ctx context.Context, link stack.Link, t toxic, stream string, lasts time.Duration, chance *rand.Rand) error {
	proxy := p.stack.Proxy(link)
	over := p.journal.begin("fault", t.name, link.String())
	defer over()
	put, take := proxy.Disable, proxy.Enable
	if t.kind != "" {
		with := t.with(chance)
		put = func() error {
			return insist(proxy, t.name, true, func() error {
				_, err := proxy.AddToxic(t.name, t.kind, stream, 1, with)
				return err
			})
		}
		take = func() error {
			return insist(proxy, t.name, false, func() error { return proxy.RemoveToxic(t.name) })
		}
	}
	if err := put(); err != nil {
		return fmt.Errorf("put %q into %s: %w", t.name, link, err)
	}
	pause(ctx, lasts)
	if err := take(); err != nil {
		return fmt.Errorf("take %q out of %s: %w", t.name, link, err)
	}
	return nil
}

// insist changes a proxy's toxics until the named one is in it, or is not. The
// proxy's server gives an answer up after 25 s, and goes on: a connection whose
// reader is frozen takes its toxics only when that wakes.
func insist(proxy *toxiproxy.Proxy, name string, in bool, change func() error) error {
	var err error
	for begin := time.Now(); time.Since(begin) < 2*freezeFor; {
		if err = change(); err == nil {
			return nil
		}
		toxics, listed := proxy.Toxics()
		if listed == nil && in == slices.ContainsFunc(toxics, func(t toxiproxy.Toxic) bool { return t.Name == name }) {
			return nil
		}
	}
	return err
}

// halves splits the links so that each half has some of every program.
func halves(links []stack.Link) [2][]stack.Link {
	var both [2][]stack.Link
	for i, link := range links {
		both[i%2] = append(both[i%2], link)
	}
	return both
}

// freezeFor is longer than the 30 s after which a worker that sends no
// heartbeat is given up: the other one takes its work over, and it wakes up
// believing that the work is its own.
const freezeFor = 35 * time.Second

// freeze freezes one worker at a time.
func (p *play) freeze(ctx context.Context, chance *rand.Rand) error {
	workers := p.workers()
	for pause(ctx, between(chance, 5*time.Second, 40*time.Second)) {
		v := workers[chance.IntN(len(workers))]
		lasts := between(chance, freezeFor, freezeFor+10*time.Second)
		if err := p.freezeOne(ctx, v, lasts); err != nil {
			return err
		}
	}
	return nil
}

func (p *play) freezeOne(ctx context.Context, v *victim, lasts time.Duration) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.dead() {
		return nil // it was about to be started again
	}
	over := p.journal.begin("fault", "freeze", v.Name())
	defer over()
	if err := v.Freeze(); err != nil {
		return err
	}
	pause(ctx, lasts)
	return v.Thaw()
}

func (p *play) workers() []*victim {
	return slices.DeleteFunc(slices.Clone(p.victims), func(v *victim) bool {
		return v.Name() != "worker" && v.Name() != "worker-2"
	})
}

// diskBytes is how large a file may become on a full disk: large enough for
// small parts, so that some of a window's parts are written and others are not.
const diskBytes = 6 << 10

// fillDisks lets a worker's temporary files run into a limit now and then. It
// is the process's own limit for files, since that needs no rights; the write
// fails as on a disk that is full.
func (p *play) fillDisks(ctx context.Context, chance *rand.Rand) error {
	workers := p.workers()
	for pause(ctx, between(chance, 5*time.Second, 30*time.Second)) {
		v := workers[chance.IntN(len(workers))]
		lasts := between(chance, 2*time.Second, 8*time.Second)
		pid := v.Pid()
		lift, err := limitFiles(pid, diskBytes)
		if err != nil {
			continue // it has been killed in this moment
		}
		over := p.journal.begin("fault", "disk full", v.Name())
		pause(ctx, lasts)
		if v.Pid() == pid && !v.dead() {
			_ = lift() // one that is killed now has no limit either
		}
		over()
	}
	return nil
}
