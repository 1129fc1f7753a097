package postgres

import (
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/auditferry/auditferry/schemas"
)

// destinationURL stores a destination as its canonical URL and reads it back.
type destinationURL schemas.Destination

// asURL lets a destination be scanned from, or given to, a column.
func asURL(d *schemas.Destination) *destinationURL { return (*destinationURL)(d) }

// TextValue implements pgtype.TextValuer.
func (d *destinationURL) TextValue() (pgtype.Text, error) {
	return pgtype.Text{String: schemas.Destination(*d).URL(), Valid: true}, nil
}

// ScanText implements pgtype.TextScanner.
func (d *destinationURL) ScanText(v pgtype.Text) error {
	if !v.Valid {
		return errors.New("a destination is never null")
	}
	return (*schemas.Destination)(d).UnmarshalText([]byte(v.String))
}

// orNow gives null for the zero time, for which statements put in now().
func orNow(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func deref(id *uuid.UUID) uuid.UUID {
	if id == nil {
		return uuid.Nil
	}
	return *id
}
