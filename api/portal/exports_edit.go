package portal

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

// exportFormBody is what the form of an export stands beside.
type exportFormBody struct {
	Form         *form
	Action       string // where the form is sent to
	Back         string // the page that it was opened from
	Export       *service.ExportView
	Integrations []schemas.Integration // to choose from; none where there is no choice
	Units        []unit
	Jitters      []option
	Zones        []string
	Preview      exportPreview
}

// option is an entry of a list to choose from.
type option struct{ Value, Text string }

func newExportValues(_ context.Context, v *visit) (url.Values, error) {
	values := url.Values{}
	putSchedule(values, schemas.Schedule{Kind: schemas.ScheduleDaily, TimeZone: v.zone.String()}, v.zone.String())
	putShape(values, shape{Format: schemas.FormatNDJSON, Compression: schemas.CompressionGzip, PathTemplate: schemas.DefaultPathTemplate})
	values.Set("integration_id", v.c.Query("integration"))
	values.Set("start_from", string(schemas.StartNow))
	return values, nil
}

func (p *Portal) newExportPage(ctx context.Context, v *visit, f *form) (*page, error) {
	if err := adminsOnly(v); err != nil {
		return nil, err
	}
	integrations, err := p.allIntegrations(ctx, v, false)
	if err != nil {
		return nil, err
	}
	body := exportFormBody{Form: f, Action: v.path("exports", "new"), Back: v.path("exports")}
	for _, integration := range integrations {
		if integration.Live() {
			body.Integrations = append(body.Integrations, integration)
		}
	}
	if len(body.Integrations) == 1 && f.Get("integration_id") == "" {
		f.Values.Set("integration_id", body.Integrations[0].ID.String())
	}
	return p.exportFormPage(ctx, v, "Schedule an export", body)
}

func (p *Portal) exportFormPage(ctx context.Context, v *visit, title string, body exportFormBody) (*page, error) {
	body.Units, body.Zones = units, zones
	body.Jitters = jitters(body.Form.Get("schedule.jitter"))
	var err error
	if body.Preview, err = p.previewExport(ctx, v, body.Form, body.Export); err != nil {
		return nil, err
	}
	return &page{
		Template: "export_form", Title: title, Section: "exports",
		Crumbs: exportCrumbs(v, body.Export), Body: body,
	}, nil
}

func (p *Portal) createExport(ctx context.Context, v *visit, f *form) (string, error) {
	if f.Get("preview") != "" {
		return "", errAgain
	}
	// What cannot be read stays empty; the service refuses that, and says what
	// else is wrong.
	schedule, badSchedule := scheduleFrom(f)
	integration, badIntegration := integrationFrom(f)
	shape := shapeFrom(f)
	op, err := p.service.CreateExport(ctx, v.call(), service.CreateExport{
		Name: f.Text("name"), IntegrationID: integration, Schedule: schedule,
		Format: shape.Format, Compression: shape.Compression, PathTemplate: &shape.PathTemplate, Filter: shape.Filter,
		StartFrom: schemas.StartFrom(f.Get("start_from")),
	})
	if err != nil {
		return "", together(badSchedule, badIntegration, aboutEntries(err, shape.Filter))
	}
	return after(op, v.path("exports", op.ExportID.String())), nil
}

func integrationFrom(f *form) (uuid.UUID, error) {
	id, err := uuid.Parse(f.Get("integration_id"))
	if err != nil {
		return uuid.Nil, fieldError("integration_id", "has to be chosen")
	}
	return id, nil
}

func (p *Portal) editValues(ctx context.Context, v *visit) (url.Values, error) {
	export, err := p.exportOf(ctx, v)
	if err != nil {
		return nil, err
	}
	values := url.Values{"name": {export.Name}}
	putSchedule(values, export.Schedule, v.zone.String())
	putShape(values, shapeOf(export.Export))
	return values, nil
}

func (p *Portal) editPage(ctx context.Context, v *visit, f *form) (*page, error) {
	export, err := p.exportToChange(ctx, v)
	if err != nil {
		return nil, err
	}
	f.Values.Set("integration_id", export.IntegrationID.String()) // for the preview; it is not edited here
	path := v.path("exports", export.ID.String())
	return p.exportFormPage(ctx, v, "Edit export", exportFormBody{Form: f, Action: path + "/edit", Back: path, Export: &export})
}

