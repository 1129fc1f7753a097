package httpapi_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

type totals struct {
	Recorded, Delivered, Excluded, Expired, Undelivered, Before, Bytes int64
}

type ledger struct {
	From, To string
	Days     []schemas.LedgerDay
	Totals   totals
}

// delivering is an export of atSea that has delivered what was recorded before
// today: of the second day without three events that its filter kept back, of
// the third without ten that had expired. A backfill has delivered the first day
// once more.
func (s *server) delivering(t *testing.T) (tenant, schemas.Export) {
	t.Helper()
	o, export := s.atSea(t, "Acme")
	require.Less(t, export.DeliveredSeq, int64(10))
	first := windowOf(export, export.DeliveredSeq+1, 10)
	s.deliver(t, o, first, whole(first)...)
	second := windowOf(export, 11, 20)
	parts := whole(second)
	parts[0].Rows, parts[0].Excluded = 7, 3
	s.deliver(t, o, second, parts...)
	third := windowOf(export, 21, 30)
	s.deliver(t, o, third, schemas.Object{FirstSeq: 21, LastSeq: 30, Expired: 10})
	b := s.backfill(t, o, export, s.newBackfill(t, o, export, 1, 10))
	once := windowOfBackfill(export, b.Backfill, 1, 10)
	s.deliver(t, o, once, whole(once)...)
	return o, export
}

// The days tell what became of every event, and add up.
func TestLedger(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o, export := s.delivering(t)
	path := "/v1/exports/" + export.ID.String() + "/ledger"
	day := func(n int) string { return daysAgo(n).Format(time.DateOnly) }
	var all, some, none ledger
	s.get(t, o.keys[schemas.RoleViewer], path).is(t, http.StatusOK, &all)
	require.Len(t, all.Days, 4)
	today := all.Days[0]
	before, after := export.StartSeq-1, 10-export.StartSeq+1
	require.Equal(t, []schemas.LedgerDay{
		{Day: day(5), FirstSeq: 21, LastSeq: 30, Recorded: 10, Expired: 10},
		{Day: day(10), FirstSeq: 11, LastSeq: 20, Recorded: 10, Delivered: 7, Excluded: 3, Bytes: 100},
		{Day: day(20), FirstSeq: 1, LastSeq: 10, Recorded: 10, Delivered: after, Before: before, Bytes: 100},
	}, all.Days[1:])
	require.Equal(t, today.Recorded, today.Undelivered)
	require.EqualValues(t, 31, today.FirstSeq)
	require.Equal(t, totals{
		Recorded: today.LastSeq, Delivered: after + 7, Excluded: 3, Expired: 10, Undelivered: today.Recorded, Before: before, Bytes: 200,
	}, all.Totals)
	first, err := time.Parse(time.DateOnly, all.From)
	require.NoError(t, err)
	last, err := time.Parse(time.DateOnly, all.To)
	require.NoError(t, err)
	require.Equal(t, retention, last.Sub(first))

	s.get(t, o.admin(), path+"?from="+day(19)+"&to="+day(5)).is(t, http.StatusOK, &some)
	require.Equal(t, ledger{From: day(19), To: day(5), Days: all.Days[1:3], Totals: totals{
		Recorded: 20, Delivered: 7, Excluded: 3, Expired: 10, Bytes: 100,
	}}, some, "both included")
	s.get(t, o.admin(), path+"?from="+day(9)+"&to="+day(6)).is(t, http.StatusOK, &none)
	require.Equal(t, ledger{From: day(9), To: day(6), Days: []schemas.LedgerDay{}}, none)
}

func TestBadLedgers(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	path := "/v1/exports/" + s.newExport(t, o, "hourly", s.newAWS(t, o, "s3://acme-audit/")).ID.String()
	for query, test := range map[string]struct {
		status int
		fields []string
	}{
		"/ledger?from=2026-01-02&to=2026-01-01":        {422, []string{"from"}},
		"/ledger?from=2025-01-01&to=2026-01-03":        {422, []string{"from"}},
		"/ledger?from=0001-01-01":                      {422, []string{"from"}},
		"/ledger?from=yesterday":                       {400, []string{"from"}},
		"/ledger?from=2026-01-01T00:00:00Z":            {400, []string{"from"}},
		"/ledger?to=2026-02-31":                        {400, nil}, // a day that no calendar has
		"/ledger?content=days":                         {400, []string{"content"}},
		"/ledger.csv":                                  {400, []string{"content"}},
		"/ledger.csv?content=keys":                     {400, []string{"content"}},
		"/ledger.csv?content=runs&from=2026-01-01":     {422, []string{"content"}},
		"/ledger.csv?content=objects&to=2026-01-01":    {422, []string{"content"}},
		"/ledger.csv?content=days&from=0001-01-01":     {422, []string{"from"}},
		"/ledger.csv?content=days&delimiter=semicolon": {400, []string{"delimiter"}},
	} {
		p := s.get(t, o.admin(), path+query).problem(t, test.status)
		require.Equal(t, append([]string{}, test.fields...), p.fields(), "%s: %+v", query, p)
	}
	s.get(t, o.admin(), path+"/ledger?from=2025-01-01&to=2026-01-02").is(t, http.StatusOK, nil) // 367 days
}

