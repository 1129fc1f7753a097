package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

// report prints the tables and writes them into the result file.
func (b *bench) report(ctx context.Context, took time.Duration) error {
	machine, err := b.describeMachine(ctx)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "# Benchmarks\n\nMade by `make bench`; see [main.go](main.go). Do not edit.\n\n")
	writeTable(&text, []string{"", ""}, machine)
	fmt.Fprintf(&text, "\n%d events of %d bytes of JSON on average, the median of %d rounds where things are compared, %s in all.\n",
		b.plan.events, b.usual.log.bytes/b.usual.log.events, b.plan.repeat, took.Round(time.Second))
	b.writeMarks(&text)
	b.writeTimes(&text)
	b.writeProcessors(&text)
	b.writeTemporal(&text)
	b.writeIngest(&text)
	b.writeCommands(&text)
	b.writeNotes(&text)

	file := b.plan.resultFile()
	if err := os.WriteFile(file, text.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	_, err = fmt.Printf("\n%s\nWritten to %s.\n", &text, strings.TrimPrefix(file, b.plan.root+"/"))
	return err
}

// writeTable writes a Markdown table whose columns also line up as plain text.
func writeTable(w *bytes.Buffer, head []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	width := make([]int, len(head))
	for _, row := range append([][]string{head}, rows...) {
		for i, cell := range row {
			width[i] = max(width[i], len([]rune(cell)))
		}
	}
	line := func(cells []string) {
		for i, cell := range cells {
			fmt.Fprintf(w, "| %s%s ", cell, strings.Repeat(" ", width[i]-len([]rune(cell))))
		}
		fmt.Fprintln(w, "|")
	}
	line(head)
	rule := make([]string, len(head))
	for i := range rule {
		rule[i] = strings.Repeat("-", max(width[i], 3))
		width[i] = max(width[i], 3)
	}
	line(rule)
	for _, row := range rows {
		line(row)
	}
}

// heading of a table of times.
var timeHead = []string{
	"", "s", "from – to", "events/s", "MB/s of JSON", "stored MB", "processor s", "cores", "others", "worker MiB", "objects", "ratio",
}

func (b *bench) writeTimes(w *bytes.Buffer) {
	b.writeSection(w, "The floor", sectionFloor, gzipped.String(),
		"What the database hands out, to nowhere and into the product's own compressors, on one connection.")
	b.writeSection(w, "The export", sectionExport, gzipped.String(),
		"From the start of the workflow that the schedule started to its end, by Temporal's own times.")
	b.writeSection(w, "What a user would do instead", sectionInstead, gzipped.String(), "")
	b.writeSection(w, "Parts at a time", sectionParts, gzipped.String(), "")
	b.writeSection(w, "Fewer and more events", sectionScale, gzipped.String(),
		fmt.Sprintf("%d and %d events, %s.", b.plan.fewEvents(), b.plan.manyEvents(), gzipped)+b.linear())
	b.writeSection(w, "Events of 64 KiB", sectionLarge, gzipped.String(), fmt.Sprintf("%d of them.", b.plan.largeEvents()))
}

// writeSection writes a table of times; ratios are to the export named.
func (b *bench) writeSection(w *bytes.Buffer, title, section, to, text string) {
	figures := b.book.section(section)
	if len(figures) == 0 {
		return
	}
	fmt.Fprintf(w, "\n## %s\n\n", title)
	if text != "" {
		fmt.Fprintf(w, "%s\n\n", text)
	}
	base, _ := b.book.of(sectionExport, to)
	var rows [][]string
	for _, f := range figures {
		if f.failure != "" {
			rows = append(rows, append([]string{f.name + ": not measured"}, make([]string, len(timeHead)-1)...))
			continue
		}
		rows = append(rows, timeRow(f, base))
	}
	writeTable(w, timeHead, rows)
	for _, f := range figures {
		if f.failure != "" {
			fmt.Fprintf(w, "\n%s was not measured: %s\n", f.name, f.failure)
		}
	}
}

func timeRow(f *figure, base sample) []string {
	s := f.median()
	shortest, longest := f.spread()
	row := []string{
		f.name, seconds(s.wall), "", fmt.Sprintf("%.0f", s.perSecond()), fmt.Sprintf("%.0f", float64(s.raw)/1e6/s.wall.Seconds()),
		"", seconds(s.usage.total()), fmt.Sprintf("%.2f", s.usage.cores()), fmt.Sprintf("%.0f %%", s.usage.disturbance()*100), "", "", "",
	}
	if len(f.samples) > 1 {
		row[2] = seconds(shortest) + " – " + seconds(longest)
	}
	if s.stored > 0 {
		row[5] = fmt.Sprintf("%.1f", float64(s.stored)/1e6)
	}
	if s.peak > 0 {
		row[9] = fmt.Sprintf("%d", s.peak>>20)
	}
	if s.parts > 0 {
		row[10] = fmt.Sprintf("%d", s.parts)
	}
	if base.wall > 0 {
		row[11] = fmt.Sprintf("%.2f", s.wall.Seconds()/base.wall.Seconds())
	}
	return row
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()) }

