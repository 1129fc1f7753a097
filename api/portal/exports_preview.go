package portal

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

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

// previewExport shows what was typed would do. Existing is the export that is
// edited; nil for a new one.
func (p *Portal) previewExport(ctx context.Context, v *visit, f *form, existing *service.ExportView) (shown exportPreview, err error) {
	shown.New = existing == nil
	if err := shown.note(f, shown.schedule(f, v.zone)); err != nil {
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
	if err != nil {
		return shown, shown.note(f, asTyped(err, shape))
	}
	if existing != nil {
		ownKeys(&preview, existing.Export, shape)
	}
	shown.Shape = &preview
	shown.Passing, shown.Excluded = actions(preview.Filter.Passing), actions(preview.Filter.Excluded)
	return shown, nil
}

// note keeps what a person can mend, or wait for: the form is of use without a
// preview. All other errors it gives back.
func (e *exportPreview) note(f *form, err error) error {
	told, ok := complaints(f, err)
	if !ok {
		return err
	}
	for _, sentence := range told {
		if !slices.Contains(e.Problems, sentence) {
			e.Problems = append(e.Problems, sentence)
		}
	}
	return nil
}

// complaints are what is wrong in sentences, for where no field stands beside
// them. Where the form says it beside its fields, they say no more than that. It
// is false for errors that no change of what was typed, and no patience, can
// mend.
func complaints(f *form, err error) ([]string, bool) {
	var known *service.Error
	if !errors.As(err, &known) {
		return nil, false
	}
	switch {
	case known.Kind == service.Busy:
		return []string{known.Detail}, true
	case known.Kind == service.Invalid && len(f.Errors) > 0:
		return []string{"Correct the marked fields to see the whole preview."}, true
	case known.Kind == service.Invalid:
		told := make([]string, len(known.Fields))
		for i, field := range known.Fields {
			told[i] = fieldNames[field.Field] + " " + field.Message + "."
		}
		return told, true
	default:
		return nil, false
	}
}

// fieldNames are those by which the form of an export calls its fields.
var fieldNames = map[string]string{
	"name":                  "The name",
	"schedule.kind":         "The kind of schedule",
	everyNumber:             "The interval",
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

func (e *exportPreview) schedule(f *form, viewer *time.Location) error {
	schedule, err := scheduleFrom(f)
	if err != nil {
		return err
	}
	next, err := service.NextRuns(schedule, time.Now(), shownNext)
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
