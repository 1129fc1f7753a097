package manifest_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/internal/manifest/manifesttest"
	"github.com/auditferry/auditferry/schemas"
)

// tampered is a delivery of four windows, 1 to 25 and so on to 100, each in
// three objects, whose folder is then spoiled.
type tampered struct {
	*manifesttest.Delivery
	manifests []string
	objects   []string
}

func deliver(t testing.TB) tampered {
	t.Helper()
	d := tampered{Delivery: manifesttest.New(t, manifesttest.Store{})}
	for range 4 {
		d.manifests = append(d.manifests, d.Window(t, parts...))
	}
	for _, key := range d.Store.Keys() {
		if !strings.HasPrefix(key, schemas.ManifestFolder+"/") {
			d.objects = append(d.objects, key)
		}
	}
	return d
}

// sign signs content as somebody.
func sign(t testing.TB, name string, content []byte) []byte {
	t.Helper()
	signature, err := manifesttest.NewSigner(t, name).Sign(content)
	require.NoError(t, err)
	return []byte(signature)
}

// rewrite changes a manifest in a way that adds up, as a forger would.
func (d tampered) rewrite(t testing.TB, key string, change func(*schemas.Manifest)) {
	t.Helper()
	var m schemas.Manifest
	require.NoError(t, json.Unmarshal(d.Store[key], &m))
	change(&m)
	forged, err := manifest.Seal(manifesttest.NewSigner(t, "forger"), m)
	require.NoError(t, err)
	d.Store[key] = forged.Content
}

// swapRows doubles one row of an object and leaves another out, and makes the
// manifest fit, as far as somebody without the service's key can.
func (d tampered) swapRows(t testing.TB) {
	t.Helper()
	first, second := manifesttest.Row(3), manifesttest.Row(4)
	plain := bytes.Replace(decompressed(t, d.Store[d.objects[0]]), second, first, 1)
	forged := compressed(t, plain)
	d.Store[d.objects[0]] = forged
	sum := sha256.Sum256(forged)
	d.rewrite(t, d.manifests[0], func(m *schemas.Manifest) {
		m.Bytes += int64(len(forged)) - m.Objects[0].Bytes
		m.Objects[0].Bytes, m.Objects[0].SHA256 = int64(len(forged)), hex.EncodeToString(sum[:])
	})
}

func flip(content []byte, at int) []byte {
	flipped := bytes.Clone(content)
	flipped[at] ^= 1
	return flipped
}

// found is what a test wants to be found: what kind, where, and of which events.
type found struct {
	class       manifest.Class
	key         string
	first, last int64
}

func foundIn(findings []manifest.Finding) []found {
	var all []found
	for _, f := range findings {
		key := f.Object
		if key == "" {
			key = f.Manifest
		}
		all = append(all, found{f.Class, key, f.FirstSeq, f.LastSeq})
	}
	return all
}

