package destination

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // compared as the clouds compare it
	"crypto/sha256"
	"errors"
	"io"
	"maps"
	"sync"

	"github.com/auditferry/auditferry/schemas"
)

// Memory is a cloud in memory, for tests: what it opens passes the same
// conformance suite as the real ones. It is safe for concurrent use.
type Memory struct {
	mu      sync.Mutex
	buckets map[string]map[string]memoryObject
	owners  map[string]string // by bucket; memoryOwner for all others
	before  func(Request) error
	after   func(Request) error
}

type memoryObject struct {
	content []byte
	md5     [16]byte
}

// Request is what a destination of Memory is about to do, or has just done.
type Request struct {
	Op          string // authenticate, put, list or delete
	Key         string // "" for authenticate
	Destination schemas.Destination
}

// memoryOwner has all buckets that SetOwner gives to nobody else.
const memoryOwner = "123456789012"

// NewMemory makes a cloud that has the buckets of these destinations.
func NewMemory(existing ...schemas.Destination) *Memory {
	m := &Memory{buckets: map[string]map[string]memoryObject{}, owners: map[string]string{}}
	for _, d := range existing {
		m.AddBucket(d)
	}
	return m
}

// AddBucket creates the destination's bucket if it does not exist.
func (m *Memory) AddBucket(d schemas.Destination) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.buckets[bucketURL(d)] == nil {
		m.buckets[bucketURL(d)] = map[string]memoryObject{}
	}
}

// SetOwner says whose the destination's bucket is from now on: an AWS account
// ID or a Google Cloud project number. Until then it is 123456789012's.
func (m *Memory) SetOwner(d schemas.Destination, owner string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.owners[bucketURL(d)] = owner
}

// Objects returns the contents of the destination's bucket by full key, those
// outside of the prefix included.
func (m *Memory) Objects(d schemas.Destination) map[string][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	contents := map[string][]byte{}
	for key, object := range m.buckets[bucketURL(d)] {
		contents[key] = bytes.Clone(object.content)
	}
	return contents
}

// Store puts or replaces an object as somebody else would. The bucket must
// exist.
func (m *Memory) Store(d schemas.Destination, key string, content []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.buckets[bucketURL(d)][key] = newMemoryObject(bytes.Clone(content))
}

// Remove deletes an object as somebody else would.
func (m *Memory) Remove(d schemas.Destination, key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.buckets[bucketURL(d)], key)
}

// Before sets what is asked before each request is carried out; an error that
// it returns is the cloud's refusal. Use Refusal to give it a kind. Nil asks
// nobody. The hook may be called concurrently and may block.
func (m *Memory) Before(hook func(Request) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.before = hook
}

// After is like Before, but asked once the request has been carried out: an
// error is a response that was lost.
func (m *Memory) After(hook func(Request) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.after = hook
}

// Refusal is an error for Before and After that sorts as the given kind and
// code.
func Refusal(kind schemas.ErrorKind, code string) error {
	return &refusal{verdict{kind: kind, code: code, answer: "refused by a test"}}
}

type refusal struct{ verdict verdict }

func (r *refusal) Error() string { return string(r.verdict.kind) + " " + r.verdict.code }

// Open is like Opener.Open, and accepts any grant and credentials. Of the
// target's owner it makes sure whatever the cloud.
func (m *Memory) Open(_ context.Context, t Target) (Destination, error) {
	return &store{at: t.Destination, driver: &memoryDriver{cloud: m, at: t.Destination, expected: t.Owner}}, nil
}

func newMemoryObject(content []byte) memoryObject {
	return memoryObject{content: content, md5: md5.Sum(content)} //nolint:gosec // see the import
}

// bucketURL names a bucket without the prefix.
func bucketURL(d schemas.Destination) string {
	d.Prefix = ""
	return d.URL()
}

type memoryDriver struct {
	cloud    *Memory
	at       schemas.Destination
	expected string // owner; "" is anybody

	mu        sync.Mutex
	confirmed string
}

