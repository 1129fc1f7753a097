package httpapi_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// backfill is what the API shows of a backfill.
type backfill struct {
	schemas.Backfill
	Events, Settled, Rows, Excluded, Expired, Bytes int64
	Objects                                         int
}

// newBackfill asks for a backfill by numbers.
func (s *server) newBackfill(t *testing.T, o tenant, export schemas.Export, first, last int64) uuid.UUID {
	t.Helper()
	return s.backfills(t, o, export, map[string]any{"first_seq": first, "last_seq": last})
}

func (s *server) backfills(t *testing.T, o tenant, export schemas.Export, body map[string]any) uuid.UUID {
	t.Helper()
	var op schemas.Operation
	s.post(t, o.admin(), "/v1/exports/"+export.ID.String()+"/backfills", body).is(t, http.StatusAccepted, &op)
	return *op.BackfillID
}

func (s *server) backfill(t *testing.T, o tenant, export schemas.Export, id uuid.UUID) (b backfill) {
	t.Helper()
	s.get(t, o.keys[schemas.RoleViewer], fmt.Sprintf("/v1/exports/%s/backfills/%s", export.ID, id)).is(t, http.StatusOK, &b)
	return b
}

// atSea is an export whose org has recorded 40 events, on four of the last days:
// 1 to 10 twenty days ago, then ten days ago, five days ago and today.
func (s *server) atSea(t *testing.T, name string) (tenant, schemas.Export) {
	t.Helper()
	o := s.newTenant(t, name)
	export := s.newExport(t, o, "hourly", s.newAWS(t, o, "s3://"+strings.ToLower(name)+"-audit/logs/"))
	newest := s.report(t, o, many(int(40-export.DeliveredSeq), "document.read")...).LastSeq
	require.EqualValues(t, 40, newest)
	for i, days := range []int{20, 10, 5, 0} {
		at := daysAgo(days)
		if days == 0 {
			at = today()
		}
		s.recordedAt(t, o, int64(10*i+1), int64(10*i+10), at)
	}
	return o, export
}

// A backfill is asked for by an operation that ends with it, delivers into a
// folder of its own, and takes what it is not told from its export.
func TestBackfill(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o, export := s.atSea(t, "Acme")
	path := "/v1/exports/" + export.ID.String()
	answer := s.post(t, o.admin(), path+"/backfills", map[string]any{"first_seq": 5, "last_seq": 34})
	var op schemas.Operation
	answer.is(t, http.StatusAccepted, &op)
	require.Equal(t, "/v1/operations/"+op.ID.String(), answer.header.Get("Location"))
	require.Equal(t, schemas.OpBackfillExport, op.Kind)
	require.Equal(t, schemas.OperationPending, op.Status)
	require.Equal(t, op, s.dispatcher.last(), "Temporal gets it")

	b := s.backfill(t, o, export, *op.BackfillID)
	require.Regexp(t, `^backfill/`+export.Slug+`-000000000005-000000000034-[0-9a-f]{6}$`, b.Folder)
	require.Equal(t, backfill{Backfill: schemas.Backfill{
		ID: *op.BackfillID, OrgID: o.id, ExportID: export.ID, Folder: b.Folder, Destination: export.Destination,
		FirstSeq: 5, LastSeq: 34, DeliveredSeq: 4, Format: export.Format, Compression: export.Compression,
		PathTemplate: export.PathTemplate, Status: schemas.BackfillRunning, RequestedBy: "admin", CreatedAt: b.CreatedAt,
	}, Events: 30}, b)

	first := windowOfBackfill(export, b.Backfill, 5, 20)
	s.deliver(t, o, first, whole(first)...)
	second := windowOfBackfill(export, b.Backfill, 21, 34)
	running := s.begin(t, o, second)
	parts := whole(second)
	parts[0].Rows, parts[0].Excluded, parts[0].Expired = 4, 5, 1
	s.record(t, o, running, parts[0])
	b = s.backfill(t, o, export, b.ID)
	require.EqualValues(t, 20, b.DeliveredSeq)
	require.Equal(t, []int64{30, 26, 20, 5, 1, 300}, []int64{b.Events, b.Settled, b.Rows, b.Excluded, b.Expired, b.Bytes}, "part by part")
	require.Equal(t, 3, b.Objects)

	s.record(t, o, running, parts[1])
	s.finish(t, o, second, running)
	b = s.backfill(t, o, export, b.ID)
	require.Equal(t, schemas.BackfillSucceeded, b.Status)
	require.EqualValues(t, 30, b.Settled)
	s.get(t, o.admin(), "/v1/operations/"+op.ID.String()).is(t, http.StatusOK, &op)
	require.Equal(t, schemas.OperationSucceeded, op.Status)
	require.Equal(t, export.DeliveredSeq, s.export(t, o, export.ID).DeliveredSeq, "live deliveries are another matter")

	events := s.eventsOf(t, o, "auditferry.export.backfill_requested")
	require.Len(t, events, 1)
	require.Equal(t, []schemas.Target{{Type: "export", ID: export.ID.String(), Name: "hourly"}}, events[0].Targets)
	require.JSONEq(t, fmt.Sprintf(`{"operation_id": %q, "backfill_id": %q, "integration_id": %q, "destination": "s3://acme-audit/logs/",
		"first_seq": 5, "last_seq": 34}`, op.ID, b.ID, export.IntegrationID), string(events[0].Metadata))
}

