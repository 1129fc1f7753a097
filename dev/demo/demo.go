// Package demo plays Auditferry's whole story without a person, on a fresh
// local stack: an org's admin exports its audit log to three clouds, moves two
// of the destinations and deletes two of the integrations, and an auditor
// counts what has arrived.
package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/dev/actor"
	"github.com/auditferry/auditferry/dev/stack"
	"github.com/auditferry/auditferry/schemas"
)

const (
	firstEvents = 100_000 // before anything is set up
	moreEvents  = 5_000   // after each chapter
	every       = 5 * time.Second
	resultFile  = ".dev/demo.json"
	limit       = 10 * time.Minute // for the whole story, without getting tools
)

// Result is what the demo writes. OK tells whether all of the story held.
type Result struct {
	Clouds  map[schemas.Cloud]Delivered `json:"clouds"`
	Mails   int                         `json:"mails"`
	Seconds float64                     `json:"seconds"` // without getting tools and starting the stack
	OK      bool                        `json:"ok"`
}

// Delivered is what the auditor found of one cloud's export.
type Delivered struct {
	Events     int `json:"events"`
	Objects    int `json:"objects"`
	Missing    int `json:"missing"`
	Duplicates int `json:"duplicates"`
}

// Run plays the story, tells it on out, and returns an error unless all of it
// held. The servers' log goes into .dev/demo.log.
func Run(ctx context.Context, out io.Writer) (err error) {
	if err := os.MkdirAll(filepath.Dir(resultFile), 0o750); err != nil {
		return fmt.Errorf("prepare for the result: %w", err)
	}
	log, err := os.Create(filepath.Join(filepath.Dir(resultFile), "demo.log"))
	if err != nil {
		return fmt.Errorf("prepare for the log: %w", err)
	}
	defer func() { err = errors.Join(err, log.Close()) }()

	fmt.Fprintln(out, "Starting a fresh local stack. The first time, its tools are built, which takes some minutes.")
	began := time.Now()
	s, err := stack.Start(ctx, stack.Options{Log: io.MultiWriter(log, toolsOnly(out))})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	fmt.Fprintf(out, "Ready after %.1f s.\n\n", time.Since(began).Seconds())

	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	t := newTale(out, s)
	result, err := t.tell(ctx)
	result.Seconds = time.Since(t.began).Round(10 * time.Millisecond).Seconds()
	result.OK = err == nil
	if err == nil {
		printTable(out, result)
	}
	return errors.Join(err, write(result))
}

func write(result Result) error {
	data, err := json.Marshal(result)
	if err == nil {
		err = os.WriteFile(resultFile, append(data, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", resultFile, err)
	}
	return nil
}

func printTable(out io.Writer, result Result) {
	fmt.Fprintf(out, "\n%-8s %10s %10s %10s %10s\n", "cloud", "events", "objects", "missing", "duplicates")
	for _, cloud := range schemas.Clouds() {
		d := result.Clouds[cloud]
		fmt.Fprintf(out, "%-8s %10d %10d %10d %10d\n", cloud, d.Events, d.Objects, d.Missing, d.Duplicates)
	}
	fmt.Fprintf(out, "\n%d mails, %.1f s. Every event was delivered exactly once. See %s.\n", result.Mails, result.Seconds, resultFile)
}

// ferry is one cloud's integration with its export, as the tale goes on.
type ferry struct {
	cloud       schemas.Cloud
	places      []schemas.Destination // where the export has delivered, in order
	integration uuid.UUID
	export      uuid.UUID
	slug        string
}

// tale is the story as it is being told.
type tale struct {
	out    io.Writer
	began  time.Time
	stack  *stack.Stack
	inbox  actor.Inbox
	clouds actor.CloudAdmin

	admin   actor.Admin
	product actor.Product
	ferries map[schemas.Cloud]*ferry
	newest  int64 // seq of the newest event that the product reported
	mails   int   // that have come so far
}

var notified = []string{"ada@acme.example", "security@acme.example"}

func newTale(out io.Writer, s *stack.Stack) *tale {
	return &tale{
		out:     out,
		began:   time.Now(),
		stack:   s,
		inbox:   actor.Inbox{Stack: s},
		clouds:  actor.CloudAdmin{Stack: s, Name: "acme", Account: "acmeaudit"},
		ferries: map[schemas.Cloud]*ferry{},
	}
}

func (t *tale) say(format string, args ...any) {
	fmt.Fprintf(t.out, "%6.1f s  %s\n", time.Since(t.began).Seconds(), fmt.Sprintf(format, args...))
}