var _ driver = (*memoryDriver)(nil)

func (d *memoryDriver) authenticate(ctx context.Context) error {
	return d.do(ctx, "authenticate", "", func(map[string]memoryObject) error { return nil })
}

func (d *memoryDriver) put(ctx context.Context, key string, body io.ReadSeeker, object Object, createOnly bool) error {
	content, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	if int64(len(content)) != object.Size || sha256.Sum256(content) != object.SHA256 {
		return &refusal{verdict{kind: schemas.KindUnavailable, code: "BadDigest", explanation: "the bytes are not those of the checksum"}}
	}
	return d.do(ctx, "put", key, func(bucket map[string]memoryObject) error {
		if _, taken := bucket[key]; taken && createOnly {
			return &refusal{verdict{kind: schemas.KindConflict, code: "PreconditionFailed", present: true}}
		}
		bucket[key] = newMemoryObject(content)
		return nil
	})
}

func (d *memoryDriver) stat(ctx context.Context, key string) (listed, error) {
	var there listed
	err := d.do(ctx, "list", key, func(bucket map[string]memoryObject) error {
		object, found := bucket[key]
		there = listed{found: found, size: int64(len(object.content)), md5: object.md5[:], certain: true}
		return nil
	})
	return there, err
}

func (d *memoryDriver) remove(ctx context.Context, key string) error {
	return d.do(ctx, "delete", key, func(bucket map[string]memoryObject) error {
		maps.DeleteFunc(bucket, func(name string, _ memoryObject) bool { return name == key })
		return nil
	})
}

// do carries out one request between the hooks. Those run outside of the lock,
// so that they may use the Memory themselves.
func (d *memoryDriver) do(ctx context.Context, op, key string, act func(map[string]memoryObject) error) error {
	d.cloud.mu.Lock()
	before, after := d.cloud.before, d.cloud.after
	d.cloud.mu.Unlock()
	request := Request{Op: op, Key: key, Destination: d.at}
	if before != nil {
		if err := before(request); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := d.act(op, act); err != nil {
		return err
	}
	if after != nil {
		return after(request)
	}
	return nil
}

func (d *memoryDriver) act(op string, act func(map[string]memoryObject) error) error {
	d.cloud.mu.Lock()
	defer d.cloud.mu.Unlock()
	bucket, exists := d.cloud.buckets[bucketURL(d.at)]
	if op == "authenticate" {
		return act(bucket)
	}
	if !exists {
		return &refusal{verdict{kind: schemas.KindNotFound, code: "NoSuchBucket"}}
	}
	if owner := d.cloud.ownerOf(d.at); d.expected != "" && d.expected != owner {
		return &refusal{verdict{kind: schemas.KindDenied, code: schemas.CodeOwnerChanged, explanation: "The bucket is " + owner + "'s.", fix: changed}}
	}
	return act(bucket)
}

// ownerOf is to be called under the lock.
func (m *Memory) ownerOf(d schemas.Destination) string {
	if owner, set := m.owners[bucketURL(d)]; set {
		return owner
	}
	return memoryOwner
}

func (d *memoryDriver) checks() []step { return []step{{schemas.StepOwner, d.checkOwner}} }

// checkOwner is no request, so the hooks do not hear of it.
func (d *memoryDriver) checkOwner(context.Context) error {
	owner := ""
	err := d.act("owner", func(map[string]memoryObject) error {
		owner = d.cloud.ownerOf(d.at)
		return nil
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	d.confirmed = owner
	return err
}

func (d *memoryDriver) owner() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.confirmed
}

func (d *memoryDriver) sort(_ schemas.Step, err error) verdict {
	var r *refusal
	if !errors.As(err, &r) {
		r = &refusal{verdict{kind: schemas.KindUnavailable, answer: oneLine(err.Error())}}
	}
	v := r.verdict
	if v.explanation == "" {
		v.explanation, v.fix = unknown(v.kind, v.code)
	}
	return v
}

func (d *memoryDriver) close() error { return nil }
