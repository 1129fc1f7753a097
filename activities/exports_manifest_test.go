package activities_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/schemas"
)

// A manifest tells which objects make up its window, and is written when they
// are all there: first itself, then its signature.
func TestAManifestTellsOfItsWindow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/audit/")
	e := b.addExport(i, "all", func(e *schemas.Export) { e.Compression = schemas.CompressionZstd })
	b.append(50, 500)
	puts := b.puts()
	r, objects := b.deliver(b.exports(), e)
	keys := puts()
	key := i.Destination.Key(schemas.ManifestName(e.ID, 1, 50))
	require.Equal(t, []string{key + ".jws", key}, keys[len(objects):])

	w := r.window()
	want := schemas.Manifest{
		Version: 1, Kind: schemas.ManifestWindow, OrgID: b.org, IntegrationID: i.ID, ExportID: e.ID, Destination: i.Destination,
		FirstSeq: 1, LastSeq: 50, RecordedFrom: w.RecordedFrom, RecordedTo: w.RecordedTo,
		Format: schemas.FormatNDJSON, Compression: schemas.CompressionZstd, Rows: 50, Bytes: b.runRow(r.begun.RunID).Bytes,
	}
	for _, o := range objects {
		name := strings.TrimPrefix(o.Key, "audit/")
		want.Objects = append(want.Objects, schemas.ManifestObject{
			Key: name, FirstSeq: o.FirstSeq, LastSeq: o.LastSeq, Rows: o.Rows, Bytes: o.Bytes, SHA256: o.SHA256,
		})
	}
	require.Equal(t, []schemas.Manifest{want}, b.manifests(i.Destination))
}

// Each manifest names the one before it, whatever was between them: runs that
// failed, idle ones, a change of the signing key.
func TestManifestsFormAChain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all")
	a := b.exports(func(l *activities.Limits) { l.WindowRows = 10 })
	b.append(30, 10)
	b.deliver(a, e)
	b.begin(a, e).fail() // which is event 31
	b.deliver(a, e)
	a.Signer = b.newSigner
	b.deliver(a, e)
	b.deliver(a, e)
	require.Equal(t, "everything up to 31 is delivered", must[schemas.BeginRunResult](t, a.BeginRun, beginInput(e)).Reason)

	chain := b.manifests(i.Destination)
	require.Len(t, chain, 4)
	require.Nil(t, chain[0].Previous)
	for n := range 3 {
		require.Equal(t, b.ref(chain[n]), chain[n+1].Previous)
		require.Equal(t, chain[n].LastSeq+1, chain[n+1].FirstSeq)
	}
	report := b.verify([]schemas.Destination{i.Destination})
	require.Len(t, report.Keys, 2)
	require.EqualValues(t, 31, report.Chains[0].Rows)
}

