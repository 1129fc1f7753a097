package manifest_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/schemas"
)

var (
	orgID         = uuid.MustParse("0190f5b0-0000-7000-8000-000000000001")
	integrationID = uuid.MustParse("0190f5b0-0000-7000-8000-000000000002")
	exportID      = uuid.MustParse("0190f5b0-0000-7000-8000-000000000003")
	someDigest    = fmt.Sprintf("%x", sha256.Sum256(nil))
)

// goodManifest adds up: a delivered part, one that a filter has kept back
// altogether, and one of which some events had expired.
func goodManifest() schemas.Manifest {
	from := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	to := from.Add(time.Hour)
	return schemas.Manifest{
		Version: schemas.ManifestVersion, Kind: schemas.ManifestWindow,
		OrgID: orgID, IntegrationID: integrationID, ExportID: exportID,
		Destination: schemas.Destination{Cloud: schemas.AWS, Bucket: "acme-audit", Prefix: "a&b"},
		FirstSeq:    11, LastSeq: 40, RecordedFrom: &from, RecordedTo: &to,
		Format: schemas.FormatNDJSON, Compression: schemas.CompressionGzip,
		Filter: &schemas.Filter{Actions: []string{"user.*"}},
		Rows:   15, Excluded: 13, Expired: 2, Bytes: 300,
		Objects: []schemas.ManifestObject{
			{Key: "date=2026-03-01/a-11-20.ndjson.gz", FirstSeq: 11, LastSeq: 20, Rows: 10, Bytes: 200, SHA256: someDigest},
			{FirstSeq: 21, LastSeq: 30, Excluded: 10},
			{Key: "date=2026-03-01/a-31-40.ndjson.gz", FirstSeq: 31, LastSeq: 40, Rows: 5, Excluded: 3, Expired: 2, Bytes: 100, SHA256: someDigest},
		},
		Previous: &schemas.ManifestRef{Key: schemas.ManifestName(exportID, 1, 10), SHA256: someDigest},
	}
}

func finalManifest() schemas.Manifest {
	m := goodManifest()
	return schemas.Manifest{
		Version: m.Version, Kind: schemas.ManifestFinal,
		OrgID: m.OrgID, IntegrationID: m.IntegrationID, ExportID: m.ExportID, Destination: m.Destination,
		LastSeq: 40, Previous: m.Previous, Reason: schemas.ClosedByRetarget,
	}
}

// The bytes are fixed: what is sealed again after a crash, by any worker
// anywhere, is what was sealed before.
func TestSeal(t *testing.T) {
	t.Parallel()
	s := newSigner(t, "a")
	m := goodManifest()
	sealed, err := manifest.Seal(s, m)
	require.NoError(t, err)
	require.Equal(t, "a&b/_manifests/"+exportID.String()+"/000000000011-000000000040.json", sealed.Key)
	require.Equal(t, fmt.Sprintf("%x", sha256.Sum256(sealed.Content)), sealed.SHA256)
	_, err = keySet(t, s).Verify(sealed.Content, sealed.Signature)
	require.NoError(t, err)

	text := string(sealed.Content)
	require.Contains(t, text, "{\n  \"version\": 1,\n  \"kind\": \"window\",\n")
	require.Contains(t, text, `"s3://acme-audit/a&b/"`, "people read it")
	require.Contains(t, text, `"2026-03-01T10:00:00Z"`)
	require.Equal(t, byte('\n'), text[len(text)-1])

	var read schemas.Manifest
	require.NoError(t, json.Unmarshal(sealed.Content, &read))
	require.Equal(t, m, read)

	elsewhere := m.RecordedFrom.In(time.FixedZone("elsewhere", 3600))
	m.RecordedFrom = &elsewhere
	again, err := manifest.Seal(s, m)
	require.NoError(t, err)
	require.Equal(t, sealed, again)
}

