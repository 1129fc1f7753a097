package encode

import (
	"bufio"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/auditferry/auditferry/schemas"
)

const (
	// The levels and the window are named here, so that another default in a
	// later version of the library does not change the bytes. They were chosen
	// by measuring on events of 700 bytes: gzip of level 5 saves a sixteenth of
	// the size and takes more than twice as long; slower levels of zstd save nothing.
	gzipLevel  = 2
	zstdLevel  = zstd.SpeedFastest
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

// write implements encoder: lines of JSON are an object as they are.
func (s *sink) write(block []byte) error {
	_, err := s.Write(block)
	return err
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
