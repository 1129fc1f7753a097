package activities

import (
	"context"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// Integrations records what happens to integrations. Each activity is one
// transaction, and repeating it changes nothing.
type Integrations struct {
	Store *postgres.Store
}

// LoadIntegration tells a new workflow where its integration stands.
func (a *Integrations) LoadIntegration(ctx context.Context, in schemas.IntegrationRef) (result schemas.LoadIntegrationResult, err error) {
	err = a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) error {
		integration, err := tx.Integration(ctx, in.IntegrationID)
		if err != nil {
			return err
		}
		check, err := tx.AccessCheck(ctx, in.IntegrationID)
		result = schemas.LoadIntegrationResult{
			Cloud:  integration.Cloud,
			Status: integration.Status,
			Access: integration.Access,
			Check:  check,
		}
		return err
	})
	return result, toTemporal(ctx, err)
}

// StoreCredentials keeps the credentials that a provisioning signal brought.
// Those that are stored already are no news, and the operation ends.
func (a *Integrations) StoreCredentials(ctx context.Context, in schemas.StoreCredentialsInput) (result schemas.BeginCommandResult, err error) {
	err = a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) error {
		integration, op, refusal, err := lockCommand(ctx, tx, in.OperationRef, schemas.OpCreateIntegration, schemas.OpProvision)
		if err != nil || refusal != "" {
			result.Reason = refusal
			return err
		}
		result.Proceed = true
		if op.Status == schemas.OperationRunning {
			return nil // this is a repetition; the rows are as they should be
		}
		if err := in.Credentials.Validate(integration.Cloud); err != nil {
			return err
		}
		stored := schemas.CredentialsVersion(integration.Credentials, integration.Ownership.State == schemas.OwnershipImplied)
		known := stored == schemas.CredentialsVersion(&in.Credentials, in.Exclusive)
		if !known && op.Params.Replaces != "" && op.Params.Replaces != stored {
			// Others were to be stored first and failed, or the provisioner has been
			// faster: its credentials are not among the operations.
			result = schemas.BeginCommandResult{Reason: "other credentials are there than whoever handed these in has seen; hand them in again to replace those"}
			return tx.EndOperation(ctx, op.ID, schemas.OperationFailed, result.Reason)
		}
		exclusive := in.Exclusive || integration.Cloud == schemas.AWS // external IDs are never shared
		if err := tx.UseIdentity(ctx, in.IntegrationID, in.Credentials, exclusive); err != nil {
			return err
		}
		if known {
			result = schemas.BeginCommandResult{Reason: "these credentials are stored already"}
			return tx.EndOperation(ctx, op.ID, schemas.OperationSucceeded, "")
		}
		if err := tx.SetCredentials(ctx, in.IntegrationID, in.Credentials, exclusive); err != nil {
			return err
		}
		if err := endProvisioning(ctx, tx, in); err != nil {
			return err
		}
		return audit(ctx, tx, "auditferry.integration.provisioned", integration)
	})
	return result, toTemporal(ctx, err)
}

// endProvisioning moves the integration on, and ends the creation, which has
// waited for credentials, whoever sent them.
func endProvisioning(ctx context.Context, tx *postgres.Tx, in schemas.StoreCredentialsInput) error {
	if err := tx.SetIntegrationStatus(ctx, in.IntegrationID, schemas.IntegrationAwaitingAccess); err != nil {
		return err
	}
	open, err := tx.OpenOperations(ctx, in.IntegrationID)
	if err != nil {
		return err
	}
	for _, op := range open {
		if op.ID == in.OperationID || op.Kind != schemas.OpCreateIntegration {
			continue
		}
		if err := tx.EndOperation(ctx, op.ID, schemas.OperationSucceeded, ""); err != nil {
			return err
		}
	}
	return tx.MarkOperationRunning(ctx, in.OperationID)
}

// RecordAccess stores where the integration stands and which access check is
// the newest.
func (a *Integrations) RecordAccess(ctx context.Context, in schemas.RecordAccessInput) error {
	err := a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) error {
		return tx.SetAccess(ctx, in.IntegrationID, in.Status, in.Access, in.Check)
	})
	return toTemporal(ctx, err)
}

