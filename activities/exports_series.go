package activities

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// series is a row of windows that follow each other: an export's live
// deliveries, or a backfill.
type series struct {
	export    uuid.UUID
	backfill  *uuid.UUID
	template  schemas.Window // what all its new windows have in common
	delivered int64
	upTo      int64
	barred    string // why it may not run now; "" if it may
}

// seriesOf reads a series. The export is locked.
func seriesOf(ctx context.Context, tx *postgres.Tx, export schemas.Export, backfill *uuid.UUID) (series, error) {
	if backfill != nil {
		return backfillSeries(ctx, tx, export, *backfill)
	}
	newest, err := tx.NewestSeq(ctx)
	s := series{
		export: export.ID,
		template: schemas.Window{
			ExportID:     export.ID,
			Slug:         export.Slug,
			Format:       export.Format,
			Compression:  export.Compression,
			PathTemplate: export.PathTemplate,
			Filter:       export.Filter,
			Destination:  export.Destination,
		},
		delivered: export.DeliveredSeq,
		upTo:      newest,
	}
	if export.State != schemas.ExportActive {
		s.barred = fmt.Sprintf("the export is %s", export.State)
	}
	return s, err
}

func backfillSeries(ctx context.Context, tx *postgres.Tx, export schemas.Export, id uuid.UUID) (series, error) {
	b, err := tx.LockBackfill(ctx, id)
	s := series{
		export:   export.ID,
		backfill: &id,
		template: schemas.Window{
			ExportID:     export.ID,
			BackfillID:   &id,
			Slug:         export.Slug,
			Format:       b.Format,
			Compression:  b.Compression,
			PathTemplate: b.PathTemplate,
			Filter:       b.Filter,
			Destination:  b.Destination,
			Folder:       b.Folder,
		},
		delivered: b.DeliveredSeq,
		upTo:      b.LastSeq,
	}
	switch {
	case b.Status != schemas.BackfillRunning:
		s.barred = fmt.Sprintf("the backfill has ended: it is %s", b.Status)
	case export.State == schemas.ExportDeleted:
		s.barred = "the export has been deleted"
	case export.PauseReason == schemas.PausedByIntegrationDeleted:
		s.barred = schemas.ErrIntegrationDeleted.Error()
	case export.Destination != b.Destination || export.PauseReason == schemas.PausedByDestinationUpdate:
		s.barred = fmt.Sprintf("the export's destination has changed since; what is delivered so far, up to event %d, is in %s", b.DeliveredSeq, b.Destination)
	}
	return s, err
}

// end fails a backfill that may not go on: unlike an export's live deliveries
// it is not begun again.
func (s series) end(ctx context.Context, tx *postgres.Tx) error {
	if s.backfill == nil {
		return nil
	}
	return tx.EndBackfill(ctx, *s.backfill, schemas.BackfillFailed, s.barred)
}
