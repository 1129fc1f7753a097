package service

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

const (
	defaultPage = 50
	maxPage     = 200
)

// Page says which part of a list is wanted. Cursor is the NextCursor of the
// part before, "" the beginning. Limit is from 1 to 200, 0 the default of 50.
type Page struct {
	Cursor string
	Limit  int
}

// List is one part of a list. NextCursor is "" at its end.
type List[T any] struct {
	Items      []T
	NextCursor string
}

func (p Page) limit() int {
	if p.Limit < 1 {
		return defaultPage
	}
	return min(p.Limit, maxPage)
}

// after is the ID of the last item before the page.
func (p Page) after() (uuid.UUID, error) {
	if p.Cursor == "" {
		return uuid.Nil, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	if err != nil {
		return uuid.Nil, badCursor()
	}
	id, err := uuid.FromBytes(raw)
	if err != nil {
		return uuid.Nil, badCursor()
	}
	return id, nil
}

func badCursor() error {
	return invalid(&schemas.FieldError{Field: "cursor", Message: "is not one that a list has returned; leave it out to start from the beginning"})
}

// listOf makes a page of what fetch returned for one item more than the page
// holds.
func listOf[T any](p Page, fetched []T, cursor func(T) []byte) List[T] {
	limit := p.limit()
	if len(fetched) <= limit {
		return List[T]{Items: append([]T{}, fetched...)} // never nil: it is [] in JSON
	}
	items := fetched[:limit]
	return List[T]{Items: items, NextCursor: base64.RawURLEncoding.EncodeToString(cursor(items[limit-1]))}
}

func idCursor(id uuid.UUID) []byte { return id[:] }

// beforeSeq is the number of the last event before the page; 0 is the newest.
func (p Page) beforeSeq() (int64, error) {
	if p.Cursor == "" {
		return 0, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	if err != nil {
		return 0, badCursor()
	}
	seq, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || seq < 1 {
		return 0, badCursor()
	}
	return seq, nil
}

func seqCursor(seq int64) []byte { return strconv.AppendInt(nil, seq, 10) }

// beforeAttempt is the place of the last access report before the page; nil is
// the newest.
func (p Page) beforeAttempt() (*postgres.Attempt, error) {
	if p.Cursor == "" {
		return nil, nil //nolint:nilnil // nil is the beginning
	}
	raw, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	if err != nil || len(raw) != 8 {
		return nil, badCursor()
	}
	check, attempt := binary.BigEndian.Uint32(raw), binary.BigEndian.Uint32(raw[4:])
	if check > math.MaxInt32 || attempt > math.MaxInt32 { // more than Postgres has numbers for
		return nil, badCursor()
	}
	return &postgres.Attempt{Check: int(check), Attempt: int(attempt)}, nil
}

func attemptCursor(r schemas.AccessReport) []byte {
	cursor := binary.BigEndian.AppendUint32(nil, uint32(r.Check))   //nolint:gosec // counts from 1
	return binary.BigEndian.AppendUint32(cursor, uint32(r.Attempt)) //nolint:gosec // likewise
}
