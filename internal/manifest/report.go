package manifest

import (
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/schemas"
)

// Verdict is what a verification came to.
type Verdict string

// The verdicts.
const (
	Clean      Verdict = "clean"
	Flawed     Verdict = "flawed"     // there are findings that are errors
	Incomplete Verdict = "incomplete" // no errors, but something could not be read
)

// Report is what a verification found. It is what `auditferry verify --json`
// prints.
type Report struct {
	Verdict  Verdict   `json:"verdict"`
	Statuses []int     `json:"statuses"` // of all findings, the gravest first; [0] if clean
	Chains   []Chain   `json:"chains"`
	Findings []Finding `json:"findings"`
	Unread   []Unread  `json:"unread"`
	Keys     []KeyUse  `json:"keys"`

	Manifests int   `json:"manifests"` // that hold
	Objects   int64 `json:"objects"`   // that were read and hold
	Bytes     int64 `json:"bytes"`     // of those
	LeftOver  int64 `json:"left_over"` // objects of deliveries that were given up, each in a finding
	Outside   int64 `json:"outside"`   // objects of the source outside of every folder with manifests, not looked at
}

// Chain is what the manifests of one export, or of one of its backfills, prove
// together in one folder. The numbers are those of manifests that hold.
type Chain struct {
	OrgID         uuid.UUID           `json:"org_id"`
	IntegrationID uuid.UUID           `json:"integration_id"` // of the last manifest
	ExportID      uuid.UUID           `json:"export_id"`
	BackfillID    uuid.UUID           `json:"backfill_id,omitzero"`
	Folder        string              `json:"folder"`      // below the source, "" or with a slash at its end
	Destination   schemas.Destination `json:"destination"` // that the last manifest names
	Windows       int                 `json:"windows"`
	Objects       int64               `json:"objects"`
	FirstSeq      int64               `json:"first_seq"`
	LastSeq       int64               `json:"last_seq"`
	Rows          int64               `json:"rows"` // delivered events
	Excluded      int64               `json:"excluded"`
	Expired       int64               `json:"expired"`
	Bytes         int64               `json:"bytes"` // as stored
	RecordedFrom  *time.Time          `json:"recorded_from,omitempty"`
	RecordedTo    *time.Time          `json:"recorded_to,omitempty"`
	LeftOver      int64               `json:"left_over"`        // objects of deliveries that were given up
	Closed        schemas.CloseReason `json:"closed,omitempty"` // if nothing follows the manifest that closed it
	Verdict       Verdict             `json:"verdict"`
}

// Unread is an object of which nothing can be said, because it could not be
// read.
type Unread struct {
	Object string `json:"object"`
	Error  string `json:"error"`
}

// KeyUse tells how many manifests a key has signed.
type KeyUse struct {
	ID        string `json:"id"`
	Manifests int    `json:"manifests"`
}

// Status is the one status that stands for the report: that of the gravest
// finding, StatusIncomplete if there is none but something could not be read,
// or StatusClean.
func (r Report) Status() int { return r.Statuses[0] }

// conclude sorts the findings, so that the same folder gives the same report,
// and draws the verdict.
func (r *Report) conclude() {
	slices.SortFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(rank(a), rank(b)),
			cmp.Compare(a.Folder, b.Folder),
			cmp.Compare(a.ExportID.String(), b.ExportID.String()),
			cmp.Compare(a.BackfillID.String(), b.BackfillID.String()),
			cmp.Compare(a.FirstSeq, b.FirstSeq),
			cmp.Compare(a.Manifest, b.Manifest),
			cmp.Compare(a.Object, b.Object),
			cmp.Compare(a.Class, b.Class),
			cmp.Compare(a.Message, b.Message),
		)
	})
	slices.SortFunc(r.Unread, func(a, b Unread) int { return cmp.Compare(a.Object, b.Object) })
	for _, f := range r.Findings {
		if f.Status != 0 && !slices.Contains(r.Statuses, f.Status) {
			r.Statuses = append(r.Statuses, f.Status) // in order, as the findings are
		}
	}
	r.Verdict = Clean
	if len(r.Statuses) > 0 {
		r.Verdict = Flawed
	}
	if len(r.Unread) > 0 {
		r.Statuses = append(r.Statuses, StatusIncomplete)
		if r.Verdict == Clean {
			r.Verdict = Incomplete
		}
	}
	if len(r.Statuses) == 0 {
		r.Statuses = []int{StatusClean}
	}
	r.judgeChains()
}

func (r *Report) judgeChains() {
	for i := range r.Chains {
		c := &r.Chains[i]
		c.Verdict = Clean
		for _, f := range r.Findings {
			if f.Severity == Error && f.Folder == c.Folder && f.ExportID == c.ExportID && f.BackfillID == c.BackfillID {
				c.Verdict = Flawed
				break
			}
		}
	}
}

// rank puts errors before notes, and grave errors before others.
func rank(f Finding) int {
	if f.Severity == Note {
		return StatusExpired + 1
	}
	return f.Status
}
