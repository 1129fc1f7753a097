// Package encode turns rows of audit events into the bytes of an object. The
// same rows give the same bytes, always: a part that is written again must be
// the object that is there already.
//
// NDJSON holds each event's canonical JSON as it is. CSV and Parquet hold it
// taken apart into the same columns (see column), with no value of the event
// left out.
package encode

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/auditferry/auditferry/schemas"
)

// Writer writes the rows of one object. It is not safe for concurrent use.
// Every Writer must be ended by Close or Abort, which also ends its goroutine.
type Writer interface {
	// WriteRow adds one event's canonical JSON (schemas.Event.Canonical). The
	// row is copied. An error may be that of an earlier row; after one, the
	// object is lost.
	WriteRow(body []byte) error
	// Close completes the object. Only if it returns nil are its bytes whole.
	Close() error
	// Abort gives the object up: nothing more is written. It does nothing
	// after Close, so it can be deferred.
	Abort()
}

// NewWriter returns a Writer of the format and compression over w, which is
// written to from another goroutine until Close or Abort has returned, and is
// not closed. A combination that schemas.CheckFormat refuses is an error.
func NewWriter(w io.Writer, format schemas.Format, compression schemas.Compression) (Writer, error) {
	if err := schemas.CheckFormat(format, compression); err != nil {
		return nil, fmt.Errorf("encode: %s with %s: %w", format, compression, err)
	}
	to, err := newEncoder(w, format, compression)
	if err != nil {
		return nil, err
	}
	return &writer{blocks: newPipeline(to)}, nil
}

// encoder turns blocks of rows, each row ended by a line feed, into the bytes
// of an object. It runs in the pipeline's goroutine. Where blocks are cut
// depends on the lengths of the rows alone, so it may show in the bytes.
type encoder interface {
	// write takes a block, which is the caller's again afterwards.
	write(block []byte) error
	// finish completes the object.
	finish() error
}

func newEncoder(w io.Writer, format schemas.Format, compression schemas.Compression) (encoder, error) {
	if format == schemas.FormatParquet {
		return newParquet(w, compression)
	}
	to, err := newSink(w, compression)
	if err != nil {
		return nil, err
	}
	if format == schemas.FormatCSV {
		return newCSV(to), nil
	}
	return to, nil
}

// ContentType is the media type of an object. A compressed one has that of its
// compression, and no Content-Encoding, with which some clients would unpack
// the file that its name promises. Parquet, compressed inside, is Parquet.
func ContentType(format schemas.Format, compression schemas.Compression) string {
	switch {
	case format == schemas.FormatParquet:
		return "application/vnd.apache.parquet"
	case compression == schemas.CompressionGzip:
		return "application/gzip"
	case compression == schemas.CompressionZstd:
		return "application/zstd"
	case format == schemas.FormatCSV:
		return "text/csv; charset=utf-8; header=present" // RFC 4180
	default:
		return "application/x-ndjson"
	}
}

// writer hands rows to its encoder in blocks.
type writer struct {
	blocks *pipeline
}

var (
	errNoRow   = errors.New("encode: a row is empty")
	errNewline = errors.New("encode: a row holds a line break, so it would be read as two")
)

// WriteRow implements Writer.
func (w *writer) WriteRow(body []byte) error {
	if len(body) == 0 {
		return errNoRow
	}
	if bytes.IndexByte(body, '\n') >= 0 {
		return errNewline
	}
	return w.blocks.appendLine(body)
}

// Close implements Writer.
func (w *writer) Close() error { return w.blocks.close() }

// Abort implements Writer.
func (w *writer) Abort() { w.blocks.abort() }
