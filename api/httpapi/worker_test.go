package httpapi_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// The methods below play the part of the worker, the product and the days that
// pass.

// windowOf is a window of an export's live deliveries, in parts of 10.
func windowOf(export schemas.Export, first, last int64) schemas.Window {
	return schemas.Window{
		ID: uuid.Must(uuid.NewV7()), ExportID: export.ID, Slug: export.Slug, FirstSeq: first, LastSeq: last, RowsPerPart: 10,
		Format: export.Format, Compression: export.Compression, PathTemplate: export.PathTemplate, Filter: export.Filter,
		Destination: export.Destination,
	}
}

// windowOfBackfill is the same of a backfill.
func windowOfBackfill(export schemas.Export, b schemas.Backfill, first, last int64) schemas.Window {
	w := windowOf(export, first, last)
	w.BackfillID, w.Folder, w.Destination = &b.ID, b.Folder, b.Destination
	w.Format, w.Compression, w.PathTemplate, w.Filter = b.Format, b.Compression, b.PathTemplate, b.Filter
	return w
}

// newRun begins to deliver the event after the last delivered one.
func (s *server) newRun(t *testing.T, o tenant, export schemas.Export) schemas.Run {
	t.Helper()
	return s.begin(t, o, windowOf(export, export.DeliveredSeq+1, export.DeliveredSeq+1))
}

// begin allocates a window, and opens a run that writes it.
func (s *server) begin(t *testing.T, o tenant, w schemas.Window) schemas.Run {
	t.Helper()
	run := schemas.Run{
		ID: uuid.Must(uuid.NewV7()), ExportID: w.ExportID, WindowID: w.ID, WorkflowID: "export-run/test",
		Status: schemas.RunRunning, FirstSeq: w.FirstSeq, LastSeq: w.LastSeq,
	}
	s.inOrg(t, o, func(tx *postgres.Tx) error {
		if err := tx.InsertWindow(t.Context(), w); err != nil {
			return err
		}
		if err := tx.InsertRun(t.Context(), run, uuid.NewString(), 0); err != nil {
			return err
		}
		_, err := tx.BeginWriting(t.Context(), run.ID, 1)
		return err
	})
	return run
}

// whole are the parts of a window when every event of it is stored.
func whole(w schemas.Window) []schemas.Object {
	parts := make([]schemas.Object, w.Parts())
	for n := range parts {
		first, last := w.Part(n)
		parts[n] = schemas.Object{
			Part: n, Key: w.Place().Key(w.Name(first, last, time.Unix(0, 0))), FirstSeq: first, LastSeq: last,
			Rows: last - first + 1, Bytes: 100, SHA256: "00",
		}
	}
	return parts
}

func (s *server) record(t *testing.T, o tenant, run schemas.Run, parts ...schemas.Object) {
	t.Helper()
	s.inOrg(t, o, func(tx *postgres.Tx) error {
		for _, part := range parts {
			if err := tx.RecordPart(t.Context(), run.ID, part); err != nil {
				return err
			}
		}
		return nil
	})
}

// manifestOf is the key of a window's manifest.
func manifestOf(w schemas.Window) string {
	return w.Place().Key(schemas.ManifestName(w.ExportID, w.FirstSeq, w.LastSeq))
}

// finish has a run deliver its window, whose parts are all recorded.
func (s *server) finish(t *testing.T, o tenant, w schemas.Window, run schemas.Run) {
	t.Helper()
	s.inOrg(t, o, func(tx *postgres.Tx) error {
		sealed := schemas.SealedManifest{Key: manifestOf(w), Content: []byte("{}"), SHA256: "00", Signature: "signed"}
		if err := tx.SealWindow(t.Context(), w.ID, sealed); err != nil {
			return err
		}
		if err := tx.DeliverWindow(t.Context(), w.ID, run.ID); err != nil {
			return err
		}
		return tx.EndRun(t.Context(), schemas.Run{ID: run.ID, Status: schemas.RunSucceeded})
	})
}

// deliver is all of it at once.
func (s *server) deliver(t *testing.T, o tenant, w schemas.Window, parts ...schemas.Object) schemas.Run {
	t.Helper()
	run := s.begin(t, o, w)
	s.record(t, o, run, parts...)
	s.finish(t, o, w, run)
	return run
}

// report appends events with these actions.
func (s *server) report(t *testing.T, o tenant, actions ...string) schemas.Appended {
	t.Helper()
	batch := make([]any, len(actions))
	for i, action := range actions {
		batch[i] = event(action)
	}
	var appended schemas.Appended
	s.post(t, o.admin(), "/v1/events", batch).is(t, http.StatusCreated, &appended)
	return appended
}

// many repeats an action.
func many(n int, action string) []string {
	actions := make([]string, n)
	for i := range actions {
		actions[i] = action
	}
	return actions
}

// asOwner changes rows behind the service's back.
func (s *server) asOwner(t *testing.T, sql string, args ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.ownerURL)
	require.NoError(t, err)
	defer conn.Close(t.Context()) //nolint:errcheck // what counts has been answered
	_, err = conn.Exec(t.Context(), `SET auditferry.scope = 'operator'`)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

// recordedAt has events been recorded at a time, a second apart. It is called
// for all events of the org, in the order of their numbers.
func (s *server) recordedAt(t *testing.T, o tenant, first, last int64, at time.Time) {
	t.Helper()
	s.asOwner(t, `SELECT auditferry_ensure_partitions($1::date, $1::date)`, at.Format(time.DateOnly))
	s.asOwner(t, `UPDATE audit_event SET recorded_at = $4::timestamptz + (seq - $2) * interval '1 second'
		WHERE org_id = $1 AND seq BETWEEN $2 AND $3`, o.id, first, last, at)
}

// expire removes events as retention does.
func (s *server) expire(t *testing.T, o tenant, upTo int64) {
	t.Helper()
	s.asOwner(t, `DELETE FROM audit_event WHERE org_id = $1 AND seq <= $2`, o.id, upTo)
}

// today is the beginning of the UTC day on which the tests were started.
var today = sync.OnceValue(func() time.Time { return time.Now().UTC().Truncate(24 * time.Hour) })

// daysAgo is noon of a UTC day.
func daysAgo(n int) time.Time { return today().AddDate(0, 0, -n).Add(12 * time.Hour) }
