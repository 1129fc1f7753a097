package portal

import (
	"context"
	"time"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

// exportBody is the page of one export.
type exportBody struct {
	exportRow
	Path       string            // of the page
	Upcoming   upcoming          // the next runs, as they are written
	FirstWaits bool              // the first delivery could be made now
	Runs       []service.RunView // the latest, backfills' too
	Backfills  []backfillRow
	Operations []operationRow
}

// How much the page shows of what has its own pages, or is history.
const (
	shownRuns       = 10
	shownBackfills  = 5
	shownOperations = 10
)

func (p *Portal) export(ctx context.Context, v *visit) (*page, error) {
	row, err := p.oneExport(ctx, v)
	if err != nil {
		return nil, err
	}
	body := exportBody{
		exportRow: row, Path: v.path("exports", row.ID.String()),
		Upcoming: upcomingOf(row.Schedule, nextRuns(row.Export), v.zone),
	}
	runs, err := p.service.Runs(ctx, v.caller, row.ID, service.Page{Limit: shownRuns})
	if err != nil {
		return nil, err
	}
	backfills, err := p.service.Backfills(ctx, v.caller, row.ID, service.Page{Limit: shownBackfills})
	if err != nil {
		return nil, err
	}
	operations, err := p.service.ExportOperations(ctx, v.caller, row.ID)
	if err != nil {
		return nil, err
	}
	body.Runs, body.Operations = runs.Items, operationRows(operations[:min(len(operations), shownOperations)])
	for _, backfill := range backfills.Items {
		body.Backfills = append(body.Backfills, backfillRow{backfill})
	}
	now := time.Now()
	body.FirstWaits = body.firstWaits(now)
	return &page{
		Template: "export", Title: row.Name, Section: "exports", Crumbs: exportCrumbs(v, nil),
		Body: body, Moving: body.moving(now),
	}, nil
}

// oneExport reads the export of the path with all that the list knows of it.
func (p *Portal) oneExport(ctx context.Context, v *visit) (exportRow, error) {
	export, err := p.exportOf(ctx, v)
	if err != nil {
		return exportRow{}, err
	}
	integration, err := p.service.Integration(ctx, v.caller, export.IntegrationID)
	if err != nil {
		return exportRow{}, err
	}
	rows, err := p.exportRows(ctx, v, []service.ExportView{export}, []schemas.Integration{integration})
	if err != nil {
		return exportRow{}, err
	}
	return rows[0], nil
}

// moving tells whether something is under way that a person would watch.
func (b exportBody) moving(now time.Time) bool {
	if b.unsettled() || b.Backfilling() || b.starting(now) {
		return true
	}
	for _, run := range b.Runs {
		if run.Status == schemas.RunRunning {
			return true
		}
	}
	return underWay(b.Operations)
}

// startsWithin is how long a run that was asked for may take to show up; it
// never does when there is nothing to deliver.
const startsWithin = 30 * time.Second

// starting tells whether a run was asked for a moment ago that has not shown up
// yet: the operation ends when the run is started, before its first transaction.
func (b exportBody) starting(now time.Time) bool {
	for _, op := range b.Operations {
		if op.Kind == schemas.OpRunExport && now.Sub(op.CreatedAt) < startsWithin {
			return b.Last == nil || b.Last.StartedAt.Before(op.CreatedAt)
		}
	}
	return false
}

// comesBy is how near the next run is if nobody need ask for one.
const comesBy = time.Minute

// firstWaits tells whether the export could make its first delivery now, has
// something to deliver, and does so by itself only later.
func (b exportBody) firstWaits(now time.Time) bool {
	return b.Next != nil && b.Next.Sub(now) > comesBy && !b.settled() && b.Undelivered != nil &&
		b.Integration.Access == schemas.AccessGranted && b.Trouble == nil &&
		(b.Last == nil || b.Last.Status != schemas.RunRunning) && !b.starting(now)
}

// Backfilling tells whether a backfill is running; there is one at a time.
func (b exportBody) Backfilling() bool {
	for _, backfill := range b.Backfills {
		if backfill.Status == schemas.BackfillRunning {
			return true
		}
	}
	return false
}

// Key is the idempotency key of a button.
func (b exportBody) Key(button string) string { return buttonKey(button, b.ID, b.Operations) }

// backfillRow is a backfill as the page shows it.
type backfillRow struct{ service.BackfillView }

// Percent is how far it has come.
func (b backfillRow) Percent() int64 {
	if b.Events == 0 {
		return 100
	}
	return b.Settled * 100 / b.Events
}
