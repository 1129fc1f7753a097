package stack

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
)

// lastLines is how much of a program's output an error message repeats.
const lastLines = 20

// logbook is the one log that all programs of a stack write to.
type logbook struct {
	mu  sync.Mutex
	out io.Writer
}

// lines returns a writer that puts the program's name before each line.
func (b *logbook) lines(name string) *lineWriter { return &lineWriter{book: b, name: name} }

func (b *logbook) printf(name, format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, _ = fmt.Fprintf(b.out, "%-10s | "+format+"\n", append([]any{name}, args...)...) // a log that fails has nowhere to say so
}

// lineWriter also remembers the last lines, for the message when its program
// ends unexpectedly.
type lineWriter struct {
	book *logbook
	name string

	mu   sync.Mutex
	rest []byte
	last []string
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rest = append(w.rest, p...)
	for {
		line, rest, found := bytes.Cut(w.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		w.keep(strings.TrimRight(string(line), "\r"))
		w.rest = rest
	}
}

func (w *lineWriter) keep(line string) {
	if strings.TrimSpace(line) == "" {
		return
	}
	if len(w.last) == lastLines {
		w.last = append(w.last[:0], w.last[1:]...)
	}
	w.last = append(w.last, line)
	w.book.printf(w.name, "%s", line)
}

// tail returns the last lines, an unfinished one included.
func (w *lineWriter) tail() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines := w.last
	if len(w.rest) > 0 {
		lines = append(lines[:len(lines):len(lines)], string(w.rest))
	}
	return strings.Join(lines, "\n")
}
