package httpapi_test

import (
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/schemas"
)

var (
	whitespace = regexp.MustCompile(`\s+`)
	variables  = regexp.MustCompile(`\{\w+\}`)
)

// The contract tells of every variable and its meaning, and of every format and
// compression.
func TestContractNamesWhatExportsCanHave(t *testing.T) {
	t.Parallel()
	document, err := openapi3.NewLoader().LoadFromData(schemas.OpenAPI)
	require.NoError(t, err)
	member := func(name string) *openapi3.Schema { return document.Components.Schemas[name].Value }
	// Lines are broken where the text is edited.
	text := whitespace.ReplaceAllString(member("PathTemplate").Description, " ")
	for _, variable := range schemas.PathVariables {
		require.Contains(t, text, variable.Name+" ("+variable.Meaning+")")
	}
	require.Len(t, variables.FindAllString(text, -1), len(schemas.PathVariables), "and of no other")
	for _, format := range member("Format").Enum {
		for _, compression := range member("Compression").Enum {
			err := schemas.CheckFormat(schemas.Format(format.(string)), schemas.Compression(compression.(string)))
			require.Equal(t, compression == "snappy" && format != "parquet", err != nil)
		}
	}
	require.Len(t, member("Format").Enum, 3)
	require.Len(t, member("Compression").Enum, len(schemas.FormatParquet.Compressions()))
}

// What is left out of a new export is what readers of its format can take.
func TestUsualCompressions(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	integration := s.newAWS(t, o, "s3://acme-audit/")
	for format, compression := range map[string]schemas.Compression{
		"ndjson": schemas.CompressionGzip, "csv": schemas.CompressionGzip, "parquet": schemas.CompressionZstd,
	} {
		var op schemas.Operation
		s.post(t, o.admin(), "/v1/exports", map[string]any{
			"name": format, "integration_id": integration, "schedule": hourly(), "format": format,
		}).is(t, http.StatusAccepted, &op)
		require.Equal(t, compression, s.export(t, o, *op.ExportID).Compression, format)
	}
	s.post(t, o.admin(), "/v1/exports", map[string]any{
		"name": "snappy", "integration_id": integration, "schedule": hourly(), "compression": "snappy",
	}).problem(t, http.StatusUnprocessableEntity)
}

// A format that cannot have the present compression is refused with what to do
// about it, and taken together with one that it can have.
func TestEditOfTheFormat(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	export := s.newExport(t, o, "hourly", s.newAWS(t, o, "s3://acme-audit/"))
	edit := func(body any) response {
		return s.do(t, request{method: http.MethodPatch, path: "/v1/exports/" + export.ID.String(), key: o.admin(), body: body})
	}
	edit(map[string]any{"format": "parquet", "compression": "snappy"}).is(t, http.StatusAccepted, nil)
	p := edit(map[string]any{"format": "csv"}).problem(t, http.StatusUnprocessableEntity)
	require.Equal(t, []string{"compression"}, p.fields())
	require.Equal(t, "is snappy so far, but must be none, gzip or zstd with csv; change it together with the format", p.Errors[0].Message)
	require.Equal(t, schemas.FormatParquet, s.export(t, o, export.ID).Format)
	p = edit(map[string]any{"format": "csv", "compression": "snappy"}).problem(t, http.StatusUnprocessableEntity)
	require.Equal(t, "must be none, gzip or zstd with csv", p.Errors[0].Message)
	edit(map[string]any{"format": "csv", "compression": "gzip"}).is(t, http.StatusAccepted, nil)
	edit(map[string]any{"format": "ndjson"}).is(t, http.StatusAccepted, nil)
	require.Equal(t, schemas.CompressionGzip, s.export(t, o, export.ID).Compression)
}

