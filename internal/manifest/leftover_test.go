package manifest_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/internal/manifest/manifesttest"
	"github.com/auditferry/auditferry/schemas"
)

// leftOver are the keys that are noted as left over, sorted.
func leftOver(r manifest.Report) (keys []string) {
	for _, f := range r.Findings {
		if f.Class == manifest.LeftOver {
			keys = append(keys, f.Object)
		}
	}
	return keys
}

// givenUp is a place that its export has left in the middle of a window: two
// objects of it and the signature of its manifest are there.
func givenUp(t testing.TB) (d *manifesttest.Delivery, final string, left []string) {
	t.Helper()
	d = manifesttest.New(t, manifesttest.Store{})
	d.Window(t, parts...)
	d.GiveUp(t, manifesttest.Part{Rows: 10}, manifesttest.Part{Rows: 10}, manifesttest.Part{Excluded: 5})
	signature := schemas.ManifestName(d.ExportID, 26, 50) + schemas.SignatureSuffix
	d.Store[signature] = []byte("x..y")
	final = d.Final(t, schemas.ClosedByRetarget)
	return d, final, []string{
		signature, "date=2026-03-01/all-events-000000000026-000000000035.ndjson.gz", "date=2026-03-01/all-events-000000000036-000000000045.ndjson.gz",
	}
}

// What was left over of a delivery that was given up is in order, and told.
func TestLeftOver(t *testing.T) {
	t.Parallel()
	d, final, left := givenUp(t)
	r := verify(t, d.Store)
	requireClean(t, r)
	require.ElementsMatch(t, left, leftOver(r))
	require.EqualValues(t, 3, r.LeftOver)
	require.EqualValues(t, 3, r.Chains[0].LeftOver)
	require.EqualValues(t, 25, r.Chains[0].LastSeq)
	require.Equal(t, schemas.ClosedByRetarget, r.Chains[0].Closed)
	for _, f := range r.Findings {
		require.NotContains(t, f.Message, "%!")
		if f.Class == manifest.LeftOver {
			require.Contains(t, f.Message, final)
			require.Equal(t, d.ExportID, f.ExportID)
		}
	}

	// Somebody else's export in the same folder is verified without it.
	other := manifesttest.New(t, d.Store)
	other.ExportID, other.Slug = uuid.MustParse("0190f5b0-0000-7000-8000-0000000000e2"), "other"
	other.Window(t, parts...)
	r = verify(t, d.Store, func(o *manifest.Options) { o.Export = other.ExportID })
	requireClean(t, r)
	require.Empty(t, leftOver(r))
	require.Len(t, r.Chains, 1)
}

// Where nothing was ever delivered there is nothing but the final manifest, and
// what it tells of.
func TestNothingButLeftOver(t *testing.T) {
	t.Parallel()
	store := manifesttest.Store{}
	first := manifesttest.New(t, store)
	first.Folder = "logs/"
	first.Window(t, parts...)
	between := first.Place(archive, "archive/")
	between.GiveUp(t, parts...)
	require.Equal(t, "archive/"+schemas.FinalManifestName(exportOf, 0, 50), between.Final(t, schemas.ClosedByRelink))
	last := first.Place(schemas.Destination{Cloud: schemas.GCP, Bucket: "acme-vault"}, "vault/")
	last.Window(t, parts...)

	r := verify(t, store, func(o *manifest.Options) { o.Through = 50 })
	requireClean(t, r)
	require.Len(t, r.Chains, 3)
	empty := r.Chains[0]
	require.Equal(t, "archive/", empty.Folder)
	require.Equal(t, archive, empty.Destination)
	require.Equal(t, schemas.ClosedByRelink, empty.Closed)
	require.EqualValues(t, 3, empty.LeftOver)
	require.Zero(t, empty.Windows+int(empty.FirstSeq+empty.LastSeq+empty.Rows))

	alone := manifesttest.Store{}
	for key, content := range store {
		if name, ok := strings.CutPrefix(key, "archive/"); ok {
			alone[name] = content
		}
	}
	requireClean(t, verify(t, alone))
	r = verify(t, alone, func(o *manifest.Options) { o.Through = 1 })
	require.Equal(t, []found{{manifest.ThroughNotReached, "", 1, 1}}, foundIn(errorsOf(r)))
}