func TestSealFinal(t *testing.T) {
	t.Parallel()
	sealed, err := manifest.Seal(newSigner(t, "a"), finalManifest())
	require.NoError(t, err)
	require.Equal(t, "a&b/_manifests/"+exportID.String()+"/000000000040-final.json", sealed.Key)
	require.NotContains(t, string(sealed.Content), "given_up")

	m := finalManifest()
	m.GivenUp = []schemas.GivenUp{{Slug: "a", FirstSeq: 11, LastSeq: 20}, {Slug: "a", FirstSeq: 31, LastSeq: 40}}
	before, err := manifest.Seal(newSigner(t, "a"), m)
	require.NoError(t, err)
	require.Equal(t, sealed.Key, before.Key, "what follows is delivered")
	m.GivenUp = append(m.GivenUp, schemas.GivenUp{Slug: "a", FirstSeq: 41, LastSeq: 50})
	sealed, err = manifest.Seal(newSigner(t, "a"), m)
	require.NoError(t, err)
	require.Equal(t, "a&b/_manifests/"+exportID.String()+"/000000000040-final-000000000050.json", sealed.Key)
	var read schemas.Manifest
	require.NoError(t, json.Unmarshal(sealed.Content, &read))
	require.Equal(t, m, read)
}

// givesUp makes it a final manifest with these ranges.
func givesUp(ranges ...schemas.GivenUp) func(*schemas.Manifest) {
	return func(m *schemas.Manifest) { *m = finalManifest(); m.GivenUp = ranges }
}

