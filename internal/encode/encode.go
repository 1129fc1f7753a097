// Package encode turns rows of audit events into the bytes of an object. The
// same rows give the same bytes, always: a part that is written again must be
// the object that is there already.
package encode

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/auditferry/auditferry/schemas"
)

// Writer writes the rows of one object. It is not safe for concurrent use.
// Every Writer must be ended by Close or Abort, which also ends its goroutine.
type Writer interface {
	// WriteRow adds one event's canonical JSON. The row is copied. An error
	// may be that of an earlier row; after one, the object is lost.
	WriteRow(body []byte) error
	// Close completes the object. Only if it returns nil are its bytes whole.
	Close() error
	// Abort gives the object up: nothing more is written. It does nothing
	// after Close, so it can be deferred.
	Abort()
}

// NewWriter returns a Writer of the format and compression over w, which is
// written to from another goroutine until Close or Abort has returned, and is
// not closed.
func NewWriter(w io.Writer, format schemas.Format, compression schemas.Compression) (Writer, error) {
	if format != schemas.FormatNDJSON {
		return nil, fmt.Errorf("encode: unknown format %q", format)
	}
	sink, err := newSink(w, compression)
	if err != nil {
		return nil, err
	}
	return &ndjson{blocks: newPipeline(sink)}, nil
}

// ContentType is the media type of an object. A compressed one has that of its
// compression, and no Content-Encoding, with which some clients would unpack
// the file that its name promises.
func ContentType(_ schemas.Format, compression schemas.Compression) string {
	switch compression {
	case schemas.CompressionGzip:
		return "application/gzip"
	case schemas.CompressionZstd:
		return "application/zstd"
	default:
		return "application/x-ndjson"
	}
}

// ndjson writes one row per line.
type ndjson struct {
	blocks *pipeline
}

var (
	errNoRow   = errors.New("encode: a row is empty")
	errNewline = errors.New("encode: a row holds a line break, so it would be read as two")
)

// WriteRow implements Writer.
func (n *ndjson) WriteRow(body []byte) error {
	if len(body) == 0 {
		return errNoRow
	}
	if bytes.IndexByte(body, '\n') >= 0 {
		return errNewline
	}
	return n.blocks.appendLine(body)
}

// Close implements Writer.
func (n *ndjson) Close() error { return n.blocks.close() }

// Abort implements Writer.
func (n *ndjson) Abort() { n.blocks.abort() }

const (
	// The levels and the window are named here, so that another default in a
	// later version of the library does not change the bytes.
	gzipLevel  = 5
	zstdLevel  = zstd.SpeedDefault
	zstdWindow = 1 << 20 // bytes; what a writer keeps in memory grows with it

	// sinkBuffer gathers what compressors hand out in pieces of a few hundred
	// bytes.
	sinkBuffer = 256 << 10
)

// sink compresses into a buffered writer.
type sink struct {
	io.Writer
	compressor io.Closer // nil when nothing is compressed
	buffer     *bufio.Writer
}

func newSink(w io.Writer, compression schemas.Compression) (*sink, error) {
	buffer := bufio.NewWriterSize(w, sinkBuffer)
	switch compression {
	case schemas.CompressionNone:
		return &sink{Writer: buffer, buffer: buffer}, nil
	case schemas.CompressionGzip:
		// The header holds no name and no time unless they are set.
		z, err := gzip.NewWriterLevel(buffer, gzipLevel)
		if err != nil {
			return nil, fmt.Errorf("encode: prepare gzip: %w", err)
		}
		return &sink{Writer: z, compressor: z, buffer: buffer}, nil
	case schemas.CompressionZstd:
		// One thread: blocks are then cut by their length alone, and there
		// are no goroutines to be left behind.
		z, err := zstd.NewWriter(buffer, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstdLevel),
			zstd.WithWindowSize(zstdWindow), zstd.WithEncoderCRC(true))
		if err != nil {
			return nil, fmt.Errorf("encode: prepare zstd: %w", err)
		}
		return &sink{Writer: z, compressor: z, buffer: buffer}, nil
	}
	return nil, fmt.Errorf("encode: unknown compression %q", compression)
}

// finish writes what compressor and buffer still hold.
func (s *sink) finish() error {
	if s.compressor != nil {
		if err := s.compressor.Close(); err != nil {
			return err
		}
	}
	return s.buffer.Flush()
}
