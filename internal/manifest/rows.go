package manifest

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strconv"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/auditferry/auditferry/schemas"
)

const (
	// maxRowBytes is far above the 64 KiB of the largest event, also where
	// each of its characters is escaped.
	maxRowBytes = 4 << 20
	readBuffer  = 256 << 10
	gzipBuffer  = 32 << 10 // it would read a few kilobytes at a time
	// maxZstdWindow bounds what a stored object can make a reader keep in
	// memory. The service writes windows of 1 MiB.
	maxZstdWindow = 8 << 20
)

// hashing hashes what is read through it, and keeps apart what fails in
// reading from what is wrong with the bytes.
type hashing struct {
	from     io.Reader
	sum      hash.Hash
	progress func(int64)
	failure  error
}

// Read implements io.Reader.
func (h *hashing) Read(p []byte) (int, error) {
	n, err := h.from.Read(p)
	_, _ = h.sum.Write(p[:n]) // never fails
	if n > 0 {
		h.progress(int64(n))
	}
	if err != nil && !errors.Is(err, io.EOF) {
		h.failure = err
	}
	return n, err
}

// rowCheck compares the rows of an object with what was signed.
type rowCheck struct {
	claim claim
	rows  int64
	last  int64
}

// flaw is what is wrong with the rows of an object.
type flaw struct {
	class  Class
	reason string
}

// Error implements error, so that reading ends with it.
func (f *flaw) Error() string { return f.reason }

func wrongRows(format string, args ...any) error {
	return &flaw{RowsWrong, fmt.Sprintf(format, args...)}
}

// see takes the next row in.
func (r *rowCheck) see(seq int64) error {
	r.rows++
	switch {
	case seq < r.claim.FirstSeq || seq > r.claim.LastSeq:
		return &flaw{RowOutside, fmt.Sprintf("row %d has seq %d, and the object is for seq %d to %d", r.rows, seq, r.claim.FirstSeq, r.claim.LastSeq)}
	case seq <= r.last:
		return wrongRows("row %d has seq %d, and the row before it %d: rows are doubled or not in order", r.rows, seq, r.last)
	case r.rows > r.claim.Rows:
		return wrongRows("it has more than the %d rows that were signed", r.claim.Rows)
	}
	r.last = seq
	return nil
}

// complete is called after the last row.
func (r *rowCheck) complete() error {
	if r.rows != r.claim.Rows {
		return wrongRows("it has %d rows, and %d were signed", r.rows, r.claim.Rows)
	}
	return nil
}

// read reads all rows of a format that is read as a stream, and returns what is
// wrong with them. It may end before the end of the stream.
func (r *rowCheck) read(stream io.Reader, format schemas.Format, compression schemas.Compression) error {
	plain, err := decompress(stream, compression)
	if err != nil {
		return err
	}
	switch format {
	case schemas.FormatNDJSON:
		err = r.readLines(plain)
	case schemas.FormatCSV:
		err = r.readCSV(plain)
	default:
		err = fmt.Errorf("unknown format %q", format)
	}
	if err == nil {
		err = r.complete()
	}
	return errors.Join(err, plain.Close())
}

// verdict makes a finding of what read has returned.
func (r *rowCheck) verdict(wrong error) *Finding {
	if wrong == nil {
		return nil
	}
	class := RowsWrong
	var f *flaw
	if errors.As(wrong, &f) {
		class = f.class
	}
	found := r.claim.about(class, "The bytes of this object are those that were signed, but its rows are not as its manifest says: %s. Report it to the service's operator.", wrong)
	return &found
}

func decompress(stream io.Reader, compression schemas.Compression) (io.ReadCloser, error) {
	switch compression {
	case schemas.CompressionNone:
		return io.NopCloser(stream), nil
	case schemas.CompressionGzip:
		z, err := gzip.NewReader(bufio.NewReaderSize(stream, gzipBuffer))
		if err != nil {
			return nil, fmt.Errorf("it is not gzip: %w", err)
		}
		return z, nil
	case schemas.CompressionZstd:
		z, err := zstd.NewReader(stream, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			return nil, fmt.Errorf("it is not zstd: %w", err)
		}
		return z.IOReadCloser(), nil
	default:
		return nil, fmt.Errorf("unknown compression %q", compression)
	}
}

// buffers are used again by the next object: there can be a hundred thousand
// small ones.
var buffers = sync.Pool{New: func() any {
	buffer := make([]byte, 0, readBuffer)
	return &buffer
}}

func (r *rowCheck) readLines(plain io.Reader) error {
	lines := bufio.NewScanner(plain)
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	lines.Buffer(*buffer, maxRowBytes)
	for lines.Scan() {
		seq, err := seqOf(lines.Bytes())
		if err != nil {
			return fmt.Errorf("row %d: %w", r.rows+1, err)
		}
		if err := r.see(seq); err != nil {
			return err
		}
	}
	return lines.Err()
}

// seqOf reads an event's seq, which stands first in its canonical JSON; wherever
// else it stands costs more time.
func seqOf(line []byte) (int64, error) {
	if rest, ok := bytes.CutPrefix(line, []byte(`{"seq":`)); ok {
		if end := bytes.IndexAny(rest, ",}"); end > 0 && end <= 19 {
			if seq, err := strconv.ParseInt(string(rest[:end]), 10, 64); err == nil {
				return seq, nil
			}
		}
	}
	var event struct {
		Seq *int64 `json:"seq"`
	}
	if err := json.Unmarshal(line, &event); err != nil {
		return 0, fmt.Errorf("it is not an event's JSON: %w", err)
	}
	if event.Seq == nil {
		return 0, errors.New("it has no seq")
	}
	return *event.Seq, nil
}

func (r *rowCheck) readCSV(plain io.Reader) error {
	limited := &perRow{from: plain}
	records := csv.NewReader(limited)
	records.ReuseRecord = true
	header, err := records.Read()
	if err != nil {
		return fmt.Errorf("its header cannot be read: %w", err)
	}
	column := slices.Index(header, "seq")
	if column < 0 {
		return errors.New("its header has no column seq")
	}
	for {
		limited.taken = 0
		record, err := records.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("row %d: %w", r.rows+1, err)
		}
		seq, err := strconv.ParseInt(record[column], 10, 64)
		if err != nil {
			return fmt.Errorf("row %d: its seq is no number: %w", r.rows+1, err)
		}
		if err := r.see(seq); err != nil {
			return err
		}
	}
}

// perRow ends reading when one row takes more bytes than any event: a quote
// that is never closed would take all the memory.
type perRow struct {
	from  io.Reader
	taken int
}

// Read implements io.Reader.
func (p *perRow) Read(b []byte) (int, error) {
	if p.taken > maxRowBytes {
		return 0, fmt.Errorf("a row is longer than %d bytes", maxRowBytes)
	}
	n, err := p.from.Read(b)
	p.taken += n
	return n, err
}