func (p *Portal) editExport(ctx context.Context, v *visit, f *form) (string, error) {
	if f.Get("preview") != "" {
		return "", errAgain
	}
	id, err := pathID(v.c, "id")
	if err != nil {
		return "", err
	}
	schedule, badSchedule := scheduleFrom(f) // as with a new export
	name, shape := f.Text("name"), shapeFrom(f)
	op, err := p.service.EditExport(ctx, v.call(), service.EditExport{
		ExportID: id, Name: &name, Schedule: &schedule,
		Format: &shape.Format, Compression: &shape.Compression, PathTemplate: &shape.PathTemplate, Filter: &shape.Filter,
	})
	if err != nil {
		return "", together(badSchedule, aboutEntries(err, shape.Filter))
	}
	return after(op, v.path("exports", id.String())), nil
}

// exportPreview is what an export would do, as far as what was typed tells.
type exportPreview struct {
	New      bool   // it has no ID yet
	Schedule string // in words; "" when it cannot be read
	Next     upcoming
	Shape    *service.Preview // nil when it cannot be made
	Problems []string         // sentences

	// Passing and Excluded are actions of events that pass the filter, and that
	// do not.
	Passing, Excluded []string
}

// previewRuns is how many of the next runs are shown.
const previewRuns = 5

// previewExport shows what was typed would do. Existing is the export that is
// edited; nil for a new one.
func (p *Portal) previewExport(ctx context.Context, v *visit, f *form, existing *service.ExportView) (shown exportPreview, err error) {
	shown.New = existing == nil
	if err := shown.schedule(f, v.zone); err != nil && !shown.note(err) {
		return shown, err
	}
	shape := shapeFrom(f)
	request := service.PreviewExport{
		Name: f.Text("name"), Format: shape.Format, Compression: shape.Compression, PathTemplate: &shape.PathTemplate, Filter: shape.Filter,
	}
	if integration, err := integrationFrom(f); err == nil {
		request.IntegrationID = &integration
	}
	preview, err := p.service.PreviewExport(ctx, v.caller, request)
	switch {
	case err == nil:
		if existing != nil {
			ownKeys(&preview, existing.Export, shape)
		}
		shown.Shape = &preview
		shown.Passing, shown.Excluded = actions(preview.Filter.Passing), actions(preview.Filter.Excluded)
	case !shown.note(aboutEntries(err, shape.Filter)):
		return shown, err
	}
	return shown, nil
}

func (e *exportPreview) schedule(f *form, viewer *time.Location) error {
	schedule, err := scheduleFrom(f)
	if err != nil {
		return err
	}
	next, err := service.NextRuns(schedule, time.Now(), previewRuns)
	if err != nil {
		return err
	}
	e.Schedule, e.Next = scheduleText(schedule), upcomingOf(schedule, next, viewer)
	return nil
}

// actions are those of some events, each once.
func actions(of []service.PreviewedEvent) (all []string) {
	for _, event := range of {
		if !slices.Contains(all, event.Action) {
			all = append(all, event.Action)
		}
	}
	return all
}

// ownKeys are the keys that an export's next window would get: its slug is fixed
// whatever its name becomes.
func ownKeys(preview *service.Preview, export schemas.Export, s shape) {
	first := export.DeliveredSeq + 1
	window := schemas.Window{
		Slug: export.Slug, FirstSeq: first, LastSeq: first + 999, RowsPerPart: 1000,
		Format: s.Format, Compression: s.Compression, PathTemplate: s.PathTemplate, Destination: export.Destination,
	}
	for i, object := range preview.Objects {
		preview.Objects[i].Key = window.Place().Key(window.Name(window.FirstSeq, window.LastSeq, object.RecordedAt))
	}
	preview.Manifest = window.Place().Key(schemas.ManifestName(export.ID, window.FirstSeq, window.LastSeq))
}

// note keeps what is wrong with a value, or why there is no preview now. It is
// false for other errors.
func (e *exportPreview) note(err error) bool {
	var known *service.Error
	if !errors.As(err, &known) || known.Kind != service.Invalid && known.Kind != service.Busy {
		return false
	}
	if known.Kind == service.Busy {
		e.Problems = append(e.Problems, known.Detail)
	}
	for _, field := range known.Fields {
		e.Problems = append(e.Problems, fieldNames[field.Field]+" "+field.Message+".")
	}
	return true
}

// fieldNames are those by which the form calls the fields.
var fieldNames = map[string]string{
	"name":                  "The name",
	"schedule.kind":         "The kind of schedule",
	"schedule.every":        "The interval",
	"schedule.at":           "The time of day",
	"schedule.weekdays":     "The list of days",
	"schedule.cron":         "The cron expression",
	"schedule.time_zone":    "The time zone",
	"schedule.jitter":       "The spread",
	"format":                "The format",
	"compression":           "The compression",
	"path_template":         "The path",
	"filter.actions":        "The list of actions",
	"filter.except_actions": "The list of actions to leave out",
	"filter.outcome":        "The outcome",
}