// Objects may look otherwise than the export's.
func TestBackfillInAnotherShape(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o, export := s.atSea(t, "Acme")
	b := s.backfill(t, o, export, s.backfills(t, o, export, map[string]any{
		"first_seq": 1, "last_seq": 2, "format": "csv", "compression": "none", "path_template": "{YYYY}",
		"filter": map[string]any{"actions": []string{"document.*"}},
	}))
	require.Equal(t, schemas.FormatCSV, b.Format)
	require.Equal(t, schemas.CompressionNone, b.Compression)
	require.EqualValues(t, "{YYYY}", b.PathTemplate)
	require.Equal(t, schemas.Filter{Actions: []string{"document.*"}}, b.Filter)
	require.Equal(t, schemas.FormatNDJSON, s.export(t, o, export.ID).Format, "the export stays as it is")
}

// Times are those of recording, from included and to not.
func TestBackfillByTime(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o, export := s.atSea(t, "Acme")
	tenth := daysAgo(20).Add(9 * time.Second) // when event 10 was recorded
	for _, test := range []struct {
		from, to    time.Time
		first, last int64
	}{
		{daysAgo(20), daysAgo(10), 1, 10},
		{tenth, tenth.Add(time.Nanosecond), 10, 10},
		{tenth.Add(-time.Nanosecond), tenth.Add(time.Microsecond), 10, 10},
		{tenth.Add(time.Nanosecond), daysAgo(10).Add(time.Second), 11, 11},
		{daysAgo(300), daysAgo(5).Add(2500 * time.Millisecond), 1, 23}, // nothing has expired yet
	} {
		id := s.backfills(t, o, export, map[string]any{"from": test.from, "to": test.to})
		b := s.backfill(t, o, export, id)
		require.Equal(t, [2]int64{test.first, test.last}, [2]int64{b.FirstSeq, b.LastSeq}, "%s to %s", test.from, test.to)
		s.cancel(t, o, export, id)
	}
	// Up to this very moment: all that was recorded before the request, which is
	// recorded itself.
	var newest int64
	s.inOrg(t, o, func(tx *postgres.Tx) (err error) {
		newest, err = tx.NewestSeq(t.Context())
		return err
	})
	var moment time.Time
	s.inOrg(t, o, func(tx *postgres.Tx) (err error) {
		moment, err = tx.RecordedAt(t.Context(), newest)
		return err
	})
	b := s.backfill(t, o, export, s.backfills(t, o, export, map[string]any{"from": daysAgo(5), "to": moment.Add(time.Microsecond)}))
	require.Equal(t, [2]int64{21, newest}, [2]int64{b.FirstSeq, b.LastSeq})
}

// A range that cannot be delivered as a whole is refused with what could be.
func TestBackfillsOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o, export := s.atSea(t, "Acme")
	s.expire(t, o, 13) // the rest of that day is retained, in this test
	path := "/v1/exports/" + export.ID.String() + "/backfills"
	stands := fmt.Sprintf("retained are event 14, recorded at %s, to event ", daysAgo(10).Add(3*time.Second).Format(time.RFC3339Nano))
	for name, test := range map[string]struct {
		body  map[string]any
		field string
	}{
		"an expired number":   {map[string]any{"first_seq": 13, "last_seq": 20}, "first_seq"},
		"a number to come":    {map[string]any{"first_seq": 14, "last_seq": 4000}, "last_seq"},
		"an expired day":      {map[string]any{"from": today().AddDate(0, 0, -10).Add(-time.Second), "to": daysAgo(5)}, "from"},
		"a time to come":      {map[string]any{"from": daysAgo(5), "to": time.Now().Add(time.Hour)}, "to"},
		"a time of nothing":   {map[string]any{"from": daysAgo(9), "to": daysAgo(6)}, "from"},
		"a moment of nothing": {map[string]any{"from": daysAgo(5).Add(time.Microsecond), "to": daysAgo(5).Add(time.Second)}, "from"},
	} {
		p := s.post(t, o.admin(), path, test.body).problem(t, http.StatusUnprocessableEntity)
		require.Equal(t, []string{test.field}, p.fields(), name)
		require.Contains(t, p.Errors[0].Message, stands, name)
	}
	require.Empty(t, s.eventsOf(t, o, "auditferry.export.backfill_requested"))

	// The day of the oldest event counts from its beginning.
	b := s.backfill(t, o, export, s.backfills(t, o, export, map[string]any{"from": today().AddDate(0, 0, -10), "to": daysAgo(5)}))
	require.Equal(t, [2]int64{14, 20}, [2]int64{b.FirstSeq, b.LastSeq})
	s.cancel(t, o, export, b.ID)

	s.asOwner(t, `DELETE FROM audit_event WHERE org_id = $1`, o.id)
	for _, body := range []map[string]any{
		{"first_seq": 20, "last_seq": 25}, {"from": daysAgo(20), "to": daysAgo(1)},
	} {
		p := s.post(t, o.admin(), path, body).problem(t, http.StatusUnprocessableEntity)
		require.Contains(t, p.Errors[0].Message, "no event is retained")
	}
}

