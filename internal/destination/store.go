package destination

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/auditferry/auditferry/schemas"
)

// maxKeyBytes is what all three clouds allow for a name.
const maxKeyBytes = 1024

// store is the Destination over any driver.
type store struct {
	at     schemas.Destination
	driver driver

	etags struct {
		sync.Mutex
		asked  bool
		hashes bool
	}
}

var _ Destination = (*store)(nil)

// Close implements Destination.
func (s *store) Close() error { return s.driver.close() }

// Put implements Destination.
func (s *store) Put(ctx context.Context, key string, object Object) error {
	if err := s.check(key, object); err != nil {
		return err
	}
	return s.store(ctx, key, object, s.etagsAreHashes)
}

// store uploads what check has passed. Where only the bucket itself can tell
// whether its listings hold hashes, ask finds out.
func (s *store) store(ctx context.Context, key string, object Object, ask func(context.Context) (bool, error)) error {
	err := s.upload(ctx, key, object)
	if !s.present(err) {
		return err
	}
	return s.settle(ctx, key, object, ask)
}

// check refuses what could leave the folder, or could never be stored in one
// request.
func (s *store) check(key string, object Object) error {
	name, inside := strings.CutPrefix(key, s.at.Key(""))
	switch {
	case !inside:
		return s.invalid(key, "the key is outside of the destination's folder")
	case len(key) > maxKeyBytes:
		return s.invalid(key, fmt.Sprintf("the key is longer than %d bytes", maxKeyBytes))
	case !utf8.ValidString(key) || strings.ContainsFunc(key, unicode.IsControl):
		return s.invalid(key, "the key is not valid UTF-8, or has control characters")
	case object.Size < 0 || object.Size > MaxObjectBytes:
		return s.invalid(key, fmt.Sprintf("the object has %d bytes; at most %d are possible", object.Size, int64(MaxObjectBytes)))
	}
	for segment := range strings.SplitSeq(name, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return s.invalid(key, fmt.Sprintf("the key has the segment %q, which clients would resolve to another place", segment))
		}
	}
	return nil
}

func (s *store) invalid(key, message string) error {
	return &Error{Kind: schemas.KindInvalid, Op: "put", Place: s.at.URL(), Key: key, Message: message}
}

// upload hands the object to the driver, in a body that cannot be touched any
// more afterwards.
func (s *store) upload(ctx context.Context, key string, object Object) error {
	if _, err := object.Body.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("rewind the body of %q: %w", key, err)
	}
	body := &source{ctx: ctx, body: object.Body}
	err := s.driver.put(ctx, key, body, object, true)
	if broken := body.stop(); err != nil && broken != nil {
		return fmt.Errorf("read the body of %q: %w", key, broken)
	}
	return s.fail(ctx, "put", key, err)
}

// settle finds out whether the object that has the key is this one. An earlier
// attempt may have stored it and not heard of it.
func (s *store) settle(ctx context.Context, key string, object Object, ask func(context.Context) (bool, error)) error {
	there, err := s.driver.stat(ctx, key)
	if err != nil {
		return s.fail(ctx, "list", key, err)
	}
	switch {
	case !there.found:
		return &Error{Kind: schemas.KindUnavailable, Op: "put", Place: s.at.URL(), Key: key,
			Message: "the key was taken a moment ago, and is not listed now"}
	case there.size != object.Size:
		return s.conflict(key, fmt.Sprintf("another object of %d bytes has the key; this one has %d", there.size, object.Size))
	case bytes.Equal(there.md5, object.MD5[:]):
		return nil
	case there.certain:
		return s.conflict(key, "another object of the same size has the key")
	}
	hashes, err := ask(ctx)
	if err != nil {
		return err
	}
	if hashes {
		return s.conflict(key, "another object of the same size has the key")
	}
	// Nothing that may be asked would tell more. The key holds the range of
	// seq, and the size is that of this very range.
	return nil
}

func (s *store) conflict(key, message string) error {
	return &Error{Kind: schemas.KindConflict, Op: "put", Place: s.at.URL(), Key: key,
		Message: message + ". Nothing is replaced: move that object to another place, and run the export again."}
}

// fail wraps a driver's error, once. It is nil for nil.
func (s *store) fail(ctx context.Context, op, key string, err error) error {
	if err == nil {
		return nil
	}
	v := s.driver.sort(stepOf[op], err)
	if ctx.Err() != nil {
		// SDKs hide the end of a context under errors of their own; the
		// caller must be able to tell it from the cloud's failures.
		v = verdict{kind: schemas.KindUnavailable, explanation: ctx.Err().Error()}
		err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	return newError(op, s.at.URL(), key, v, err)
}

// stepOf is what a probe calls an operation.
var stepOf = map[string]schemas.Step{"put": schemas.StepWrite, "list": schemas.StepList, "delete": schemas.StepDelete}

// present tells whether an upload failed because the key is taken.
func (s *store) present(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Err != nil && s.driver.sort(schemas.StepWrite, e.Err).present
}

// source is a body that remembers whether reading it failed, which SDKs blur.
// It ends with the context, so that an upload which is given up can never be
// completed by bytes that were still to be read, and it can be taken away:
// net/http may go on reading for a moment after the request is over.
type source struct {
	ctx     context.Context
	mu      sync.Mutex
	body    io.ReadSeeker
	failure error
}

var errStopped = errors.New("the body is not available any more")

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.body == nil {
		return 0, errStopped
	}
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.body.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.failure = err
	}
	return n, err
}

// Seek implements io.Seeker.
func (s *source) Seek(offset int64, whence int) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.body == nil {
		return 0, errStopped
	}
	n, err := s.body.Seek(offset, whence)
	if err != nil {
		s.failure = err
	}
	return n, err
}

// stop takes the body away and tells how reading it failed, if it did.
func (s *source) stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.body = nil
	return s.failure
}
