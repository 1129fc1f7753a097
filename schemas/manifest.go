package schemas

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// ManifestVersion is the version of Manifest that is written. A reader refuses
// versions that it does not know.
const ManifestVersion = 1

// ManifestFolder holds the manifests, below a destination's folder or a
// backfill's.
const ManifestFolder = "_manifests"

// SignatureSuffix follows the name of a manifest in the name of its signature:
// a detached JWS (RFC 7515, appendix F) with EdDSA over the manifest's exact
// bytes.
const SignatureSuffix = ".jws"

// ManifestKind is what a manifest tells.
type ManifestKind string

// The manifest kinds.
const (
	ManifestWindow ManifestKind = "window" // which objects make up a window
	ManifestFinal  ManifestKind = "final"  // that the export delivers nothing more to this place
)

// CloseReason is why an export, or a backfill, delivers nothing more to a place.
type CloseReason string

// The reasons to close a chain.
const (
	ClosedByRetarget           CloseReason = "destination_updated"
	ClosedByRelink             CloseReason = "relinked"
	ClosedByExportDeleted      CloseReason = "export_deleted"
	ClosedByIntegrationDeleted CloseReason = "integration_deleted"
	ClosedByBackfillEnd        CloseReason = "backfill_ended" // it was cancelled, or has failed
)

// Manifest says exactly which objects make up a window of an export, and names
// the manifest before it, so that a chain of them proves that nothing is
// missing. It is the last object of a window that is written. Keys are below
// the folder that Destination names.
//
// For every number from FirstSeq to LastSeq it tells what became of the event:
// it is in an object, or the export's filter has excluded it, or it had expired
// before it could be delivered. Objects follow each other without a gap.
type Manifest struct {
	Version       int            `json:"version"`
	Kind          ManifestKind   `json:"kind"`
	OrgID         uuid.UUID      `json:"org_id"`
	IntegrationID uuid.UUID      `json:"integration_id"`
	ExportID      uuid.UUID      `json:"export_id"`
	Destination   Destination    `json:"destination"`
	Backfill      *BackfillRange `json:"backfill,omitempty"` // nil: the export's live deliveries

	FirstSeq     int64            `json:"first_seq,omitempty"` // window; final: 0
	LastSeq      int64            `json:"last_seq"`            // final: the last that was delivered here
	RecordedFrom *time.Time       `json:"recorded_from,omitempty"`
	RecordedTo   *time.Time       `json:"recorded_to,omitempty"`
	Format       Format           `json:"format,omitempty"`
	Compression  Compression      `json:"compression,omitempty"`
	Filter       *Filter          `json:"filter,omitempty"` // nil: every event passes
	Rows         int64            `json:"rows"`
	Excluded     int64            `json:"excluded"`
	Expired      int64            `json:"expired"`
	Bytes        int64            `json:"bytes"`
	Objects      []ManifestObject `json:"objects,omitempty"`

	Previous *ManifestRef `json:"previous,omitempty"` // of the window before; nil: the chain begins here
	Replaces *ManifestRef `json:"replaces,omitempty"` // one that may lie there for the same window, or for one that was given up, and is void
	Reason   CloseReason  `json:"reason,omitempty"`   // final

	// GivenUp, of a final manifest, are the ranges whose delivery to this place
	// was begun and given up, by seq and apart from each other. What lies here
	// of them is left over, unless a window's manifest lists it.
	GivenUp []GivenUp `json:"given_up,omitempty"`
}

// MaxGivenUp is how many ranges one final manifest tells of, at the most: the
// newest. Each of them took a move.
const MaxGivenUp = 1000

// GivenUp is a range whose delivery to a place was begun and given up, by a move
// or a delete. Objects of it may lie there, under names that ParseObjectName reads.
// Their events, if they are still to be delivered, are delivered elsewhere.
type GivenUp struct {
	Slug     string `json:"slug"` // of the export, with which the objects' names begin
	FirstSeq int64  `json:"first_seq"`
	LastSeq  int64  `json:"last_seq"`
}

// GivenUpTo is the last seq whose delivery was given up after last, or 0. The
// ranges are in order.
func GivenUpTo(ranges []GivenUp, last int64) int64 {
	if len(ranges) > 0 && ranges[len(ranges)-1].LastSeq > last {
		return ranges[len(ranges)-1].LastSeq
	}
	return 0
}

// ManifestObject is a slice of a window. It has no key when none of its events
// is delivered; then there is no object.
type ManifestObject struct {
	Key      string `json:"key,omitempty"` // below the manifest's destination
	FirstSeq int64  `json:"first_seq"`
	LastSeq  int64  `json:"last_seq"`
	Rows     int64  `json:"rows"`
	Excluded int64  `json:"excluded,omitempty"` // by the filter
	Expired  int64  `json:"expired,omitempty"`  // before they could be delivered
	Bytes    int64  `json:"bytes,omitempty"`    // as stored
	SHA256   string `json:"sha256,omitempty"`   // of the stored bytes, hex
}

// ManifestRef names a manifest by place and content.
type ManifestRef struct {
	Destination Destination `json:"destination,omitzero"` // zero: the same as that of the manifest that refers to it
	Key         string      `json:"key"`                  // below that destination
	SHA256      string      `json:"sha256"`               // of its bytes, hex
}

// BackfillRange is what a backfill is to deliver, all its windows together.
type BackfillRange struct {
	ID       uuid.UUID `json:"id"`
	FirstSeq int64     `json:"first_seq"`
	LastSeq  int64     `json:"last_seq"`
}

// ManifestName is the name of a window's manifest below its folder.
func ManifestName(export uuid.UUID, first, last int64) string {
	return fmt.Sprintf("%s/%s/%s-%s.json", ManifestFolder, export, padSeq(first), padSeq(last))
}

// FinalManifestName is the name of the manifest that closes a chain whose last
// window ends with last, 0 if it has none. GivenUpTo is the last seq whose
// delivery was begun there after it and given up; 0: nothing was. Windows come
// one at a time and in order, so another delivery, or another one that was given
// up, makes another name: nothing that a final manifest tells changes under it.
func FinalManifestName(export uuid.UUID, last, givenUpTo int64) string {
	name := fmt.Sprintf("%s/%s/%s-final", ManifestFolder, export, padSeq(last))
	if givenUpTo > 0 {
		name += "-" + padSeq(givenUpTo)
	}
	return name + ".json"
}

// SealedManifest is a manifest that has been signed. From then on its bytes are
// fixed.
type SealedManifest struct {
	Key       string `json:"key"`       // in the bucket or container, prefix included
	Content   []byte `json:"content"`   // the manifest's exact bytes
	SHA256    string `json:"sha256"`    // of the content, hex
	Signature string `json:"signature"` // detached JWS, compact
}

// SigningKey is a public key with which manifests are, or were, signed.
type SigningKey struct {
	ID        string          `json:"id"`  // RFC 7638 thumbprint of the key
	JWK       json.RawMessage `json:"jwk"` // JSON Web Key, public part only
	CreatedAt time.Time       `json:"created_at"`
}
