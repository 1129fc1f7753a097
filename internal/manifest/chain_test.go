package manifest_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/internal/manifest/manifesttest"
	"github.com/auditferry/auditferry/schemas"
)

// Everything that one export can lawfully leave behind in a bucket: two places,
// as it was moved and came back, finals, a filter, and a backfill.
func TestVerifyALife(t *testing.T) {
	t.Parallel()
	store := manifesttest.Store{"unrelated/file": []byte("x"), "logs/_auditferry/access-check": []byte("x"), "logs/folder/": nil}
	logs := manifesttest.New(t, store)
	logs.Folder = "logs/"
	logs.Filter = &schemas.Filter{Actions: []string{"document.*"}}
	logs.Window(t, parts...)
	logs.Window(t, manifesttest.Part{Rows: 3, Excluded: 22})
	logs.Final(t, schemas.ClosedByRetarget)
	moved := logs.Place(archive, "archive/")
	moved.Window(t, parts...)
	moved.Final(t, schemas.ClosedByRetarget)
	back := moved.Place(logs.Destination, "logs/")
	back.Window(t, parts...)
	backfill := logs.BackfillOf(backfillID, 11, 40)
	backfill.Window(t, manifesttest.Part{Rows: 10}, manifesttest.Part{Rows: 4, Excluded: 1})
	backfill.Window(t, manifesttest.Part{Rows: 15})

	r := verify(t, store)
	requireClean(t, r)
	require.Equal(t, []manifest.Class{manifest.ChainBegins, manifest.Closed, manifest.Continued, manifest.Excluded, manifest.Reopened}, classes(r))
	require.Len(t, r.Chains, 3)
	folders := map[string]manifest.Chain{}
	for _, c := range r.Chains {
		folders[c.Folder] = c
	}
	inBackfill := folders["logs/backfill/"+backfillID.String()+"/"]
	require.Equal(t, backfillID, inBackfill.BackfillID)
	require.EqualValues(t, 29, inBackfill.Rows)
	require.EqualValues(t, 25, folders["archive/"].Rows)
	require.Equal(t, schemas.ClosedByRetarget, folders["archive/"].Closed)
	require.Empty(t, folders["logs/"].Closed, "it was opened again")
	require.EqualValues(t, 1, folders["logs/"].FirstSeq)
	require.EqualValues(t, 100, folders["logs/"].LastSeq)
	require.EqualValues(t, 1, r.Outside, "the unrelated file is nobody's matter")

	requireClean(t, verify(t, store, func(o *manifest.Options) { o.Through = 100 }))
}

// Where the other place cannot be seen, the chain still holds, and says where
// the rest is.
func TestVerifyOnePlaceOfTwo(t *testing.T) {
	t.Parallel()
	first := manifesttest.New(t, manifesttest.Store{})
	first.Window(t, parts...)
	moved := first.Place(archive, "")
	moved.Store = manifesttest.Store{}
	moved.Window(t, parts...)
	back := moved.Place(first.Destination, "")
	back.Store = first.Store
	back.Window(t, parts...)

	r := verify(t, moved.Store)
	requireClean(t, r)
	require.Equal(t, []manifest.Class{manifest.Continued}, classes(r))
	require.Contains(t, r.Findings[0].Message, "s3://acme-audit/logs/")

	r = verify(t, first.Store)
	requireClean(t, r)
	require.Equal(t, []manifest.Class{manifest.ChainBegins, manifest.Continued}, classes(r))
}

// A window deleted from the other place is missed from here.
func TestVerifyMissesWindowsOfAnotherPlace(t *testing.T) {
	t.Parallel()
	store := manifesttest.Store{}
	first := manifesttest.New(t, store)
	first.Folder = "logs/"
	first.Window(t, parts...)
	before := store.Clone()
	first.Window(t, parts...)
	window := store.Clone()
	moved := first.Place(archive, "archive/")
	moved.Window(t, parts...)
	requireClean(t, verify(t, store))
	for key := range window {
		if _, older := before[key]; !older {
			delete(store, key)
		}
	}
	r := verify(t, store)
	require.Equal(t, []found{{manifest.ManifestMissing, "s3://acme-audit/logs/" + schemas.ManifestName(first.ExportID, 26, 50), 26, 50}}, foundIn(errorsOf(r)))
}

