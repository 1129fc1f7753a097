package service

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// RunView is a run as callers see it.
type RunView struct {
	schemas.Run
	DurationSeconds float64 `json:"duration_seconds"`   // to the millisecond; of one that is running: so far
	Manifest        string  `json:"manifest,omitempty"` // key of the manifest with which the run has delivered its window
}

func viewRuns(ctx context.Context, tx *postgres.Tx, runs []schemas.Run) ([]RunView, error) {
	ids := make([]uuid.UUID, len(runs))
	for i, run := range runs {
		ids[i] = run.ID
	}
	manifests, err := tx.ManifestKeys(ctx, ids)
	views := make([]RunView, len(runs))
	for i, run := range runs {
		views[i] = RunView{Run: run, DurationSeconds: duration(run).Seconds(), Manifest: manifests[run.ID]}
	}
	return views, err
}

// duration is how long a run took, or has been running. Its beginning is told by
// the database's clock or a worker's, so it is kept from being negative.
func duration(run schemas.Run) time.Duration {
	end := now()
	if run.EndedAt != nil {
		end = *run.EndedAt
	}
	return max(end.Sub(run.StartedAt).Round(time.Millisecond), 0)
}

// Runs lists the runs of an export and its backfills, newest first. Admins and
// viewers may.
func (s *Service) Runs(ctx context.Context, caller Caller, export uuid.UUID, page Page) (List[RunView], error) {
	org, err := caller.reader()
	if err != nil {
		return List[RunView]{}, err
	}
	after, err := page.after()
	if err != nil {
		return List[RunView]{}, err
	}
	return inOrg(ctx, s, org, func(tx *postgres.Tx) (List[RunView], error) {
		if _, err := tx.Export(ctx, export); err != nil {
			return List[RunView]{}, missing(err, "export", export)
		}
		runs, err := tx.Runs(ctx, export, after, page.limit()+1)
		if err != nil {
			return List[RunView]{}, err
		}
		views, err := viewRuns(ctx, tx, runs)
		return listOf(page, views, func(r RunView) []byte { return idCursor(r.ID) }), err
	})
}

// RunWithObjects is a run and what it stored.
type RunWithObjects struct {
	Run     RunView
	Objects []schemas.Object
}

// Run returns one run of an export with its objects, in order. Admins and
// viewers may.
func (s *Service) Run(ctx context.Context, caller Caller, export, id uuid.UUID) (RunWithObjects, error) {
	org, err := caller.reader()
	if err != nil {
		return RunWithObjects{}, err
	}
	return inOrg(ctx, s, org, func(tx *postgres.Tx) (RunWithObjects, error) {
		run, err := tx.Run(ctx, id)
		if err == nil && run.ExportID != export {
			err = postgres.ErrNotFound
		}
		if err != nil {
			return RunWithObjects{}, missing(err, "run of this export", id)
		}
		views, err := viewRuns(ctx, tx, []schemas.Run{run})
		if err != nil {
			return RunWithObjects{}, err
		}
		objects, err := tx.Objects(ctx, id)
		return RunWithObjects{Run: views[0], Objects: append([]schemas.Object{}, objects...)}, err
	})
}
