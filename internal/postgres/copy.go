package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/schemas"
)

// Copied counts what CopyEvents came by.
type Copied struct {
	Rows     int64 // handed on
	Excluded int64 // by the filter
}

// CopyEvents calls each with the canonical JSON of the org's events from first
// to last that pass the filter, in the order of seq, and counts those and the
// others. Together they are fewer than asked for when some are not recorded yet
// or not retained any more. Memory stays bounded by the largest event. body is
// valid during the call only.
//
// An error of each ends the copy at once and is returned.
func (s *Store) CopyEvents(ctx context.Context, org uuid.UUID, first, last int64, filter schemas.Filter, each func(body []byte) error) (copied Copied, err error) {
	if org == uuid.Nil {
		return copied, fmt.Errorf("copy audit events: %w", errNeedsOrg)
	}
	// Not retried: what each has done cannot be taken back here.
	err = s.once(ctx, org, func(t *Tx) error {
		from, to, found, err := t.recordedBetween(ctx, first, last)
		if err != nil || !found {
			return err
		}
		column, err := t.filtered("body", filter)
		if err != nil {
			return err
		}
		// COPY takes no parameters. What is text from outside is in the column,
		// quoted there.
		sql := fmt.Sprintf(`COPY (
			SELECT %s FROM audit_event
			WHERE org_id = '%s' AND seq BETWEEN %d AND %d AND recorded_at BETWEEN '%s' AND '%s'
			ORDER BY seq) TO STDOUT (FORMAT binary)`,
			column, org, first, last, from.Format(time.RFC3339Nano), to.Format(time.RFC3339Nano))
		parser := &copyParser{each: each}
		if _, err := t.tx.Conn().PgConn().CopyTo(ctx, parser, sql); err != nil {
			return err
		}
		copied = parser.copied
		return parser.end()
	})
	return copied, wrap("copy audit events", err)
}

// filtered is the column where the filter lets the event pass, and null where
// it does not: so one read counts both.
func (t *Tx) filtered(column string, f schemas.Filter) (string, error) {
	if f.IsZero() {
		return column, nil
	}
	conditions := []string{"true"}
	if len(f.Actions) > 0 {
		named, err := t.actionIn(f.Actions)
		if err != nil {
			return "", err
		}
		conditions = append(conditions, named)
	}
	if len(f.ExceptActions) > 0 {
		named, err := t.actionIn(f.ExceptActions)
		if err != nil {
			return "", err
		}
		conditions = append(conditions, "NOT "+named)
	}
	if f.Outcome != "" {
		outcome, err := t.quote(string(f.Outcome))
		if err != nil {
			return "", err
		}
		conditions = append(conditions, "outcome = "+outcome)
	}
	return "CASE WHEN " + strings.Join(conditions, " AND ") + " THEN " + column + " END", nil
}

// actionIn is the condition that an action is one of those named, or begins
// with a name that is left open.
func (t *Tx) actionIn(patterns []string) (string, error) {
	named := make([]string, len(patterns))
	for i, pattern := range patterns {
		name, group := strings.CutSuffix(pattern, "*")
		text, err := t.quote(name)
		if err != nil {
			return "", err
		}
		named[i] = "action = " + text
		if group {
			named[i] = "starts_with(action, " + text + ")"
		}
	}
	return "(" + strings.Join(named, " OR ") + ")", nil
}

func (t *Tx) quote(text string) (string, error) {
	escaped, err := t.tx.Conn().PgConn().EscapeString(text)
	return "'" + escaped + "'", err
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
	copied  Copied
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
		if size < 0 {                                    // null
			p.copied.Excluded++
			data = data[rowHeaderSize:]
			continue
		}
		end := rowHeaderSize + int(size)
		if len(data) < end {
			return data, nil
		}
		if err := p.each(data[rowHeaderSize:end:end]); err != nil {
			return nil, err
		}
		p.copied.Rows++
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
