// Package chaos plays Auditferry under steady ingest while its programs and
// servers are killed, cut off, slowed down, frozen and out of disk space, and
// then counts what has been delivered. What counts is what the outside can see:
// the vendor's own record of what was acknowledged, the ledger as the API gives
// it, the stores' bytes, and the inbox.
package chaos

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/auditferry/auditferry/dev/stack"
)

// Options say how hard the play is.
type Options struct {
	Seed    uint64        // of all chance: the same one makes the same plans, though not the same moments
	Kills   int           // the play ends when so many have been made
	Every   time.Duration // pause between two kills, on average
	Orgs    int           // each with three exports, one per cloud
	Freezes bool          // freeze one of the two workers beyond its heartbeat now and then
	Settle  time.Duration // how long everything healed may take to deliver all and end
	Log     io.Writer     // gets every line of every server
	Out     io.Writer     // gets the tale
}

// Full is what `make chaos` plays.
func Full() Options {
	return Options{Kills: 200, Every: 2500 * time.Millisecond, Orgs: 4, Freezes: true, Settle: 10 * time.Minute}
}

// Short is a play of less than a minute, for tests.
func Short() Options {
	return Options{Kills: 15, Every: 2 * time.Second, Orgs: 1, Settle: 6 * time.Minute}
}

// play is one play with all that takes part in it.
type play struct {
	Options
	began   time.Time
	stack   *stack.Stack
	journal *journal
	mailbox *mailbox
	victims []*victim
	orgs    []*org
}

// Play starts a durable stack, plays on it, heals it, and tells what was found.
// The error is of the play itself; whether the product held is Result.OK.
func Play(ctx context.Context, o Options) (result Result, err error) {
	p := &play{Options: o, journal: newJournal()}
	p.stack, err = stack.Start(ctx, stack.Options{
		Durable: true, Log: o.Log,
		Services: append(stack.Servers(), stack.Network, stack.API, stack.Worker),
		Env: []string{
			// Small enough that a window has several parts, and most spill to a file.
			"AUDITFERRY_EXPORT_PART_BYTES=65536", "AUDITFERRY_EXPORT_SPILL_BYTES=4096",
			"AUDITFERRY_RECONCILE_EVERY=5s",
		},
	})
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, p.stack.Stop()) }()
	if _, err := p.stack.StartWorker(ctx); err != nil {
		return result, err
	}
	p.began = time.Now()
	p.mailbox = &mailbox{url: p.stack.Mail.Mails}
	p.victims = p.cast()
	if err := p.settleIn(ctx); err != nil {
		return result, fmt.Errorf("set the stage: %w", err)
	}
	if err := p.rage(ctx); err != nil {
		return result, fmt.Errorf("play: %w", err)
	}
	return p.judge(ctx)
}

// rage plays until enough has been killed, then brings everything back. What
// the vendor and the admins have begun they see through: their calls are
// repeated until they are answered.
func (p *play) rage(ctx context.Context) error {
	people, ctx := errgroup.WithContext(ctx)
	acting, curtain := context.WithCancel(ctx)
	defer curtain()
	for _, o := range p.orgs {
		people.Go(func() error { return o.ingest(ctx, acting.Done(), p.chance("ingest "+o.name)) })
		people.Go(func() error { return o.administer(ctx, acting, p.chance("admin "+o.name)) })
	}

	nature, during := errgroup.WithContext(acting)
	keeping, release := context.WithCancel(ctx)
	defer release()
	var keepers errgroup.Group
	for _, v := range p.victims {
		keepers.Go(func() error { v.keepAlive(keeping, p.journal); return nil })
	}
	keepers.Go(func() error { p.mailbox.watch(keeping); return nil })
	for n, links := range halves(p.stack.Links()) {
		nature.Go(func() error { return p.disturb(during, p.chance(fmt.Sprint("fault ", n)), links) })
	}
	nature.Go(func() error { return p.fillDisks(during, p.chance("disk")) })
	if p.Freezes {
		nature.Go(func() error { return p.freeze(during, p.chance("freeze")) })
	}
	nature.Go(func() error {
		defer curtain()
		return p.kill(during, p.chance("kill"))
	})
	played := nature.Wait()
	p.journal.end()
	p.say("The play is over. Everything is being healed.")
	healed := p.revive(ctx)
	called := people.Wait()
	release()
	if err := keepers.Wait(); err != nil {
		return err
	}
	// Whoever fails first has the others give up.
	return cmp.Or(called, played, healed)
}

// chance is a source of chance of its own for each who needs one, so that one's
// plans do not depend on when the others ask.
func (p *play) chance(who string) *rand.Rand {
	name := fnv.New64a()
	_, _ = name.Write([]byte(who))                     // never fails
	return rand.New(rand.NewPCG(p.Seed, name.Sum64())) // #nosec G404 -- to be repeated, not to be kept secret
}

// between is a duration from low to high.
func between(chance *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(chance.Int64N(int64(high-low)+1))
}

// pause waits, or returns false when ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (p *play) say(format string, args ...any) {
	_, _ = fmt.Fprintf(p.Out, "%6.0f s  %s\n", time.Since(p.began).Seconds(), fmt.Sprintf(format, args...)) // a lost line stops nothing
}
