package portal

import (
	"context"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/auditferry/auditferry/api/download"
	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

// ledgersAtOnce is how many exports a page of the ledger adds up; each takes a
// few reads for every day.
const ledgersAtOnce = 20

// ledgerSpans are the numbers of days that can be chosen. Events are gone after
// the retention, but what became of them stays in the ledger.
var ledgerSpans = []int{7, defaultLedgerSpan, 90, 365}

// rowSpans are those of them that a row of an export has room for.
var rowSpans = ledgerSpans[:2]

const defaultLedgerSpan = 30

func (p *Portal) registerLedger(pages gin.IRouter) {
	pages.GET("/orgs/:org/ledger", p.member(p.ledger))
	pages.GET("/orgs/:org/exports/:id/ledger.csv", p.memberDownload(p.ledgerFile))
}

type ledgerBody struct {
	Exports []service.ExportView // to choose from
	Chosen  *service.ExportView  // nil: all
	Spans   []int
	Span    int
	From    time.Time
	To      time.Time
	Rows    []ledgerRow // of the exports on this page, or of the chosen one
	Weeks   [][]ledgerCell
	Months  []ledgerMonth // above the columns of the rows
	States  []dayState    // for the legend
	More    string
}

// ledgerRow is an export and its days, the oldest first.
type ledgerRow struct {
	Export service.ExportView
	Cells  []ledgerCell
	Days   []schemas.LedgerDay // those on which anything was recorded, newest first
	Totals service.LedgerTotals
}

func (p *Portal) ledger(ctx context.Context, v *visit) (*page, error) {
	body := ledgerBody{Spans: rowSpans, States: dayStates}
	if v.c.Query("export") != "" {
		body.Spans = ledgerSpans
	}
	body.Span = ledgerSpan(v.c.Query("days"), body.Spans)
	body.From, body.To = ledgerPeriod(body.Span, time.Now())
	exports, err := p.ledgerExports(ctx, v, &body)
	if err != nil {
		return nil, err
	}
	for _, export := range exports {
		ledger, err := p.service.Ledger(ctx, v.caller, export.ID, service.Period{From: &body.From, To: &body.To})
		if err != nil {
			return nil, err
		}
		body.Rows = append(body.Rows, ledgerRow{export, ledgerCells(ledger.Days, body.From, body.To), ledger.Days, ledger.Totals})
	}
	shown := &page{Template: "ledger", Title: "Ledger", Section: "ledger", Still: true}
	if body.Chosen != nil {
		shown.Title = "Ledger of " + body.Chosen.Name
		shown.Crumbs = []crumb{{"Ledger", v.path("ledger")}}
		body.Weeks = weeksOf(body.Rows[0].Cells)
	} else {
		body.Months = monthsOf(body.From, body.To)
	}
	shown.Body = body
	return shown, nil
}

// ledgerExports notes which exports there are to choose from, and gives those
// that the page is about.
func (p *Portal) ledgerExports(ctx context.Context, v *visit, body *ledgerBody) ([]service.ExportView, error) {
	all, err := p.service.Exports(ctx, v.caller, service.Page{Limit: 200}, false)
	if err != nil {
		return nil, err
	}
	body.Exports = all.Items
	if chosen := v.c.Query("export"); chosen != "" {
		id, err := uuid.Parse(chosen)
		if err != nil {
			return nil, errNoPage
		}
		export, err := p.service.Export(ctx, v.caller, id)
		if err != nil {
			return nil, err
		}
		body.Chosen = &export
		if !slices.ContainsFunc(all.Items, func(e service.ExportView) bool { return e.ID == id }) {
			body.Exports = append(body.Exports, export) // a deleted one
		}
		return []service.ExportView{export}, nil
	}
	list, err := p.service.Exports(ctx, v.caller, service.Page{Cursor: v.c.Query("cursor"), Limit: ledgersAtOnce}, false)
	body.More = more(v, list.NextCursor)
	return list.Items, err
}

// ledgerFile is a part of an export's ledger as a CSV file. Days are those of
// the span that is asked for.
func (p *Portal) ledgerFile(ctx context.Context, v *visit) (download.File, error) {
	id, err := pathID(v.c, "id")
	if err != nil {
		return download.File{}, err
	}
	content := service.LedgerContent(v.c.Query("content"))
	var period service.Period
	if content == service.LedgerDays {
		from, to := ledgerPeriod(ledgerSpan(v.c.Query("days"), ledgerSpans), time.Now())
		period = service.Period{From: &from, To: &to}
	}
	file, err := p.service.LedgerFile(ctx, v.caller, id, content, period)
	return download.File{
		Name: file.Name, MediaType: "text/csv; charset=utf-8; header=present", Write: func(to io.Writer) error { return file.Write(ctx, to) },
	}, err
}

// ledgerSpan reads a number of days; any other than those that can be chosen is
// the usual one.
func ledgerSpan(raw string, of []int) int {
	days, err := strconv.Atoi(raw)
	if err != nil || !slices.Contains(of, days) {
		return defaultLedgerSpan
	}
	return days
}

// ledgerPeriod is the first and the last of that many UTC days up to today.
func ledgerPeriod(days int, now time.Time) (from, to time.Time) {
	to = now.UTC().Truncate(24 * time.Hour)
	return to.AddDate(0, 0, 1-days), to
}
