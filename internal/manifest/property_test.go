package manifest_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/internal/manifest/manifesttest"
	"github.com/auditferry/auditferry/schemas"
)

// Whatever is delivered verifies, and any single change to any one file is
// found. (Only the newest window can be removed unseen, and that takes more
// than one change.)
func TestAnyChangeIsFound(t *testing.T) {
	t.Parallel()
	keys := keySet(t, manifesttest.NewSigner(t, "service"))
	rapid.Check(t, func(r *rapid.T) {
		d := manifesttest.New(t, manifesttest.Store{})
		d.Format = rapid.SampledFrom([]schemas.Format{schemas.FormatNDJSON, schemas.FormatCSV, schemas.FormatParquet}).Draw(r, "format")
		d.Compression = rapid.SampledFrom(d.Format.Compressions()).Draw(r, "compression")
		d.Filter = &schemas.Filter{Outcome: schemas.OutcomeFailure}
		part := rapid.Custom(func(r *rapid.T) manifesttest.Part {
			p := manifesttest.Part{Rows: rapid.Int64Range(0, 30).Draw(r, "rows"), Excluded: rapid.Int64Range(0, 5).Draw(r, "excluded")}
			p.Rows += 1 - min(1, p.Rows+p.Excluded)
			return p
		})
		for range rapid.IntRange(1, 4).Draw(r, "windows") {
			d.Window(t, rapid.SliceOfN(part, 1, 4).Draw(r, "parts")...)
		}
		report, err := manifest.Verify(t.Context(), d.Store, manifest.Options{Keys: keys, Through: d.Next - 1})
		require.NoError(r, err)
		require.Equal(r, manifest.Clean, report.Verdict, report.Findings)

		key := rapid.SampledFrom(d.Store.Keys()).Draw(r, "key")
		content := slices.Clone(d.Store[key])
		at := rapid.IntRange(0, len(content)-1).Draw(r, "at")
		switch rapid.SampledFrom([]string{"flip", "cut", "insert", "delete", "add", "swap"}).Draw(r, "change") {
		case "flip":
			content[at] ^= byte(rapid.IntRange(1, 255).Draw(r, "by"))
			d.Store[key] = content
		case "cut":
			d.Store[key] = content[:at]
		case "insert":
			d.Store[key] = slices.Insert(content, at, rapid.Byte().Draw(r, "byte"))
		case "delete":
			delete(d.Store, key)
		case "add":
			d.Store[key+".copy"] = content
		case "swap":
			other := rapid.SampledFrom(d.Store.Keys()).Filter(func(k string) bool { return k != key }).Draw(r, "other")
			d.Store[key], d.Store[other] = d.Store[other], content
		}
		report, err = manifest.Verify(t.Context(), d.Store, manifest.Options{Keys: keys, Through: d.Next - 1})
		if err != nil {
			require.ErrorIs(r, err, manifest.ErrNoManifests)
			return
		}
		require.Equal(r, manifest.Flawed, report.Verdict)
		require.Empty(r, report.Unread)
	})
}
