package activities

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/internal/provision"
	"github.com/auditferry/auditferry/schemas"
)

// Provisioner makes credentials and takes them back. Both may be repeated:
// Provision gives the same credentials, and what has been revoked stays so.
// Made is false when the credentials will come from outside, over the API.
type Provisioner interface {
	Provision(ctx context.Context, integration schemas.Integration) (issued provision.Issued, made bool, err error)
	Revoke(ctx context.Context, integration schemas.Integration) error
}

// Provisioning gets credentials made, and takes them back.
type Provisioning struct {
	Store    *postgres.Store
	Temporal client.Client
	Auto     map[schemas.Cloud]Provisioner
	External Provisioner
}

// RequestProvisioning hands the request to the integration's provisioner. The
// automatic one answers at once, with the same signal that an operator's call
// would send; an external one finds the request in the API.
func (a *Provisioning) RequestProvisioning(ctx context.Context, in schemas.IntegrationRef) error {
	var integration schemas.Integration
	var creation uuid.UUID
	err := a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) (err error) {
		if integration, err = tx.Integration(ctx, in.IntegrationID); err != nil {
			return err
		}
		creation, err = creationOf(ctx, tx, in.IntegrationID)
		return err
	})
	if err != nil || creation == uuid.Nil {
		return toTemporal(ctx, err)
	}
	provisioner, err := a.provisioner(integration)
	if err != nil {
		return toTemporal(ctx, err)
	}
	issued, made, err := provisioner.Provision(ctx, integration)
	if errors.Is(err, provision.ErrPoolExhausted) {
		return temporal.NewNonRetryableApplicationError(err.Error(), schemas.ErrorPoolExhausted, err)
	}
	if err != nil || !made {
		return toTemporal(ctx, err)
	}
	signal := schemas.Provisioned{OperationID: creation, Credentials: issued.Credentials, Exclusive: issued.Exclusive}
	id := schemas.IntegrationWorkflowID(in.IntegrationID)
	if err := a.Temporal.SignalWorkflow(ctx, id, "", schemas.SignalProvisioned.Name, signal); err != nil {
		return toTemporal(ctx, fmt.Errorf("send the provisioning signal: %w", err))
	}
	return nil
}

// creationOf is the open create operation; the nil UUID when it has ended,
// because then the credentials are there already.
func creationOf(ctx context.Context, tx *postgres.Tx, integration uuid.UUID) (uuid.UUID, error) {
	open, err := tx.OpenOperations(ctx, integration)
	for _, op := range open {
		if op.Kind == schemas.OpCreateIntegration {
			return op.ID, nil
		}
	}
	return uuid.Nil, err
}

func (a *Provisioning) provisioner(integration schemas.Integration) (Provisioner, error) {
	if integration.Provisioner == schemas.ProvisionerExternal {
		return a.External, nil
	}
	auto, configured := a.Auto[integration.Cloud]
	if !configured {
		// Operators have switched this cloud to external since.
		return nil, &schemas.FieldError{Field: "provisioner", Message: fmt.Sprintf("auto is not configured for %s; provision the integration over the API, or configure it", integration.Cloud)}
	}
	return auto, nil
}

// RevokeCredentials has the provisioner take the credentials back, and makes
// sure that the service can use them no more. They were no secret, and nobody
// else can use them either.
func (a *Provisioning) RevokeCredentials(ctx context.Context, in schemas.IntegrationRef) error {
	var integration schemas.Integration
	err := a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) (err error) {
		integration, err = tx.Integration(ctx, in.IntegrationID)
		return err
	})
	if err != nil {
		return toTemporal(ctx, err)
	}
	// What a cloud that is no longer configured made is out of reach.
	if provisioner, err := a.provisioner(integration); err == nil {
		if err := provisioner.Revoke(ctx, integration); err != nil {
			return toTemporal(ctx, err)
		}
	}
	err = a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) error {
		return tx.ClearCredentials(ctx, in.IntegrationID)
	})
	return toTemporal(ctx, err)
}

// DrawFrom lets pools of identities be drawn from, so that no two orgs ever get
// the same.
func DrawFrom(store *postgres.Store) provision.Draw {
	return func(ctx context.Context, i schemas.Integration, pool []schemas.Credentials) (drawn schemas.Credentials, ok bool, err error) {
		err = store.InOrg(ctx, i.OrgID, func(tx *postgres.Tx) (err error) {
			drawn, err = tx.DrawIdentity(ctx, i.ID, pool)
			return err
		})
		if errors.Is(err, postgres.ErrNotFound) {
			return schemas.Credentials{}, false, nil
		}
		return drawn, err == nil, err
	}
}
