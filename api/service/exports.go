package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/internal/schedule"
	"github.com/auditferry/auditferry/schemas"
)

// ExportView is an export as callers see it: with what it has not delivered.
type ExportView struct {
	schemas.Export
	Undelivered *Undelivered `json:"undelivered,omitempty"` // nil: everything is delivered
}

// Undelivered is what an export has not delivered: the oldest event, and how
// many there are up to the newest, whether or not the filter lets them pass. The
// times are nil when the oldest has expired: nothing tells any more when it was
// recorded.
type Undelivered struct {
	OldestSeq  int64      `json:"oldest_seq"`
	Events     int64      `json:"events"`
	RecordedAt *time.Time `json:"recorded_at,omitempty"`
	ExpiresAt  *time.Time `json:"expires_at,omitempty"` // it may be gone any time after
	Expired    bool       `json:"expired"`
}

// viewExports adds what is undelivered, in one query for all.
func (s *Service) viewExports(ctx context.Context, tx *postgres.Tx, exports []schemas.Export) ([]ExportView, error) {
	clocks, err := tx.LossClocks(ctx, exports, s.retention)
	views := make([]ExportView, len(exports))
	for i, export := range exports {
		views[i].Export = export
		if clock, behind := clocks[export.ID]; behind {
			views[i].Undelivered = undelivered(clock)
		}
	}
	return views, err
}

func undelivered(clock schemas.LossClock) *Undelivered {
	waiting := Undelivered{OldestSeq: clock.Seq, Events: clock.Events, Expired: clock.RecordedAt.IsZero()}
	if !waiting.Expired {
		waiting.RecordedAt, waiting.ExpiresAt = &clock.RecordedAt, &clock.ExpiresAt
	}
	return &waiting
}

// Exports lists the exports of the caller's organization in the order of their
// creation. Admins and viewers may.
func (s *Service) Exports(ctx context.Context, caller Caller, page Page, includeDeleted bool) (List[ExportView], error) {
	org, err := caller.reader()
	if err != nil {
		return List[ExportView]{}, err
	}
	after, err := page.after()
	if err != nil {
		return List[ExportView]{}, err
	}
	return inOrg(ctx, s, org, func(tx *postgres.Tx) (List[ExportView], error) {
		exports, err := tx.Exports(ctx, after, page.limit()+1, includeDeleted)
		if err != nil {
			return List[ExportView]{}, err
		}
		views, err := s.viewExports(ctx, tx, exports)
		return listOf(page, views, func(e ExportView) []byte { return idCursor(e.ID) }), err
	})
}

// Export returns one export, also a deleted one. Admins and viewers may.
func (s *Service) Export(ctx context.Context, caller Caller, id uuid.UUID) (ExportView, error) {
	org, err := caller.reader()
	if err != nil {
		return ExportView{}, err
	}
	return inOrg(ctx, s, org, func(tx *postgres.Tx) (ExportView, error) {
		export, err := tx.Export(ctx, id)
		if err != nil {
			return ExportView{}, missing(err, "export", id)
		}
		views, err := s.viewExports(ctx, tx, []schemas.Export{export})
		return views[0], err
	})
}

// CreateExport is a request for a new export. What is left empty takes its
// default: NDJSON, the format's usual compression, schemas.DefaultPathTemplate,
// every event and schemas.StartNow.
type CreateExport struct {
	Name          string
	IntegrationID uuid.UUID
	Schedule      schemas.Schedule
	Format        schemas.Format
	Compression   schemas.Compression
	PathTemplate  *schemas.PathTemplate // nil is the default; "" is no folder
	Filter        schemas.Filter        `json:",omitzero"`
	StartFrom     schemas.StartFrom
}

// CreateExport begins a recurring delivery to the integration's destination,
// also before access has been granted. Admins may.
func (s *Service) CreateExport(ctx context.Context, call Call, in CreateExport) (schemas.Operation, error) {
	org, err := call.admin()
	if err != nil {
		return schemas.Operation{}, err
	}
	export, err := exportOf(in)
	if err != nil {
		return schemas.Operation{}, err
	}
	return s.command(ctx, org, call, in, func(tx *postgres.Tx) (schemas.Operation, error) {
		integration, _, err := lockLive(ctx, tx, in.IntegrationID)
		if err != nil {
			return schemas.Operation{}, err
		}
		export.ID, export.OrgID = newID(), org
		export.Slug = slug(in.Name, export.ID)
		export.Destination = integration.Destination
		export.CreatedAt = now()
		export.UpdatedAt = export.CreatedAt
		return startExport(ctx, tx, call.Caller, export, in.StartFrom)
	})
}

