package postgres_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

func (b bundle) ledgerDays(e schemas.Export, from, to time.Time) (days []schemas.LedgerDay) {
	b.t.Helper()
	b.in(func(tx *postgres.Tx) {
		var err error
		days, err = tx.LedgerDays(b.t.Context(), e.ID, from, to)
		require.NoError(b.t, err)
	})
	return days
}

// fates is what became of an org's events one by one, as the ledger is to add
// them up.
type fates struct {
	recorded []time.Time // event n+1 at n
	days     map[string]*schemas.LedgerDay
}

func newFates(recorded []time.Time) fates {
	f := fates{recorded, make(map[string]*schemas.LedgerDay)}
	for n, at := range recorded {
		day := f.days[at.Format(time.DateOnly)]
		if day == nil {
			day = &schemas.LedgerDay{Day: at.Format(time.DateOnly), FirstSeq: int64(n + 1)}
			f.days[day.Day] = day
		}
		day.LastSeq = int64(n + 1)
		day.Recorded++
		day.Undelivered++
	}
	return f
}

// settle moves an event out of the undelivered.
func (f fates) settle(seq int64, into func(*schemas.LedgerDay) *int64) {
	day := f.days[f.recorded[seq-1].Format(time.DateOnly)]
	day.Undelivered--
	*into(day)++
}

func (f fates) newestFirst() []schemas.LedgerDay {
	var all []schemas.LedgerDay
	for _, day := range f.days {
		all = append(all, *day)
	}
	slices.SortFunc(all, func(a, b schemas.LedgerDay) int { return int(b.FirstSeq - a.FirstSeq) })
	return all
}

func before(d *schemas.LedgerDay) *int64    { return &d.Before }
func delivered(d *schemas.LedgerDay) *int64 { return &d.Delivered }
func excluded(d *schemas.LedgerDay) *int64  { return &d.Excluded }
func expired(d *schemas.LedgerDay) *int64   { return &d.Expired }

const bytesPerRow = 10

// drawParts gives a window's parts any outcome. Of one that reaches over
// midnight, as windows did before there were filters, all is delivered.
func drawParts(rt *rapid.T, f fates, w schemas.Window) []schemas.Object {
	parts := wholeParts(w)
	sameDay := f.recorded[w.FirstSeq-1].Equal(f.recorded[w.LastSeq-1])
	for n := range parts {
		p := &parts[n]
		if sameDay {
			p.Expired = rapid.Int64Range(0, p.Rows).Draw(rt, "expired")
			p.Excluded = rapid.Int64Range(0, p.Rows-p.Expired).Draw(rt, "excluded")
			p.Rows -= p.Expired + p.Excluded
		}
		if p.Rows == 0 {
			p.Key, p.SHA256 = "", ""
		}
		p.Bytes = p.Rows * bytesPerRow
		for seq := p.FirstSeq; seq <= p.LastSeq; seq++ {
			switch {
			case seq < p.FirstSeq+p.Expired:
				f.settle(seq, expired)
			case seq < p.FirstSeq+p.Expired+p.Excluded:
				f.settle(seq, excluded)
			default:
				f.settle(seq, delivered)
				f.days[f.recorded[seq-1].Format(time.DateOnly)].Bytes += bytesPerRow
			}
		}
	}
	return parts
}

