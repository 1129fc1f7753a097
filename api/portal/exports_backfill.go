package portal

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/auditferry/auditferry/api/service"
)

// How the range of a backfill is named.
const (
	rangeField   = "range"
	rangeByTime  = "time"
	rangeByCount = "numbers"
)

// backfillValues offers the last whole day.
func (p *Portal) backfillValues(ctx context.Context, v *visit) (url.Values, error) {
	export, err := p.exportOf(ctx, v)
	if err != nil {
		return nil, err
	}
	year, month, day := time.Now().In(v.zone).Date()
	values := url.Values{
		rangeField: {rangeByTime},
		zoneField:  {v.zone.String()},
		"from":     {time.Date(year, month, day-1, 0, 0, 0, 0, v.zone).Format(localLayout)},
		"to":       {time.Date(year, month, day, 0, 0, 0, 0, v.zone).Format(localLayout)},
	}
	putShape(values, shapeOf(export.Export))
	return values, nil
}

func (p *Portal) backfillPage(ctx context.Context, v *visit, f *form) (*page, error) {
	body, err := p.changeOf(ctx, v, f)
	if err != nil {
		return nil, err
	}
	return changePage(v, "backfill", "Backfill", body), nil
}

func (p *Portal) createBackfill(ctx context.Context, v *visit, f *form) (string, error) {
	id, err := pathID(v.c, "id")
	if err != nil {
		return "", err
	}
	asked, err := rangeFrom(f)
	if err != nil {
		return "", err
	}
	shape := shapeFrom(f)
	op, err := p.service.CreateBackfill(ctx, v.call(), service.CreateBackfill{
		ExportID: id, Range: asked,
		Format: &shape.Format, Compression: &shape.Compression, PathTemplate: &shape.PathTemplate, Filter: &shape.Filter,
	})
	if err != nil {
		return "", aboutEntries(err, shape.Filter)
	}
	return after(op, v.path("exports", id.String())), nil
}

// rangeFrom reads the range in the way that was chosen; what was typed for the
// other stays in the form.
func rangeFrom(f *form) (service.BackfillRange, error) {
	if f.Get(rangeField) == rangeByCount {
		first, badFirst := seqFrom(f, "first_seq")
		last, badLast := seqFrom(f, "last_seq")
		return service.BackfillRange{FirstSeq: first, LastSeq: last}, together(badFirst, badLast)
	}
	in := formZone(f, time.UTC)
	from, _, badFrom := localTime(f, "from", in)
	_, to, badTo := localTime(f, "to", in)
	return service.BackfillRange{From: &from, To: &to}, together(badFrom, badTo)
}

func seqFrom(f *form, field string) (*int64, error) {
	n, err := strconv.ParseInt(f.Text(field), 10, 64)
	if err != nil {
		return nil, fieldError(field, "must be the number of an event, such as 1200")
	}
	return &n, nil
}