// BeginAccessCheck marks an admin's wish for a new access check as being
// carried out. Without credentials there is nothing to check, and it fails.
func (a *Integrations) BeginAccessCheck(ctx context.Context, in schemas.OperationRef) (result schemas.BeginCommandResult, err error) {
	err = a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) error {
		integration, op, refusal, err := lockCommand(ctx, tx, in, schemas.OpCheckAccess)
		if err != nil || refusal != "" {
			result.Reason = refusal
			return err
		}
		if integration.Credentials == nil {
			result.Reason = "the integration has no credentials yet; access is checked by itself when they are ready"
			return tx.EndOperation(ctx, op.ID, schemas.OperationFailed, result.Reason)
		}
		result.Proceed = true
		if op.Params.AcceptOwner && op.Status != schemas.OperationRunning {
			if err := tx.ForgetOwner(ctx, in.IntegrationID, integration.Destination); err != nil {
				return err
			}
		}
		return tx.MarkOperationRunning(ctx, op.ID)
	})
	return result, toTemporal(ctx, err)
}

// UpdateDestination moves the integration to its new place, and retargets or
// pauses the linked exports as the admin chose. Their schedules are not touched
// yet; ApplyLinked does that.
func (a *Integrations) UpdateDestination(ctx context.Context, in schemas.OperationRef) (result schemas.BeginCommandResult, err error) {
	err = a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) error {
		integration, op, refusal, err := lockCommand(ctx, tx, in, schemas.OpUpdateDestination)
		if err != nil || refusal != "" {
			result.Reason = refusal
			return err
		}
		result.Proceed = true
		if op.Status == schemas.OperationRunning {
			return nil // this is a repetition; the rows are as they should be
		}
		if err := moveIntegration(ctx, tx, integration, op); err != nil {
			return err
		}
		return tx.MarkOperationRunning(ctx, op.ID)
	})
	return result, toTemporal(ctx, err)
}

func moveIntegration(ctx context.Context, tx *postgres.Tx, integration schemas.Integration, op schemas.Operation) error {
	to := *op.Params.Destination
	grant := integration.Grant
	grant.BucketOwner = op.Params.BucketOwner
	if err := tx.SetDestination(ctx, integration.ID, to, grant); err != nil {
		return err
	}
	if grant.BucketOwner != integration.Grant.BucketOwner {
		if err := tx.ForgetOwner(ctx, integration.ID, to); err != nil {
			return err
		}
	}
	linked, err := tx.LinkedExports(ctx, integration.ID, false)
	if err != nil {
		return err
	}
	outcome := schemas.OperationOutcome{PreviousDestination: integration.Destination}
	if to == integration.Destination {
		linked = nil // only the bucket's owner is named anew; the exports go on where they are
	}
	for n := range linked {
		if err := tx.RequestClosing(ctx, linked[n], schemas.ClosedByRetarget); err != nil {
			return err
		}
		if op.Params.Retarget {
			linked[n].Destination = to
			outcome.ExportsRetargeted++
		} else {
			pause(&linked[n], schemas.PausedByDestinationUpdate)
			outcome.ExportsPaused++
		}
	}
	if err := tx.UpdateExports(ctx, linked); err != nil {
		return err
	}
	// Behind the exports' locks, so that a run which has just begun is seen.
	if err := tx.ReleaseDestinations(ctx, integration.ID, &to); err != nil {
		return err
	}
	if err := tx.SetOperationOutcome(ctx, op.ID, outcome); err != nil {
		return err
	}
	return audit(ctx, tx, "auditferry.integration.destination_updated", integration)
}

// pause keeps the reason of an export that is paused already: its admin knows
// that one.
func pause(export *schemas.Export, reason schemas.PauseReason) {
	if export.State == schemas.ExportActive {
		export.State = schemas.ExportPaused
		export.PauseReason = reason
	}
}

// FinishOperation ends an operation that has been carried out.
func (a *Integrations) FinishOperation(ctx context.Context, in schemas.OperationRef) error {
	err := a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) error {
		return tx.EndOperation(ctx, in.OperationID, schemas.OperationSucceeded, "")
	})
	return toTemporal(ctx, err)
}

// FailOperation ends an operation that cannot be carried out. A place that it
// was to move the integration to is free again.
func (a *Integrations) FailOperation(ctx context.Context, in schemas.FailOperationInput) error {
	err := a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) error {
		integration, err := tx.LockIntegration(ctx, in.IntegrationID)
		if err != nil {
			return err
		}
		op, err := tx.LockOperation(ctx, in.OperationID)
		if err != nil {
			return err
		}
		if op.Kind == schemas.OpUpdateDestination && !op.Status.Ended() {
			if err := tx.ReleaseDestinations(ctx, integration.ID, &integration.Destination); err != nil {
				return err
			}
		}
		return tx.EndOperation(ctx, in.OperationID, schemas.OperationFailed, in.Message)
	})
	return toTemporal(ctx, err)
}
