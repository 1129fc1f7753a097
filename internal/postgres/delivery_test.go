package postgres_test

import (
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// today is a UTC day that stays the same while a test runs.
func today() time.Time { return now().Truncate(24 * time.Hour) }

// daysAgo is noon of a UTC day.
func daysAgo(n int) time.Time { return today().AddDate(0, 0, -n).Add(12 * time.Hour) }

// recordedOn has events been recorded at that time, a microsecond apart. It is
// to be called in the order of seq, for times that do not run backwards.
func (b bundle) recordedOn(first, last int64, at time.Time) {
	b.t.Helper()
	times := make([]time.Time, last-first+1)
	for n := range times {
		times[n] = at.Add(time.Duration(n) * time.Microsecond)
	}
	b.recordEach(first, times)
}

// recordEach has events from first on been recorded at those times.
func (b bundle) recordEach(first int64, times []time.Time) {
	b.t.Helper()
	b.rewrite(`SELECT auditferry_ensure_partitions(min(day), max(day)) FROM unnest($1::date[]) AS day`, datesOf(times))
	b.rewrite(`UPDATE audit_event AS a SET recorded_at = t.at FROM unnest($3::timestamptz[]) WITH ORDINALITY AS t (at, n)
		WHERE a.org_id = $1 AND a.seq = $2::bigint + t.n - 1`, b.org, first, times)
	b.rewrite(`UPDATE org SET last_recorded_at = $2::timestamptz WHERE id = $1`, b.org, times[len(times)-1])
}

func datesOf(times []time.Time) []string {
	all := make([]string, len(times))
	for n, at := range times {
		all[n] = at.Format(time.DateOnly)
	}
	return all
}

// rewrite is asOwner for a test that changes rows very often: the connection
// does not stay until the test ends.
func (b bundle) rewrite(sql string, args ...any) {
	b.t.Helper()
	conn, err := pgx.Connect(b.t.Context(), b.ownerURL)
	require.NoError(b.t, err)
	defer func() { require.NoError(b.t, conn.Close(b.t.Context())) }()
	_, err = conn.Exec(b.t.Context(), `SET auditferry.scope = 'operator'`)
	require.NoError(b.t, err)
	_, err = conn.Exec(b.t.Context(), sql, args...)
	require.NoError(b.t, err)
}

// windowOf is a window of an export that is not allocated yet.
func (b bundle) windowOf(e schemas.Export, first, last int64) schemas.Window {
	b.t.Helper()
	return schemas.Window{
		ID: newID(b.t), ExportID: e.ID, Slug: e.Slug, FirstSeq: first, LastSeq: last, RowsPerPart: 10,
		Format: e.Format, Compression: e.Compression, PathTemplate: e.PathTemplate, Filter: e.Filter, Destination: e.Destination,
	}
}

// recordedIn notes on a window that it holds events of that time.
func recordedIn(w schemas.Window, at time.Time) schemas.Window {
	w.RecordedFrom, w.RecordedTo = &at, &at
	return w
}

func (b bundle) allocate(w schemas.Window) schemas.Run {
	b.t.Helper()
	b.in(func(tx *postgres.Tx) { require.NoError(b.t, tx.InsertWindow(b.t.Context(), w)) })
	return b.beginRun(w)
}

// wholeParts are a window's parts when every event of it is delivered.
func wholeParts(w schemas.Window) []schemas.Object {
	all := make([]schemas.Object, w.Parts())
	for n := range all {
		first, last := w.Part(n)
		all[n] = schemas.Object{
			Part: n, Key: w.Place().Key(w.Name(first, last, time.Unix(0, 0))), FirstSeq: first, LastSeq: last,
			Rows: last - first + 1, Bytes: 100, SHA256: "00",
		}
	}
	return all
}

// manifestOf is a manifest for tests that look at its place only.
func manifestOf(w schemas.Window) schemas.SealedManifest {
	key := w.Place().Key(schemas.ManifestName(w.ExportID, w.FirstSeq, w.LastSeq))
	return schemas.SealedManifest{Key: key, Content: []byte(key), SHA256: "sha of " + key, Signature: "signed " + key}
}

// complete has a run deliver its window, in these parts.
func (b bundle) complete(w schemas.Window, r schemas.Run, parts []schemas.Object) schemas.Run {
	b.t.Helper()
	ctx := b.t.Context()
	b.in(func(tx *postgres.Tx) {
		_, err := tx.BeginWriting(ctx, r.ID, 1)
		require.NoError(b.t, err)
		for _, part := range parts {
			require.NoError(b.t, tx.RecordPart(ctx, r.ID, part))
		}
		require.NoError(b.t, tx.SealWindow(ctx, w.ID, manifestOf(w)))
		require.NoError(b.t, tx.DeliverWindow(ctx, w.ID, r.ID))
		require.NoError(b.t, tx.EndRun(ctx, schemas.Run{ID: r.ID, Status: schemas.RunSucceeded}))
		r, err = tx.Run(ctx, r.ID)
		require.NoError(b.t, err)
	})
	return r
}

// delivered allocates a window and delivers all of it.
func (b bundle) delivered(w schemas.Window) schemas.Run {
	b.t.Helper()
	return b.complete(w, b.allocate(w), wholeParts(w))
}

func (b bundle) currentExport(id uuid.UUID) (e schemas.Export) {
	b.t.Helper()
	b.in(func(tx *postgres.Tx) {
		var err error
		e, err = tx.Export(b.t.Context(), id)
		require.NoError(b.t, err)
	})
	return e
}

// backfillOf is a backfill of an export that has not begun yet.
func (b bundle) backfillOf(e schemas.Export, first, last int64) schemas.Backfill {
	b.t.Helper()
	id := newID(b.t)
	return schemas.Backfill{
		ID: id, OrgID: b.org, ExportID: e.ID, Folder: schemas.BackfillFolder + "/" + id.String(), Destination: e.Destination,
		FirstSeq: first, LastSeq: last, DeliveredSeq: first - 1, Format: schemas.FormatNDJSON, Compression: schemas.CompressionGzip,
		PathTemplate: schemas.DefaultPathTemplate, Filter: schemas.Filter{Actions: []string{"user.*"}, Outcome: schemas.OutcomeFailure},
		Status: schemas.BackfillRunning, RequestedBy: "tests", CreatedAt: now(),
	}
}

func (b bundle) addBackfill(e schemas.Export, first, last int64) schemas.Backfill {
	b.t.Helper()
	backfill := b.backfillOf(e, first, last)
	b.in(func(tx *postgres.Tx) { require.NoError(b.t, tx.InsertBackfill(b.t.Context(), backfill)) })
	return backfill
}

func (b bundle) backfill(id uuid.UUID) (backfill schemas.Backfill) {
	b.t.Helper()
	b.in(func(tx *postgres.Tx) {
		var err error
		backfill, err = tx.LockBackfill(b.t.Context(), id)
		require.NoError(b.t, err)
	})
	return backfill
}

// backfillWindow is a window of a backfill that is not allocated yet.
func (b bundle) backfillWindow(e schemas.Export, of schemas.Backfill, first, last int64) schemas.Window {
	b.t.Helper()
	w := b.windowOf(e, first, last)
	w.BackfillID, w.Folder, w.Destination = &of.ID, of.Folder, of.Destination
	return w
}
