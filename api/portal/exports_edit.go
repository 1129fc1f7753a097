package portal

import (
	"cmp"
	"context"
	"net/url"
	"strconv"
	"strings"

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

	// Changed says that somebody has changed the export since the form was
	// filled; Others are the values that are not as they were typed.
	Changed bool
	Others  []otherValue
}

// versionField holds the version of the export that the form was filled from.
const versionField = "spec_version"

// otherValue is what a field of the form has now.
type otherValue struct{ Name, Now string }

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
	integrations, err := p.liveIntegrations(ctx, v)
	if err != nil {
		return nil, err
	}
	body := exportFormBody{Form: f, Action: v.path("exports", "new"), Back: v.path("exports"), Integrations: integrations}
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
		return "", together(badSchedule, badIntegration, asTyped(err, shape))
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
	body := exportFormBody{Form: f, Action: path + "/edit", Back: path, Export: &export}
	if f.Problem != "" && *versionFrom(f) != export.SpecVersion {
		body.Changed, body.Others = true, otherValues(export.Export, f)
	}
	f.filledFrom(versionField, strconv.Itoa(export.SpecVersion))
	return p.exportFormPage(ctx, v, "Edit "+export.Name, body)
}

// versionFrom is the version of an export that a form was filled from. One that
// cannot be read is 0, which no export ever has.
func versionFrom(f *form) *int {
	version, err := strconv.Atoi(f.Get(versionField))
	if err != nil {
		version = 0
	}
	return &version
}

// otherValues are those of an export that are not as they were typed, in words.
func otherValues(now schemas.Export, f *form) (all []otherValue) {
	schedule, _ := scheduleFrom(f) // what cannot be read is not what is so
	has, typed := shapeOf(now), shapeFrom(f)
	for _, field := range []struct{ name, now, typed string }{
		{"Name", now.Name, f.Text("name")},
		{"Schedule", scheduleText(now.Schedule), scheduleText(schedule)},
		{"Format", formatName(has.Format), formatName(typed.Format)},
		{"Compression", compressionName(has.Compression), compressionName(typed.Compression)},
		{"Path", string(has.PathTemplate), string(typed.PathTemplate)},
		{"Only these actions", strings.Join(has.Filter.Actions, ", "), strings.Join(typed.Filter.Actions, ", ")},
		{"Never these actions", strings.Join(has.Filter.ExceptActions, ", "), strings.Join(typed.Filter.ExceptActions, ", ")},
		{"Outcome", human(has.Filter.Outcome), human(typed.Filter.Outcome)},
	} {
		if field.now != field.typed {
			all = append(all, otherValue{field.name, cmp.Or(field.now, "Empty")})
		}
	}
	return all
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
		ExportID: id, SpecVersion: versionFrom(f), Name: &name, Schedule: &schedule,
		Format: &shape.Format, Compression: &shape.Compression, PathTemplate: &shape.PathTemplate, Filter: &shape.Filter,
	})
	if err != nil {
		return "", together(badSchedule, asTyped(err, shape))
	}
	return after(op, v.path("exports", id.String())), nil
}
