package manifesttest

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/schemas"
)

// OrgID and IntegrationID are those of every delivery.
var (
	OrgID         = uuid.MustParse("0190f5b0-0000-7000-8000-00000000000a")
	IntegrationID = uuid.MustParse("0190f5b0-0000-7000-8000-00000000000b")
)

// Begin is when the first event was recorded; each further one came a second
// later.
var Begin = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// Delivery writes what one export, or one of its backfills, delivers to one
// place.
type Delivery struct {
	Store       Store
	Folder      string // of the destination in the store: "" or with a slash at its end
	Signer      *manifest.Signer
	ExportID    uuid.UUID
	Destination schemas.Destination
	Backfill    *schemas.BackfillRange
	Slug        string
	Format      schemas.Format
	Compression schemas.Compression
	Filter      *schemas.Filter
	Replaces    *schemas.ManifestRef // by the next window
	GivenUp     []schemas.GivenUp    // of the final manifests

	// Encode makes an object; the function of that name unless it is set.
	Encode func(t testing.TB, format schemas.Format, compression schemas.Compression, first, last int64) []byte

	Next     int64                // the first seq of the next window
	Previous *schemas.ManifestRef // the window before, as another place names it
}

// Part is what becomes of the next events: the first have expired, then the
// filter has kept some back, and the rest is delivered.
type Part struct{ Rows, Excluded, Expired int64 }

// NewSigner is a signer of a key of its own for each name.
func NewSigner(t testing.TB, name string) *manifest.Signer {
	t.Helper()
	seed := sha256.Sum256([]byte(name))
	s, err := manifest.NewSigner(ed25519.NewKeyFromSeed(seed[:]))
	require.NoError(t, err)
	return s
}

// JWKS is the key set of the signers.
func JWKS(t testing.TB, signers ...*manifest.Signer) []byte {
	t.Helper()
	var keys []schemas.SigningKey
	for _, s := range signers {
		keys = append(keys, s.PublicKey())
	}
	encoded, err := manifest.JWKS(keys)
	require.NoError(t, err)
	return encoded
}

// New is a delivery of NDJSON with gzip into the store's own folder, from seq 1
// on.
func New(t testing.TB, store Store) *Delivery {
	t.Helper()
	return &Delivery{
		Store: store, Signer: NewSigner(t, "service"),
		ExportID:    uuid.MustParse("0190f5b0-0000-7000-8000-0000000000e1"),
		Destination: schemas.Destination{Cloud: schemas.AWS, Bucket: "acme-audit", Prefix: "logs"},
		Slug:        "all-events", Format: schemas.FormatNDJSON, Compression: schemas.CompressionGzip,
		Encode: Encode, Next: 1,
	}
}

// Place is a delivery of the same export that goes on in another place, and
// folder of the store.
func (d *Delivery) Place(at schemas.Destination, folder string) *Delivery {
	next := *d
	next.Destination, next.Folder, next.GivenUp = at, folder, nil
	if next.Previous != nil && next.Previous.Destination == (schemas.Destination{}) {
		previous := *next.Previous
		previous.Destination = d.Destination
		next.Previous = &previous
	}
	return &next
}

// BackfillOf is a backfill of the range, in a folder of its own below the
// delivery's.
func (d *Delivery) BackfillOf(id uuid.UUID, first, last int64) *Delivery {
	next := *d
	folder := schemas.BackfillFolder + "/" + id.String()
	next.Destination.Prefix = d.Destination.Key(folder)
	next.Folder = d.Folder + folder + "/"
	next.Backfill = &schemas.BackfillRange{ID: id, FirstSeq: first, LastSeq: last}
	next.Next, next.Previous, next.GivenUp = first, nil, nil
	return &next
}

