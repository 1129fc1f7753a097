package manifest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/schemas"
)

// Source is a folder with deliveries: a bucket, a part of one, or a copy on a
// disk. It must be safe for concurrent use.
type Source interface {
	// List calls yield for every object in the folder, in any order, and ends
	// with its error.
	List(ctx context.Context, yield func(Entry) error) error
	// Open reads an object from its start. An error that is fs.ErrNotExist
	// means that there is none.
	Open(ctx context.Context, key string) (io.ReadCloser, error)
}

// Entry is an object as its source lists it.
type Entry struct {
	Key  string // below the source's folder, with slashes
	Size int64  // bytes
}

// Options says how to verify. Keys are required.
type Options struct {
	Keys     KeySet
	Parallel int            // objects read at a time; 0: 4
	Export   uuid.UUID      // only this export's chains; Nil: all
	Through  int64          // seq that every live chain must reach; 0: wherever it ends
	Location string         // URL of the source, with a slash at its end; "": unknown, as of a copy
	TempDir  string         // for Parquet files, which cannot be read as a stream; "": the system's
	Stall    time.Duration  // for how long a download may bring nothing before it counts as broken off; 0: 2 minutes
	Progress func(Progress) // called now and then, never twice at once; may be nil
}

// Stage is what a verification is at.
type Stage string

// The stages, in order.
const (
	StageListing   Stage = "listing"
	StageManifests Stage = "manifests"
	StageObjects   Stage = "objects"
)

// Progress is how far a stage has come. The totals of the listing are unknown
// and zero.
type Progress struct {
	Stage      Stage
	Done       int64 // objects or manifests, of
	Total      int64
	Bytes      int64 // of objects, as stored, of
	TotalBytes int64
}

// Errors of Verify that a reader can help.
var (
	ErrNoManifests = errors.New("no manifest is here, so nothing can be verified")
	ErrNoExport    = errors.New("no manifest of this export is here")
)

const (
	defaultParallel = 4
	defaultStall    = 2 * time.Minute
	// manifestsPerObject is how many more manifests than objects are read at a
	// time: they are small, and waiting is most of the work.
	manifestsPerObject = 4
)

// Verify checks everything that is delivered to the source: that manifests are
// signed by the service and follow each other without a gap, that each listed
// object is there and has the bytes and rows that were signed, and that there
// is no other object, but for what a final manifest says was given up. Nothing of what the source holds is believed before it
// is proven. Any folder above the deliveries can be the source.
//
// Memory does not grow with the size of objects, and by some hundred bytes for
// each object and manifest. The error tells that the source could not be
// verified, never what was found.
func Verify(ctx context.Context, source Source, o Options) (Report, error) {
	if len(o.Keys.keys) == 0 {
		return Report{}, errors.New("verify: the key set is empty")
	}
	if o.Parallel <= 0 {
		o.Parallel = defaultParallel
	}
	if o.Stall <= 0 {
		o.Stall = defaultStall
	}
	a := &audit{
		source: source, options: o,
		stored: map[string]*stored{}, byKey: map[string]*node{}, signed: map[string]int{}, reported: map[string]bool{},
	}
	for _, stage := range []func(context.Context) error{a.list, a.load, a.link, a.checkObjects} {
		if err := errors.Join(stage(ctx), ctx.Err()); err != nil { // what was not read has no verdict
			return Report{}, err
		}
	}
	a.findUnlisted()
	return a.report(), nil
}

// audit is one verification. What it keeps is grouped by the stage that makes
// it.
type audit struct {
	source  Source
	options Options

	stored    map[string]*stored // what is listed, but for manifests and signatures, by key
	manifests []string           // keys that are manifests' by their form
	sealed    map[string]bool    // keys of signatures
	bases     map[string]bool    // folders that manifests speak of, "" or with a slash at the end, and whether they are to be verified

	nodes []*node          // manifests, sorted by key
	byKey map[string]*node // the same

	chains  []*chain
	chainOf map[chainID]*chain // the same

	mu       sync.Mutex // for what follows
	findings []Finding
	reported map[string]bool // keys of manifests that are reported as missing
	signed   map[string]int  // manifests by the key that signed them
	unread   []Unread
	progress Progress
	objects  int64
	bytes    int64
}

// stored is an object in the source.
type stored struct {
	size    int64
	listing listing
}

// listing is who lists an object.
type listing int8

const (
	unlisted listing = iota
	claimed          // by a manifest that does not hold
	void             // by one that another manifest has replaced
	proven           // by one that holds
)

// node is one manifest.
type node struct {
	key    string
	place  manifestPlace
	sum    string           // SHA-256 of its bytes, hex
	m      schemas.Manifest // zero unless sound
	sound  bool             // it adds up, and its name fits its content
	proven bool             // sound, and signed by the service, or named by one that is
	void   bool             // replaced by another
}

// find adds a finding; its status and severity follow from its class.
func (a *audit) find(f Finding) {
	f.Status = f.Class.Status()
	f.Severity = Note
	if f.Status != StatusClean {
		f.Severity = Error
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.findings = append(a.findings, f)
}

// about begins a finding about a manifest.
func (n *node) about(class Class, format string, args ...any) Finding {
	f := Finding{
		Class: class, Folder: n.place.base, ExportID: n.place.export, Manifest: n.key,
		FirstSeq: n.place.first, LastSeq: n.place.last, Message: fmt.Sprintf(format, args...),
	}
	if n.m.Backfill != nil {
		f.BackfillID = n.m.Backfill.ID
	}
	return f
}

// advance tells of progress.
func (a *audit) advance(change func(*Progress)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.progress)
	if a.options.Progress != nil {
		a.options.Progress(a.progress)
	}
}

// report sums up.
func (a *audit) report() Report {
	r := Report{
		Findings: a.findings, Unread: a.unread,
		Objects: a.objects, Bytes: a.bytes, Statuses: []int{},
		Chains: []Chain{}, Keys: []KeyUse{}, // never null in JSON
	}
	if r.Findings == nil {
		r.Findings = []Finding{}
	}
	if r.Unread == nil {
		r.Unread = []Unread{}
	}
	for _, n := range a.nodes {
		if n.proven {
			r.Manifests++
		}
	}
	for _, c := range a.chains {
		if len(c.windows)+len(c.finals) > 0 {
			r.Chains = append(r.Chains, c.summary())
		}
		r.LeftOver += c.leftOver
	}
	for id, count := range a.signed {
		r.Keys = append(r.Keys, KeyUse{ID: id, Manifests: count})
	}
	slices.SortFunc(r.Keys, func(x, y KeyUse) int { return strings.Compare(x.ID, y.ID) })
	for key := range a.stored {
		if _, inside := a.baseOf(key); !inside {
			r.Outside++
		}
	}
	r.conclude()
	return r
}