// What the contract refuses is said as plainly as what the code refuses.
func TestRefusedParametersSayWhatIsRight(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	path := "/v1/exports/" + uuid.NewString()
	for query, message := range map[string]string{
		"/ledger.csv":              "is required",
		"/ledger.csv?content=keys": "must be one of days, runs, objects",
		"/ledger?from=yesterday":   "must be a day such as 2026-01-31",
		"/runs/1":                  "must be an ID such as 0192f0c0-0000-7000-8000-000000000001",
	} {
		p := s.get(t, o.admin(), path+query).problem(t, http.StatusBadRequest)
		require.Len(t, p.Errors, 1, query)
		require.Equal(t, message, p.Errors[0].Message, query)
	}
}

// file downloads a file of the ledger and reads it as any other program would.
func (s *server) file(t *testing.T, o tenant, export schemas.Export, content string) (rows []map[string]string) {
	t.Helper()
	answer := s.get(t, o.keys[schemas.RoleViewer], "/v1/exports/"+export.ID.String()+"/ledger.csv?content="+content)
	answer.is(t, http.StatusOK, nil)
	require.Equal(t, "text/csv; charset=utf-8; header=present", answer.header.Get("Content-Type"))
	require.Equal(t, `attachment; filename="auditferry-`+export.Slug+`-`+content+`.csv"`, answer.header.Get("Content-Disposition"))
	require.Equal(t, bytes.Count(answer.body, []byte("\n")), bytes.Count(answer.body, []byte("\r\n")), "lines end as RFC 4180 says")
	all, err := csv.NewReader(bytes.NewReader(answer.body)).ReadAll()
	require.NoError(t, err)
	for _, values := range all[1:] {
		row := map[string]string{}
		for i, name := range all[0] {
			row[name] = values[i]
		}
		rows = append(rows, row)
	}
	return rows
}

// What is downloaded is what the other calls show.
func TestLedgerFiles(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o, export := s.delivering(t)
	path := "/v1/exports/" + export.ID.String()

	var days ledger
	s.get(t, o.admin(), path+"/ledger").is(t, http.StatusOK, &days)
	rows := s.file(t, o, export, "days")
	require.Len(t, rows, len(days.Days))
	for i, d := range days.Days {
		require.Equal(t, map[string]string{
			"day": d.Day, "first_seq": fmt.Sprint(d.FirstSeq), "last_seq": fmt.Sprint(d.LastSeq), "recorded": fmt.Sprint(d.Recorded),
			"delivered": fmt.Sprint(d.Delivered), "excluded": fmt.Sprint(d.Excluded), "expired": fmt.Sprint(d.Expired),
			"undelivered": fmt.Sprint(d.Undelivered), "before": fmt.Sprint(d.Before), "bytes": fmt.Sprint(d.Bytes),
		}, rows[i])
	}

	var runs struct{ Items []run }
	s.get(t, o.admin(), path+"/runs").is(t, http.StatusOK, &runs)
	require.Len(t, runs.Items, 4)
	rows = s.file(t, o, export, "runs")
	objects := s.file(t, o, export, "objects")
	require.Len(t, rows, 4)
	require.Len(t, objects, 4)
	for i, r := range runs.Items {
		row := rows[len(rows)-1-i] // the list is newest first
		backfill := ""
		if r.BackfillID != nil {
			backfill = r.BackfillID.String()
		}
		require.Equal(t, map[string]string{
			"run_id": r.ID.String(), "window_id": r.WindowID.String(), "backfill_id": backfill, "workflow_id": r.WorkflowID,
			"status": "succeeded", "first_seq": fmt.Sprint(r.FirstSeq), "last_seq": fmt.Sprint(r.LastSeq),
			"parts": "1", "settled": "1", "objects": fmt.Sprint(r.Objects), "rows": fmt.Sprint(r.Rows), "excluded": fmt.Sprint(r.Excluded),
			"expired": fmt.Sprint(r.Expired), "bytes": fmt.Sprint(r.Bytes), "attempts": "1",
			"started_at": r.StartedAt.Format(time.RFC3339Nano), "ended_at": r.EndedAt.Format(time.RFC3339Nano),
			"duration_seconds": fmt.Sprintf("%.3f", r.DurationSeconds), "error_kind": "", "error": "",
		}, row)

		object := objects[len(objects)-1-i]
		require.Equal(t, r.ID.String(), object["run_id"])
		require.Equal(t, r.Manifest, object["manifest"])
		require.Equal(t, backfill, object["backfill_id"])
		require.Equal(t, fmt.Sprint(r.Rows), object["rows"])
		var detail struct{ Objects []schemas.Object }
		s.get(t, o.admin(), path+"/runs/"+r.ID.String()).is(t, http.StatusOK, &detail)
		if len(detail.Objects) == 0 {
			require.Empty(t, object["key"], "nothing of it was to be delivered")
			continue
		}
		require.Equal(t, detail.Objects[0].Key, object["key"])
		require.Equal(t, detail.Objects[0].SHA256, object["sha256"])
	}
}

