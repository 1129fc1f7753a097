// Command bench measures what an export and an append cost, beside the floor
// below them and beside what a user would do instead, all on one machine, on
// the same events and the same servers. It prints its tables and writes them
// into bench/results.md, or, when it was run with other sizes than the full
// ones, into .dev/bench-results.md.
//
//	make bench                       everything, with 2 million events
//	make bench BENCH_EVENTS=200000   the same with fewer, to try it
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/auditferry/auditferry/dev/tools"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// fullEvents is how many events the figures speak of.
const fullEvents = 2_000_000

// plan says what to measure.
type plan struct {
	events int64    // of the organization that everything but the scaling is measured on
	repeat int      // how often what is compared is measured; the median counts
	only   []string // sections; empty: all
	keep   bool     // leave the data where it is
	root   string   // of the checkout
}

func (p plan) wants(section string) bool { return len(p.only) == 0 || slices.Contains(p.only, section) }

// Half of the events and five times as many show whether time is linear.
func (p plan) fewEvents() int64 { return p.events / 2 }

// manyEvents leaves room in one window, of at most ten million, for the few
// events that Auditferry itself records in the organization's log.
func (p plan) manyEvents() int64 { return p.events*5 - 1_000 }

// largeEvents are of nearly 64 KiB, so they are fewer.
func (p plan) largeEvents() int64 { return p.events / 100 }

func (p plan) full() bool { return p.events == fullEvents && len(p.only) == 0 && p.repeat >= 3 }

func (p plan) dir() string { return filepath.Join(p.root, ".dev", "bench") }

func (p plan) resultFile() string {
	if p.full() {
		return filepath.Join(p.root, "bench", "results.md")
	}
	return filepath.Join(p.root, ".dev", "bench-results.md")
}

// sections are what can be measured, in this order.
var sections = []struct {
	name    string
	what    string
	measure func(*bench, context.Context) error
}{
	{"compare", "the floor, the export and what a user would do instead", (*bench).compare},
	{"formats", "the other formats", (*bench).formats},
	{"parts", "1, 2 and 4 parts in parallel", (*bench).parts},
	{"scale", "half as many and five times as many events", (*bench).scale},
	{"large", "events of 64 KiB", (*bench).large},
	{"runs", "what runs cost on Temporal", (*bench).runs},
	{"ingest", "ingest through the API", (*bench).ingest},
}

func readPlan() (p plan, err error) {
	var names []string
	for _, s := range sections {
		names = append(names, s.name)
	}
	var only string
	flag.Int64Var(&p.events, "events", fullEvents, "events of the organization that is exported")
	flag.IntVar(&p.repeat, "repeat", 3, "how often what is compared is measured; the median counts")
	flag.StringVar(&only, "only", "", "comma-separated sections instead of all: "+strings.Join(names, ", "))
	flag.BoolVar(&p.keep, "keep", false, "leave the servers' data in .dev/bench")
	flag.Parse()
	if only != "" {
		p.only = strings.Split(only, ",")
	}
	for _, name := range p.only {
		if !slices.Contains(names, name) {
			return p, fmt.Errorf("there is no section %q; there are %s", name, strings.Join(names, ", "))
		}
	}
	if p.events < 10_000 || p.events > fullEvents {
		return p, fmt.Errorf("-events must be from 10000 to %d: five times as many still have to fit into one window", fullEvents)
	}
	if p.repeat < 1 {
		return p, errors.New("-repeat must be at least 1")
	}
	p.root, err = tools.Root()
	return p, err
}

func run(ctx context.Context) (err error) {
	p, err := readPlan()
	if err != nil {
		return err
	}
	began := time.Now()
	b, err := start(ctx, p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.stop()) }()
	for _, s := range sections {
		if !p.wants(s.name) {
			continue
		}
		b.say("Measuring %s", s.what)
		if err := s.measure(b, ctx); err != nil {
			return fmt.Errorf("measure %s: %w", s.what, err)
		}
	}
	return b.report(ctx, time.Since(began))
}