// Nothing that does not add up is ever signed.
func TestSealRefusesWhatDoesNotAddUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(*schemas.Manifest)
		want  string
	}{
		"version":                 {func(m *schemas.Manifest) { m.Version = 2 }, "version is 2"},
		"kind":                    {func(m *schemas.Manifest) { m.Kind = "note" }, `kind "note"`},
		"no org":                  {func(m *schemas.Manifest) { m.OrgID = uuid.Nil }, "no organization"},
		"no integration":          {func(m *schemas.Manifest) { m.IntegrationID = uuid.Nil }, "no integration"},
		"no export":               {func(m *schemas.Manifest) { m.ExportID = uuid.Nil }, "no export"},
		"no destination":          {func(m *schemas.Manifest) { m.Destination = schemas.Destination{} }, "no destination"},
		"format":                  {func(m *schemas.Manifest) { m.Format = "xml" }, "ndjson, csv or parquet"},
		"compression":             {func(m *schemas.Manifest) { m.Compression = "snappy" }, "none, gzip or zstd"},
		"range upside down":       {func(m *schemas.Manifest) { m.LastSeq = 10 }, "no range"},
		"range from zero":         {func(m *schemas.Manifest) { m.FirstSeq = 0 }, "no range"},
		"absurd range":            {func(m *schemas.Manifest) { m.LastSeq = 1<<63 - 1 }, "no range"},
		"gap at the start":        {func(m *schemas.Manifest) { m.FirstSeq, m.Previous = 10, nil }, "begins at seq 11, not at 10"},
		"gap in the middle":       {func(m *schemas.Manifest) { m.Objects[1].FirstSeq = 22; m.Objects[1].Excluded = 9 }, "begins at seq 22, not at 21"},
		"overlap":                 {func(m *schemas.Manifest) { m.Objects[1].FirstSeq = 20; m.Objects[1].Excluded = 11 }, "begins at seq 20, not at 21"},
		"gap at the end":          {func(m *schemas.Manifest) { m.LastSeq = 41 }, "end at seq 40, not at 41"},
		"no objects":              {func(m *schemas.Manifest) { m.Objects = nil }, "end at seq 10, not at 40"},
		"uncounted event":         {func(m *schemas.Manifest) { m.Objects[2].Rows = 4; m.Rows = 14 }, "are not the 10 numbers"},
		"counted twice":           {func(m *schemas.Manifest) { m.Objects[2].Rows = 6; m.Rows = 16 }, "are not the 10 numbers"},
		"negative":                {func(m *schemas.Manifest) { m.Objects[2].Excluded = -3; m.Objects[2].Rows = 11 }, "below zero"},
		"total rows":              {func(m *schemas.Manifest) { m.Rows++ }, "totals"},
		"total excluded":          {func(m *schemas.Manifest) { m.Excluded++ }, "totals"},
		"total expired":           {func(m *schemas.Manifest) { m.Expired++ }, "totals"},
		"total bytes":             {func(m *schemas.Manifest) { m.Bytes++ }, "totals"},
		"rows without a key":      {func(m *schemas.Manifest) { m.Objects[0].Key = "" }, "has no key"},
		"key without rows":        {func(m *schemas.Manifest) { m.Objects[1].Key = "x" }, "no rows"},
		"rows without bytes":      {func(m *schemas.Manifest) { m.Objects[0].Bytes = 0; m.Bytes = 100 }, "no bytes"},
		"rows without a hash":     {func(m *schemas.Manifest) { m.Objects[0].SHA256 = "" }, "SHA-256"},
		"hash in capitals":        {func(m *schemas.Manifest) { m.Objects[0].SHA256 = "AB" + someDigest[2:] }, "SHA-256"},
		"one key twice":           {func(m *schemas.Manifest) { m.Objects[2].Key = m.Objects[0].Key }, "key of another"},
		"key out of the folder":   {func(m *schemas.Manifest) { m.Objects[0].Key = "../x" }, "leave its folder"},
		"key through the folder":  {func(m *schemas.Manifest) { m.Objects[0].Key = "a/../../x" }, "leave its folder"},
		"absolute key":            {func(m *schemas.Manifest) { m.Objects[0].Key = "/etc/passwd" }, "leave its folder"},
		"doubled slash":           {func(m *schemas.Manifest) { m.Objects[0].Key = "a//b" }, "leave its folder"},
		"dot":                     {func(m *schemas.Manifest) { m.Objects[0].Key = "." }, "leave its folder"},
		"backslash":               {func(m *schemas.Manifest) { m.Objects[0].Key = `..\x` }, "not allowed"},
		"NUL":                     {func(m *schemas.Manifest) { m.Objects[0].Key = "a\x00b" }, "not allowed"},
		"key of a manifest":       {func(m *schemas.Manifest) { m.Objects[0].Key = "_manifests/x" }, "which is a manifest's"},
		"excluded without filter": {func(m *schemas.Manifest) { m.Filter = nil }, "without a filter"},
		"ends before it begins":   {func(m *schemas.Manifest) { m.RecordedFrom, m.RecordedTo = m.RecordedTo, m.RecordedFrom }, "ends before"},
		"window with a reason":    {func(m *schemas.Manifest) { m.Reason = schemas.ClosedByRetarget }, "no reason"},
		"out of its backfill":     {func(m *schemas.Manifest) { m.Backfill = &schemas.BackfillRange{FirstSeq: 11, LastSeq: 39} }, "outside of its backfill"},
		"previous is no manifest": {func(m *schemas.Manifest) { m.Previous.Key = "date=2026-03-01/a.ndjson" }, "not the key of a window's manifest"},
		"previous in a folder":    {func(m *schemas.Manifest) { m.Previous.Key = "x/" + m.Previous.Key }, "below its destination"},
		"previous is final":       {func(m *schemas.Manifest) { m.Previous.Key = schemas.FinalManifestName(exportID, 10, 0) }, "window's manifest"},
		"previous of another":     {func(m *schemas.Manifest) { m.Previous.Key = schemas.ManifestName(orgID, 1, 10) }, "another export's"},
		"previous comes after":    {func(m *schemas.Manifest) { m.Previous.Key = schemas.ManifestName(exportID, 1, 11) }, "begins at seq 11"},
		"previous has no hash":    {func(m *schemas.Manifest) { m.Previous.SHA256 = "" }, "SHA-256"},
		"replaces is no manifest": {func(m *schemas.Manifest) { m.Replaces = &schemas.ManifestRef{Key: "../x", SHA256: someDigest} }, "leave its folder"},
		"final with objects": {func(m *schemas.Manifest) {
			m.Kind, m.Reason = schemas.ManifestFinal, schemas.ClosedByRetarget
		}, "delivers nothing"},
		"final without a reason": {func(m *schemas.Manifest) { *m = finalManifest(); m.Reason = "" }, `reason "" is unknown`},
		"window that gives up":   {func(m *schemas.Manifest) { m.GivenUp = []schemas.GivenUp{{Slug: "a", FirstSeq: 41, LastSeq: 50}} }, "gives nothing up"},
		"given up, no slug":      {givesUp(schemas.GivenUp{FirstSeq: 41, LastSeq: 50}), `slug ""`},
		"given up, a folder":     {givesUp(schemas.GivenUp{Slug: "a/b", FirstSeq: 41, LastSeq: 50}), `slug "a/b"`},
		"given up from zero":     {givesUp(schemas.GivenUp{Slug: "a", LastSeq: 50}), "no range"},
		"given up upside down":   {givesUp(schemas.GivenUp{Slug: "a", FirstSeq: 51, LastSeq: 50}), "no range"},
		"given up beyond all":    {givesUp(schemas.GivenUp{Slug: "a", FirstSeq: 51, LastSeq: 1<<63 - 1}), "no range"},
		"given up in disorder": {
			givesUp(schemas.GivenUp{Slug: "a", FirstSeq: 41, LastSeq: 50}, schemas.GivenUp{Slug: "a", FirstSeq: 50, LastSeq: 60}), "the one before it ends at 50",
		},
		"final below zero": {func(m *schemas.Manifest) { *m = finalManifest(); m.LastSeq = -1 }, "last seq is -1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := goodManifest()
			require.NoError(t, manifest.Check(m))
			c.spoil(&m)
			sealed, err := manifest.Seal(newSigner(t, "a"), m)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "does not add up")
			require.Zero(t, sealed)
		})
	}
}

