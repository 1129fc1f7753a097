package service

import (
	"context"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/internal/postgres"
)

// LastRuns returns the newest run of each export's own deliveries; its backfills
// do not count. Exports that have had no run, or are not the caller's
// organization's, are left out. Admins and viewers may.
func (s *Service) LastRuns(ctx context.Context, caller Caller, exports []uuid.UUID) (map[uuid.UUID]RunView, error) {
	org, err := caller.reader()
	if err != nil {
		return nil, err
	}
	return inOrg(ctx, s, org, func(tx *postgres.Tx) (map[uuid.UUID]RunView, error) {
		runs, err := tx.LastRuns(ctx, exports)
		if err != nil {
			return nil, err
		}
		views, err := viewRuns(ctx, tx, runs)
		last := make(map[uuid.UUID]RunView, len(views))
		for _, view := range views {
			last[view.ExportID] = view
		}
		return last, err
	})
}

// StoredExports tells which of the exports have delivered an object; those of
// backfills do not count. Exports whose events have all been left out, or are
// not the caller's organization's, are not among them. Admins and viewers may.
func (s *Service) StoredExports(ctx context.Context, caller Caller, exports []uuid.UUID) (map[uuid.UUID]bool, error) {
	org, err := caller.reader()
	if err != nil {
		return nil, err
	}
	return inOrg(ctx, s, org, func(tx *postgres.Tx) (map[uuid.UUID]bool, error) {
		ids, err := tx.StoredExports(ctx, exports)
		stored := make(map[uuid.UUID]bool, len(ids))
		for _, id := range ids {
			stored[id] = true
		}
		return stored, err
	})
}
