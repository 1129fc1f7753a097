package activities

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/errgroup"

	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/internal/encode"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// WriteParts stores every part of the window as one object, a few at a time.
// Each is noted in the ledger as soon as it is stored, so a restarted activity,
// or a later run, goes on where the last one was. An object that an attempt
// stored without living to note it is found to be the same and left alone.
func (a *Exports) WriteParts(ctx context.Context, in schemas.WritePartsInput) (schemas.WritePartsResult, error) {
	w, err := a.beginWriting(ctx, in)
	if err != nil {
		return schemas.WritePartsResult{}, toTemporal(ctx, err)
	}
	// From here on: a slow cloud may take longer to let us in than a heartbeat may.
	ctx, stop := a.attend(ctx, in.OrgID, in.RunID, func() any { return w.progress() })
	defer stop()
	err = w.write(ctx)
	if w.entered || err != nil { // who wrote nothing has found nothing out
		a.Places.reconsider(ctx, w.integration, in.Window.Destination, err)
	}
	err = toTemporal(ctx, err)
	a.noteAttempt(ctx, in.ExportInput, in.RunID, err)
	return w.sum(), err
}

// writing is one attempt to write a window.
type writing struct {
	*Exports
	in          schemas.WritePartsInput
	integration schemas.Integration
	place       func() (destination.Destination, error) // opened when the first object is put
	entered     bool                                    // place has been opened

	mu      sync.Mutex
	settled map[int]schemas.Object
}

// beginWriting reads what the attempt needs. It refuses a run that has been
// superseded: what that writes is in no delivery, and while it tries the
// export's next run cannot start.
func (a *Exports) beginWriting(ctx context.Context, in schemas.WritePartsInput) (*writing, error) {
	w := &writing{Exports: a, in: in, settled: map[int]schemas.Object{}}
	err := a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) error {
		run, err := tx.LockRun(ctx, in.RunID)
		if err != nil {
			return err
		}
		if run.Status != schemas.RunRunning {
			return ended(run.Status)
		}
		parts, err := tx.BeginWriting(ctx, in.RunID, int(activity.GetInfo(ctx).Attempt))
		if err != nil {
			return err
		}
		for _, part := range parts {
			w.settled[part.Part] = part
		}
		export, err := tx.Export(ctx, in.ExportID)
		if err != nil {
			return err
		}
		w.integration, err = tx.Integration(ctx, export.IntegrationID)
		return err
	})
	return w, err
}

func (w *writing) write(ctx context.Context) error {
	var opened destination.Destination
	w.place = sync.OnceValues(func() (_ destination.Destination, err error) {
		opened, err = w.Places.enter(ctx, w.integration, w.in.Window.Destination)
		w.entered = err == nil
		return opened, err
	})
	defer func() {
		if opened != nil {
			_ = opened.Close() // every object has been acknowledged by then
		}
	}()
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(w.Limits.Parallel)
	for n := range w.in.Window.Parts() {
		if w.has(n) {
			continue
		}
		group.Go(func() error {
			if err := w.settlePart(groupCtx, n); err != nil {
				return fmt.Errorf("part %d: %w", n, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// settlePart finds out what becomes of a part's events, stores those that are
// to be delivered, and notes it.
func (w *writing) settlePart(ctx context.Context, n int) error {
	part, err := w.storePart(ctx, n)
	if err != nil {
		return err
	}
	err = w.Store.InOrg(ctx, w.in.OrgID, func(tx *postgres.Tx) error { return tx.RecordPart(ctx, w.in.RunID, part) })
	var ended *postgres.ConflictError
	if errors.As(err, &ended) {
		return superseded("%s", ended)
	}
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.settled[n] = part
	w.mu.Unlock()
	activity.RecordHeartbeat(ctx, w.progress())
	return nil
}

// storePart reads, encodes and stores one part. The bytes are complete before
// the first one is sent, so that their size and checksums go ahead of them.
func (w *writing) storePart(ctx context.Context, n int) (schemas.Object, error) {
	first, last := w.in.Window.Part(n)
	part := schemas.Object{Part: n, FirstSeq: first, LastSeq: last}
	from, recordedAt, found, err := w.firstRetained(ctx, first, last)
	if err != nil {
		return part, err
	}
	if !found {
		part.Expired = last - first + 1
		return part, nil
	}
	part.Expired = from - first
	spool := encode.NewSpool(w.Limits.TempDir, w.Limits.SpillBytes)
	defer spool.Close() //nolint:errcheck // removing a temporary file; the object does not depend on it
	copied, err := w.encode(ctx, spool, from, last)
	if err != nil {
		return part, err
	}
	part.Rows, part.Excluded = copied.Rows, copied.Excluded
	if part.Rows == 0 {
		return part, nil
	}
	sums := spool.Sums()
	part.Key = w.in.Window.Place().Key(w.in.Window.Name(first, last, recordedAt))
	part.Bytes = spool.Size()
	part.SHA256 = fmt.Sprintf("%x", sums.SHA256)
	body, err := spool.Reader()
	if err != nil {
		return part, err
	}
	place, err := w.place()
	if err != nil {
		return part, err
	}
	return part, place.Put(ctx, part.Key, destination.Object{
		Body:        body,
		Size:        part.Bytes,
		MD5:         sums.MD5,
		SHA256:      sums.SHA256,
		ContentType: encode.ContentType(w.in.Window.Format, w.in.Window.Compression),
	})
}

func (w *writing) firstRetained(ctx context.Context, first, last int64) (seq int64, at time.Time, found bool, err error) {
	err = w.Store.InOrg(ctx, w.in.OrgID, func(tx *postgres.Tx) error {
		seq, at, err = tx.FirstRetained(ctx, first, last)
		return err
	})
	if errors.Is(err, postgres.ErrNotFound) {
		return 0, time.Time{}, false, nil
	}
	return seq, at, err == nil, err
}

// encode writes the events from first to last that pass the filter. It is an
// error when they and the excluded ones are not all there are.
func (w *writing) encode(ctx context.Context, spool *encode.Spool, first, last int64) (postgres.Copied, error) {
	writer, err := encode.NewWriter(spool, w.in.Window.Format, w.in.Window.Compression)
	if err != nil {
		return postgres.Copied{}, err
	}
	defer writer.Abort()
	copied, err := w.Store.CopyEvents(ctx, w.in.OrgID, first, last, w.in.Window.Filter, writer.WriteRow)
	if err != nil {
		return copied, err
	}
	if want := last - first + 1; copied.Rows+copied.Excluded != want {
		// A day was dropped at this moment. The next attempt sees it from the start.
		return copied, fmt.Errorf("of the %d events %d to %d only %d were read", want, first, last, copied.Rows+copied.Excluded)
	}
	return copied, writer.Close()
}

func (w *writing) has(part int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ok := w.settled[part]
	return ok
}

func (w *writing) progress() schemas.Progress {
	w.mu.Lock()
	defer w.mu.Unlock()
	return schemas.Progress{Settled: len(w.settled), Parts: w.in.Window.Parts()}
}

func (w *writing) sum() (sum schemas.WritePartsResult) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, part := range w.settled {
		if part.Key != "" {
			sum.Stored++
		}
		sum.Rows += part.Rows
		sum.Bytes += part.Bytes
	}
	return sum
}
