package activities

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// Exports delivers windows of events to destinations and keeps the ledger of
// it.
type Exports struct {
	Store  *postgres.Store
	Places *Places
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

// maxParts bounds a window beside its rows: the list of its objects travels
// through Temporal, which takes 2 MiB a payload. With the longest keys a list
// of this length has a fifth of that.
const maxParts = 300

// compressionAtLeast is by how much compression is taken to shrink events, at
// the least. It only sets the number of rows in a part; events that shrink less
// make larger objects.
const compressionAtLeast = 4

// BeginRun chooses what to deliver: the window that an earlier run left
// undelivered, or else a new one from the last delivered event up to the
// newest. A run that is still open is superseded; it can record nothing any
// more.
func (a *Exports) BeginRun(ctx context.Context, in schemas.BeginRunInput) (result schemas.BeginRunResult, err error) {
	err = a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) error {
		result = schemas.BeginRunResult{}
		export, err := tx.LockExport(ctx, in.ExportID)
		if err != nil {
			return err
		}
		run, again, err := tx.RunByTurn(ctx, in.RunID, in.Turn)
		if err != nil {
			return err
		}
		if again {
			return repeatBegin(ctx, tx, export, run, &result)
		}
		if export.State != schemas.ExportActive {
			result.Reason = fmt.Sprintf("the export is %s", export.State)
			return nil
		}
		if err := a.chooseWindow(ctx, tx, export, &result); err != nil || result.Window == nil {
			return err
		}
		return openRun(ctx, tx, in, &result)
	})
	return result, toTemporal(ctx, err)
}

// repeatBegin answers a call whose first answer was lost. The window stays
// where it is, even if the export has been retargeted meanwhile: whether
// nothing has been written yet cannot be known here.
func repeatBegin(ctx context.Context, tx *postgres.Tx, export schemas.Export, run schemas.Run, result *schemas.BeginRunResult) error {
	if run.Status != schemas.RunRunning {
		return superseded("the run has %s meanwhile", run.Status)
	}
	if export.State != schemas.ExportActive {
		result.Reason = fmt.Sprintf("the export is %s", export.State)
		run.Status, run.Error = schemas.RunCancelled, result.Reason
		return tx.EndRun(ctx, run)
	}
	window, err := tx.UndeliveredWindow(ctx, export.ID)
	if err != nil {
		return err
	}
	// Whether the window was new the first time is not known any more. If it
	// was, FinishRun looks once too often whether more waits.
	result.RunID, result.Window, result.Resumed = run.ID, window, true
	return nil
}

func (a *Exports) chooseWindow(ctx context.Context, tx *postgres.Tx, export schemas.Export, result *schemas.BeginRunResult) error {
	window, err := tx.UndeliveredWindow(ctx, export.ID)
	if err != nil {
		return err
	}
	if window != nil {
		result.Window, result.Resumed = window, true
		if window.Destination == export.Destination {
			return nil
		}
		// The export has been retargeted, and no run is under way: what an
		// earlier one left in the old place is in no ledger.
		window.Destination = export.Destination
		return tx.SetWindowDestination(ctx, window.ID, export.Destination)
	}
	first := export.DeliveredSeq + 1
	last, size, err := tx.Backlog(ctx, first, a.Limits.WindowRows)
	if err != nil {
		return err
	}
	if last < first {
		result.Reason = fmt.Sprintf("everything up to %d is delivered", export.DeliveredSeq)
		return nil
	}
	rowsPerPart := a.rowsPerPart(last-first+1, size, export.Compression)
	last = min(last, first+rowsPerPart*maxParts-1)
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make a window ID: %w", err)
	}
	result.Window = &schemas.Window{
		ID:           id,
		ExportID:     export.ID,
		Slug:         export.Slug,
		FirstSeq:     first,
		LastSeq:      last,
		RowsPerPart:  rowsPerPart,
		Format:       export.Format,
		Compression:  export.Compression,
		PathTemplate: export.PathTemplate,
		Destination:  export.Destination,
	}
	return tx.InsertWindow(ctx, *result.Window)
}

// rowsPerPart makes objects about as large as wanted. It goes by the window's
// average, so single objects may come out larger; a part never has to fit into
// memory.
func (a *Exports) rowsPerPart(rows, size int64, compression schemas.Compression) int64 {
	target := a.Limits.PartBytes
	if compression != schemas.CompressionNone {
		target *= compressionAtLeast
	}
	average := max(size/rows, 1)
	return min(max(target/average, 1), rows)
}

func openRun(ctx context.Context, tx *postgres.Tx, in schemas.BeginRunInput, result *schemas.BeginRunResult) (err error) {
	if err := tx.SupersedeRuns(ctx, in.ExportID, "superseded by a newer run"); err != nil {
		return err
	}
	if result.RunID, err = uuid.NewV7(); err != nil {
		return fmt.Errorf("make a run ID: %w", err)
	}
	return tx.InsertRun(ctx, schemas.Run{
		ID:         result.RunID,
		ExportID:   in.ExportID,
		WindowID:   result.Window.ID,
		WorkflowID: in.WorkflowID,
		Status:     schemas.RunRunning,
		FirstSeq:   result.Window.FirstSeq,
		LastSeq:    result.Window.LastSeq,
		StartedAt:  time.Now().UTC(),
	}, in.RunID, in.Turn)
}