// Whatever was recorded when, delivered in whichever windows, and dropped since,
// each event is counted once, on its day and for what became of it.
func TestTheLedgerAddsUp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	rapid.Check(t, func(rt *rapid.T) {
		b := b.withOrg(b.addOrg("Acme"))
		var recorded []time.Time
		for _, ago := range []int{33, 31, 1, 0} {
			for range rapid.IntRange(0, 4).Draw(rt, "events of a day") {
				recorded = append(recorded, daysAgo(ago))
			}
		}
		recorded = append(recorded, daysAgo(0))
		newest := int64(len(recorded))
		b.append(len(recorded))
		b.recordEach(1, recorded)
		f := newFates(recorded)

		e := export(t, b.addIntegration("s3://bucket-"+newID(t).String()+"/"), "daily")
		e.DeliveredSeq = rapid.Int64Range(0, newest).Draw(rt, "before the start")
		b.in(func(tx *postgres.Tx) { require.NoError(t, tx.InsertExport(t.Context(), e)) })
		for seq := range e.DeliveredSeq {
			f.settle(seq+1, before)
		}
		upTo := rapid.Int64Range(e.DeliveredSeq, newest).Draw(rt, "delivered")
		for next := e.DeliveredSeq + 1; next <= upTo; {
			w := b.windowOf(e, next, rapid.Int64Range(next, upTo).Draw(rt, "last"))
			w.RowsPerPart = rapid.Int64Range(1, 4).Draw(rt, "rows per part")
			if rapid.Bool().Draw(rt, "within a day") {
				w = recordedIn(w, recorded[next-1])
				for !recorded[w.LastSeq-1].Equal(recorded[next-1]) {
					w.LastSeq--
				}
			}
			b.complete(w, b.allocate(w), drawParts(rt, f, w))
			next = w.LastSeq + 1
		}
		undelivered(rt, b, e, upTo+1, newest)
		if rapid.Bool().Draw(rt, "dropped") {
			_, err := b.DropPartitions(t.Context(), keep)
			require.NoError(t, err)
		}

		want := f.newestFirst()
		require.Equal(t, want, b.ledgerDays(e, daysAgo(99), daysAgo(-99)))
		some := rapid.IntRange(0, len(want)-1).Draw(rt, "day")
		at, err := time.Parse(time.DateOnly, want[some].Day)
		require.NoError(t, err)
		require.Equal(t, want[some:some+1], b.ledgerDays(e, at, at), "whichever days are asked for")
	})
}

// undelivered leaves things beside the delivered windows that are not to be
// counted: a window that is being delivered, one that was abandoned, and a
// backfill.
func undelivered(rt *rapid.T, b bundle, e schemas.Export, first, last int64) {
	if first <= last && rapid.Bool().Draw(rt, "open window") {
		w, other := b.windowOf(e, first, last), b.windowOf(e, first, last)
		r := b.allocate(w)
		b.in(func(tx *postgres.Tx) {
			require.NoError(b.t, tx.RecordPart(b.t.Context(), r.ID, wholeParts(w)[0]))
			require.NoError(b.t, tx.ReplaceWindow(b.t.Context(), w.ID, other))
			require.NoError(b.t, tx.SupersedeRuns(b.t.Context(), e.ID, nil, "superseded"))
		})
		r = b.beginRun(other)
		b.in(func(tx *postgres.Tx) {
			require.NoError(b.t, tx.RecordPart(b.t.Context(), r.ID, wholeParts(other)[0]))
		})
	}
	if rapid.Bool().Draw(rt, "backfill") {
		b.delivered(b.backfillWindow(e, b.addBackfill(e, 1, last), 1, last))
	}
}

// An org that has recorded nothing has no days, and neither has another org's
// export.
func TestTheLedgerOfNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.addExport(b.addIntegration("s3://logs/"), "daily")
	require.Empty(t, b.ledgerDays(e, daysAgo(99), daysAgo(0)))
	b.append(3)
	require.Len(t, b.ledgerDays(e, daysAgo(99), daysAgo(-1)), 1)
	require.Empty(t, b.ledgerDays(e, daysAgo(99), daysAgo(9)), "nothing was recorded on those days")
	require.Empty(t, b.ledgerDays(e, daysAgo(-2), daysAgo(-9)))
	other := b.withOrg(b.addOrg("Umbrella"))
	other.append(3)
	require.Empty(t, other.ledgerDays(e, daysAgo(99), daysAgo(-1)))
}