// Once sealed, a manifest is the same whoever writes it, and however often: the
// place would refuse another one, and the export stand still for good.
func TestAManifestIsSealedOnce(t *testing.T) {
	t.Parallel()
	refuse := func(suffix string) func(destination.Request) error {
		return func(r destination.Request) error {
			if r.Op == "put" && strings.HasSuffix(r.Key, suffix) {
				return destination.Refusal(schemas.KindUnavailable, "InternalError")
			}
			return nil
		}
	}
	for name, crash := range map[string]func(b *bundle){
		"between seal and put":                func(b *bundle) { b.cloud.Before(refuse(".jws")) },
		"between signature and manifest":      func(b *bundle) { b.cloud.After(refuse(".jws")) },
		"before the manifest":                 func(b *bundle) { b.cloud.Before(refuse(".json")) },
		"between manifest and the settlement": func(b *bundle) { b.cloud.After(refuse(".json")) },
	} {
		for next, nextRun := range map[string]bool{"next attempt": false, "next run": true} {
			t.Run(name+", "+next, func(t *testing.T) {
				t.Parallel()
				b := setup(t)
				i := b.addIntegration("s3://acme-logs/")
				e := b.addExport(i, "all")
				b.append(20, 300)
				r := b.begin(b.exports(), e)
				r.mustWrite()
				crash(b)
				_, err := r.finish(attempt{})
				requireError(t, err, schemas.ErrorDestinationUnavailable, true)
				require.Zero(t, b.export(e.ID).DeliveredSeq)
				require.Equal(t, schemas.KindUnavailable, b.runRow(r.begun.RunID).ErrorKind)
				b.cloud.Before(nil)
				b.cloud.After(nil)
				early := b.cloud.Objects(i.Destination)

				other := b.exports()
				other.Signer = b.newSigner
				r.a = other
				if nextRun {
					r.fail()
					r = b.begin(other, e)
					r.mustWrite()
				}
				r.mustFinish()
				r.mustFinish() // its answer was lost
				stored := b.cloud.Objects(i.Destination)
				for key, content := range early {
					require.Equal(t, content, stored[key], key)
				}
				key := schemas.ManifestName(e.ID, 1, 20)
				kid, err := b.keySet().Verify(stored[key], string(stored[key+".jws"]))
				require.NoError(t, err)
				require.Equal(t, b.signer.KeyID(), kid, "sealed by the first")
				require.Len(t, b.manifests(i.Destination), 1)
				b.verify([]schemas.Destination{i.Destination})
			})
		}
	}
}

// Invariant 1: if the settlement fails after the manifest was written, the next
// attempt settles it.
func TestASettlementThatIsLostIsRepeated(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all")
	b.append(20, 300)
	r := b.begin(b.exports(), e)
	r.mustWrite()
	b.asOwner(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'disk full'; END $$`)
	b.asOwner(`CREATE TRIGGER refuse BEFORE UPDATE OF delivered_at ON export_window FOR EACH ROW EXECUTE FUNCTION refuse()`)
	_, err := r.finish(attempt{})
	requireError(t, err, schemas.ErrorUnexpected, true)
	require.Len(t, b.manifests(i.Destination), 1)
	require.Zero(t, b.export(e.ID).DeliveredSeq)
	before := maps.Clone(b.cloud.Objects(i.Destination))
	b.asOwner(`DROP TRIGGER refuse ON export_window`)
	r.a.Signer = b.newSigner
	r.mustFinish()
	require.Equal(t, before, b.cloud.Objects(i.Destination))
	require.EqualValues(t, 20, b.export(e.ID).DeliveredSeq)
}

// A manifest that somebody else has put in the way is not replaced, and the
// window is not delivered without its own.
func TestAForeignManifestInTheWay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all")
	b.append(5, 10)
	r := b.begin(b.exports(), e)
	r.mustWrite()
	key := schemas.ManifestName(e.ID, 1, 5)
	b.cloud.Store(i.Destination, key, []byte("{}"))
	_, err := r.finish(attempt{})
	requireError(t, err, schemas.ErrorDestinationConflict, false)
	require.Equal(t, "{}", string(b.cloud.Objects(i.Destination)[key]))
	require.Zero(t, b.export(e.ID).DeliveredSeq)
	b.verify([]schemas.Destination{i.Destination}, manifest.SignatureInvalid, manifest.UnlistedObject)
}

// The reason of a refused manifest is shown, and access looked at again.
func TestARefusedManifest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all")
	b.append(5, 10)
	r := b.begin(b.exports(), e)
	r.mustWrite()
	b.cloud.Before(func(destination.Request) error { return destination.Refusal(schemas.KindDenied, "AccessDenied") })
	_, err := r.finish(attempt{})
	requireError(t, err, schemas.ErrorDestinationDenied, true)
	noted := b.runRow(r.begun.RunID)
	require.Equal(t, schemas.KindDenied, noted.ErrorKind)
	require.Contains(t, noted.Error, "AccessDenied")
	require.Equal(t, []asked{{ref(i), 0}}, b.watcher.looks(), fmt.Sprint(noted))
}