// A window that was sealed and then delivered to another place instead is void:
// nothing is delivered twice.
func TestVerifyReplaced(t *testing.T) {
	t.Parallel()
	store := manifesttest.Store{}
	here := manifesttest.New(t, store)
	here.Folder = "logs/"
	here.Window(t, parts...)
	before := *here
	there := here.Place(archive, "archive/")
	abandoned := here.Window(t, manifesttest.Part{Rows: 10})
	before.Final(t, schemas.ClosedByRetarget)
	there.Replaces = &schemas.ManifestRef{Destination: here.Destination, Key: here.Previous.Key, SHA256: here.Previous.SHA256}
	there.Window(t, manifesttest.Part{Rows: 10})

	r := verify(t, store)
	require.Equal(t, []found{{manifest.UnlistedObject, "logs/date=2026-03-01/all-events-000000000026-000000000035.ndjson.gz", 0, 0}}, foundIn(errorsOf(r)))
	require.Contains(t, r.Findings[0].Message, "replaced")
	require.Equal(t, []manifest.Class{manifest.ChainBegins, manifest.Closed, manifest.Continued, manifest.Replaced, manifest.UnlistedObject}, classes(r))
	for _, f := range r.Findings {
		if f.Class == manifest.Replaced {
			require.Equal(t, abandoned, f.Manifest)
		}
	}

	// Seen alone, the abandoned window is whole, and the final before it says
	// that it does not belong there.
	alone := manifesttest.Store{}
	for key, content := range store {
		if name, ok := strings.CutPrefix(key, "logs/"); ok {
			alone[name] = content
		}
	}
	r = verify(t, alone)
	requireClean(t, r)
	require.Contains(t, classes(r), manifest.Reopened)
}

// Events that had expired are proven to be lost, and nothing else is wrong.
func TestVerifyExpired(t *testing.T) {
	t.Parallel()
	d := manifesttest.New(t, manifesttest.Store{})
	d.Window(t, parts...)
	key := d.Window(t, manifesttest.Part{Rows: 5}, manifesttest.Part{Expired: 10}, manifesttest.Part{Expired: 3, Rows: 2})
	r := verify(t, d.Store)
	require.Equal(t, []found{{manifest.Expired, key, 31, 45}}, foundIn(errorsOf(r)))
	require.Contains(t, r.Findings[0].Message, "13 events")
	require.Equal(t, manifest.StatusExpired, r.Status())
	require.EqualValues(t, 13, r.Chains[0].Expired)
}

// An unfinished backfill shows: its manifests tell the whole range.
func TestVerifyBackfillIncomplete(t *testing.T) {
	t.Parallel()
	d := manifesttest.New(t, manifesttest.Store{}).BackfillOf(backfillID, 11, 40)
	d.Window(t, manifesttest.Part{Rows: 15})
	r := verify(t, d.Store)
	require.Equal(t, []found{{manifest.BackfillIncomplete, "", 26, 40}}, foundIn(errorsOf(r)))
	require.Equal(t, backfillID, r.Findings[0].BackfillID)
}

