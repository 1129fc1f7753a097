package service

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// ownActions begins the actions of the service's own audit events. Products
// may not use it, so that nobody can forge them.
const ownActions = "auditferry."

// actionOf names the audit event with which an operation begins.
var actionOf = map[schemas.OperationKind]string{
	schemas.OpCreateIntegration: "integration.created",
	schemas.OpProvision:         "integration.credentials_handed_in",
	schemas.OpUpdateDestination: "integration.destination_update_requested",
	schemas.OpCheckAccess:       "integration.access_check_requested",
	schemas.OpDeleteIntegration: "integration.delete_requested",
	schemas.OpCreateExport:      "export.created",
	schemas.OpEditExport:        "export.edited",
	schemas.OpPauseExport:       "export.paused",
	schemas.OpResumeExport:      "export.resumed",
	schemas.OpRelinkExport:      "export.relinked",
	schemas.OpRunExport:         "export.run_requested",
	schemas.OpDeleteExport:      "export.deleted",
	schemas.OpBackfillExport:    "export.backfill_requested",
	schemas.OpCancelBackfill:    "export.backfill_cancelled",
}

// credentialsViewed is recorded whenever somebody has seen credentials.
const credentialsViewed = "integration.credentials_viewed"

// auditView is audit for those who see credentials; metadata says in which form.
func auditView(ctx context.Context, tx *postgres.Tx, caller Caller, integration schemas.Integration, metadata map[string]any) error {
	if headersOnly(ctx) {
		return nil
	}
	_, err := audit(ctx, tx, caller, credentialsViewed, integrationTarget(integration), metadata)
	return err
}

// audit records in the organization's audit log that the caller did something.
// It comes last in a transaction: it locks the organization's log, which
// products want to write to.
func audit(ctx context.Context, tx *postgres.Tx, caller Caller, action string, target schemas.Target, metadata map[string]any) (schemas.Appended, error) {
	event, err := ownEvent(caller, action, target, metadata)
	if err != nil {
		return schemas.Appended{}, err
	}
	return tx.AppendEvents(ctx, []schemas.Event{event})
}

// auditRefusal is audit for what the caller tried and was not let do.
func auditRefusal(ctx context.Context, tx *postgres.Tx, caller Caller, refused refusal) error {
	event, err := ownEvent(caller, refused.action, refused.target, refused.metadata)
	if err != nil {
		return err
	}
	event.Outcome, event.Reason = schemas.OutcomeFailure, refused.reason
	_, err = tx.AppendEvents(ctx, []schemas.Event{event})
	return err
}

func ownEvent(caller Caller, action string, target schemas.Target, metadata map[string]any) (schemas.Event, error) {
	event := schemas.Event{
		ID:         newID(),
		OccurredAt: now(),
		Action:     ownActions + action,
		Actor:      caller.Actor,
		Targets:    []schemas.Target{target},
		Outcome:    schemas.OutcomeSuccess,
	}
	if caller.Origin != (schemas.EventContext{}) {
		event.Context = &caller.Origin
	}
	if len(metadata) > 0 {
		raw, err := json.Marshal(metadata)
		if err != nil {
			return schemas.Event{}, fmt.Errorf("serialize the metadata of %s: %w", action, err)
		}
		event.Metadata = raw
	}
	return event, nil
}

func integrationTarget(i schemas.Integration) schemas.Target {
	return schemas.Target{Type: "integration", ID: i.ID.String(), Name: i.Name}
}

// placeTarget is for an integration that never came to be.
func placeTarget(d schemas.Destination) schemas.Target {
	return schemas.Target{Type: "destination", ID: d.URL()}
}

func exportTarget(e schemas.Export) schemas.Target {
	return schemas.Target{Type: "export", ID: e.ID.String(), Name: e.Name}
}
