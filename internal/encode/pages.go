package encode

import (
	"errors"
	"io"
	"slices"
)

// pageChunk is large enough for a page, and small beside the seventeen columns
// of a row group, each of which leaves one half empty.
const pageChunk = 128 << 10

// pagePool has the pages of a row group in memory until it ends, and then takes
// the next one's into the same memory. The library's own pool leaves as much
// again to the garbage collector. It belongs to one writer, so it needs no lock.
type pagePool struct {
	free [][]byte
}

// GetBuffer implements parquetgo.BufferPool.
func (p *pagePool) GetBuffer() io.ReadWriteSeeker { return &pageBuffer{pool: p} }

// PutBuffer implements parquetgo.BufferPool.
func (p *pagePool) PutBuffer(buffer io.ReadWriteSeeker) {
	if b, ok := buffer.(*pageBuffer); ok {
		p.free = append(p.free, b.chunks...)
		*b = pageBuffer{pool: p}
	}
}

// chunk is an empty one.
func (p *pagePool) chunk() []byte {
	last := len(p.free) - 1
	if last < 0 {
		return make([]byte, 0, pageChunk)
	}
	chunk := p.free[last]
	p.free = slices.Delete(p.free, last, last+1)
	return chunk[:0]
}

// pageBuffer is written from its beginning to its end, and then read the same way.
type pageBuffer struct {
	pool   *pagePool
	chunks [][]byte // all full but the last
	size   int64
	read   int64 // how much of it was read
}

// Write implements io.Writer. It does not fail.
func (b *pageBuffer) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		last := len(b.chunks) - 1
		if last < 0 || len(b.chunks[last]) == pageChunk {
			b.chunks = append(b.chunks, b.pool.chunk())
			last++
		}
		n := min(len(rest), pageChunk-len(b.chunks[last]))
		b.chunks[last] = append(b.chunks[last], rest[:n]...)
		rest = rest[n:]
	}
	b.size += int64(len(p))
	return len(p), nil
}

// Read implements io.Reader.
func (b *pageBuffer) Read(p []byte) (int, error) {
	if b.read == b.size {
		return 0, io.EOF
	}
	n := copy(p, b.unread())
	b.read += int64(n)
	return n, nil
}

// WriteTo implements io.WriterTo, which spares a copy.
func (b *pageBuffer) WriteTo(w io.Writer) (written int64, err error) {
	for b.read < b.size {
		n, err := w.Write(b.unread())
		b.read += int64(n)
		written += int64(n)
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// unread is the rest of the chunk that is read at present.
func (b *pageBuffer) unread() []byte {
	return b.chunks[b.read/pageChunk][b.read%pageChunk:]
}

// Seek implements io.Seeker to the beginning only, where reading starts.
func (b *pageBuffer) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != io.SeekStart {
		return 0, errors.New("encode: pages are read from their beginning only")
	}
	b.read = 0
	return 0, nil
}