// What only the service's own mistakes, or its key in other hands, could bring
// about is found as well.
func TestVerifySignedNonsense(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		deliver func(*testing.T, *manifesttest.Delivery)
		want    []found
	}{
		"gap": {
			func(t *testing.T, d *manifesttest.Delivery) { d.Next = 30; d.Window(t, parts...) },
			[]found{{manifest.Gap, "", 26, 29}},
		},
		"overlap": {
			func(t *testing.T, d *manifesttest.Delivery) {
				d.Window(t, parts...)
				d.Next = 46
				d.Slug = "again"
				d.Previous = &schemas.ManifestRef{Key: schemas.ManifestName(d.ExportID, 26, 45), SHA256: someDigest}
				d.Window(t, parts...)
			},
			[]found{
				{manifest.ManifestMissing, schemas.ManifestName(exportOf, 26, 45), 26, 45},
				{manifest.Overlap, schemas.ManifestName(exportOf, 46, 70), 46, 50},
			},
		},
		"fork": {
			func(t *testing.T, d *manifesttest.Delivery) {
				other := *d
				other.Slug = "other"
				d.Window(t, parts...)
				other.Window(t, manifesttest.Part{Rows: 10})
			},
			[]found{
				{manifest.ChainForked, schemas.ManifestName(exportOf, 26, 50), 26, 50},
				{manifest.Overlap, schemas.ManifestName(exportOf, 26, 50), 26, 35},
			},
		},
		"a second beginning": {
			func(t *testing.T, d *manifesttest.Delivery) { d.Previous = nil; d.Window(t, parts...) },
			[]found{{manifest.ChainRestarted, schemas.ManifestName(exportOf, 26, 50), 26, 50}},
		},
		"a second beginning after a gap": {
			func(t *testing.T, d *manifesttest.Delivery) { d.Previous = nil; d.Next = 30; d.Window(t, parts...) },
			[]found{{manifest.ChainRestarted, schemas.ManifestName(exportOf, 30, 54), 30, 54}, {manifest.Gap, "", 26, 29}},
		},
		"another content than the next one names": {
			func(t *testing.T, d *manifesttest.Delivery) { d.Previous.SHA256 = someDigest; d.Window(t, parts...) },
			[]found{{manifest.ManifestChanged, schemas.ManifestName(exportOf, 1, 25), 1, 25}},
		},
		"closed at another seq": {
			func(t *testing.T, d *manifesttest.Delivery) { d.Next = 31; d.Final(t, schemas.ClosedByRelink) },
			[]found{{manifest.Gap, schemas.FinalManifestName(exportOf, 30, 0), 26, 30}},
		},
		"one object in two windows": {
			func(t *testing.T, d *manifesttest.Delivery) {
				var m schemas.Manifest
				key := d.Window(t, parts...)
				require.NoError(t, json.Unmarshal(d.Store[key], &m))
				m.Objects[0].Key = "date=2026-03-01/all-events-000000000001-000000000010.ndjson.gz"
				sealed, err := manifest.Seal(d.Signer, m)
				require.NoError(t, err)
				d.Store[key], d.Store[key+".jws"] = sealed.Content, []byte(sealed.Signature)
			},
			[]found{
				{manifest.Overlap, "date=2026-03-01/all-events-000000000001-000000000010.ndjson.gz", 26, 35},
				{manifest.UnlistedObject, "date=2026-03-01/all-events-000000000026-000000000035.ndjson.gz", 0, 0},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := manifesttest.New(t, manifesttest.Store{})
			d.Window(t, parts...)
			c.deliver(t, d)
			require.ElementsMatch(t, c.want, foundIn(errorsOf(verify(t, d.Store))))
		})
	}
}

// exportOf is the export of manifesttest.New.
var exportOf = uuid.MustParse("0190f5b0-0000-7000-8000-0000000000e1")

// A manifest of a later version is refused, not half understood.
func TestVerifyRefusesLaterVersions(t *testing.T) {
	t.Parallel()
	d := manifesttest.New(t, manifesttest.Store{})
	key := d.Window(t, parts...)
	content := strings.Replace(string(d.Store[key]), `"version": 1`, `"version": 2`, 1)
	d.Store[key] = []byte(content)
	d.Store[key+".jws"] = sign(t, "service", d.Store[key])
	r := verify(t, d.Store)
	require.Equal(t, manifest.ManifestMalformed, r.Findings[0].Class)
	require.Contains(t, r.Findings[0].Message, "newer auditferry")
}