func TestBadBackfills(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o, export := s.atSea(t, "Acme")
	path := "/v1/exports/" + export.ID.String() + "/backfills"
	for name, test := range map[string]struct {
		body   string
		fields []string
	}{
		"no range":             {`{}`, []string{"first_seq"}},
		"half a range":         {`{"first_seq":1}`, []string{"last_seq"}},
		"the other half":       {`{"last_seq":1}`, []string{"first_seq"}},
		"half a time":          {`{"from":"2026-01-01T00:00:00Z"}`, []string{"to"}},
		"the other half of it": {`{"to":"2026-01-01T00:00:00Z"}`, []string{"from"}},
		"two kinds of range":   {`{"first_seq":1,"last_seq":2,"from":"2026-01-01T00:00:00Z","to":"2026-01-02T00:00:00Z"}`, []string{"first_seq"}},
		"half of either":       {`{"first_seq":1,"to":"2026-01-02T00:00:00Z"}`, []string{"first_seq"}},
		"zero":                 {`{"first_seq":0,"last_seq":2}`, []string{"first_seq"}},
		"a fraction":           {`{"first_seq":1.5,"last_seq":2}`, []string{"first_seq"}},
		"numbers in words":     {`{"first_seq":"1","last_seq":"2"}`, []string{"first_seq", "last_seq"}},
		"backwards":            {`{"first_seq":3,"last_seq":2}`, []string{"first_seq"}},
		"backwards in time":    {`{"from":"2026-01-02T00:00:00Z","to":"2026-01-01T00:00:00Z"}`, []string{"from"}},
		"no time between":      {`{"from":"2026-01-01T00:00:00Z","to":"2026-01-01T01:00:00+01:00"}`, []string{"from"}},
		"a day for a time":     {`{"from":"2026-01-01","to":"2026-01-02T00:00:00Z"}`, []string{"from"}},
		"an unknown member":    {`{"first_seq":1,"last_seq":2,"folder":"../"}`, []string{"folder"}},
		"an unknown format":    {`{"first_seq":1,"last_seq":2,"format":"xml"}`, []string{"format"}},
		"a wrong compression":  {`{"first_seq":1,"last_seq":2,"format":"csv","compression":"snappy"}`, []string{"compression"}},
		"a path that leaves":   {`{"first_seq":1,"last_seq":2,"path_template":"../x"}`, []string{"path_template"}},
		"a path of another":    {`{"first_seq":1,"last_seq":2,"path_template":"backfill/x"}`, []string{"path_template"}},
		"a range and a path":   {`{"first_seq":3,"last_seq":2,"path_template":"../x"}`, []string{"first_seq", "path_template"}},
		"a wrong filter":       {`{"first_seq":1,"last_seq":2,"filter":{"actions":["*.read"]}}`, []string{"filter.actions[0]"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := s.post(t, o.admin(), path, test.body).problem(t, http.StatusUnprocessableEntity)
			require.ElementsMatch(t, test.fields, p.fields(), "%+v", p)
		})
	}
	s.post(t, o.admin(), path, `{"first_seq":1,"last_seq":9223372036854775808}`).problem(t, http.StatusBadRequest)
	var list struct{ Items []backfill }
	s.get(t, o.admin(), path).is(t, http.StatusOK, &list)
	require.Empty(t, list.Items)
}

// The list comes in pages, newest first.
func TestListBackfills(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o, export := s.atSea(t, "Acme")
	var want []uuid.UUID
	for range 5 {
		id := s.newBackfill(t, o, export, 1, 2)
		s.cancel(t, o, export, id)
		want = append(want, id)
	}
	slices.Reverse(want)
	var got []uuid.UUID
	path := "/v1/exports/" + export.ID.String() + "/backfills"
	for next := "?limit=2"; next != ""; {
		var page struct {
			Items      []backfill
			NextCursor string `json:"next_cursor"`
		}
		s.get(t, o.keys[schemas.RoleViewer], path+next).is(t, http.StatusOK, &page)
		for _, b := range page.Items {
			got = append(got, b.ID)
		}
		next = ""
		if page.NextCursor != "" {
			next = "?limit=2&cursor=" + page.NextCursor
		}
	}
	require.Equal(t, want, got)
	s.get(t, o.admin(), path+"?cursor=AAAA").problem(t, http.StatusUnprocessableEntity)
}
