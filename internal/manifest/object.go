package manifest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/auditferry/auditferry/schemas"
)

// maxUnread is how many objects may be unreadable before there is no point in
// going on.
const maxUnread = 20

var errStalled = errors.New("the download has come to a standstill")

// claim is an object as a manifest that holds lists it.
type claim struct {
	schemas.ManifestObject
	node *node
	key  string // below the source
}

// about begins a finding about the object.
func (c claim) about(class Class, format string, args ...any) Finding {
	f := c.node.about(class, format, args...)
	f.Object, f.FirstSeq, f.LastSeq = c.key, c.FirstSeq, c.LastSeq
	return f
}

// checkObjects reads every object that a manifest lists.
func (a *audit) checkObjects(ctx context.Context) error {
	claims := a.claim()
	a.advance(func(p *Progress) {
		*p = Progress{Stage: StageObjects, Total: int64(len(claims))}
		for _, c := range claims {
			p.TotalBytes += c.Bytes
		}
	})
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(a.options.Parallel)
	for _, c := range claims {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error { return a.checkObject(ctx, c) })
	}
	return group.Wait()
}

// claim decides for every object who lists it, and returns those that are to be
// read.
func (a *audit) claim() []claim {
	var claims []claim
	for _, n := range a.nodes {
		if !n.sound {
			continue
		}
		for _, o := range n.m.Objects {
			if o.Key == "" {
				continue
			}
			c := claim{ManifestObject: o, node: n, key: n.place.base + o.Key}
			object := a.stored[c.key]
			switch {
			case !n.proven || n.void:
				object.listedBy(n)
			case object == nil:
				a.find(c.about(ObjectMissing, "This object is listed, but it is not there: the %d events in it are gone from here. Look for it among the bucket's former versions or backups.", o.Rows))
			case object.listing == proven:
				a.find(c.about(Overlap, "Two manifests list this object. Report it to the service's operator."))
			default:
				object.listing = proven
				if a.hasSize(c, object.size) {
					claims = append(claims, c)
				}
			}
		}
	}
	return claims
}

// listedBy notes a manifest that does not count, unless one does.
func (o *stored) listedBy(n *node) {
	if o == nil || o.listing == proven {
		return
	}
	o.listing = claimed
	if n.void && n.proven {
		o.listing = void
	}
}

func (a *audit) hasSize(c claim, size int64) bool {
	const todo = "It is not what was delivered. Look for the original among the bucket's former versions or backups."
	switch {
	case size < c.Bytes:
		a.find(c.about(ObjectTruncated, "This object has %d bytes, and %d were delivered: its end is missing, or it was replaced. %s", size, c.Bytes, todo))
	case size > c.Bytes:
		a.find(c.about(ObjectChanged, "This object has %d bytes, and %d were delivered: something was added, or it was replaced. %s", size, c.Bytes, todo))
	}
	return size == c.Bytes
}

func (a *audit) checkObject(ctx context.Context, c claim) error {
	var found *Finding
	var read int64 // of the last attempt
	err := retry(ctx, func() (err error) {
		again := read
		a.advance(func(p *Progress) { p.Bytes -= again })
		read = 0
		found, err = a.readObject(ctx, c, func(n int64) {
			read += n
			a.advance(func(p *Progress) { p.Bytes += n })
		})
		return err
	})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return a.missOut(c, err)
	case found != nil:
		a.find(*found)
	default:
		a.mu.Lock()
		a.objects++
		a.bytes += c.Bytes
		a.mu.Unlock()
	}
	a.advance(func(p *Progress) {
		p.Done++
		p.Bytes += c.Bytes - read
	})
	return nil
}

// missOut notes an object that cannot be read. Too many mean that the source
// cannot be verified at all.
func (a *audit) missOut(c claim, err error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unread = append(a.unread, Unread{Object: c.key, Error: err.Error()})
	if len(a.unread) > maxUnread {
		return fmt.Errorf("read objects: gave up after %d that could not be read; the last was %s: %w", len(a.unread), c.key, err)
	}
	return nil
}

// readObject reads one object to its end, and returns what is wrong with it.
// The error is that of reading; what was read until then counts for nothing.
func (a *audit) readObject(ctx context.Context, c claim, progress func(int64)) (found *Finding, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(a.options.Stall, func() { cancel(errStalled) })
	defer stalled.Stop()
	defer func() {
		if err != nil && errors.Is(context.Cause(ctx), errStalled) {
			err = errStalled
		}
	}()
	body, err := a.source.Open(ctx, c.key)
	if errors.Is(err, fs.ErrNotExist) {
		f := c.about(ObjectMissing, "This object was there when the folder was listed, and has been removed since. Verify again, and find out who changes the folder.")
		return &f, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	stream := &hashing{from: body, sum: sha256.New(), progress: func(n int64) {
		stalled.Reset(a.options.Stall)
		progress(n)
	}}
	format, compression := c.node.m.Format, c.node.m.Compression
	if format == schemas.FormatParquet {
		return a.readSpooled(c, stream)
	}
	rows := &rowCheck{claim: c}
	wrong := rows.read(stream, format, compression)
	if stream.failure != nil {
		return nil, stream.failure
	}
	if _, err := io.Copy(io.Discard, stream); err != nil { // what the rows left unread
		return nil, err
	}
	if changed := c.compare(stream); changed != nil {
		return changed, nil
	}
	return rows.verdict(wrong), nil
}

// compare returns a finding unless the stream, read to its end, is what was
// signed.
func (c claim) compare(stream *hashing) *Finding {
	sum := hex.EncodeToString(stream.sum.Sum(nil))
	if sum == c.SHA256 {
		return nil
	}
	f := c.about(ObjectChanged, "The bytes of this object are not those that were delivered: its SHA-256 is %s, and %s was signed. Look for the original among the bucket's former versions or backups.", sum, c.SHA256)
	return &f
}
