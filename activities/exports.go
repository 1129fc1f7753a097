package activities

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// Exports delivers windows of events to destinations and keeps the ledger of
// it.
type Exports struct {
	Store  *postgres.Store
	Places *Places
	Signer *manifest.Signer
	Limits Limits
}

// Limits bounds what a run takes on.
type Limits struct {
	WindowRows int64  // most events of one window
	PartBytes  int64  // target size of one object
	Parallel   int    // parts written at a time
	SpillBytes int    // memory per part, before it goes to a temporary file
	TempDir    string // "" is the system's
}

// maxParts bounds a window beside its rows: its manifest names every part, and
// whoever reads one wants to have it in one piece.
const maxParts = 300

// compressionAtLeast is by how much compression is taken to shrink events, at
// the least. It only sets the number of rows in a part; events that shrink less
// make larger objects.
const compressionAtLeast = 4

// BeginRun chooses what to deliver: the window that an earlier run left
// undelivered, or else a new one from the last delivered event up to the
// newest of that day. A run that is still open is superseded; it can record
// nothing any more.
func (a *Exports) BeginRun(ctx context.Context, in schemas.BeginRunInput) (result schemas.BeginRunResult, err error) {
	err = a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) error {
		result = schemas.BeginRunResult{}
		export, err := tx.LockExport(ctx, in.ExportID)
		if err != nil {
			return err
		}
		// From here on no day is dropped, until the run that needs it can be seen.
		if err := tx.HoldEvents(ctx); err != nil {
			return err
		}
		s, err := seriesOf(ctx, tx, export, in.BackfillID)
		if err != nil {
			return err
		}
		result.UpTo = s.upTo
		run, again, err := tx.RunByTurn(ctx, in.RunID, in.Turn)
		if err != nil {
			return err
		}
		if again {
			return repeatBegin(ctx, tx, s, run, &result)
		}
		if s.barred != "" {
			result.Reason = s.barred
			return s.end(ctx, tx)
		}
		if err := a.chooseWindow(ctx, tx, s, &result); err != nil || result.Window == nil {
			return err
		}
		return openRun(ctx, tx, in, &result)
	})
	return result, toTemporal(ctx, err)
}

// repeatBegin answers a call whose first answer was lost. The window stays
// where it is, even if the export has been retargeted meanwhile: whether
// nothing has been written yet cannot be known here.
func repeatBegin(ctx context.Context, tx *postgres.Tx, s series, run schemas.Run, result *schemas.BeginRunResult) error {
	if run.Status != schemas.RunRunning {
		return ended(run.Status)
	}
	if s.barred != "" {
		result.Reason = s.barred
		run.Status, run.Error = schemas.RunCancelled, s.barred
		if err := tx.EndRun(ctx, run); err != nil {
			return err
		}
		return s.end(ctx, tx)
	}
	window, err := tx.Window(ctx, run.WindowID)
	result.RunID, result.Window = run.ID, &window
	return err
}

func (a *Exports) chooseWindow(ctx context.Context, tx *postgres.Tx, s series, result *schemas.BeginRunResult) error {
	window, err := tx.UndeliveredWindow(ctx, s.export, s.backfill)
	if err != nil {
		return err
	}
	if window != nil {
		result.Window = window
		if window.Destination == s.template.Destination {
			return nil
		}
		result.Window, err = moveWindow(ctx, tx, *window, s.template.Destination)
		return err
	}
	extent, err := tx.NextExtent(ctx, s.delivered+1, s.upTo, a.Limits.WindowRows)
	if err != nil {
		return err
	}
	if extent == nil {
		result.Reason = fmt.Sprintf("everything up to %d is delivered", s.delivered)
		return nil
	}
	next := a.fit(s.template, *extent)
	if next.LastSeq < extent.LastSeq { // its last event is another one
		if extent, err = tx.NextExtent(ctx, next.FirstSeq, next.LastSeq, next.Span()); err != nil {
			return err
		}
		next.RecordedTo = extent.RecordedTo
	}
	if next.ID, err = newID(); err != nil {
		return err
	}
	result.Window = &next
	return tx.InsertWindow(ctx, next)
}

// moveWindow has an undelivered window delivered to another place: the export
// has been retargeted, and no run is under way. What an earlier one left in the
// old place is in no delivery. When the export comes back to a place that it was
// to be delivered to before, it goes on with what it has there.
func moveWindow(ctx context.Context, tx *postgres.Tx, window schemas.Window, to schemas.Destination) (*schemas.Window, error) {
	former, err := tx.FormerWindow(ctx, window, to)
	if err != nil {
		return nil, err
	}
	if former != nil {
		return former, tx.ReturnToWindow(ctx, window.ID, former.ID)
	}
	old := window.ID
	window.Destination = to
	if window.ID, err = newID(); err != nil {
		return nil, err
	}
	return &window, tx.ReplaceWindow(ctx, old, window)
}

// fit makes the window of an extent: parts about as large as wanted, and no
// more of them than one manifest may name. It goes by the window's average, so
// single objects may come out larger; a part never has to fit into memory.
// Events that have expired are one part without an object, however many.
func (a *Exports) fit(window schemas.Window, extent postgres.Extent) schemas.Window {
	window.FirstSeq, window.LastSeq = extent.FirstSeq, extent.LastSeq
	window.RecordedFrom, window.RecordedTo = extent.RecordedFrom, extent.RecordedTo
	span := window.Span()
	if extent.RecordedFrom == nil {
		window.RowsPerPart = span
		return window
	}
	target := a.Limits.PartBytes
	if window.Compression != schemas.CompressionNone {
		target *= compressionAtLeast
	}
	average := max(extent.Bytes/span, 1)
	rows := min(max(target/average, 1), span)
	window.LastSeq = min(window.LastSeq, window.FirstSeq+rows*maxParts-1)
	window.RowsPerPart = a.even(window.Span(), rows)
	return window
}

// even is how many rows a part has, of which at most rows are wanted, when all
// parts are alike and as many are written at a time to the very end. A small
// last part would leave the others' writers with nothing to do.
func (a *Exports) even(span, rows int64) int64 {
	parts := (span + rows - 1) / rows
	if at := int64(a.Limits.Parallel); parts > 1 && at > 1 {
		parts = min((parts+at-1)/at*at, maxParts)
	}
	return (span + parts - 1) / parts
}

func openRun(ctx context.Context, tx *postgres.Tx, in schemas.BeginRunInput, result *schemas.BeginRunResult) (err error) {
	if err := tx.SupersedeRuns(ctx, in.ExportID, in.BackfillID, "superseded by a newer run"); err != nil {
		return err
	}
	if result.RunID, err = newID(); err != nil {
		return err
	}
	return tx.InsertRun(ctx, schemas.Run{
		ID:         result.RunID,
		ExportID:   in.ExportID,
		WindowID:   result.Window.ID,
		WorkflowID: in.WorkflowID,
		StartedAt:  time.Now().UTC(),
	}, in.RunID, in.Turn)
}

func newID() (uuid.UUID, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.Nil, fmt.Errorf("make an ID: %w", err)
	}
	return id, nil
}