// Any division of a window into parts adds up, and ceases to when any one
// number is off by one.
func TestCheckProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := goodManifest()
		m.FirstSeq = rapid.Int64Range(11, 1<<40).Draw(t, "first")
		m.LastSeq = m.FirstSeq - 1
		m.Rows, m.Excluded, m.Expired, m.Bytes, m.Objects = 0, 0, 0, 0, nil
		for i := range rapid.IntRange(1, 20).Draw(t, "objects") {
			o := schemas.ManifestObject{
				FirstSeq: m.LastSeq + 1,
				Rows:     rapid.Int64Range(0, 5).Draw(t, "rows"), Excluded: rapid.Int64Range(0, 5).Draw(t, "excluded"),
				Expired: rapid.Int64Range(1, 5).Draw(t, "expired"),
			}
			o.LastSeq = o.FirstSeq + o.Rows + o.Excluded + o.Expired - 1
			if o.Rows > 0 {
				o.Key, o.SHA256, o.Bytes = fmt.Sprintf("part-%d", i), someDigest, rapid.Int64Range(1, 1<<40).Draw(t, "bytes")
			}
			m.LastSeq, m.Rows, m.Excluded, m.Expired, m.Bytes = o.LastSeq, m.Rows+o.Rows, m.Excluded+o.Excluded, m.Expired+o.Expired, m.Bytes+o.Bytes
			m.Objects = append(m.Objects, o)
		}
		require.NoError(t, manifest.Check(m))

		o := &m.Objects[rapid.IntRange(0, len(m.Objects)-1).Draw(t, "which")]
		numbers := []*int64{&m.FirstSeq, &m.LastSeq, &m.Rows, &m.Excluded, &m.Expired, &m.Bytes, &o.FirstSeq, &o.LastSeq, &o.Rows, &o.Excluded, &o.Expired, &o.Bytes}
		*rapid.SampledFrom(numbers).Draw(t, "number") += rapid.SampledFrom([]int64{-1, 1}).Draw(t, "by")
		require.Error(t, manifest.Check(m))
	})
}
