package main

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/auditferry/auditferry/internal/encode"
	"github.com/auditferry/auditferry/schemas"
)

// copyBody is the floor of all that exports NDJSON: the database hands out
// bodies that are ready, in order.
func (b *bench) copyBody() string {
	return fmt.Sprintf("COPY (SELECT body FROM audit_event WHERE org_id = '%s' ORDER BY seq) TO STDOUT", b.usual.org)
}

const (
	floorPsql  = "COPY body, psql to /dev/null"
	floorGo    = "COPY body, Go to nowhere"
	floorPlain = "COPY body, Go, "
)

// measureFloor measures what no export of ready bodies can be faster than, one
// connection at a time.
func (b *bench) measureFloor(ctx context.Context) error {
	if err := b.pipe(ctx, sectionFloor, floorPsql, `psql "$DATABASE_URL" -c "`+b.copyBody()+`" > /dev/null`, ""); err != nil {
		return err
	}
	for _, compression := range []schemas.Compression{"", schemas.CompressionGzip, schemas.CompressionZstd} {
		if err := b.floorInGo(ctx, compression); err != nil {
			return err
		}
	}
	return nil
}

// floorInGo is the copy without, or with, the product's own compressor behind
// it.
func (b *bench) floorInGo(ctx context.Context, compression schemas.Compression) (err error) {
	name := floorGo
	if compression != "" {
		name = floorPlain + string(compression)
	}
	conn, err := pgx.Connect(ctx, b.stack.Database.SuperuserURL)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	var stored counter
	each := func([]byte) error { return nil }
	end := func() error { return nil }
	if compression != "" {
		writer, err := encode.NewWriter(&stored, schemas.FormatNDJSON, compression)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		defer writer.Abort()
		each, end = writer.WriteRow, writer.Close
	}
	m, err := b.meter()
	if err != nil {
		return err
	}
	began := time.Now()
	rows := &copied{each: each}
	if _, err := conn.PgConn().CopyTo(ctx, rows, b.copyBody()+" (FORMAT binary)"); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := end(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	wall := time.Since(began)
	used, err := m.spent()
	f := b.book.page(sectionFloor, name, b.anonymous(b.copyBody())+" (FORMAT binary)")
	f.samples = append(f.samples, sample{events: rows.count, raw: rows.bytes, stored: int64(stored), wall: wall, usage: used})
	return err
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

// copied takes a one-column COPY apart, of which the driver hands over one row
// at a time.
type copied struct {
	each    func([]byte) error
	started bool
	count   int64
	bytes   int64
}

const (
	copyHeader = 19 // signature, flags, length of the extension, before the first row
	rowHeader  = 6  // number of columns, length of the one
	copyEnd    = 2
)

func (c *copied) Write(p []byte) (int, error) {
	row := p
	if !c.started {
		c.started, row = true, row[min(copyHeader, len(row)):]
	}
	if len(row) <= copyEnd {
		return len(p), nil
	}
	if len(row) < rowHeader || int(binary.BigEndian.Uint32(row[2:])) != len(row)-rowHeader {
		return 0, errors.New("the driver does not hand over one row at a time any more")
	}
	c.count++
	c.bytes += int64(len(row) - rowHeader)
	return len(p), c.each(row[rowHeader:])
}

// measureHashing finds out what the hashes of an object cost.
func (b *bench) measureHashing() error {
	m, err := b.meter()
	if err != nil {
		return err
	}
	block := make([]byte, 1<<20)
	const blocks = 1_000
	both := io.MultiWriter(sha256.New(), md5.New())
	for range blocks {
		if _, err := both.Write(block); err != nil {
			return err
		}
	}
	used, err := m.spent()
	b.book.hashing = time.Duration(float64(used.by[ofBench]) * 1e9 / float64(blocks*len(block)))
	return err
}
