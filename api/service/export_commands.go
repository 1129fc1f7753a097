package service

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// EditExport is a request to change an export; nil members stay as they are.
// SpecVersion is the version that the caller has seen; nil changes whichever
// there is.
type EditExport struct {
	ExportID     uuid.UUID
	Name         *string
	Schedule     *schemas.Schedule
	Format       *schemas.Format
	Compression  *schemas.Compression
	PathTemplate *schemas.PathTemplate
	Filter       *schemas.Filter `json:",omitempty"`
	SpecVersion  *int            `json:",omitempty"`
}

func (in EditExport) apply(export *schemas.Export) {
	set(&export.Name, in.Name)
	set(&export.Schedule, in.Schedule)
	set(&export.Format, in.Format)
	set(&export.Compression, in.Compression)
	set(&export.PathTemplate, in.PathTemplate)
	set(&export.Filter, in.Filter)
}

func set[T any](field *T, to *T) {
	if to != nil {
		*field = *to
	}
}

// EditExport changes an export. A window that has been allocated is still
// delivered as it was. It is a Conflict when the caller has seen another version.
// Admins may.
func (s *Service) EditExport(ctx context.Context, call Call, in EditExport) (schemas.Operation, error) {
	return s.changeExport(ctx, call, in.ExportID, schemas.OpEditExport, in, func(tx *postgres.Tx, export *schemas.Export) error {
		if err := seen(ctx, tx, *export, in.SpecVersion); err != nil {
			return err
		}
		in.apply(export)
		return invalid(checkExport(*export, in.Compression == nil)...)
	})
}

// seen is a Conflict when somebody has changed an export since the caller saw
// that version of it: what they ask for would undo a change unread.
func seen(ctx context.Context, tx *postgres.Tx, export schemas.Export, version *int) error {
	if version == nil || *version == export.SpecVersion {
		return nil
	}
	latest, err := tx.Operations(ctx, nil, &export.ID, lookBack)
	if err != nil {
		return err
	}
	by := ""
	for _, op := range latest {
		// A run has the version that it found. Changes with the integration, and
		// those of long ago, are told without a name.
		if op.SpecVersion == export.SpecVersion && op.Kind != schemas.OpRunExport {
			by = " by " + op.RequestedBy
		}
	}
	return conflict("The export was changed meanwhile%s. Look at what is so now, and send your change again.", by)
}

// PauseExport is a request that no new run starts.
type PauseExport struct{ ExportID uuid.UUID }

// PauseExport pauses an export; a paused one keeps the reason it has. Admins
// may.
func (s *Service) PauseExport(ctx context.Context, call Call, in PauseExport) (schemas.Operation, error) {
	return s.changeExport(ctx, call, in.ExportID, schemas.OpPauseExport, in, func(_ *postgres.Tx, export *schemas.Export) error {
		if export.State == schemas.ExportActive {
			export.State, export.PauseReason = schemas.ExportPaused, schemas.PausedByAdmin
		}
		return nil
	})
}

// ResumeExport is a request to go on with an export. Retarget agrees to go on
// at the integration's present destination, whichever that is; Destination to
// that one alone.
type ResumeExport struct {
	ExportID    uuid.UUID
	Retarget    bool
	Destination string `json:",omitempty"`
}

// agreed is a Conflict unless the export may go on there.
func (in ResumeExport) agreed(export schemas.Export, to schemas.Destination) error {
	switch {
	case in.Destination != "" && in.Destination != to.String():
		return conflict("The integration's destination has changed meanwhile, to %s. Look at it, and resume the export there if it is right.", to)
	case in.Destination == "" && export.Destination != to && !in.Retarget:
		return conflict("The integration's destination is now %s, and the export still delivers to %s. Resume with retarget to go on at the new destination.",
			to, export.Destination)
	}
	return nil
}

// ResumeExport makes an export active. It is a Conflict when its integration
// has been deleted, or has a destination that was not agreed to. Admins may.
func (s *Service) ResumeExport(ctx context.Context, call Call, in ResumeExport) (schemas.Operation, error) {
	return s.changeExport(ctx, call, in.ExportID, schemas.OpResumeExport, in, func(tx *postgres.Tx, export *schemas.Export) error {
		integration, _, err := lockLive(ctx, tx, export.IntegrationID)
		if isKind(err, Conflict) {
			return conflict("The export's integration has been deleted, or is being deleted. Relink the export to another one first.")
		}
		if err != nil {
			return err
		}
		if err := in.agreed(*export, integration.Destination); err != nil {
			return err
		}
		export.Destination = integration.Destination
		export.State, export.PauseReason = schemas.ExportActive, ""
		return nil
	})
}

