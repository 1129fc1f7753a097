package postgres_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// Invariant 1: whatever the order of appends and runs, of failures, moves and
// days that end or expire, the delivered windows account for every event once
// and follow each other, and each stays within its day.
func TestWindowsFollowEachOther(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.rewrite(`SELECT auditferry_ensure_partitions(current_date - 6, current_date)`)
	owner := connect(t, b.ownerURL)
	_, err := owner.Exec(t.Context(), `SET auditferry.scope = 'operator'`)
	require.NoError(t, err)
	rapid.Check(t, func(rt *rapid.T) {
		b := b.withOrg(b.addOrg("Acme"))
		i := b.addIntegration("s3://bucket-" + newID(t).String() + "/")
		l := &ledgerModel{bundle: b, owner: owner, export: b.addExport(i, "daily"), days: map[int64]int{}}
		limit := func(rt *rapid.T) int64 { return rapid.Int64Range(1, 15).Draw(rt, "limit") }
		rt.Repeat(map[string]func(*rapid.T){
			"append":  func(rt *rapid.T) { l.appendEvents(rapid.IntRange(1, 20).Draw(rt, "events")) },
			"day":     func(*rapid.T) { l.day = min(l.day+1, len(modelDays)-1) },
			"expire":  func(rt *rapid.T) { l.expire(rapid.Int64Range(0, l.recorded).Draw(rt, "up to")) },
			"deliver": func(rt *rapid.T) { l.turn(limit(rt), true, false) },
			"fail":    func(rt *rapid.T) { l.turn(limit(rt), false, false) },
			"move":    func(rt *rapid.T) { l.turn(limit(rt), rapid.Bool().Draw(rt, "delivers"), true) },
		})
		for l.turn(7, true, false) {
			continue
		}
		require.Equal(t, l.recorded, l.deliveredInOrder())
	})
}

// modelDays are days ago, in the order in which they pass.
var modelDays = []int{5, 4, 3, 2, 1}

// ledgerModel is an export whose events and runs a test makes up.
type ledgerModel struct {
	bundle
	owner    *pgx.Conn // kept, since days are made up very often
	export   schemas.Export
	day      int           // index of modelDays
	days     map[int64]int // of each event
	recorded int64
}

func (l *ledgerModel) change(sql string, args ...any) {
	_, err := l.owner.Exec(l.t.Context(), sql, args...)
	require.NoError(l.t, err)
}

func (l *ledgerModel) appendEvents(n int) {
	appended := l.append(n)
	l.change(`WITH org AS (UPDATE org SET last_recorded_at = $3::timestamptz WHERE id = $1)
		UPDATE audit_event SET recorded_at = $3 WHERE org_id = $1 AND seq >= $2`, l.org, appended.FirstSeq, daysAgo(modelDays[l.day]))
	l.recorded = appended.LastSeq
	for seq := appended.FirstSeq; seq <= appended.LastSeq; seq++ {
		l.days[seq] = l.day
	}
}

// expire drops the days that end before or with an event.
func (l *ledgerModel) expire(upTo int64) {
	if upTo == 0 || upTo < l.recorded && l.days[upTo] == l.days[upTo+1] {
		return
	}
	l.change(`DELETE FROM audit_event WHERE org_id = $1 AND seq <= $2`, l.org, upTo)
}

// turn is one run, which delivers its window or leaves it.
func (l *ledgerModel) turn(limit int64, delivers, moves bool) (more bool) {
	ctx, t := l.t.Context(), l.t
	l.in(func(tx *postgres.Tx) {
		require.NoError(t, tx.HoldEvents(ctx))
		current, err := tx.LockExport(ctx, l.export.ID)
		require.NoError(t, err)
		w, err := tx.UndeliveredWindow(ctx, current.ID, nil)
		require.NoError(t, err)
		if w == nil {
			extent, err := tx.NextExtent(ctx, current.DeliveredSeq+1, l.recorded, limit)
			require.NoError(t, err)
			if extent == nil {
				return
			}
			next := l.windowOf(current, extent.FirstSeq, extent.LastSeq)
			next.RowsPerPart, next.RecordedFrom, next.RecordedTo = 3, extent.RecordedFrom, extent.RecordedTo
			w = &next
			require.NoError(t, tx.InsertWindow(ctx, *w))
		} else if moves {
			moved := *w
			moved.ID, moved.Destination.Prefix = newID(t), newID(t).String()
			require.NoError(t, tx.ReplaceWindow(ctx, w.ID, moved))
			w = &moved
		}
		more = true
		require.NoError(t, tx.SupersedeRuns(ctx, current.ID, nil, "superseded by a newer run"))
		r := schemas.Run{ID: newID(t), ExportID: current.ID, WindowID: w.ID}
		require.NoError(t, tx.InsertRun(ctx, r, r.ID.String(), 0))
		settled, err := tx.BeginWriting(ctx, r.ID, 1)
		require.NoError(t, err)
		parts := wholeParts(*w)
		if !delivers {
			parts = parts[:len(parts)/2]
		}
		for _, part := range parts {
			if part.Part >= len(settled) {
				require.NoError(t, tx.RecordPart(ctx, r.ID, part))
			}
		}
		if !delivers {
			return
		}
		require.NoError(t, tx.SealWindow(ctx, w.ID, manifestOf(*w)))
		require.NoError(t, tx.DeliverWindow(ctx, w.ID, r.ID))
		require.NoError(t, tx.EndRun(ctx, schemas.Run{ID: r.ID, Status: schemas.RunSucceeded}))
	})
	return more
}

// deliveredInOrder checks that the windows and their parts join without gap or
// overlap, and returns the last number.
func (l *ledgerModel) deliveredInOrder() (last int64) {
	ctx, t := l.t.Context(), l.t
	l.in(func(tx *postgres.Tx) {
		runs, err := tx.Runs(ctx, l.export.ID, uuid.Nil, 10_000)
		require.NoError(t, err)
		for i := range runs {
			r := runs[len(runs)-1-i]
			if r.Status != schemas.RunSucceeded {
				continue
			}
			require.Equal(t, last+1, r.FirstSeq)
			w, err := tx.Window(ctx, r.WindowID)
			require.NoError(t, err)
			if w.RecordedFrom != nil {
				require.Equal(t, l.days[r.FirstSeq], l.days[r.LastSeq], "a window within a day")
			}
			parts, err := tx.Parts(ctx, r.WindowID)
			require.NoError(t, err)
			for _, part := range parts {
				require.Equal(t, last+1, part.FirstSeq)
				last = part.LastSeq
			}
			require.Equal(t, r.LastSeq, last)
			require.Equal(t, []int64{int64(r.Parts), r.LastSeq - r.FirstSeq + 1}, []int64{int64(len(parts)), r.Rows}, "the run's numbers are its parts'")
		}
		current, err := tx.Export(ctx, l.export.ID)
		require.NoError(t, err)
		require.Equal(t, last, current.DeliveredSeq)
	})
	return last
}
