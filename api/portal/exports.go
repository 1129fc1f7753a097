package portal

import (
	"context"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

func (p *Portal) registerExports(pages gin.IRouter) {
	const export = "/orgs/:org/exports/:id"
	pages.GET("/orgs/:org/exports", p.member(p.exports))
	p.memberForm(pages, "/orgs/:org/exports/new", formPage{values: newExportValues, show: p.newExportPage, do: p.createExport})
	pages.GET(export, p.member(p.export))
	p.memberForm(pages, export+"/edit", formPage{values: p.editValues, show: p.editPage, do: p.editExport})
	p.memberForm(pages, export+"/resume", formPage{show: p.resumePage, do: p.resumeExport})
	p.memberForm(pages, export+"/relink", formPage{show: p.relinkPage, do: p.relinkExport})
	p.memberForm(pages, export+"/delete", formPage{show: p.deleteExportPage, do: p.deleteExport})
	p.memberForm(pages, export+"/backfill", formPage{values: p.backfillValues, show: p.backfillPage, do: p.createBackfill})
	pages.POST(export+"/pause", p.memberCommand(p.pauseExport))
	pages.POST(export+"/run", p.memberCommand(p.runExport))
	pages.POST(export+"/backfills/:backfill/cancel", p.memberCommand(p.cancelBackfill))
}

// exportCrumbs is the way to a page below that of an export; nil is the way to
// the export's own.
func exportCrumbs(v *visit, of *service.ExportView) []crumb {
	crumbs := []crumb{{"Scheduled exports", v.path("exports")}}
	if of != nil {
		crumbs = append(crumbs, crumb{of.Name, v.path("exports", of.ID.String())})
	}
	return crumbs
}

// adminsOnly keeps the pages with a command's form from those whom the service
// would refuse it.
func adminsOnly(v *visit) error {
	if v.admin() {
		return nil
	}
	return &service.Error{Kind: service.Forbidden, Detail: "You are a viewer of this organization; only its admins can change things. Ask one of them."}
}

// exportOf reads the export of the path.
func (p *Portal) exportOf(ctx context.Context, v *visit) (service.ExportView, error) {
	id, err := pathID(v.c, "id")
	if err != nil {
		return service.ExportView{}, err
	}
	return p.service.Export(ctx, v.caller, id)
}

// exportToChange reads the export of the path for the form of a command.
func (p *Portal) exportToChange(ctx context.Context, v *visit) (service.ExportView, error) {
	if err := adminsOnly(v); err != nil {
		return service.ExportView{}, err
	}
	export, err := p.exportOf(ctx, v)
	if err == nil && export.State == schemas.ExportDeleted {
		err = &service.Error{Kind: service.Conflict, Detail: "The export has been deleted. What it delivered stays; schedule a new one to go on."}
	}
	return export, err
}

type exportsBody struct {
	Exports []exportRow
	Any     bool // there is an integration to export to
	Deleted bool // deleted ones are shown too
	More    string
}

// exportRow is an export as lists show it.
type exportRow struct {
	service.ExportView
	Integration schemas.Integration
	Last        *service.RunView // nil: none so far
	Next        *time.Time       // nil: none will start
	Clock       lossClock
	Trouble     *trouble // of the last run, if it matters still; nil: none
}

func (p *Portal) exports(ctx context.Context, v *visit) (*page, error) {
	deleted := v.c.Query("deleted") != ""
	list, err := p.service.Exports(ctx, v.caller, service.Page{Cursor: v.c.Query("cursor")}, deleted)
	if err != nil {
		return nil, err
	}
	integrations, err := p.allIntegrations(ctx, v, true)
	if err != nil {
		return nil, err
	}
	body := exportsBody{Deleted: deleted, More: more(v, list.NextCursor)}
	if body.Exports, err = p.exportRows(ctx, v, list.Items, integrations); err != nil {
		return nil, err
	}
	for _, integration := range integrations {
		body.Any = body.Any || integration.Live()
	}
	shown := &page{Template: "exports", Title: "Scheduled exports", Section: "exports", Body: body}
	for _, row := range body.Exports {
		if row.unsettled() || row.Last != nil && row.Last.Status == schemas.RunRunning {
			shown.Moving = true
		}
	}
	return shown, nil
}

// exportRows adds to exports what is known of them elsewhere. The integrations
// are those that they are linked to.
func (p *Portal) exportRows(ctx context.Context, v *visit, exports []service.ExportView, integrations []schemas.Integration) ([]exportRow, error) {
	ids := make([]uuid.UUID, len(exports))
	for i, export := range exports {
		ids[i] = export.ID
	}
	last, err := p.service.LastRuns(ctx, v.caller, ids)
	if err != nil {
		return nil, err
	}
	byID := make(map[uuid.UUID]schemas.Integration)
	for _, integration := range integrations {
		byID[integration.ID] = integration
	}
	rows := make([]exportRow, len(exports))
	for i, export := range exports {
		rows[i] = exportRow{ExportView: export, Integration: byID[export.IntegrationID], Clock: lossClockOf(export, time.Now())}
		if run, ran := last[export.ID]; ran {
			rows[i].Last, rows[i].Trouble = &run, troubleNow(run, export)
		}
		if next := nextRuns(export.Export); len(next) > 0 {
			rows[i].Next = &next[0]
		}
	}
	return rows, nil
}

// troubleNow tells why the last run of an export does not deliver, unless that
// is behind it.
func troubleNow(last service.RunView, export service.ExportView) *trouble {
	found := troubleOf(last, export, time.Now())
	if export.State != schemas.ExportActive || found == nil || found.Tone == "quiet" {
		return nil
	}
	return found
}

// settled tells whether it is known of some event what became of it: that it was
// delivered, left out or lost.
func (r exportRow) settled() bool { return r.DeliveredSeq >= r.StartSeq }

// unsettled tells whether the export's schedule does not do yet what was asked
// for.
func (r exportRow) unsettled() bool { return r.AppliedVersion < r.SpecVersion }

// shownNext is how many of the next runs are shown.
const shownNext = 5

// nextRuns is when the export's next runs start; none when it is not active. A
// schedule was checked when it was stored, so one that cannot be read says
// nothing here that a person could act on.
func nextRuns(of schemas.Export) []time.Time {
	if of.State != schemas.ExportActive {
		return nil
	}
	next, err := service.NextRuns(of.Schedule, time.Now(), shownNext)
	if err != nil {
		return nil
	}
	return next
}

// liveIntegrations lists those that an export can be linked to.
func (p *Portal) liveIntegrations(ctx context.Context, v *visit) (live []schemas.Integration, err error) {
	all, err := p.allIntegrations(ctx, v, false)
	for _, integration := range all {
		if integration.Live() {
			live = append(live, integration)
		}
	}
	return live, err
}

// allIntegrations lists the integrations of the visit's organization, which has
// a handful of them.
func (p *Portal) allIntegrations(ctx context.Context, v *visit, deleted bool) (all []schemas.Integration, err error) {
	part := service.Page{Limit: 200}
	for {
		list, err := p.service.Integrations(ctx, v.caller, part, deleted)
		if err != nil {
			return nil, err
		}
		all = append(all, list.Items...)
		if part.Cursor = list.NextCursor; part.Cursor == "" {
			return all, nil
		}
	}
}