// RelinkExport is a request to link a paused export to another integration.
// SpecVersion is as in EditExport.
type RelinkExport struct {
	ExportID      uuid.UUID
	IntegrationID uuid.UUID
	SpecVersion   *int `json:",omitempty"`
}

// RelinkExport moves a paused export to the integration's destination; it
// stays paused. A run that is still under way can deliver no more: it began
// with the other integration's credentials, which may be revoked by now. The
// chain of manifests in the place that is left is closed, if there still is
// somebody who may write there. It is a Conflict for an active export, while a
// backfill is running, and when the caller has seen another version. Admins may.
func (s *Service) RelinkExport(ctx context.Context, call Call, in RelinkExport) (schemas.Operation, error) {
	return s.changeExport(ctx, call, in.ExportID, schemas.OpRelinkExport, in, func(tx *postgres.Tx, export *schemas.Export) error {
		if err := seen(ctx, tx, *export, in.SpecVersion); err != nil {
			return err
		}
		if export.State != schemas.ExportPaused {
			return conflict("The export is active. Pause it before you link it to another integration.")
		}
		integration, _, err := lockLive(ctx, tx, in.IntegrationID)
		if err != nil {
			return err
		}
		if integration.ID != export.IntegrationID || integration.Destination != export.Destination {
			if err := leavePlace(ctx, tx, *export); err != nil {
				return err
			}
		}
		if integration.ID != export.IntegrationID {
			if err := tx.SupersedeRuns(ctx, export.ID, nil, "the export was linked to another integration"); err != nil {
				return err
			}
		}
		export.IntegrationID, export.Destination = integration.ID, integration.Destination
		export.PauseReason = schemas.PausedByAdmin // the other reasons are settled by this
		return nil
	}, in.IntegrationID)
}

// leavePlace prepares an export, as it was before, to be linked elsewhere.
func leavePlace(ctx context.Context, tx *postgres.Tx, export schemas.Export) error {
	running, err := tx.RunningBackfill(ctx, export.ID)
	if err != nil {
		return err
	}
	if running != nil {
		return conflict("Backfill %s of this export is running. Wait for its end, or cancel it, before you link the export elsewhere.", running.ID)
	}
	return closeChain(ctx, tx, export, schemas.ClosedByRelink)
}

// closeChain asks for the final manifest of an export, as it was before it left
// its place. An integration that is gone has no way to write it.
func closeChain(ctx context.Context, tx *postgres.Tx, export schemas.Export, reason schemas.CloseReason) error {
	integration, err := tx.Integration(ctx, export.IntegrationID)
	if err != nil || !integration.Live() {
		return err
	}
	return tx.RequestClosing(ctx, export, reason)
}

// DeleteExport is a request to delete an export for good.
type DeleteExport struct{ ExportID uuid.UUID }

// DeleteExport ends an export, and a backfill of it that is running; what it
// delivered stays, and its chain of manifests is closed. Asked again, it returns
// the operation that deleted it. Admins may.
func (s *Service) DeleteExport(ctx context.Context, call Call, in DeleteExport) (schemas.Operation, error) {
	org, err := call.admin()
	if err != nil {
		return schemas.Operation{}, err
	}
	return s.command(ctx, org, call, in, func(tx *postgres.Tx) (schemas.Operation, error) {
		export, err := lockExport(ctx, tx, in.ExportID)
		if err != nil {
			return schemas.Operation{}, err
		}
		if export.State == schemas.ExportDeleted {
			return firstDelete(ctx, tx, export)
		}
		if err := windUp(ctx, tx, call.Caller, export); err != nil {
			return schemas.Operation{}, err
		}
		export.State, export.PauseReason = schemas.ExportDeleted, ""
		return askExport(ctx, tx, call.Caller, export, schemas.OpDeleteExport)
	})
}

// windUp ends what goes on beside an export that is about to be deleted.
func windUp(ctx context.Context, tx *postgres.Tx, caller Caller, export schemas.Export) error {
	running, err := tx.RunningBackfill(ctx, export.ID)
	if err != nil {
		return err
	}
	if running != nil {
		if err := cancelBackfill(ctx, tx, running.ID, "the export was deleted by "+caller.Actor.Name); err != nil {
			return err
		}
	}
	return closeChain(ctx, tx, export, schemas.ClosedByExportDeleted)
}

