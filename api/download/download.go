// Package download sends files of unknown length over HTTP, while they are
// written.
package download

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// blockSize is how much of a file is sent at a time.
	blockSize = 32 << 10

	// blockTimeout is how long a client may take for one block. A file as a whole
	// may take longer than the server gives other answers; one that does not move
	// is ended, because what it is read from is needed by others.
	blockTimeout = 30 * time.Second
)

// File is what is sent.
type File struct {
	Name      string
	MediaType string
	Write     func(to io.Writer) error
}

// Send sends the file, and tells whether anything of it may have been sent. If
// not, the answer can still become another one. Otherwise, after an error, the
// connection is to be cut, so that nobody takes the file for whole.
func (f File) Send(w http.ResponseWriter) (begun bool, err error) { return f.send(w, blockTimeout) }

func (f File) send(w http.ResponseWriter, timeout time.Duration) (begun bool, err error) {
	to := &blockWriter{to: w, file: f, timeout: timeout}
	out := bufio.NewWriterSize(to, blockSize)
	if err := f.Write(out); err != nil {
		return to.begun, err
	}
	to.begin() // also for a file that is empty
	return true, out.Flush()
}

// blockWriter sends the header with the first block, and extends the time for
// the answer with every one.
type blockWriter struct {
	to      http.ResponseWriter
	file    File
	timeout time.Duration
	begun   bool
}

func (w *blockWriter) Write(block []byte) (int, error) {
	w.begin()
	if err := http.NewResponseController(w.to).SetWriteDeadline(time.Now().Add(w.timeout)); err != nil {
		return 0, fmt.Errorf("extend the time for a download: %w", err)
	}
	return w.to.Write(block)
}

func (w *blockWriter) begin() {
	if w.begun {
		return
	}
	w.begun = true
	h := w.to.Header()
	h.Set("Content-Type", w.file.MediaType)
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", w.file.Name))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
}