// A filter is set, replaced as a whole and taken away.
func TestFiltersOfExports(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	integration := s.newAWS(t, o, "s3://acme-audit/")
	create := request{method: http.MethodPost, path: "/v1/exports", key: o.admin(), idempotencyKey: "one", body: map[string]any{
		"name": "hourly", "integration_id": integration, "schedule": hourly(),
		"filter": map[string]any{"actions": []string{"document.*"}, "outcome": "failure"},
	}}
	var op schemas.Operation
	s.do(t, create).is(t, http.StatusAccepted, &op)
	path := "/v1/exports/" + op.ExportID.String()
	require.Equal(t, schemas.Filter{Actions: []string{"document.*"}, Outcome: schemas.OutcomeFailure}, s.export(t, o, *op.ExportID).Filter)
	edit := func(body any) response {
		return s.do(t, request{method: http.MethodPatch, path: path, key: o.admin(), body: body})
	}
	edit(map[string]any{"name": "nightly"}).is(t, http.StatusAccepted, nil)
	require.NotEmpty(t, s.export(t, o, *op.ExportID).Filter, "left out, it stays")
	edit(map[string]any{"filter": map[string]any{"except_actions": []string{"user.login"}}}).is(t, http.StatusAccepted, nil)
	require.Equal(t, schemas.Filter{ExceptActions: []string{"user.login"}}, s.export(t, o, *op.ExportID).Filter)
	p := edit(map[string]any{"filter": map[string]any{"actions": []string{"a", "*b"}}}).problem(t, http.StatusUnprocessableEntity)
	require.Equal(t, []string{"filter.actions[1]"}, p.fields())
	edit(map[string]any{"filter": map[string]any{}}).is(t, http.StatusAccepted, nil)
	require.True(t, s.export(t, o, *op.ExportID).Filter.IsZero())
	require.NotContains(t, string(s.get(t, o.admin(), path).body), `"filter"`)

	// Another filter is another request.
	create.body.(map[string]any)["filter"] = map[string]any{"actions": []string{"user.*"}}
	s.do(t, create).problem(t, http.StatusConflict)
}

// An export tells when what it has not delivered will be lost, or that it is,
// and since when it has been failing.
func TestWhatIsUndelivered(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o, export := s.atSea(t, "Acme")
	type undelivered struct {
		OldestSeq  int64      `json:"oldest_seq"`
		Events     int64      `json:"events"`
		RecordedAt *time.Time `json:"recorded_at"`
		ExpiresAt  *time.Time `json:"expires_at"`
		Expired    bool
	}
	type seen struct {
		schemas.Export
		Undelivered *undelivered
	}
	shown := func() (e seen) {
		t.Helper()
		path := "/v1/exports/" + export.ID.String()
		s.get(t, o.keys[schemas.RoleViewer], path).is(t, http.StatusOK, &e)
		for _, list := range []string{"/v1/exports", "/v1/integrations/" + export.IntegrationID.String() + "/exports"} {
			var all struct{ Items []seen }
			s.get(t, o.admin(), list).is(t, http.StatusOK, &all)
			require.Equal(t, []seen{e}, all.Items, "lists tell the same")
		}
		return e
	}
	first := export.DeliveredSeq + 1
	e := shown()
	require.Equal(t, first, e.StartSeq)
	recorded := daysAgo(20).Add(time.Duration(first-1) * time.Second)
	expires := recorded.Add(retention)
	require.Equal(t, &undelivered{first, 40 - first + 1, &recorded, &expires, false}, e.Undelivered)
	require.Nil(t, e.FailingSince)

	s.expire(t, o, first+3)
	require.Equal(t, &undelivered{OldestSeq: first, Events: 40 - first + 1, Expired: true}, shown().Undelivered)

	w := windowOf(export, first, 40)
	failing := time.Now().UTC().Add(-time.Hour).Truncate(time.Microsecond)
	s.asOwner(t, `UPDATE export SET failing_since = $2 WHERE id = $1`, export.ID, failing)
	require.Equal(t, failing, shown().FailingSince.UTC())
	s.deliver(t, o, w, whole(w)...)
	e = shown()
	require.Nil(t, e.FailingSince)
	require.Nil(t, e.Undelivered)
	require.EqualValues(t, 40, e.DeliveredSeq)

	// An export that is deleted has nothing to deliver any more.
	s.report(t, o, "document.read")
	require.NotNil(t, shown().Undelivered)
	s.delete(t, o, "/v1/exports/"+export.ID.String()).is(t, http.StatusAccepted, nil)
	require.NotContains(t, string(s.get(t, o.admin(), "/v1/exports/"+export.ID.String()).body), "undelivered")
}
