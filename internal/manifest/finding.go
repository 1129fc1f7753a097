package manifest

import (
	"github.com/google/uuid"
)

// Class is what kind of thing was found. The words are stable.
type Class string

// The classes of errors: each is a promise of the delivery that does not hold.
const (
	SignatureMissing   Class = "signature_missing"
	SignatureInvalid   Class = "signature_invalid"
	UnknownKey         Class = "unknown_key" // signed by somebody whose key is not in the key set
	ManifestMalformed  Class = "manifest_malformed"
	ManifestMisplaced  Class = "manifest_misplaced" // its name tells something else than its content
	ManifestChanged    Class = "manifest_changed"   // it is not the one that the next manifest names
	ManifestMissing    Class = "manifest_missing"
	ChainForked        Class = "chain_forked"    // two manifests follow the same one
	ChainRestarted     Class = "chain_restarted" // a second manifest says that the chain begins with it
	ObjectMissing      Class = "object_missing"
	ObjectChanged      Class = "object_changed"
	ObjectTruncated    Class = "object_truncated"
	RowsWrong          Class = "rows_wrong"          // the rows are not as many, not in order, or not readable
	RowOutside         Class = "row_outside"         // a row's seq is not of the object's range
	Gap                Class = "gap"                 // no manifest tells of these events
	Overlap            Class = "overlap"             // two manifests tell of these events
	BackfillIncomplete Class = "backfill_incomplete" // events of the backfill's range are not delivered
	ThroughNotReached  Class = "through_not_reached"
	UnlistedObject     Class = "unlisted_object"
	Expired            Class = "expired" // events that were lost before they could be delivered: it is proven that they are
)

// The classes of notes: worth knowing, and in order.
const (
	ChainBegins Class = "chain_begins"
	Continued   Class = "continued" // the windows before were delivered to another place
	Closed      Class = "closed"
	Reopened    Class = "reopened"  // windows follow the manifest that closed the chain
	Replaced    Class = "replaced"  // another manifest says that this one is void
	Excluded    Class = "excluded"  // by the export's filter
	LeftOver    Class = "left_over" // of a delivery that was given up, as a final manifest says
	Elsewhere   Class = "elsewhere" // the manifests name another place than where they were found
)

// Severity tells whether a finding means that something is wrong.
type Severity string

// The severities.
const (
	Error Severity = "error"
	Note  Severity = "note"
)

// The statuses that the classes of errors lead to. A lower one is graver, and
// decides. They are exit statuses of the command, so they never change.
const (
	StatusClean      = 0
	StatusIncomplete = 1 // something could not be read, so nothing is said of it
	StatusManifests  = 3
	StatusObjects    = 4
	StatusRows       = 5
	StatusUnlisted   = 6
	StatusExpired    = 7
)

// Status is the status that a finding of the class leads to; 0 for notes.
func (c Class) Status() int {
	switch c {
	case SignatureMissing, SignatureInvalid, UnknownKey, ManifestMalformed, ManifestMisplaced,
		ManifestChanged, ManifestMissing, ChainForked, ChainRestarted:
		return StatusManifests
	case ObjectMissing, ObjectChanged, ObjectTruncated:
		return StatusObjects
	case RowsWrong, RowOutside, Gap, Overlap, BackfillIncomplete, ThroughNotReached:
		return StatusRows
	case UnlistedObject:
		return StatusUnlisted
	case Expired:
		return StatusExpired
	default:
		return StatusClean
	}
}

// Finding is one thing that was found, in words that say what it means and what
// to do. Keys are below the source.
type Finding struct {
	Class      Class     `json:"class"`
	Severity   Severity  `json:"severity"`
	Status     int       `json:"status,omitempty"` // that it leads to; none for notes
	Folder     string    `json:"folder"`           // below the source, "" or with a slash at its end
	ExportID   uuid.UUID `json:"export_id,omitzero"`
	BackfillID uuid.UUID `json:"backfill_id,omitzero"`
	Manifest   string    `json:"manifest,omitempty"` // key
	Object     string    `json:"object,omitempty"`   // key
	FirstSeq   int64     `json:"first_seq,omitempty"`
	LastSeq    int64     `json:"last_seq,omitempty"`
	Message    string    `json:"message"`
}