// An export that comes back, and delivers after all what it had given up, has it
// listed: that wins. What is given up later is told by the next final manifest.
func TestGivenUpAndDeliveredAfterAll(t *testing.T) {
	t.Parallel()
	d := manifesttest.New(t, manifesttest.Store{})
	d.Window(t, parts...)
	d.GiveUp(t, parts...)
	d.Final(t, schemas.ClosedByRetarget)
	d.GivenUp = nil
	d.Window(t, parts...)
	r := verify(t, d.Store)
	requireClean(t, r)
	require.Empty(t, leftOver(r))
	require.EqualValues(t, 6, r.Objects)
	require.Contains(t, classes(r), manifest.Reopened)

	d.GiveUp(t, parts...)
	unlisted := verify(t, d.Store)
	require.Len(t, errorsOf(unlisted), 3, "nobody has said so yet")
	d.Final(t, schemas.ClosedByExportDeleted)
	r = verify(t, d.Store)
	requireClean(t, r)
	require.Len(t, leftOver(r), 3)
	require.Equal(t, schemas.ClosedByExportDeleted, r.Chains[0].Closed)

	// A listed object is held to what is signed, whatever was given up.
	key := "date=2026-03-01/all-events-000000000026-000000000035.ndjson.gz"
	d.Store[key] = append(bytes.Clone(d.Store[key]), 0)
	require.Equal(t, []found{{manifest.ObjectChanged, key, 26, 35}}, foundIn(errorsOf(verify(t, d.Store))))
}

// What a void manifest lists is left over as well, if a final one says so.
func TestLeftOverOfAReplacedWindow(t *testing.T) {
	t.Parallel()
	store := manifesttest.Store{}
	here := manifesttest.New(t, store)
	here.Folder = "logs/"
	here.Window(t, parts...)
	before := *here
	there := here.Place(archive, "archive/")
	here.Window(t, parts...)
	before.GivenUp = []schemas.GivenUp{{Slug: here.Slug, FirstSeq: 26, LastSeq: 50}}
	before.Final(t, schemas.ClosedByRetarget)
	there.Replaces = &schemas.ManifestRef{Destination: here.Destination, Key: here.Previous.Key, SHA256: here.Previous.SHA256}
	there.Window(t, parts...)
	r := verify(t, store)
	requireClean(t, r)
	require.Len(t, leftOver(r), 3)
	require.EqualValues(t, 50, r.Chains[0].Rows+r.Chains[1].Rows, "nothing counts twice")
}

// A window whose manifest was written, but not recorded before the export was
// deleted, counts for nothing: the final manifest voids it.
func TestAFinalVoidsAWindow(t *testing.T) {
	t.Parallel()
	d := manifesttest.New(t, manifesttest.Store{})
	d.Window(t, parts...)
	before := *d
	d.Window(t, parts...)
	before.GivenUp = []schemas.GivenUp{{Slug: d.Slug, FirstSeq: 26, LastSeq: 50}}
	before.Replaces = &schemas.ManifestRef{Key: d.Previous.Key, SHA256: d.Previous.SHA256}
	before.Final(t, schemas.ClosedByExportDeleted)
	r := verify(t, d.Store)
	requireClean(t, r)
	require.Len(t, leftOver(r), 3)
	require.EqualValues(t, 25, r.Chains[0].LastSeq)
	require.Equal(t, schemas.ClosedByExportDeleted, r.Chains[0].Closed)
}

// A backfill that was ended before its end is in order, if a final manifest
// says so, whether or not it has delivered anything.
func TestABackfillThatEndedEarly(t *testing.T) {
	t.Parallel()
	for name, windows := range map[string]int{"nothing delivered": 0, "one of two windows": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			live := manifesttest.New(t, manifesttest.Store{})
			live.Window(t, manifesttest.Part{Rows: 50})
			again := live.BackfillOf(backfillID, 1, 50)
			for range windows {
				again.Window(t, parts...)
			}
			again.GiveUp(t, parts...)
			require.NotEmpty(t, errorsOf(verify(t, live.Store)))
			again.Final(t, schemas.ClosedByBackfillEnd)
			r := verify(t, live.Store)
			requireClean(t, r)
			require.Len(t, leftOver(r), 3)
			require.EqualValues(t, 3, r.Chains[1].LeftOver)
			require.EqualValues(t, 25*windows, r.Chains[1].Rows)
			require.Equal(t, schemas.ClosedByBackfillEnd, r.Chains[1].Closed)
		})
	}
}

