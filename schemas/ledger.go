package schemas

import "time"

// LedgerDay is what became of the events that an org recorded on one UTC day,
// as far as one export is concerned. The numbers that speak of the export add
// up to Recorded.
type LedgerDay struct {
	Day         string `json:"day"` // 2006-01-02
	FirstSeq    int64  `json:"first_seq"`
	LastSeq     int64  `json:"last_seq"`
	Recorded    int64  `json:"recorded"`
	Delivered   int64  `json:"delivered"`
	Excluded    int64  `json:"excluded"`    // by the export's filter
	Expired     int64  `json:"expired"`     // before they could be delivered
	Undelivered int64  `json:"undelivered"` // still to come
	Before      int64  `json:"before"`      // before the export's start, so never its matter
	Bytes       int64  `json:"bytes"`       // delivered, as stored
}

// LossClock tells when events will be lost to an export unless it delivers
// them. It is the oldest undelivered event that counts. The times are zero when
// that is gone already.
type LossClock struct {
	Seq        int64     `json:"seq"`
	Events     int64     `json:"events"` // undelivered ones, from Seq up to the newest
	RecordedAt time.Time `json:"recorded_at,omitzero"`
	ExpiresAt  time.Time `json:"expires_at,omitzero"` // it may be gone any time after
}

// DeliveredObject is an object with what a file of them has to say of each.
type DeliveredObject struct {
	Object
	RunID       string    `json:"run_id"`
	BackfillID  string    `json:"backfill_id,omitempty"`
	Manifest    string    `json:"manifest"` // key of the manifest that lists it
	DeliveredAt time.Time `json:"delivered_at"`
}