// The promise of verify: each kind of tampering is found, and named for what it
// is, and nothing else is.
func TestTampering(t *testing.T) {
	t.Parallel()
	whole := deliver(t)
	requireClean(t, verify(t, whole.Store))
	m, o := whole.manifests, whole.objects
	jws := func(key string) string { return key + schemas.SignatureSuffix }
	badHeader := func(header string) []byte {
		parts := strings.Split(string(whole.Store[jws(m[1])]), ".")
		return []byte(base64.RawURLEncoding.EncodeToString([]byte(header)) + ".." + parts[2])
	}

	for name, c := range map[string]struct {
		spoil  func(t *testing.T, d tampered)
		want   []found
		status int
	}{
		"manifest edited": {
			func(t *testing.T, d tampered) {
				d.rewrite(t, m[1], func(m *schemas.Manifest) { m.Objects[0].SHA256 = someDigest })
			},
			[]found{{manifest.ManifestChanged, m[1], 26, 50}, {manifest.SignatureInvalid, m[1], 26, 50}},
			manifest.StatusManifests,
		},
		"manifest's white space edited": {
			func(_ *testing.T, d tampered) { d.Store[m[1]] = append(bytes.Clone(d.Store[m[1]]), ' ') },
			[]found{{manifest.ManifestChanged, m[1], 26, 50}, {manifest.SignatureInvalid, m[1], 26, 50}},
			manifest.StatusManifests,
		},
		"newest manifest edited": {
			func(t *testing.T, d tampered) {
				d.rewrite(t, m[3], func(m *schemas.Manifest) { m.Objects[0].SHA256 = someDigest })
			},
			[]found{{manifest.SignatureInvalid, m[3], 76, 100}},
			manifest.StatusManifests,
		},
		"manifest overwritten with noise": {
			func(_ *testing.T, d tampered) { d.Store[m[3]] = []byte("\x00\xff") },
			[]found{
				{manifest.SignatureInvalid, m[3], 76, 100},
				{manifest.UnlistedObject, o[9], 0, 0}, {manifest.UnlistedObject, o[10], 0, 0}, {manifest.UnlistedObject, o[11], 0, 0},
			},
			manifest.StatusManifests,
		},
		"rows doubled and left out, manifest forged to fit": {
			func(t *testing.T, d tampered) { d.swapRows(t) },
			[]found{{manifest.ManifestChanged, m[0], 1, 25}, {manifest.SignatureInvalid, m[0], 1, 25}},
			manifest.StatusManifests,
		},
		"rows doubled and left out, manifest forged and signed by the forger": {
			func(t *testing.T, d tampered) {
				d.swapRows(t)
				d.Store[jws(m[0])] = sign(t, "forger", d.Store[m[0]])
			},
			[]found{{manifest.ManifestChanged, m[0], 1, 25}, {manifest.UnknownKey, m[0], 1, 25}},
			manifest.StatusManifests,
		},
		"foreign key in the signature": {
			func(t *testing.T, d tampered) { d.Store[jws(m[1])] = sign(t, "forger", d.Store[m[1]]) },
			[]found{{manifest.UnknownKey, m[1], 26, 50}},
			manifest.StatusManifests,
		},
		"foreign key brought along": {
			func(t *testing.T, d tampered) {
				id := manifesttest.NewSigner(t, "service").KeyID()
				jwk := string(manifesttest.NewSigner(t, "forger").PublicKey().JWK)
				d.Store[jws(m[1])] = badHeader(`{"alg":"EdDSA","kid":"` + id + `","jwk":` + jwk + `}`)
			},
			[]found{{manifest.UnknownKey, m[1], 26, 50}},
			manifest.StatusManifests,
		},
		"algorithm none": {
			func(_ *testing.T, d tampered) { d.Store[jws(m[1])] = badHeader(`{"alg":"none"}`) },
			[]found{{manifest.SignatureInvalid, m[1], 26, 50}},
			manifest.StatusManifests,
		},
		"signature of another manifest": {
			func(_ *testing.T, d tampered) { d.Store[jws(m[1])] = d.Store[jws(m[2])] },
			[]found{{manifest.SignatureInvalid, m[1], 26, 50}},
			manifest.StatusManifests,
		},
		"signature deleted": {
			func(_ *testing.T, d tampered) { delete(d.Store, jws(m[1])) },
			[]found{{manifest.SignatureMissing, m[1], 26, 50}},
			manifest.StatusManifests,
		},
		"signature emptied": {
			func(_ *testing.T, d tampered) { d.Store[jws(m[1])] = nil },
			[]found{{manifest.SignatureInvalid, m[1], 26, 50}},
			manifest.StatusManifests,
		},
		"manifest deleted in the middle": {
			func(_ *testing.T, d tampered) { delete(d.Store, m[1]); delete(d.Store, jws(m[1])) },
			[]found{
				{manifest.ManifestMissing, m[1], 26, 50},
				{manifest.UnlistedObject, o[3], 0, 0}, {manifest.UnlistedObject, o[4], 0, 0}, {manifest.UnlistedObject, o[5], 0, 0},
			},
			manifest.StatusManifests,
		},
		"window deleted in the middle, objects and all": {
			func(_ *testing.T, d tampered) {
				for _, key := range []string{m[1], jws(m[1]), o[3], o[4], o[5]} {
					delete(d.Store, key)
				}
			},
			[]found{{manifest.ManifestMissing, m[1], 26, 50}},
			manifest.StatusManifests,
		},
		"two windows deleted in the middle": {
			func(_ *testing.T, d tampered) {
				for _, key := range []string{m[1], jws(m[1]), m[2], jws(m[2]), o[3], o[4], o[5], o[6], o[7], o[8]} {
					delete(d.Store, key)
				}
			},
			[]found{{manifest.ManifestMissing, m[2], 51, 75}, {manifest.Gap, "", 26, 50}},
			manifest.StatusManifests,
		},
		"first window deleted": {
			func(_ *testing.T, d tampered) {
				for _, key := range []string{m[0], jws(m[0]), o[0], o[1], o[2]} {
					delete(d.Store, key)
				}
			},
			[]found{{manifest.ManifestMissing, m[0], 1, 25}},
			manifest.StatusManifests,
		},
		"last manifest deleted, signature left": {
			func(_ *testing.T, d tampered) {
				for _, key := range []string{m[3], o[9], o[10], o[11]} {
					delete(d.Store, key)
				}
			},
			[]found{{manifest.UnlistedObject, jws(m[3]), 76, 100}},
			manifest.StatusUnlisted,
		},
		"last manifest deleted, objects left": {
			func(_ *testing.T, d tampered) { delete(d.Store, m[3]); delete(d.Store, jws(m[3])) },
			[]found{{manifest.UnlistedObject, o[9], 0, 0}, {manifest.UnlistedObject, o[10], 0, 0}, {manifest.UnlistedObject, o[11], 0, 0}},
			manifest.StatusUnlisted,
		},
		"manifest renamed": {
			func(_ *testing.T, d tampered) {
				other := strings.Replace(m[3], "000000000076-", "000000000077-", 1)
				d.Store[other], d.Store[jws(other)] = d.Store[m[3]], d.Store[jws(m[3])]
				delete(d.Store, m[3])
				delete(d.Store, jws(m[3]))
			},
			[]found{
				{manifest.ManifestMisplaced, strings.Replace(m[3], "000000000076-", "000000000077-", 1), 77, 100},
				{manifest.UnlistedObject, o[9], 0, 0}, {manifest.UnlistedObject, o[10], 0, 0}, {manifest.UnlistedObject, o[11], 0, 0},
			},
			manifest.StatusManifests,
		},
		"manifest in the place of another": {
			func(_ *testing.T, d tampered) {
				d.Store[m[1]], d.Store[jws(m[1])] = d.Store[m[2]], d.Store[jws(m[2])]
			},
			[]found{
				{manifest.ManifestChanged, m[1], 26, 50}, {manifest.ManifestMisplaced, m[1], 26, 50},
				{manifest.UnlistedObject, o[3], 0, 0}, {manifest.UnlistedObject, o[4], 0, 0}, {manifest.UnlistedObject, o[5], 0, 0},
			},
			manifest.StatusManifests,
		},
		"object overwritten with another": {
			func(_ *testing.T, d tampered) { d.Store[o[4]] = d.Store[o[5]] },
			[]found{{manifest.ObjectTruncated, o[4], 36, 45}},
			manifest.StatusObjects,
		},
		"object truncated": {
			func(_ *testing.T, d tampered) { d.Store[o[4]] = d.Store[o[4]][:20] },
			[]found{{manifest.ObjectTruncated, o[4], 36, 45}},
			manifest.StatusObjects,
		},
		"object emptied": {
			func(_ *testing.T, d tampered) { d.Store[o[4]] = nil },
			[]found{{manifest.ObjectTruncated, o[4], 36, 45}},
			manifest.StatusObjects,
		},
		"object lengthened": {
			func(_ *testing.T, d tampered) { d.Store[o[4]] = append(bytes.Clone(d.Store[o[4]]), 0) },
			[]found{{manifest.ObjectChanged, o[4], 36, 45}},
			manifest.StatusObjects,
		},
		"byte flipped": {
			func(_ *testing.T, d tampered) { d.Store[o[4]] = flip(d.Store[o[4]], len(d.Store[o[4]])/2) },
			[]found{{manifest.ObjectChanged, o[4], 36, 45}},
			manifest.StatusObjects,
		},
		"object deleted": {
			func(_ *testing.T, d tampered) { delete(d.Store, o[4]) },
			[]found{{manifest.ObjectMissing, o[4], 36, 45}},
			manifest.StatusObjects,
		},
		"object renamed": {
			func(_ *testing.T, d tampered) { d.Store["x.gz"] = d.Store[o[4]]; delete(d.Store, o[4]) },
			[]found{{manifest.ObjectMissing, o[4], 36, 45}, {manifest.UnlistedObject, "x.gz", 0, 0}},
			manifest.StatusObjects,
		},
		"object added": {
			func(_ *testing.T, d tampered) { d.Store["date=2026-03-01/added.ndjson.gz"] = []byte("x") },
			[]found{{manifest.UnlistedObject, "date=2026-03-01/added.ndjson.gz", 0, 0}},
			manifest.StatusUnlisted,
		},
		"object added among the manifests": {
			func(_ *testing.T, d tampered) { d.Store["_manifests/readme.txt"] = []byte("x") },
			[]found{{manifest.UnlistedObject, "_manifests/readme.txt", 0, 0}},
			manifest.StatusUnlisted,
		},
		"manifest added": {
			func(t *testing.T, d tampered) {
				var forged schemas.Manifest
				require.NoError(t, json.Unmarshal(d.Store[m[3]], &forged))
				sealed, err := manifest.Seal(manifesttest.NewSigner(t, "forger"), schemas.Manifest{
					Version: 1, Kind: schemas.ManifestFinal, OrgID: forged.OrgID, IntegrationID: forged.IntegrationID, ExportID: forged.ExportID,
					Destination: forged.Destination, LastSeq: 100, Reason: schemas.ClosedByRetarget,
				})
				require.NoError(t, err)
				d.Store[schemas.FinalManifestName(d.ExportID, 100, 0)] = sealed.Content
				d.Store[schemas.FinalManifestName(d.ExportID, 100, 0)+".jws"] = []byte(sealed.Signature)
			},
			[]found{{manifest.UnknownKey, schemas.FinalManifestName(whole.ExportID, 100, 0), 0, 100}},
			manifest.StatusManifests,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := whole
			delivery := *whole.Delivery
			delivery.Store = whole.Store.Clone()
			d.Delivery = &delivery
			c.spoil(t, d)
			r := verify(t, d.Store)
			require.Equal(t, manifest.Flawed, r.Verdict)
			require.Equal(t, c.status, r.Status())
			require.ElementsMatch(t, c.want, foundIn(errorsOf(r)))
			for _, f := range r.Findings {
				require.NotEmpty(t, f.Message)
				require.NotContains(t, f.Message, "%!", "a message that was not filled in")
			}
		})
	}
}

