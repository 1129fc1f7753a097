// Package destination writes objects into the storage that an organization
// owns: an Amazon S3 bucket, an Azure container or a Google Cloud Storage
// bucket. It is written so that a caller who repeats a call after any failure
// ends with the same objects.
//
// What all clouds share is in store.go and probe.go, above a small driver; one
// file holds each cloud's driver, and all have the same shape. Drivers return
// the SDK's raw errors, which are sorted and wrapped once, in the shared part.
package destination

import (
	"context"
	"io"

	"github.com/auditferry/auditferry/schemas"
)

// MaxObjectBytes is the size of the largest object that can be put: what all
// three clouds take in a single request (S3's PutObject is the smallest with 5
// GiB, Azure's Put Blob takes 5,000 MiB). More requests per object are not
// possible, since the admin's policy grants no s3:AbortMultipartUpload.
const MaxObjectBytes = 5000 << 20

// Destination is an organization's bucket or container. Implementations are
// safe for concurrent use, never create buckets, and return errors that KindOf
// can sort.
type Destination interface {
	// Put makes the object readable under key, whole or not at all, and never
	// replaces another: the same bytes again is success, other bytes is
	// schemas.KindConflict. The key is the full one in the bucket, the
	// destination's prefix included; a key outside of it is KindInvalid. A
	// bucket of another owner than the target names is KindDenied with
	// schemas.CodeOwnerChanged, or CodeOwnerMismatch where none is pinned yet.
	//
	// The body is read from its beginning, perhaps several times, and not any
	// more after Put has returned. When reading it fails, that failure is
	// returned and has no kind.
	Put(ctx context.Context, key string, object Object) error
	// Probe finds out whether exports would work now: it authenticates, makes
	// sure of the role's external ID (AWS) and of the bucket's owner (AWS,
	// GCP), then writes, lists and deletes a marker. A refused deletion is a
	// warning, since exports do not delete. The report's owner is the one that
	// was confirmed, "" if none was. The error is not nil only if the probe
	// itself could not be finished because ctx ended.
	//
	// With a challenge, the org has not shown yet that the place is its own:
	// the challenge is all that is written, the step ownership fails with
	// CodeOwnershipOpen, and the steps after it are skipped. A challenge that is
	// said to lie there and does not is CodeChallengeGone instead.
	Probe(ctx context.Context, challenge *Challenge) (schemas.AccessReport, error)
	// Close releases what the destination holds. Objects that were put stay.
	Close() error
}

// Challenge is an object that the org's admin has to read back, to show that
// the destination is the org's.
type Challenge struct {
	Key     string // the full one, as for Put
	Content []byte // nil: it lies there already
}

// The codes that are this package's own, beside schemas.CodeOwnerChanged. All
// come with KindDenied but CodeUnknownApp, which is the operators' matter and KindUnavailable.
const (
	CodeExternalIDNotRequired = "ExternalIDNotRequired" // the role lets in whoever knows its name
	CodeOwnerMismatch         = "BucketOwnerMismatch"   // the bucket is not of the account that it has to be of
	CodeOwnershipOpen         = "OwnershipNotProven"    // the challenge has not been read back yet
	CodeChallengeGone         = "ChallengeGone"         // the challenge is not where it was written
	CodeUnknownApp            = "UnknownApp"            // the service has no secret for the Azure app
)

// Object is what to put. All fields must be set, and speak of the bytes as
// they are stored.
type Object struct {
	Body        io.ReadSeeker
	Size        int64 // bytes
	MD5         [16]byte
	SHA256      [32]byte
	ContentType string
}

// Target says where to write, and as whom.
type Target struct {
	Destination schemas.Destination
	Grant       schemas.Grant
	Credentials schemas.Credentials
	// Owner is whose the bucket was when access was first granted: an AWS
	// account ID or a Google Cloud project number. Empty: not pinned yet.
	Owner string
	// SessionName is what the admin reads in AWS CloudTrail beside our
	// requests: 2 to 64 letters, digits and = , . @ - _ +. Empty: "auditferry".
	SessionName string
}

// driver is what each cloud has to bring. Its methods return raw errors, which
// sort then explains.
type driver interface {
	// authenticate gets whatever the other methods need to be let in.
	authenticate(ctx context.Context) error
	// put stores body under key in one request. With createOnly it fails with
	// an error that sorts as present when the key is taken.
	put(ctx context.Context, key string, body io.ReadSeeker, object Object, createOnly bool) error
	// stat looks key up in a listing, the only way that all grants allow.
	stat(ctx context.Context, key string) (listed, error)
	remove(ctx context.Context, key string) error
	// checks are the steps between authentication and the first write.
	checks() []step
	// owner is whom the last check, or any later request, has confirmed as the
	// bucket's owner; "" if nobody.
	owner() string
	// sort says what an error of this driver means, and what to do about it.
	// The step is what was tried.
	sort(tried schemas.Step, err error) verdict
	close() error
}

// listed is what a listing tells of one key.
type listed struct {
	found bool
	size  int64
	md5   []byte // nil if the listing tells none
	// certain tells that md5 is a hash of the bytes. It is false for S3, whose
	// ETag is one or is not, depending on the bucket's encryption.
	certain bool
}