// firstDelete is the operation that deleted the export: its own, or that of the
// integration with which it went.
func firstDelete(ctx context.Context, tx *postgres.Tx, export schemas.Export) (schemas.Operation, error) {
	own, err := tx.Operations(ctx, nil, &export.ID, lookBack)
	if err != nil {
		return schemas.Operation{}, err
	}
	if first, asked := find(own, schemas.OpDeleteExport); asked {
		return first, nil
	}
	above, err := tx.Operations(ctx, &export.IntegrationID, nil, lookBack)
	if err != nil {
		return schemas.Operation{}, err
	}
	if first, asked := find(above, schemas.OpDeleteIntegration); asked {
		return first, nil
	}
	return schemas.Operation{}, fmt.Errorf("find what deleted export %s: there is no such operation", export.ID)
}

// RunExport is a request to deliver now what waits.
type RunExport struct{ ExportID uuid.UUID }

// RunExport starts a run unless one is under way. It is a Conflict unless the
// export is active. Admins may.
func (s *Service) RunExport(ctx context.Context, call Call, in RunExport) (schemas.Operation, error) {
	org, err := call.admin()
	if err != nil {
		return schemas.Operation{}, err
	}
	return s.command(ctx, org, call, in, func(tx *postgres.Tx) (schemas.Operation, error) {
		export, err := lockExport(ctx, tx, in.ExportID)
		if err != nil {
			return schemas.Operation{}, err
		}
		switch export.State {
		case schemas.ExportDeleted:
			return schemas.Operation{}, alreadyDeleted()
		case schemas.ExportPaused:
			return schemas.Operation{}, conflict("The export is paused. Resume it before you run it.")
		}
		return recordExport(ctx, tx, call.Caller, export, schemas.OpRunExport)
	})
}

func alreadyDeleted() error {
	return conflict("The export has been deleted. Create a new one.")
}

// changeExport is how every command that changes an export runs. Also names the
// integrations that change looks at, beside the export's own.
func (s *Service) changeExport(ctx context.Context, call Call, id uuid.UUID, kind schemas.OperationKind, request any, change func(*postgres.Tx, *schemas.Export) error, also ...uuid.UUID) (schemas.Operation, error) {
	org, err := call.admin()
	if err != nil {
		return schemas.Operation{}, err
	}
	return s.command(ctx, org, call, request, func(tx *postgres.Tx) (schemas.Operation, error) {
		export, err := lockExport(ctx, tx, id, also...)
		if err != nil {
			return schemas.Operation{}, err
		}
		if export.State == schemas.ExportDeleted {
			return schemas.Operation{}, alreadyDeleted()
		}
		if err := change(tx, &export); err != nil {
			return schemas.Operation{}, err
		}
		return askExport(ctx, tx, call.Caller, export, kind)
	})
}

// lockExport locks an export and, before it, its integration and the others: a
// workflow that updates or deletes an integration changes all its exports at
// once, and holds the integration's lock meanwhile.
func lockExport(ctx context.Context, tx *postgres.Tx, id uuid.UUID, others ...uuid.UUID) (schemas.Export, error) {
	export, err := tx.Export(ctx, id)
	if err != nil {
		return schemas.Export{}, missing(err, "export", id)
	}
	integrations := append([]uuid.UUID{export.IntegrationID}, others...)
	// In one order, or two commands could each wait for what the other holds.
	slices.SortFunc(integrations, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	for _, integration := range integrations {
		if _, err := tx.LockIntegration(ctx, integration); err != nil {
			return schemas.Export{}, missing(err, "integration", integration)
		}
	}
	locked, err := tx.LockExport(ctx, id)
	if err != nil {
		return schemas.Export{}, err
	}
	if locked.IntegrationID != export.IntegrationID {
		return schemas.Export{}, conflict("The export was linked to another integration at this moment. Look at it and try again.")
	}
	return locked, nil
}

// askExport writes the export as it should be, and the operation that ends
// when its schedule is.
func askExport(ctx context.Context, tx *postgres.Tx, caller Caller, export schemas.Export, kind schemas.OperationKind) (schemas.Operation, error) {
	version, err := tx.UpdateExport(ctx, export)
	if err != nil {
		return schemas.Operation{}, err
	}
	export.SpecVersion = version
	return recordExport(ctx, tx, caller, export, kind)
}

func recordExport(ctx context.Context, tx *postgres.Tx, caller Caller, export schemas.Export, kind schemas.OperationKind) (schemas.Operation, error) {
	op := newOperation(export.OrgID, kind, caller)
	op.ExportID, op.SpecVersion = &export.ID, export.SpecVersion
	if err := tx.InsertOperation(ctx, op); err != nil {
		return op, err
	}
	_, err := audit(ctx, tx, caller, actionOf[kind], exportTarget(export),
		map[string]any{"operation_id": op.ID, "integration_id": export.IntegrationID, "destination": export.Destination})
	return op, err
}