// Two objects of the same size that are exchanged are found by their hashes.
func TestSwappedObjects(t *testing.T) {
	t.Parallel()
	d := manifesttest.New(t, manifesttest.Store{})
	d.Compression = schemas.CompressionNone
	d.Next = 101
	d.Window(t, parts...)
	var objects []string
	for _, key := range d.Store.Keys() {
		if strings.HasSuffix(key, ".ndjson") {
			objects = append(objects, key)
		}
	}
	d.Store[objects[0]], d.Store[objects[1]] = d.Store[objects[1]], d.Store[objects[0]]
	require.Len(t, d.Store[objects[0]], len(d.Store[objects[1]]))
	require.ElementsMatch(t, []found{
		{manifest.ObjectChanged, objects[0], 101, 110}, {manifest.ObjectChanged, objects[1], 111, 120},
	}, foundIn(errorsOf(verify(t, d.Store))))
}

// When the newest window is removed altogether, nothing in the folder tells of
// it. Who knows from the service how far the export has come can ask for it.
func TestLastWindowDeleted(t *testing.T) {
	t.Parallel()
	d := deliver(t)
	for _, key := range []string{d.manifests[3], d.manifests[3] + ".jws", d.objects[9], d.objects[10], d.objects[11]} {
		delete(d.Store, key)
	}
	requireClean(t, verify(t, d.Store))
	r := verify(t, d.Store, func(o *manifest.Options) { o.Through = 100 })
	require.Equal(t, []found{{manifest.ThroughNotReached, "", 76, 100}}, foundIn(errorsOf(r)))
	require.Equal(t, manifest.StatusRows, r.Status())
	requireClean(t, verify(t, d.Store, func(o *manifest.Options) { o.Through = 75 }))
}
