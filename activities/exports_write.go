package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"golang.org/x/sync/errgroup"

	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/internal/encode"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// heartbeatEvery keeps well inside the workflow's heartbeat timeout of 30 s.
const heartbeatEvery = 5 * time.Second

// WriteParts stores every part of the window as one object, a few at a time.
// Finished objects travel in the heartbeat, so a restarted activity goes on
// where the last one was. An object that an attempt stored without living to
// report it is found to be the same and left alone.
func (a *Exports) WriteParts(ctx context.Context, in schemas.WritePartsInput) (schemas.WritePartsResult, error) {
	integration, err := a.subject(ctx, in)
	if err != nil {
		return schemas.WritePartsResult{}, toTemporal(ctx, err)
	}
	objects, err := a.writeParts(ctx, in, integration)
	a.Places.reconsider(ctx, integration, in.Window.Destination, err)
	return schemas.WritePartsResult{Objects: objects}, toTemporal(ctx, err)
}

func (a *Exports) writeParts(ctx context.Context, in schemas.WritePartsInput, integration schemas.Integration) ([]schemas.Object, error) {
	done := resumeProgress(ctx)
	stop := done.report(ctx) // from here on: a slow cloud may take longer to let us in than a heartbeat may
	defer stop()
	place, err := a.Places.enter(ctx, integration, in.Window.Destination)
	if err != nil {
		return nil, err
	}
	defer place.Close() //nolint:errcheck // every object has been acknowledged by then

	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(a.Limits.Parallel)
	for n := range in.Window.Parts() {
		if done.has(n) {
			continue
		}
		group.Go(func() error {
			object, err := a.writePart(groupCtx, place, in, n)
			if err != nil {
				return fmt.Errorf("part %d: %w", n, err)
			}
			done.add(ctx, object)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return done.sorted(), nil
}

// subject is the integration to write with. It refuses a run that has been
// superseded: what that writes is in no ledger, and while it tries the export's
// next run cannot start.
func (a *Exports) subject(ctx context.Context, in schemas.WritePartsInput) (integration schemas.Integration, err error) {
	err = a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) error {
		run, err := tx.Run(ctx, in.RunID)
		if err != nil {
			return err
		}
		if run.Status != schemas.RunRunning {
			return superseded("the run has %s meanwhile", run.Status)
		}
		export, err := tx.Export(ctx, in.ExportID)
		if err != nil {
			return err
		}
		integration, err = tx.Integration(ctx, export.IntegrationID)
		return err
	})
	return integration, err
}

// expired is an error that no retry can mend.
func expired(format string, args ...any) error {
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf(format, args...), schemas.ErrorEventsExpired, nil)
}

// writePart reads, encodes and stores one part. The bytes are complete before
// the first one is sent, so that their size and checksums go ahead of them.
func (a *Exports) writePart(ctx context.Context, place destination.Destination, in schemas.WritePartsInput, n int) (schemas.Object, error) {
	first, last := in.Window.Part(n)
	var recordedAt time.Time
	err := a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) (err error) {
		recordedAt, err = tx.RecordedAt(ctx, first)
		return err
	})
	if errors.Is(err, postgres.ErrNotFound) {
		return schemas.Object{}, expired("event %d is not retained any more", first)
	}
	if err != nil {
		return schemas.Object{}, err
	}
	spool := encode.NewSpool(a.Limits.TempDir, a.Limits.SpillBytes)
	defer spool.Close() //nolint:errcheck // removing a temporary file; the object does not depend on it
	if err := a.encodePart(ctx, spool, in, first, last); err != nil {
		return schemas.Object{}, err
	}
	body, err := spool.Reader()
	if err != nil {
		return schemas.Object{}, err
	}
	sums := spool.Sums()
	object := schemas.Object{
		Part:     n,
		Key:      in.Window.Destination.Key(in.Window.Name(first, last, recordedAt)),
		FirstSeq: first,
		LastSeq:  last,
		Rows:     last - first + 1,
		Bytes:    spool.Size(),
		SHA256:   fmt.Sprintf("%x", sums.SHA256),
	}
	return object, place.Put(ctx, object.Key, destination.Object{
		Body:        body,
		Size:        object.Bytes,
		MD5:         sums.MD5,
		SHA256:      sums.SHA256,
		ContentType: encode.ContentType(in.Window.Format, in.Window.Compression),
	})
}

func (a *Exports) encodePart(ctx context.Context, spool *encode.Spool, in schemas.WritePartsInput, first, last int64) error {
	writer, err := encode.NewWriter(spool, in.Window.Format, in.Window.Compression)
	if err != nil {
		return err
	}
	defer writer.Abort()
	rows, err := a.Store.CopyEvents(ctx, in.OrgID, first, last, writer.WriteRow)
	if err != nil {
		return err
	}
	if want := last - first + 1; rows != want {
		return expired("of the %d events %d to %d only %d are retained", want, first, last, rows)
	}
	return writer.Close()
}

// progress is the set of finished objects, shared by the parts being written.
type progress struct {
	mu      sync.Mutex
	objects map[int]schemas.Object
}

func resumeProgress(ctx context.Context) *progress {
	p := &progress{objects: map[int]schemas.Object{}}
	var finished []schemas.Object
	if activity.HasHeartbeatDetails(ctx) && activity.GetHeartbeatDetails(ctx, &finished) == nil {
		for _, object := range finished {
			p.objects[object.Part] = object
		}
	}
	return p
}

func (p *progress) has(part int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.objects[part]
	return ok
}

func (p *progress) add(ctx context.Context, object schemas.Object) {
	p.mu.Lock()
	p.objects[object.Part] = object
	p.mu.Unlock()
	activity.RecordHeartbeat(ctx, p.sorted())
}

func (p *progress) sorted() []schemas.Object {
	p.mu.Lock()
	defer p.mu.Unlock()
	objects := make([]schemas.Object, 0, len(p.objects))
	for _, object := range p.objects {
		objects = append(objects, object)
	}
	slices.SortFunc(objects, func(a, b schemas.Object) int { return cmp.Compare(a.Part, b.Part) })
	return objects
}

// report sends heartbeats until the returned function is called.
func (p *progress) report(ctx context.Context) (stop func()) {
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		ticker := time.NewTicker(heartbeatEvery)
		defer ticker.Stop()
		for {
			activity.RecordHeartbeat(ctx, p.sorted())
			select {
			case <-ticker.C:
			case <-done:
				return
			case <-ctx.Done():
				return
			}
		}
	})
	return func() { close(done); running.Wait() }
}
