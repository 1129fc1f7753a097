package httpapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/schemas"
)

type previewed struct {
	Seq     int64
	Action  string
	Outcome schemas.Outcome
}

type preview struct {
	Format      schemas.Format
	Compression schemas.Compression
	Objects     []struct {
		RecordedAt time.Time `json:"recorded_at"`
		Key        string
	}
	Manifest string
	Filter   struct {
		Events, Passed    int
		Passing, Excluded []previewed
	}
}

func (p preview) keys() (keys []string) {
	for _, object := range p.Objects {
		keys = append(keys, object.Key)
	}
	return keys
}

func (s *server) preview(t *testing.T, o tenant, body any) (p preview) {
	t.Helper()
	s.post(t, o.keys[schemas.RoleViewer], "/v1/exports/preview", body).is(t, http.StatusOK, &p)
	return p
}

// A preview shows the names that objects will have, and changes nothing.
func TestPreviewOfKeys(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	integration := s.newAWS(t, o, "s3://acme-audit/logs/")
	before := s.census(t, o)
	times := []string{"2026-01-31T23:59:59Z", "2026-02-01T01:30:00+02:00"}

	usual := s.preview(t, o, map[string]any{"name": "Ünïcode & Co.", "integration_id": integration, "times": times})
	require.Equal(t, []string{
		"logs/date=2026-01-31/hour=23/n-code-co-000000-000000000001-000000001000.ndjson.gz",
		"logs/date=2026-01-31/hour=23/n-code-co-000000-000000000001-000000001000.ndjson.gz",
	}, usual.keys(), "in UTC")
	require.Equal(t, "logs/_manifests/"+uuid.Nil.String()+"/000000000001-000000001000.json", usual.Manifest)
	for body, key := range map[string]string{
		`{}`: "date=2026-01-31/hour=23/export-000000-000000000001-000000001000.ndjson.gz",
		`{"destination":"azure://acme.blob.core.windows.net/logs/audit/","path_template":""}`: "audit/export-000000-000000000001-000000001000.ndjson.gz",
		`{"format":"parquet","path_template":"{export}/y={YYYY}"}`:                            "export-000000/y=2026/export-000000-000000000001-000000001000.parquet",
		`{"format":"csv","compression":"zstd"}`:                                               "date=2026-01-31/hour=23/export-000000-000000000001-000000001000.csv.zst",
		`{"format":"csv","compression":"none","path_template":"{MM}{DD}"}`:                    "0131/export-000000-000000000001-000000001000.csv",
	} {
		separator := ","
		if body == "{}" {
			separator = ""
		}
		p := s.preview(t, o, strings.TrimSuffix(body, "}")+separator+`"times":["2026-01-31T23:00:00Z"]}`)
		require.Equal(t, []string{key}, p.keys())
	}
	now := s.preview(t, o, map[string]any{"format": "parquet"})
	require.Equal(t, schemas.CompressionZstd, now.Compression, "what is usual for the format")
	require.Len(t, now.Objects, 1)
	require.WithinDuration(t, time.Now(), now.Objects[0].RecordedAt, time.Minute)

	require.Equal(t, before, s.census(t, o))
	require.Len(t, s.dispatcher.dispatched(), 1, "only the creation of the integration")
}

// The names are those that an export gets, but for what its ID gives.
func TestPreviewIsWhatTheExportWrites(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	integration := s.newAWS(t, o, "s3://acme-audit/logs/")
	body := map[string]any{
		"name": "Ünïcode & Co. — hourly", "integration_id": integration, "format": "csv", "path_template": "{export}/{YYYY}",
	}
	at := time.Date(2026, 1, 31, 23, 0, 0, 0, time.UTC)
	body["times"] = []time.Time{at}
	p := s.preview(t, o, body)
	delete(body, "times")
	body["schedule"] = hourly()
	var op schemas.Operation
	s.post(t, o.admin(), "/v1/exports", body).is(t, http.StatusAccepted, &op)
	export := s.export(t, o, *op.ExportID)
	w := windowOf(export, 1, 1000)
	require.Equal(t, w.Place().Key(w.Name(1, 1000, at)), strings.ReplaceAll(p.keys()[0], "n-code-co-hourly-000000", export.Slug))
	require.Equal(t, manifestOf(w), strings.Replace(p.Manifest, uuid.Nil.String(), export.ID.String(), 1))
}

