package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/auditferry/auditferry/dev/stack"
)

// victim is a program that may be killed, and is started again as a service
// manager would: whenever it has ended, and again until it serves.
type victim struct {
	*stack.Process
	weight int
	before func() // the last thing done while it lives; may be nil

	// mu is held by whoever has it killed, frozen or restarted.
	mu     sync.Mutex
	killed bool // and not started since
}

// weights say how often a program is killed beside the others. The cloud
// simulator is not killed, being in this process, nor is versitygw's IAM
// service, which has a part only in the simulated AssumeRole.
var weights = map[string]int{
	"worker": 5, "worker-2": 3, "api": 4, "temporal": 3, "postgres": 3, "s3": 3, "azurite": 3, "gcs": 3, "mail": 2,
}

func (p *play) cast() []*victim {
	var all []*victim
	for _, process := range p.stack.Processes() {
		if weight := weights[process.Name()]; weight > 0 {
			v := &victim{Process: process, weight: weight}
			if process.Name() == "mail" {
				v.before = p.mailbox.look
			}
			all = append(all, v)
		}
	}
	return all
}

// kill kills until it has done so often enough.
func (p *play) kill(ctx context.Context, chance *rand.Rand) error {
	var starting sync.WaitGroup
	defer starting.Wait()
	for done := 0; done < p.Kills; {
		if !pause(ctx, between(chance, p.Every/10, 2*p.Every-p.Every/10)) {
			return ctx.Err()
		}
		v := p.choose(chance)
		down := between(chance, 0, 3*time.Second)
		if !v.mu.TryLock() {
			continue // it is down already
		}
		if v.before != nil {
			v.before()
		}
		over := p.journal.begin("kill", v.Name(), v.Name())
		if err := v.Kill(); err != nil {
			v.mu.Unlock()
			return err
		}
		v.killed = true
		done++
		starting.Go(func() {
			defer v.mu.Unlock()
			defer over()
			if pause(ctx, down) {
				v.start(ctx)
			}
		})
		if done%20 == 0 {
			p.progress(done)
		}
	}
	return nil
}

func (p *play) choose(chance *rand.Rand) *victim {
	total := 0
	for _, v := range p.victims {
		total += v.weight
	}
	n := chance.IntN(total)
	for _, v := range p.victims {
		if n -= v.weight; n < 0 {
			return v
		}
	}
	panic("unreachable: n is below the sum of all weights")
}

func (p *play) progress(kills int) {
	faults, _ := p.journal.count("fault")
	events := 0
	for _, o := range p.orgs {
		events += o.acknowledged()
	}
	p.say("%d kills, %d faults, %d events acknowledged", kills, faults, events)
}

// startLimit is after how long a program that does not serve is started anew.
const startLimit = 30 * time.Second

// start starts the program again and again until it serves. Programs end when
// what they need is not there yet.
func (v *victim) start(ctx context.Context) {
	for ctx.Err() == nil {
		attempt, cancel := context.WithTimeout(ctx, startLimit)
		err := v.Start(attempt)
		cancel()
		if err == nil {
			v.killed = false
			return
		}
		pause(ctx, 300*time.Millisecond)
	}
}

// keepAlive starts the program whenever it has ended by itself. One that was
// killed is its killer's to start, or in the end revive's.
func (v *victim) keepAlive(ctx context.Context, j *journal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-v.Done():
		}
		v.mu.Lock()
		if v.dead() && !v.killed && ctx.Err() == nil {
			over := j.begin("exit", v.Name(), v.Name())
			v.start(ctx)
			over()
		}
		v.mu.Unlock()
		if v.dead() && !pause(ctx, 100*time.Millisecond) {
			return
		}
	}
}

func (v *victim) dead() bool {
	select {
	case <-v.Done():
		return true
	default:
		return false
	}
}

// revive starts what is still down after the last kill.
func (p *play) revive(ctx context.Context) error {
	for _, v := range p.victims {
		v.mu.Lock()
		if v.dead() {
			v.start(ctx)
		}
		v.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("bring %s back: %w", v.Name(), err)
		}
	}
	return nil
}
