package service

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

const day = 24 * time.Hour

// maxLedgerDays bounds what one answer adds up: a year, and a day to compare it
// with.
const maxLedgerDays = 367

// Period asks for a number of UTC days, From and To included. To is today when
// it is nil, and From as long before To as events are retained.
type Period struct{ From, To *time.Time }

// days is what was asked for, the first day and the last.
func (p Period) days(retention time.Duration) (from, to time.Time, err error) {
	to = now().Truncate(day)
	set(&to, p.To)
	from = to.Add(-retention).Truncate(day)
	set(&from, p.From)
	switch {
	case from.After(to):
		err = invalid(&schemas.FieldError{Field: "from", Message: "must not be after to"})
	case to.Sub(from) >= maxLedgerDays*day:
		err = invalid(&schemas.FieldError{
			Field:   "from",
			Message: fmt.Sprintf("is too long before to; ask for at most %d days at a time", maxLedgerDays),
		})
	}
	return from, to, err
}

// Ledger tells day by day what became of the events of an export.
type Ledger struct {
	From, To time.Time           // UTC days, both included
	Days     []schemas.LedgerDay // newest first; days on which nothing was recorded are left out
	Totals   LedgerTotals
}

// LedgerTotals is the sum of all days.
type LedgerTotals struct {
	Recorded    int64 `json:"recorded"`
	Delivered   int64 `json:"delivered"`
	Excluded    int64 `json:"excluded"`
	Expired     int64 `json:"expired"`
	Undelivered int64 `json:"undelivered"`
	Before      int64 `json:"before"`
	Bytes       int64 `json:"bytes"`
}

func (t *LedgerTotals) add(d schemas.LedgerDay) {
	t.Recorded += d.Recorded
	t.Delivered += d.Delivered
	t.Excluded += d.Excluded
	t.Expired += d.Expired
	t.Undelivered += d.Undelivered
	t.Before += d.Before
	t.Bytes += d.Bytes
}

// Ledger returns the days of an export's ledger. Admins and viewers may.
func (s *Service) Ledger(ctx context.Context, caller Caller, export uuid.UUID, period Period) (Ledger, error) {
	org, err := caller.reader()
	if err != nil {
		return Ledger{}, err
	}
	from, to, err := period.days(s.retention)
	if err != nil {
		return Ledger{}, err
	}
	return inOrg(ctx, s, org, func(tx *postgres.Tx) (Ledger, error) {
		if _, err := tx.Export(ctx, export); err != nil {
			return Ledger{}, missing(err, "export", export)
		}
		days, err := tx.LedgerDays(ctx, export, from, to)
		ledger := Ledger{From: from, To: to, Days: append([]schemas.LedgerDay{}, days...)}
		for _, d := range days {
			ledger.Totals.add(d)
		}
		return ledger, err
	})
}
