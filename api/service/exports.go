package service

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/internal/schedule"
	"github.com/auditferry/auditferry/schemas"
)

// Exports lists the exports of the caller's organization in the order of their
// creation. Admins and viewers may.
func (s *Service) Exports(ctx context.Context, caller Caller, page Page, includeDeleted bool) (List[schemas.Export], error) {
	org, err := caller.reader()
	if err != nil {
		return List[schemas.Export]{}, err
	}
	after, err := page.after()
	if err != nil {
		return List[schemas.Export]{}, err
	}
	return inOrg(ctx, s, org, func(tx *postgres.Tx) (List[schemas.Export], error) {
		exports, err := tx.Exports(ctx, after, page.limit()+1, includeDeleted)
		return listOf(page, exports, func(e schemas.Export) []byte { return idCursor(e.ID) }), err
	})
}

// Export returns one export, also a deleted one. Admins and viewers may.
func (s *Service) Export(ctx context.Context, caller Caller, id uuid.UUID) (schemas.Export, error) {
	org, err := caller.reader()
	if err != nil {
		return schemas.Export{}, err
	}
	return inOrg(ctx, s, org, func(tx *postgres.Tx) (schemas.Export, error) {
		export, err := tx.Export(ctx, id)
		return export, missing(err, "export", id)
	})
}

// Runs lists the runs of an export, newest first. Admins and viewers may.
func (s *Service) Runs(ctx context.Context, caller Caller, export uuid.UUID, page Page) (List[schemas.Run], error) {
	org, err := caller.reader()
	if err != nil {
		return List[schemas.Run]{}, err
	}
	after, err := page.after()
	if err != nil {
		return List[schemas.Run]{}, err
	}
	return inOrg(ctx, s, org, func(tx *postgres.Tx) (List[schemas.Run], error) {
		if _, err := tx.Export(ctx, export); err != nil {
			return List[schemas.Run]{}, missing(err, "export", export)
		}
		runs, err := tx.Runs(ctx, export, after, page.limit()+1)
		return listOf(page, runs, func(r schemas.Run) []byte { return idCursor(r.ID) }), err
	})
}

// RunWithObjects is a run and what it delivered.
type RunWithObjects struct {
	Run     schemas.Run
	Objects []schemas.Object
}

// Run returns one run of an export with its objects, in order. Admins and
// viewers may.
func (s *Service) Run(ctx context.Context, caller Caller, export, id uuid.UUID) (RunWithObjects, error) {
	org, err := caller.reader()
	if err != nil {
		return RunWithObjects{}, err
	}
	return inOrg(ctx, s, org, func(tx *postgres.Tx) (RunWithObjects, error) {
		run, err := tx.Run(ctx, id)
		if err == nil && run.ExportID != export {
			err = postgres.ErrNotFound
		}
		if err != nil {
			return RunWithObjects{}, missing(err, "run of this export", id)
		}
		objects, err := tx.Objects(ctx, id)
		return RunWithObjects{Run: run, Objects: append([]schemas.Object{}, objects...)}, err
	})
}

// CreateExport is a request for a new export. What is left empty takes its
// default: NDJSON, gzip, schemas.DefaultPathTemplate and schemas.StartNow.
type CreateExport struct {
	Name          string
	IntegrationID uuid.UUID
	Schedule      schemas.Schedule
	Format        schemas.Format
	Compression   schemas.Compression
	PathTemplate  *schemas.PathTemplate // nil is the default; "" is no folder
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
		Format:        in.Format,
		Compression:   in.Compression,
		PathTemplate:  schemas.DefaultPathTemplate,
		State:         schemas.ExportActive,
		SpecVersion:   1,
	}
	if in.Format == "" {
		export.Format = schemas.FormatNDJSON
	}
	if in.Compression == "" {
		export.Compression = schemas.CompressionGzip
	}
	if in.PathTemplate != nil {
		export.PathTemplate = *in.PathTemplate
	}
	return export, invalid(append(checkExport(export), checkStart(in.StartFrom))...)
}

func checkStart(from schemas.StartFrom) error {
	switch from {
	case "", schemas.StartNow, schemas.StartEarliest:
		return nil
	}
	return &schemas.FieldError{Field: "start_from", Message: "must be now or earliest"}
}

// checkExport checks all that an admin may choose.
func checkExport(export schemas.Export) []error {
	checks := []error{checkName(export.Name), schedule.Validate(export.Schedule), export.PathTemplate.Validate()}
	if export.Format != schemas.FormatNDJSON {
		checks = append(checks, &schemas.FieldError{Field: "format", Message: "must be ndjson"})
	}
	compressions := []schemas.Compression{schemas.CompressionNone, schemas.CompressionGzip, schemas.CompressionZstd}
	if !slices.Contains(compressions, export.Compression) {
		checks = append(checks, &schemas.FieldError{Field: "compression", Message: "must be none, gzip or zstd"})
	}
	return checks
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
