package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// CopyEvents calls each with the canonical JSON of the org's events from first
// to last, in the order of seq, and returns how many there were: fewer than
// asked for when some are not recorded yet or not retained any more. Memory
// stays bounded by the largest event. body is valid during the call only.
//
// An error of each ends the copy at once and is returned.
func (s *Store) CopyEvents(ctx context.Context, org uuid.UUID, first, last int64, each func(body []byte) error) (rows int64, err error) {
	if org == uuid.Nil {
		return 0, fmt.Errorf("copy audit events: %w", errNeedsOrg)
	}
	// Not retried: what each has done cannot be taken back here.
	err = s.once(ctx, org, func(t *Tx) error {
		from, to, found, err := t.recordedBetween(ctx, first, last)
		if err != nil || !found {
			return err
		}
		// COPY takes no parameters. None of these values is text from outside.
		sql := fmt.Sprintf(`COPY (
			SELECT body FROM audit_event
			WHERE org_id = '%s' AND seq BETWEEN %d AND %d AND recorded_at BETWEEN '%s' AND '%s'
			ORDER BY seq) TO STDOUT (FORMAT binary)`,
			org, first, last, from.Format(time.RFC3339Nano), to.Format(time.RFC3339Nano))
		parser := &copyParser{each: each}
		if _, err := t.tx.Conn().PgConn().CopyTo(ctx, parser, sql); err != nil {
			return err
		}
		rows = parser.rows
		return parser.end()
	})
	return rows, wrap("copy audit events", err)
}

// recordedBetween finds when the first and the last event of a range were
// recorded, so that the copy opens the partitions of those days only.
func (t *Tx) recordedBetween(ctx context.Context, first, last int64) (from, to time.Time, found bool, err error) {
	var oldest, newest *time.Time
	err = t.scan(ctx, "find the days of audit events", []any{&oldest, &newest}, `
		SELECT
			(SELECT recorded_at FROM audit_event WHERE org_id = $1 AND seq BETWEEN $2 AND $3 ORDER BY seq LIMIT 1),
			(SELECT recorded_at FROM audit_event WHERE org_id = $1 AND seq BETWEEN $2 AND $3 ORDER BY seq DESC LIMIT 1)`,
		t.org, first, last)
	if err != nil || oldest == nil || newest == nil {
		return time.Time{}, time.Time{}, false, err
	}
	return *oldest, *newest, true, nil
}

// Layout of COPY's binary format:
// https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4
const (
	copySignature  = "PGCOPY\n\xff\r\n\x00"
	copyHeaderSize = len(copySignature) + 4 + 4 // flags, length of an extension
	rowHeaderSize  = 2 + 4                      // number of columns, length of the first
	copyEnd        = 0xffff                     // instead of a number of columns
)

// copyParser reads the binary stream of a one-column COPY in place, as it
// comes in, and hands each value on. Only what a chunk leaves unfinished is
// copied.
type copyParser struct {
	each    func(body []byte) error
	rows    int64
	started bool
	ended   bool
	rest    []byte
}

// Write implements io.Writer. Chunks may be cut anywhere.
func (p *copyParser) Write(chunk []byte) (int, error) {
	data := chunk
	if len(p.rest) > 0 {
		p.rest = append(p.rest, chunk...)
		data = p.rest
	}
	unread, err := p.parse(data)
	if err != nil {
		return 0, err
	}
	p.rest = append(p.rest[:0], unread...)
	return len(chunk), nil
}

// parse handles all that is complete and returns what is not.
func (p *copyParser) parse(data []byte) (unread []byte, err error) {
	if !p.started {
		if len(data) < copyHeaderSize {
			return data, nil
		}
		if data, err = skipHeader(data); err != nil {
			return nil, err
		}
		p.started = true
	}
	for len(data) >= 2 {
		columns := binary.BigEndian.Uint16(data)
		if columns == copyEnd {
			p.ended = true
			return nil, nil
		}
		if columns != 1 {
			return nil, fmt.Errorf("a row of the copy has %d columns instead of 1", columns)
		}
		if len(data) < rowHeaderSize {
			return data, nil
		}
		size := int32(binary.BigEndian.Uint32(data[2:])) //nolint:gosec // the format's own type is signed
		if size < 0 {
			return nil, errors.New("a row of the copy is null")
		}
		end := rowHeaderSize + int(size)
		if len(data) < end {
			return data, nil
		}
		if err := p.each(data[rowHeaderSize:end:end]); err != nil {
			return nil, err
		}
		p.rows++
		data = data[end:]
	}
	return data, nil
}

func skipHeader(data []byte) ([]byte, error) {
	if string(data[:len(copySignature)]) != copySignature {
		return nil, errors.New("the copy is not in the binary format")
	}
	if extension := binary.BigEndian.Uint32(data[copyHeaderSize-4:]); extension != 0 {
		return nil, fmt.Errorf("the copy has an unknown header extension of %d bytes", extension)
	}
	return data[copyHeaderSize:], nil
}

// end tells whether the stream was whole.
func (p *copyParser) end() error {
	if !p.ended {
		return errors.New("the copy ended in the middle")
	}
	return nil
}