// startExport writes a new export and its operation. The audit event comes
// before the row for once: while its transaction holds the log, its number
// divides the events before the creation from those after it.
func startExport(ctx context.Context, tx *postgres.Tx, caller Caller, export schemas.Export, from schemas.StartFrom) (schemas.Operation, error) {
	op := newOperation(export.OrgID, schemas.OpCreateExport, caller)
	op.ExportID, op.SpecVersion = &export.ID, export.SpecVersion
	created, err := audit(ctx, tx, caller, actionOf[op.Kind], exportTarget(export),
		map[string]any{"operation_id": op.ID, "integration_id": export.IntegrationID, "start_from": from})
	if err != nil {
		return op, err
	}
	export.DeliveredSeq = created.LastSeq
	if from == schemas.StartEarliest {
		oldest, _, err := tx.RetainedEvents(ctx)
		if err != nil {
			return op, err
		}
		export.DeliveredSeq = oldest - 1
	}
	if err := tx.InsertExport(ctx, export); err != nil {
		return op, err
	}
	return op, tx.InsertOperation(ctx, op)
}

func exportOf(in CreateExport) (schemas.Export, error) {
	export := schemas.Export{
		Name:          in.Name,
		IntegrationID: in.IntegrationID,
		Schedule:      in.Schedule,
		State:         schemas.ExportActive,
		SpecVersion:   1,
	}
	shapeOf(&export, in.Format, in.Compression, in.PathTemplate, in.Filter)
	return export, invalid(append(checkExport(export, false), checkStart(in.StartFrom))...)
}

// shapeOf makes an export's objects look as was asked for, and as usual where
// nothing was said.
func shapeOf(export *schemas.Export, format schemas.Format, compression schemas.Compression, path *schemas.PathTemplate, filter schemas.Filter) {
	export.Format = cmp.Or(format, schemas.FormatNDJSON)
	export.Compression = cmp.Or(compression, usualCompression(export.Format))
	export.PathTemplate = schemas.DefaultPathTemplate
	set(&export.PathTemplate, path)
	export.Filter = filter
}

// usualCompression is what readers of the format can be counted on to take.
func usualCompression(format schemas.Format) schemas.Compression {
	if format == schemas.FormatParquet {
		return schemas.CompressionZstd
	}
	return schemas.CompressionGzip
}

func checkStart(from schemas.StartFrom) error {
	switch from {
	case "", schemas.StartNow, schemas.StartEarliest:
		return nil
	}
	return &schemas.FieldError{Field: "start_from", Message: "must be now or earliest"}
}

// checkExport checks all that an admin may choose. Kept says that the
// compression is the one that the export had before.
func checkExport(export schemas.Export, kept bool) []error {
	return append([]error{checkName(export.Name), schedule.Validate(export.Schedule)}, checkShape(export, kept)...)
}

// checkShape checks what an admin may choose for the objects.
func checkShape(export schemas.Export, kept bool) []error {
	return []error{checkFormat(export, kept), export.PathTemplate.Validate(), export.Filter.Validate()}
}

func checkFormat(export schemas.Export, kept bool) error {
	err := schemas.CheckFormat(export.Format, export.Compression)
	var wrong *schemas.FieldError
	if kept && errors.As(err, &wrong) && wrong.Field == "compression" {
		return &schemas.FieldError{
			Field:   wrong.Field,
			Message: fmt.Sprintf("is %s so far, but %s; change it together with the format", export.Compression, wrong.Message),
		}
	}
	return err
}

const maxSlugName = 40

// slug makes the beginning of an export's object names from its name, for
// people, and its ID, to be unique.
func slug(name string, id uuid.UUID) string {
	var b strings.Builder
	gap := false
	for _, r := range strings.ToLower(name) {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			gap = true
			continue
		}
		if gap && b.Len() > 0 {
			b.WriteByte('-')
		}
		gap = false
		b.WriteRune(r)
		if b.Len() >= maxSlugName {
			break
		}
	}
	if b.Len() == 0 {
		b.WriteString("export")
	}
	return fmt.Sprintf("%s-%x", b.String(), id[13:]) // the end of a UUIDv7 is random
}

// NextRuns gives the first n times after from at which a schedule starts a run,
// in its time zone and before jitter. What is wrong with the schedule is an
// *Error of kind Invalid.
func NextRuns(of schemas.Schedule, from time.Time, n int) ([]time.Time, error) {
	if err := schedule.Validate(of); err != nil {
		return nil, invalid(err)
	}
	return schedule.Next(of, from, n)
}