// Window delivers the next events, each part as one object, and returns the
// key of the manifest in the store.
func (d *Delivery) Window(t testing.TB, parts ...Part) string {
	t.Helper()
	from := at(d.Next)
	m := d.manifest(schemas.ManifestWindow)
	m.FirstSeq, m.RecordedFrom = d.Next, &from
	m.Format, m.Compression, m.Filter, m.Replaces = d.Format, d.Compression, d.Filter, d.Replaces
	for _, part := range parts {
		o := d.part(t, part)
		m.Objects = append(m.Objects, o)
		m.Rows, m.Excluded, m.Expired, m.Bytes = m.Rows+o.Rows, m.Excluded+o.Excluded, m.Expired+o.Expired, m.Bytes+o.Bytes
	}
	to := at(d.Next - 1)
	m.LastSeq, m.RecordedTo = d.Next-1, &to
	sealed := d.seal(t, m)
	d.Previous = &schemas.ManifestRef{Key: schemas.ManifestName(d.ExportID, m.FirstSeq, m.LastSeq), SHA256: sealed.SHA256}
	d.Replaces = nil
	return d.Folder + d.Previous.Key
}

// GiveUp begins to deliver the next events and gives that up: it writes their
// objects and no manifest, and final manifests tell of it. The next window has
// the same events.
func (d *Delivery) GiveUp(t testing.TB, parts ...Part) {
	t.Helper()
	again := *d
	for _, part := range parts {
		again.part(t, part)
	}
	d.GivenUp = append(slices.Clone(d.GivenUp), schemas.GivenUp{Slug: d.Slug, FirstSeq: d.Next, LastSeq: again.Next - 1})
}

// Final closes the chain and returns the key of the manifest in the store.
func (d *Delivery) Final(t testing.TB, reason schemas.CloseReason) string {
	t.Helper()
	m := d.manifest(schemas.ManifestFinal)
	m.Reason, m.GivenUp, m.Replaces = reason, d.GivenUp, d.Replaces
	if d.Previous == nil || d.Previous.Destination != (schemas.Destination{}) {
		m.Previous = nil // nothing was delivered here
	} else {
		m.LastSeq = d.Next - 1
	}
	d.seal(t, m)
	return d.Folder + schemas.FinalManifestName(d.ExportID, m.LastSeq, schemas.GivenUpTo(m.GivenUp, m.LastSeq))
}

func (d *Delivery) manifest(kind schemas.ManifestKind) schemas.Manifest {
	return schemas.Manifest{
		Version: schemas.ManifestVersion, Kind: kind,
		OrgID: OrgID, IntegrationID: IntegrationID, ExportID: d.ExportID,
		Destination: d.Destination, Backfill: d.Backfill, Previous: d.Previous,
	}
}

// part writes the object of the next events, if it has rows.
func (d *Delivery) part(t testing.TB, part Part) schemas.ManifestObject {
	t.Helper()
	o := schemas.ManifestObject{FirstSeq: d.Next, Rows: part.Rows, Excluded: part.Excluded, Expired: part.Expired}
	d.Next += part.Rows + part.Excluded + part.Expired
	o.LastSeq = d.Next - 1
	if o.Rows == 0 {
		return o
	}
	content := d.Encode(t, d.Format, d.Compression, o.LastSeq-o.Rows+1, o.LastSeq)
	sum := sha256.Sum256(content)
	o.Key = fmt.Sprintf("date=%s/%s-%012d-%012d%s", at(o.FirstSeq).Format(time.DateOnly), d.Slug, o.FirstSeq, o.LastSeq, d.Format.Extension(d.Compression))
	o.Bytes, o.SHA256 = int64(len(content)), hex.EncodeToString(sum[:])
	d.Store[d.Folder+o.Key] = content
	return o
}

// seal signs the manifest and stores it where the folder is.
func (d *Delivery) seal(t testing.TB, m schemas.Manifest) schemas.SealedManifest {
	t.Helper()
	sealed, err := manifest.Seal(d.Signer, m)
	require.NoError(t, err)
	key := d.Folder + sealed.Key[len(d.Destination.Key("")):]
	d.Store[key] = sealed.Content
	d.Store[key+schemas.SignatureSuffix] = []byte(sealed.Signature)
	return sealed
}

// at is when the event was recorded.
func at(seq int64) time.Time { return Begin.Add(time.Duration(seq) * time.Second) }
