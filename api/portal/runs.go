package portal

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

// runsAtOnce is how many runs a page of the history tells of, as a chart and as
// a table.
const runsAtOnce = 60

func (p *Portal) registerRuns(pages gin.IRouter) {
	pages.GET("/orgs/:org/exports/:id/runs", p.member(p.runs))
	pages.GET("/orgs/:org/exports/:id/runs/:run", p.member(p.run))
}

type runsBody struct {
	Export service.ExportView
	Runs   []runRow
	Charts []chart
	Newest string // path of the newest runs; "" for the page that shows them
	More   string
}

// runRow is a run as the pages show it.
type runRow struct {
	service.RunView
	Trouble *trouble // nil: none
}

// Took is how long the run took, or has been running. Most take so little that
// the tenths count.
func (r runRow) Took() string {
	whole := int(r.DurationSeconds)
	switch {
	case r.DurationSeconds < 0.05:
		return "under 0.1 s"
	case whole < 10:
		return strconv.FormatFloat(r.DurationSeconds, 'f', 1, 64) + " s"
	case whole < 60:
		return fmt.Sprintf("%d s", whole)
	case whole < 3600:
		return fmt.Sprintf("%d min %d s", whole/60, whole%60)
	default:
		return fmt.Sprintf("%d h %d min", whole/3600, whole/60%60)
	}
}

// Running tells whether the run may still change.
func (r runRow) Running() bool { return r.Status == schemas.RunRunning }

// Workflow is the run's workflow as an element of a path.
func (r runRow) Workflow() string { return url.PathEscape(r.WorkflowID) }

func (p *Portal) runs(ctx context.Context, v *visit) (*page, error) {
	id, err := pathID(v.c, "id")
	if err != nil {
		return nil, err
	}
	export, err := p.service.Export(ctx, v.caller, id)
	if err != nil {
		return nil, err
	}
	list, err := p.service.Runs(ctx, v.caller, id, service.Page{Cursor: v.c.Query("cursor"), Limit: runsAtOnce})
	if err != nil {
		return nil, err
	}
	body := runsBody{Export: export, More: more(v, list.NextCursor)}
	if v.c.Query("cursor") != "" {
		body.Newest = v.path("exports", id.String(), "runs")
	}
	shown := &page{Template: "runs", Title: "Runs of " + export.Name, Section: "exports", Crumbs: exportCrumbs(v, &export)}
	for _, run := range list.Items {
		row := runRow{run, troubleOf(run, export, time.Now())}
		shown.Moving = shown.Moving || row.Running()
		body.Runs = append(body.Runs, row)
	}
	body.Charts = []chart{
		chartOf("rows", "Events delivered by each run", list.Items, func(r schemas.Run) int64 { return r.Rows }, inEvents, zone{v.zone}),
		chartOf("bytes", "Bytes stored by each run", list.Items, func(r schemas.Run) int64 { return r.Bytes }, size, zone{v.zone}),
	}
	shown.Body = body
	return shown, nil
}

func inEvents(n int64) string { return plural(int(n), "event") }

type runBody struct {
	Export  service.ExportView
	Run     runRow
	Objects []schemas.Object
	Stored  int // objects with a key: the others' events were all held back
}

func (p *Portal) run(ctx context.Context, v *visit) (*page, error) {
	id, err := pathID(v.c, "id")
	if err != nil {
		return nil, err
	}
	runID, err := pathID(v.c, "run")
	if err != nil {
		return nil, err
	}
	export, err := p.service.Export(ctx, v.caller, id)
	if err != nil {
		return nil, err
	}
	found, err := p.service.Run(ctx, v.caller, id, runID)
	if err != nil {
		return nil, err
	}
	body := runBody{Export: export, Run: runRow{found.Run, troubleOf(found.Run, export, time.Now())}, Objects: found.Objects}
	for _, object := range found.Objects {
		if object.Key != "" {
			body.Stored++
		}
	}
	return &page{
		Template: "run", Title: "Run of " + found.Run.StartedAt.In(v.zone).Format(minuteLayout), Section: "exports",
		Crumbs: append(exportCrumbs(v, &export), crumb{"Runs", v.path("exports", id.String(), "runs")}),
		Body:   body, Moving: body.Run.Running(),
	}, nil
}
