package service

import (
	"cmp"
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

const (
	// previewSpan is how many events the objects of a preview hold.
	previewSpan = 1000

	// previewEvents is how many of the newest events a filter is tried on,
	// unless it is said otherwise.
	previewEvents = 200

	// previewExamples is how many of them are shown, of either kind.
	previewExamples = 5
)

// PreviewExport is a request to see what an export would write, before it
// exists. What is left empty takes the default that CreateExport has for it.
type PreviewExport struct {
	Name          string     // "" leaves the slug to what it would be without one
	IntegrationID *uuid.UUID // where it would write to; nil: Destination
	Destination   string     // "" is a place without a folder
	Format        schemas.Format
	Compression   schemas.Compression
	PathTemplate  *schemas.PathTemplate
	Filter        schemas.Filter
	Times         []time.Time // of recording; none: now
	Events        int         // how many of the newest events to try the filter on; 0: previewEvents
}

// Preview is what an export would write. Zeros stand in its keys for what its ID
// will give.
type Preview struct {
	Format      schemas.Format      `json:"format"`
	Compression schemas.Compression `json:"compression"`
	Objects     []PreviewObject     `json:"objects"`
	Manifest    string              `json:"manifest"` // key of the manifest that would list such an object
	Filter      TriedFilter         `json:"filter"`
}

// PreviewObject is an object whose first event was recorded at that time.
type PreviewObject struct {
	RecordedAt time.Time `json:"recorded_at"`
	Key        string    `json:"key"`
}

// TriedFilter tells which of the newest events pass a filter, with a few of
// either kind, newest first.
type TriedFilter struct {
	Events   int              `json:"events"` // that it was tried on
	Passed   int              `json:"passed"`
	Passing  []PreviewedEvent `json:"passing"`
	Excluded []PreviewedEvent `json:"excluded"`
}

// PreviewedEvent is as much of an event as tells why it passes a filter.
type PreviewedEvent struct {
	Seq        int64           `json:"seq"`
	RecordedAt time.Time       `json:"recorded_at"`
	Action     string          `json:"action"`
	Outcome    schemas.Outcome `json:"outcome"`
}

// PreviewExport shows what an export would write. Nothing is changed. Admins and
// viewers may.
func (s *Service) PreviewExport(ctx context.Context, caller Caller, in PreviewExport) (Preview, error) {
	org, err := caller.reader()
	if err != nil {
		return Preview{}, err
	}
	export, err := previewed(in)
	if err != nil {
		return Preview{}, err
	}
	const advice = "Trying the filter takes too long at the moment. Try again in a minute."
	return inSearchTime(ctx, s, org, advice, func(tx *postgres.Tx) (Preview, error) {
		if in.IntegrationID != nil {
			integration, err := tx.Integration(ctx, *in.IntegrationID)
			if err != nil {
				return Preview{}, missing(err, "integration", *in.IntegrationID)
			}
			export.Destination = integration.Destination
		}
		preview := previewOf(export, in.Times)
		tried, err := tx.TryFilter(ctx, export.Filter, cmp.Or(in.Events, previewEvents))
		for _, event := range tried {
			preview.Filter.add(event)
		}
		return preview, err
	})
}

// previewed is the export of a preview, without the destination of an
// integration.
func previewed(in PreviewExport) (export schemas.Export, err error) {
	var name, place error
	if in.Name != "" {
		name = checkName(in.Name)
	}
	switch {
	case in.IntegrationID != nil && in.Destination != "":
		place = &schemas.FieldError{Field: "destination", Message: "is given beside integration_id, which has one of its own; leave one of them out"}
	case in.Destination != "":
		export.Destination, place = schemas.ParseDestination(in.Destination)
	}
	export.Slug = slug(in.Name, uuid.Nil)
	shapeOf(&export, in.Format, in.Compression, in.PathTemplate, in.Filter)
	return export, invalid(append(checkShape(export, false), name, place)...)
}

func previewOf(export schemas.Export, times []time.Time) Preview {
	if len(times) == 0 {
		times = []time.Time{now()}
	}
	window := schemas.Window{
		Slug: export.Slug, FirstSeq: 1, LastSeq: previewSpan, RowsPerPart: previewSpan,
		Format: export.Format, Compression: export.Compression, PathTemplate: export.PathTemplate, Destination: export.Destination,
	}
	preview := Preview{
		Format:      export.Format,
		Compression: export.Compression,
		Manifest:    window.Place().Key(schemas.ManifestName(uuid.Nil, window.FirstSeq, window.LastSeq)),
		Filter:      TriedFilter{Passing: []PreviewedEvent{}, Excluded: []PreviewedEvent{}},
	}
	for _, at := range times {
		preview.Objects = append(preview.Objects, PreviewObject{
			RecordedAt: at, Key: window.Place().Key(window.Name(window.FirstSeq, window.LastSeq, at)),
		})
	}
	return preview
}

func (t *TriedFilter) add(tried postgres.TriedEvent) {
	event := PreviewedEvent{Seq: tried.Seq, RecordedAt: tried.RecordedAt, Action: tried.Action, Outcome: tried.Outcome}
	t.Events++
	examples := &t.Excluded
	if tried.Passes {
		t.Passed++
		examples = &t.Passing
	}
	if len(*examples) < previewExamples {
		*examples = append(*examples, event)
	}
}