// Text from outside is no formula to a spreadsheet, and neither quotes nor line
// breaks in it end a value.
func TestLedgerFilesAreHarmless(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	export := s.newExport(t, o, "hourly", s.newAWS(t, o, "s3://acme-audit/=cmd(), logs/"))
	first := windowOf(export, export.DeliveredSeq+1, export.DeliveredSeq+10)
	s.deliver(t, o, first, whole(first)...)
	failed := s.begin(t, o, windowOf(export, first.LastSeq+1, first.LastSeq+10))
	failed.Status, failed.Error = schemas.RunFailed, "-1+1|\"calc\",\r\nand so on"
	s.inOrg(t, o, func(tx *postgres.Tx) error { return tx.EndRun(t.Context(), failed) })

	objects := s.file(t, o, export, "objects")
	require.Equal(t, "'"+whole(first)[0].Key, objects[0]["key"])
	require.True(t, strings.HasPrefix(objects[0]["manifest"], "'=cmd(), logs/_manifests/"))
	require.Equal(t, "'-1+1|\"calc\",\nand so on", s.file(t, o, export, "runs")[1]["error"], "Go's reader takes line breaks as it likes")
}

// An export that has not delivered anything has files with a header only.
func TestEmptyLedgerFiles(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	export := s.newExport(t, o, "hourly", s.newAWS(t, o, "s3://acme-audit/"))
	require.Empty(t, s.file(t, o, export, "runs"))
	require.Empty(t, s.file(t, o, export, "objects"))
}

// HEAD tells what a file would be, without making it.
func TestHeadersOfLedgerFiles(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	export := s.newExport(t, o, "hourly", s.newAWS(t, o, "s3://acme-audit/"))
	s.asOwner(t, `ALTER TABLE export_run RENAME TO unreadable`)
	path := "/v1/exports/" + export.ID.String() + "/ledger.csv?content=runs"
	s.get(t, o.admin(), path).problem(t, http.StatusInternalServerError)
	got := s.do(t, request{method: http.MethodHead, path: path, key: o.admin()})
	require.Equal(t, http.StatusOK, got.status)
	require.Empty(t, got.body)
	require.Equal(t, "text/csv; charset=utf-8; header=present", got.header.Get("Content-Type"))
	require.Contains(t, got.header.Get("Content-Disposition"), "-runs.csv")
}

// Whoever downloads a file that cannot be read to its end sees that it is not
// whole; and when nothing has been sent yet, gets a problem instead.
func TestBrokenLedgerFiles(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	export := s.newExport(t, o, "hourly", s.newAWS(t, o, "s3://acme-audit/"))
	path := "/v1/exports/" + export.ID.String() + "/ledger.csv?content=objects"
	w := windowOf(export, export.DeliveredSeq+1, export.DeliveredSeq+4000)
	s.deliver(t, o, w, whole(w)...)
	broken := windowOf(export, w.LastSeq+1, w.LastSeq+10)
	s.deliver(t, o, broken, whole(broken)...)
	s.asOwner(t, `UPDATE export_window SET delivered_at = 'infinity' WHERE id = $1`, broken.ID) // which is no time in Go

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+o.admin())
	answer, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer answer.Body.Close() //nolint:errcheck // read only
	require.Equal(t, http.StatusOK, answer.StatusCode, "it has begun by then")
	body, err := io.ReadAll(answer.Body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.NotEmpty(t, body)
	require.Eventually(t, func() bool { // when the connection has been closed
		return s.log.FilterMessage("request failed").Len() == 1 && s.log.FilterMessage("request").FilterFieldKey("status").Len() > 0
	}, patience, time.Millisecond)

	s.asOwner(t, `DELETE FROM export_object WHERE window_id = $1`, w.ID)
	p := s.get(t, o.admin(), path).problem(t, http.StatusInternalServerError)
	require.Equal(t, "Internal error.", p.Detail)
}

// A file may take longer than the server gives other answers, as long as its
// reader takes it.
func TestLedgerFilesExtendTheirTime(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	export := s.newExport(t, o, "hourly", s.newAWS(t, o, "s3://acme-audit/"))
	w := windowOf(export, export.DeliveredSeq+1, export.DeliveredSeq+4000)
	s.deliver(t, o, w, whole(w)...)
	hasty := httptest.NewUnstartedServer(s.handler)
	hasty.Config.WriteTimeout = time.Nanosecond
	hasty.Start()
	defer hasty.Close()
	get := func(path string) (*http.Response, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, hasty.URL+path, nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+o.admin())
		return http.DefaultClient.Do(req)
	}
	if answer, err := get("/v1/org"); err == nil {
		require.NoError(t, answer.Body.Close())
		t.Fatal("there is no time for an answer, and yet one came")
	}
	answer, err := get("/v1/exports/" + export.ID.String() + "/ledger.csv?content=objects")
	require.NoError(t, err)
	defer answer.Body.Close() //nolint:errcheck // read only
	rows, err := csv.NewReader(answer.Body).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 1+400)
}