// A filter is tried on the newest events of the own organization.
func TestPreviewOfFilters(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	s.report(t, s.newTenant(t, "Globex"), many(50, "document.read")...)
	newest := s.report(t, o, append(many(7, "document.read"), "document.deleted", "user.login", "user.login", "documents.listed")...).LastSeq

	p := s.preview(t, o, map[string]any{
		"filter": map[string]any{"actions": []string{"document.*", "user.login"}, "except_actions": []string{"document.deleted"}},
	})
	require.EqualValues(t, newest, p.Filter.Events, "all there are")
	require.Equal(t, 9, p.Filter.Passed)
	require.Equal(t, []previewed{
		{newest - 1, "user.login", "success"}, {newest - 2, "user.login", "success"},
		{newest - 4, "document.read", "success"}, {newest - 5, "document.read", "success"}, {newest - 6, "document.read", "success"},
	}, p.Filter.Passing, "the newest five")
	require.Equal(t, previewed{newest, "documents.listed", "success"}, p.Filter.Excluded[0])
	require.Equal(t, previewed{newest - 3, "document.deleted", "success"}, p.Filter.Excluded[1])

	p = s.preview(t, o, map[string]any{"filter": map[string]any{"outcome": "failure"}, "events": 3})
	require.Equal(t, 3, p.Filter.Events)
	require.Zero(t, p.Filter.Passed)
	require.Empty(t, p.Filter.Passing)
	require.Len(t, p.Filter.Excluded, 3)
	p = s.preview(t, o, map[string]any{})
	require.Equal(t, p.Filter.Events, p.Filter.Passed, "without a filter every event passes")

	// What a filter names is a name, whatever it looks like.
	p = s.preview(t, o, map[string]any{"filter": map[string]any{"actions": []string{"' OR true --", `\' OR true --*`, "%"}}})
	require.Zero(t, p.Filter.Passed)
}

func TestBadPreviews(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	integration := s.newAWS(t, o, "s3://acme-audit/").String()
	for name, test := range map[string]struct {
		body   string
		status int
		fields []string
	}{
		"several at once":           {`{"format":"csv","compression":"snappy","path_template":"../x","filter":{"actions":["a*b"]}}`, 422, []string{"compression", "path_template", "filter.actions[0]"}},
		"an unknown variable":       {`{"path_template":"{SS}"}`, 422, []string{"path_template"}},
		"two places":                {`{"integration_id":"` + integration + `","destination":"s3://acme/"}`, 422, []string{"destination"}},
		"a place of no form":        {`{"destination":"acme"}`, 422, []string{"destination"}},
		"a name of spaces":          {`{"name":" "}`, 422, []string{"name"}},
		"nobody's integration":      {`{"integration_id":"` + uuid.NewString() + `"}`, 404, nil},
		"too many times":            {`{"times":["2026-01-01T00:00:00Z"` + strings.Repeat(`,"2026-01-01T00:00:00Z"`, 20) + `]}`, 422, []string{"times"}},
		"no time":                   {`{"times":["now"]}`, 422, []string{"times[0]"}},
		"too many events":           {`{"events":201}`, 422, []string{"events"}},
		"no event":                  {`{"events":0}`, 422, []string{"events"}},
		"too many actions":          {`{"filter":{"actions":["a"` + strings.Repeat(`,"a"`, 100) + `]}}`, 422, []string{"filter.actions"}},
		"an action of nothing":      {`{"filter":{"except_actions":[""]}}`, 422, []string{"filter.except_actions[0]"}},
		"every action":              {`{"filter":{"actions":["*"]}}`, 422, []string{"filter.actions[0]"}},
		"an action with NUL":        {`{"filter":{"actions":["a\u0000"]}}`, 422, []string{"filter.actions[0]"}},
		"an action too long":        {`{"filter":{"actions":["` + strings.Repeat("ü", 101) + `"]}}`, 422, []string{"filter.actions[0]"}},
		"an unknown outcome":        {`{"filter":{"outcome":"maybe"}}`, 422, []string{"filter.outcome"}},
		"an unknown kind of filter": {`{"filter":{"actors":["u1"]}}`, 422, []string{"filter.actors"}},
		"what an export has":        {`{"schedule":{"kind":"interval","every":"1h"}}`, 422, []string{"schedule"}},
		"nothing":                   {``, 400, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := s.post(t, o.admin(), "/v1/exports/preview", test.body).problem(t, test.status)
			require.ElementsMatch(t, test.fields, p.fields(), "%+v", p)
		})
	}
}
