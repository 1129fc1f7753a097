package main

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"
)

// The marks that Auditferry wants to reach.
const (
	timesFaster   = 5.0       // than what a user would do instead, with gzip
	ofProcessors  = 0.8       // of what they allow
	workerMemory  = 256 << 20 // bytes, whatever the events
	idleCalls     = 1         // activities of a run with nothing to deliver
	smallCalls    = 3         // activities of one with little
	ingestPerSec  = 50_000    // events
	notMeasured   = "not measured"
	quietEnough   = 0.05 // of the machine, used by others
	heartbeatEach = 24 * time.Second
)

// mark is one of them beside what was measured.
type mark struct {
	what, wanted, measured string
	reached                bool
}

func (b *bench) marks() []mark {
	return slices.Concat(b.speedMarks(), b.memoryMarks(), b.callMarks(), b.ingestMarks())
}

func (b *bench) speedMarks() []mark {
	faster := mark{what: "end-to-end export against " + insteadGzip, wanted: "5 times as fast", measured: notMeasured}
	mine, ok := b.book.of(sectionExport, gzipped.String())
	theirs, okay := b.book.of(sectionInstead, insteadGzip)
	if ok && okay {
		ratio := theirs.wall.Seconds() / mine.wall.Seconds()
		faster.measured, faster.reached = fmt.Sprintf("%.1f times", ratio), ratio >= timesFaster
	}
	list := []mark{faster}
	for _, out := range []output{gzipped, zstd} {
		m := mark{what: "share of what the processors allow, " + out.String(), wanted: "0.8", measured: notMeasured}
		if share, ok := b.share(out); ok {
			m.measured, m.reached = fmt.Sprintf("%.2f", share), share >= ofProcessors
		}
		list = append(list, m)
	}
	return list
}

// share is how much of the time that an export took would have been needed at
// least: the processor time of what has to be done, spread over all processors.
// That is the copy and the compression, measured alone; the hashes of what was
// stored; and what the S3 server and the simulated cloud, which share these
// processors, spent on taking it. The sending side is left out, so the true
// share is a little higher.
func (b *bench) share(out output) (float64, bool) {
	export, ok := b.book.of(sectionExport, out.String())
	floor, okay := b.book.of(sectionFloor, floorPlain+string(out.compression))
	if !ok || !okay {
		return 0, false
	}
	hashing := b.book.hashing.Seconds() * float64(export.stored) / 1e9
	taking := export.usage.by[ofS3] + export.usage.by[ofBench]
	needed := floor.usage.total().Seconds() + hashing + taking.Seconds()
	return needed / float64(runtime.NumCPU()) / export.wall.Seconds(), true
}

func (b *bench) memoryMarks() (list []mark) {
	below := func(what string, figures []*figure) {
		m := mark{what: "memory of the worker, " + what, wanted: "below 256 MiB", measured: notMeasured}
		var most int64
		for _, f := range figures {
			for _, s := range f.samples {
				most = max(most, s.peak)
			}
		}
		if most > 0 {
			m.measured, m.reached = fmt.Sprintf("%d MiB", most>>20), most < workerMemory
		}
		list = append(list, m)
	}
	var many []*figure
	if f := b.book.find(sectionScale, scaleMany); f != nil {
		many = []*figure{f}
	}
	below(fmt.Sprintf("%d events", b.plan.manyEvents()), many)
	below("events of 64 KiB", b.book.section(sectionLarge))
	return list
}

func (b *bench) callMarks() (list []mark) {
	for _, want := range []struct {
		run   string
		calls int
	}{{runIdle, idleCalls}, {runSmall, smallCalls}} {
		m := mark{what: "activities of a run, " + want.run, wanted: fmt.Sprint(want.calls), measured: notMeasured}
		if s, ok := b.book.of(sectionRuns, want.run); ok {
			m.measured, m.reached = fmt.Sprint(len(s.run.activities)), len(s.run.activities) == want.calls
		}
		list = append(list, m)
	}
	return list
}

func (b *bench) ingestMarks() []mark {
	m := mark{what: "ingest in batches of 1000, several clients", wanted: fmt.Sprintf("%d events/s", ingestPerSec), measured: notMeasured}
	var rates []string
	for _, name := range []string{ingestOneOrg, ingestManyOrgs} {
		s, ok := b.book.of(sectionIngest, name)
		if !ok {
			continue
		}
		rates = append(rates, fmt.Sprintf("%.0f (%s)", s.perSecond(), name))
		m.reached = m.reached || s.perSecond() >= ingestPerSec
	}
	if len(rates) > 0 {
		m.measured = strings.Join(rates, ", ")
	}
	return []mark{m}
}

func (b *bench) writeMarks(w *bytes.Buffer) {
	fmt.Fprint(w, "\n## Marks\n\n")
	var rows [][]string
	for _, m := range b.marks() {
		verdict := "missed"
		switch {
		case m.measured == notMeasured:
			verdict = ""
		case m.reached:
			verdict = "reached"
		}
		rows = append(rows, []string{m.what, m.wanted, m.measured, verdict})
	}
	writeTable(w, []string{"mark", "wanted", "measured", ""}, rows)
	if !b.plan.full() {
		fmt.Fprintf(w, "\nThis was not the full run: %d events instead of %d, %d rounds. It shows that the harness works, and no more.\n",
			b.plan.events, fullEvents, b.plan.repeat)
	}
	if loud := b.loudest(); loud > quietEnough {
		fmt.Fprintf(w, "\nOther programs used up to %.0f %% of this machine meanwhile. Times are longer than they should be, and shares lower.\n", loud*100)
	}
}

func (b *bench) loudest() (most float64) {
	for _, f := range b.book.figures {
		most = max(most, f.median().usage.disturbance())
	}
	return most
}

// heartbeats is how many heartbeats can have reached the server: one when the
// writing began, and then as many as the SDK lets through, which holds them
// back for 80 % of the heartbeat timeout of 30 s.
func (r temporalRun) heartbeats() int {
	if r.writing == 0 {
		return 0
	}
	return 1 + int(r.writing/heartbeatEach)
}