// Nothing hides behind what was given up: other names are as unlisted as ever,
// and whoever has no key can give up nothing.
func TestLeftOverHidesNothingElse(t *testing.T) {
	t.Parallel()
	whole, final, left := givenUp(t)
	const folder = "date=2026-03-01/"
	give := func(from, to string) func(*testing.T, *manifesttest.Delivery) {
		return func(t *testing.T, d *manifesttest.Delivery) {
			changed := bytes.Replace(d.Store[final], []byte(from), []byte(to), 1)
			require.NotEqual(t, d.Store[final], changed)
			d.Store[final] = changed
		}
	}
	add := func(key string) func(*testing.T, *manifesttest.Delivery) {
		return func(_ *testing.T, d *manifesttest.Delivery) { d.Store[key] = []byte("x") }
	}
	unlisted := func(keys ...string) (all []found) {
		for _, key := range keys {
			f := found{class: manifest.UnlistedObject, key: key}
			if strings.HasSuffix(key, schemas.SignatureSuffix) {
				f.first, f.last = 26, 50
			}
			all = append(all, f)
		}
		return all
	}
	broken := append(unlisted(left...), found{manifest.SignatureInvalid, final, 0, 25})
	for name, c := range map[string]struct {
		spoil func(*testing.T, *manifesttest.Delivery)
		want  []found
	}{
		"another slug":        {add(folder + "events-000000000026-000000000035.ndjson.gz"), unlisted(folder + "events-000000000026-000000000035.ndjson.gz")},
		"before the range":    {add(folder + "all-events-000000000025-000000000035.ndjson.gz"), unlisted(folder + "all-events-000000000025-000000000035.ndjson.gz")},
		"beyond the range":    {add(folder + "all-events-000000000046-000000000051.ndjson.gz"), unlisted(folder + "all-events-000000000046-000000000051.ndjson.gz")},
		"no object's name":    {add(folder + "all-events-000000000026-000000000035.exe"), unlisted(folder + "all-events-000000000026-000000000035.exe")},
		"among the manifests": {add("_manifests/all-events-000000000026-000000000035.ndjson.gz"), unlisted("_manifests/all-events-000000000026-000000000035.ndjson.gz")},
		"range widened":       {give(`"last_seq": 50`, `"last_seq": 90`), broken},
		"slug changed":        {give(`"slug": "all-events"`, `"slug": "everything"`), broken},
		"given up by a forger": {
			func(t *testing.T, d *manifesttest.Delivery) {
				d.Signer = manifesttest.NewSigner(t, "forger")
				d.Final(t, schemas.ClosedByRetarget)
			},
			append(unlisted(left...), found{manifest.UnknownKey, final, 0, 25}),
		},
		"final removed": {
			func(_ *testing.T, d *manifesttest.Delivery) {
				delete(d.Store, final)
				delete(d.Store, final+schemas.SignatureSuffix)
			},
			unlisted(left...),
		},
		"final renamed": {
			func(_ *testing.T, d *manifesttest.Delivery) {
				plain := schemas.FinalManifestName(d.ExportID, 25, 0)
				d.Store[plain], d.Store[plain+".jws"] = d.Store[final], d.Store[final+".jws"]
				delete(d.Store, final)
				delete(d.Store, final+schemas.SignatureSuffix)
			},
			append(unlisted(left...), found{manifest.ManifestMisplaced, schemas.FinalManifestName(exportOf, 25, 0), 0, 25}),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := *whole
			d.Store = whole.Store.Clone()
			c.spoil(t, &d)
			require.ElementsMatch(t, c.want, foundIn(errorsOf(verify(t, d.Store))))
		})
	}
}
