package service

import (
	"context"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// BackfillView is a backfill as callers see it: with how far it has come. The
// numbers also count what is settled of the window that is being delivered, so
// they may be ahead of DeliveredSeq.
type BackfillView struct {
	schemas.Backfill
	Events   int64 `json:"events"`   // in all
	Settled  int64 `json:"settled"`  // events of which it is known what became of them: the next three
	Rows     int64 `json:"rows"`     // stored
	Excluded int64 `json:"excluded"` // by the filter
	Expired  int64 `json:"expired"`  // before they could be delivered
	Objects  int   `json:"objects"`
	Bytes    int64 `json:"bytes"` // as stored
}

func viewBackfills(ctx context.Context, tx *postgres.Tx, backfills []schemas.Backfill) ([]BackfillView, error) {
	ids := make([]uuid.UUID, len(backfills))
	for i, backfill := range backfills {
		ids[i] = backfill.ID
	}
	sums, err := tx.BackfillSums(ctx, ids)
	views := make([]BackfillView, len(backfills))
	for i, backfill := range backfills {
		sum := sums[backfill.ID]
		views[i] = BackfillView{
			Backfill: backfill,
			Events:   backfill.LastSeq - backfill.FirstSeq + 1,
			Settled:  sum.Rows + sum.Excluded + sum.Expired,
			Rows:     sum.Rows,
			Excluded: sum.Excluded,
			Expired:  sum.Expired,
			Objects:  sum.Objects,
			Bytes:    sum.Bytes,
		}
	}
	return views, err
}

// Backfills lists the backfills of an export, newest first. Admins and viewers
// may.
func (s *Service) Backfills(ctx context.Context, caller Caller, export uuid.UUID, page Page) (List[BackfillView], error) {
	org, err := caller.reader()
	if err != nil {
		return List[BackfillView]{}, err
	}
	after, err := page.after()
	if err != nil {
		return List[BackfillView]{}, err
	}
	return inOrg(ctx, s, org, func(tx *postgres.Tx) (List[BackfillView], error) {
		if _, err := tx.Export(ctx, export); err != nil {
			return List[BackfillView]{}, missing(err, "export", export)
		}
		backfills, err := tx.Backfills(ctx, export, after, page.limit()+1)
		if err != nil {
			return List[BackfillView]{}, err
		}
		views, err := viewBackfills(ctx, tx, backfills)
		return listOf(page, views, func(b BackfillView) []byte { return idCursor(b.ID) }), err
	})
}

// Backfill returns one backfill of an export. Admins and viewers may.
func (s *Service) Backfill(ctx context.Context, caller Caller, export, id uuid.UUID) (BackfillView, error) {
	org, err := caller.reader()
	if err != nil {
		return BackfillView{}, err
	}
	return inOrg(ctx, s, org, func(tx *postgres.Tx) (BackfillView, error) {
		backfill, err := tx.Backfill(ctx, id)
		if err := ofExport(backfill, err, export, id); err != nil {
			return BackfillView{}, err
		}
		views, err := viewBackfills(ctx, tx, []schemas.Backfill{backfill})
		return views[0], err
	})
}

// ofExport says that a backfill was not found, also when it is another
// export's.
func ofExport(found schemas.Backfill, err error, export, id uuid.UUID) error {
	if err == nil && found.ExportID != export {
		err = postgres.ErrNotFound
	}
	return missing(err, "backfill of this export", id)
}