// A member that a later service adds to the same version is no obstacle.
func TestVerifyReadsPastNewMembers(t *testing.T) {
	t.Parallel()
	d := manifesttest.New(t, manifesttest.Store{})
	key := d.Window(t, parts...)
	d.Store[key] = []byte(strings.Replace(string(d.Store[key]), `"version": 1`, `"version": 1, "added": {"later": true}`, 1))
	d.Store[key+".jws"] = sign(t, "service", d.Store[key])
	requireClean(t, verify(t, d.Store))
}

// One export can be verified beside others, whose objects are then nobody's
// matter.
func TestVerifyOneExport(t *testing.T) {
	t.Parallel()
	d := manifesttest.New(t, manifesttest.Store{})
	d.Window(t, parts...)
	other := manifesttest.New(t, d.Store)
	other.ExportID, other.Slug = orgID, "other"
	other.Window(t, parts...)
	other.Window(t, parts...)
	delete(d.Store, schemas.ManifestName(orgID, 1, 25)) // which is not asked for
	for _, key := range d.Store.Keys() {
		if strings.Contains(key, "other-0000000000") && key < "date=2026-03-01/other-000000000026" {
			delete(d.Store, key)
		}
	}
	require.Equal(t, []manifest.Class{manifest.ChainBegins, manifest.ManifestMissing}, classes(verify(t, d.Store)))

	only := func(o *manifest.Options) { o.Export = d.ExportID }
	r := verify(t, d.Store, only)
	requireClean(t, r)
	require.Len(t, r.Chains, 1)
	require.Equal(t, 1, r.Manifests)
	d.Store["added"] = []byte("x")
	require.Equal(t, []found{{manifest.UnlistedObject, "added", 0, 0}}, foundIn(errorsOf(verify(t, d.Store, only))))

	// A forged manifest of an export that is not asked for hides nothing.
	delete(d.Store, "added")
	forged := manifesttest.New(t, d.Store)
	forged.ExportID, forged.Slug, forged.Signer = integrationID, "forged", manifesttest.NewSigner(t, "forger")
	forged.Window(t, manifesttest.Part{Rows: 3})
	r = verify(t, d.Store, only)
	require.Equal(t, []found{{manifest.UnlistedObject, "date=2026-03-01/forged-000000000001-000000000003.ndjson.gz", 0, 0}}, foundIn(errorsOf(r)))
}

// A copy says where it was made; the place of a live bucket is known.
func TestVerifyNotesCopies(t *testing.T) {
	t.Parallel()
	d := manifesttest.New(t, manifesttest.Store{})
	d.Folder = "logs/"
	d.Window(t, parts...)
	at := func(url string) func(*manifest.Options) {
		return func(o *manifest.Options) { o.Location = url }
	}
	require.Equal(t, []manifest.Class{manifest.ChainBegins}, classes(verify(t, d.Store, at("s3://acme-audit/"))))
	r := verify(t, d.Store, at("s3://copy/"))
	requireClean(t, r)
	require.Equal(t, []manifest.Class{manifest.ChainBegins, manifest.Elsewhere}, classes(r))
}

// A manifest that is copied into another folder, without its objects, proves
// nothing there.
func TestVerifyMovedManifest(t *testing.T) {
	t.Parallel()
	d := deliver(t)
	for _, key := range []string{d.manifests[1], d.manifests[1] + ".jws"} {
		d.Store["other/"+key] = d.Store[key]
		delete(d.Store, key)
	}
	require.ElementsMatch(t, []found{
		{manifest.ManifestMissing, d.manifests[1], 26, 50},
		{manifest.ManifestMissing, "other/" + d.manifests[0], 1, 25},
		{manifest.ObjectMissing, "other/" + d.objects[3], 26, 35},
		{manifest.ObjectMissing, "other/" + d.objects[4], 36, 45},
		{manifest.ObjectMissing, "other/" + d.objects[5], 46, 50},
		{manifest.UnlistedObject, d.objects[3], 0, 0},
		{manifest.UnlistedObject, d.objects[4], 0, 0},
		{manifest.UnlistedObject, d.objects[5], 0, 0},
	}, foundIn(errorsOf(verify(t, d.Store))))
}
