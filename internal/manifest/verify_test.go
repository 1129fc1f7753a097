package manifest_test

import (
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/internal/manifest/manifesttest"
	"github.com/auditferry/auditferry/schemas"
)

var (
	archive    = schemas.Destination{Cloud: schemas.GCP, Bucket: "acme-archive"}
	backfillID = uuid.MustParse("0190f5b0-0000-7000-8000-0000000000f1")
	parts      = []manifesttest.Part{{Rows: 10}, {Rows: 10}, {Rows: 5}}
)

// verify verifies with the service's key; change may set options.
func verify(t testing.TB, source manifest.Source, change ...func(*manifest.Options)) manifest.Report {
	t.Helper()
	keys, err := manifest.ParseJWKS(manifesttest.JWKS(t, manifesttest.NewSigner(t, "service"), manifesttest.NewSigner(t, "retired")))
	require.NoError(t, err)
	options := manifest.Options{Keys: keys, TempDir: t.TempDir()}
	for _, c := range change {
		c(&options)
	}
	report, err := manifest.Verify(t.Context(), source, options)
	require.NoError(t, err)
	return report
}

// errorsOf are the findings that say that something is wrong.
func errorsOf(r manifest.Report) []manifest.Finding {
	var found []manifest.Finding
	for _, f := range r.Findings {
		if f.Severity == manifest.Error {
			found = append(found, f)
		}
	}
	return found
}

func requireClean(t testing.TB, r manifest.Report) {
	t.Helper()
	require.Empty(t, errorsOf(r))
	require.Equal(t, manifest.Clean, r.Verdict)
	require.Equal(t, manifest.StatusClean, r.Status())
	for _, c := range r.Chains {
		require.Equal(t, manifest.Clean, c.Verdict)
	}
}

// classes are those of all findings, sorted, each once.
func classes(r manifest.Report) []manifest.Class {
	var found []manifest.Class
	for _, f := range r.Findings {
		found = append(found, f.Class)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// Invariant 1: what the service delivers verifies, in every format and
// compression, and the report counts it.
func TestVerifyEveryFormat(t *testing.T) {
	t.Parallel()
	for _, format := range []schemas.Format{schemas.FormatNDJSON, schemas.FormatCSV, schemas.FormatParquet} {
		for _, compression := range format.Compressions() {
			t.Run(string(format+"-"+schemas.Format(compression)), func(t *testing.T) {
				t.Parallel()
				d := manifesttest.New(t, manifesttest.Store{})
				d.Format, d.Compression, d.Filter = format, compression, &schemas.Filter{Outcome: schemas.OutcomeSuccess}
				d.Window(t, manifesttest.Part{Rows: 3000}, manifesttest.Part{Rows: 500, Excluded: 7})
				d.Window(t, manifesttest.Part{Excluded: 9})
				d.Window(t, manifesttest.Part{Rows: 1})
				r := verify(t, d.Store)
				requireClean(t, r)
				require.Equal(t, []manifest.Class{manifest.ChainBegins, manifest.Excluded}, classes(r))
				require.Equal(t, 3, r.Manifests)
				require.EqualValues(t, 3, r.Objects)
				c := r.Chains[0]
				require.Equal(t, []int64{1, 3517, 3501, 16, 0}, []int64{c.FirstSeq, c.LastSeq, c.Rows, c.Excluded, c.Expired})
				require.Equal(t, d.ExportID, c.ExportID)
				require.Equal(t, 3, c.Windows)
				require.Equal(t, c.Bytes, r.Bytes)
				require.Equal(t, manifesttest.NewSigner(t, "service").KeyID(), r.Keys[0].ID)
			})
		}
	}
}