// linear compares what an event takes in the small and in the large log.
func (b *bench) linear() string {
	few, ok := b.book.of(sectionScale, scaleFew)
	many, okay := b.book.of(sectionScale, scaleMany)
	if !ok || !okay {
		return ""
	}
	each := func(s sample) float64 { return float64(s.wall.Microseconds()) / float64(s.events) }
	return fmt.Sprintf(" An event takes %.2f µs in the smaller log and %.2f µs in the larger one: %.2f times as long.",
		each(few), each(many), each(many)/each(few))
}

// writeProcessors writes who spent processor time.
func (b *bench) writeProcessors(w *bytes.Buffer) {
	owners := []string{ofPostgres, ofWorker, ofS3, ofBench, ofTemporal, ofAPI}
	var rows [][]string
	for _, section := range []string{sectionFloor, sectionExport, sectionInstead, sectionScale, sectionLarge} {
		for _, f := range b.book.section(section) {
			if len(f.samples) == 0 {
				continue
			}
			row := []string{section + ": " + f.name}
			for _, owner := range owners {
				row = append(row, seconds(f.median().usage.by[owner]))
			}
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		return
	}
	fmt.Fprint(w, "\n## Who spent processor time\n\nIn seconds. \"bench\" is the simulated cloud, and the commands where there are any; at the floor it is what receives and compresses.\n\n")
	writeTable(w, append([]string{""}, owners...), rows)
}

func (b *bench) writeTemporal(w *bytes.Buffer) {
	list := b.book.section(sectionRuns)
	if f := b.book.find(sectionScale, scaleMany); f != nil {
		list = append(list, &figure{name: fmt.Sprintf("large, %d events", b.plan.manyEvents()), samples: f.samples})
	}
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(w, "\n## Runs on Temporal\n\n%s\n\n", strings.TrimSpace(`
Temporal Cloud bills actions: two for the schedule, one for each started workflow, activity, retry, timer and signal
(https://docs.temporal.io/cloud/actions). They are counted from the histories. Heartbeats count as well where they reach the
server, which the SDK lets one do in 24 s; they are in no history, so the table has how many there can have been.`))
	var rows [][]string
	for _, f := range list {
		s := f.median()
		if s.run == nil {
			continue
		}
		r := s.run
		rows = append(rows, []string{
			f.name, seconds(r.wall()), seconds(r.writing), strings.Join(r.activities, ", "), fmt.Sprint(r.retries), fmt.Sprint(r.timers),
			fmt.Sprint(r.signals), fmt.Sprint(r.events), fmt.Sprint(r.actions()), fmt.Sprint(r.heartbeats()),
		})
	}
	writeTable(w, []string{"run", "s", "of that writing", "activities", "retries", "timers", "signals", "history events", "actions", "heartbeats"}, rows)
}

func (b *bench) writeIngest(w *bytes.Buffer) {
	list := b.book.section(sectionIngest)
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(w, "\n## Ingest\n\nThrough the HTTP API in batches of %d, each with an Idempotency-Key, for %s; the clients run on the same machine.\n\n",
		ingestBatch, b.plan.ingestFor())
	var rows [][]string
	for _, f := range list {
		s := f.median()
		by := func(who string) string { return seconds(s.usage.by[who]) }
		rows = append(rows, []string{
			f.name, fmt.Sprintf("%.0f", s.perSecond()), fmt.Sprintf("%.1f", float64(s.raw)/1e6/s.wall.Seconds()),
			by(ofAPI), by(ofPostgres), by(ofBench), fmt.Sprintf("%.2f", s.usage.cores()), fmt.Sprintf("%.0f %%", s.usage.disturbance()*100),
		})
	}
	writeTable(w, []string{"", "events/s", "MB/s", "api s", "Postgres s", "clients s", "cores", "others"}, rows)
}

func (b *bench) writeCommands(w *bytes.Buffer) {
	fmt.Fprint(w, "\n## Commands\n\n`$ORG` is the organization, `$DATABASE_URL` the database as its superuser. Exports are run by POST /v1/exports/{id}/run, and events\n"+
		"handed in by POST /v1/events.\n")
	seen := map[string]bool{}
	for _, f := range b.book.figures {
		if f.command == "" || seen[f.command] {
			continue
		}
		seen[f.command] = true
		fmt.Fprintf(w, "\n%s:\n\n```\n%s\n```\n", f.name, f.command)
	}
}
