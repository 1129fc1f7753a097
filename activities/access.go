package activities

import (
	"context"
	"fmt"
	"time"

	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// Opener opens an org's destination with the credentials of its integration.
type Opener interface {
	Open(ctx context.Context, target destination.Target) (destination.Destination, error)
}

// Access finds out whether destinations accept our writes.
type Access struct {
	Store        *postgres.Store
	Destinations Opener
}

// maxAccessCheck is how long an access check goes on at most, whatever it is
// told.
const maxAccessCheck = 75 * time.Minute

// Probe makes one attempt of an access check and stores its report. A
// destination that refuses is a result, not an error.
func (a *Access) Probe(ctx context.Context, in schemas.ProbeInput) (schemas.ProbeResult, error) {
	integration, superseded, err := a.subject(ctx, in)
	if err != nil || superseded {
		return schemas.ProbeResult{Superseded: superseded}, toTemporal(ctx, err)
	}
	report, err := a.probe(ctx, integration)
	if err != nil {
		return schemas.ProbeResult{}, toTemporal(ctx, err)
	}
	failure, failed := report.Failure()
	result := schemas.ProbeResult{
		Granted: report.Granted,
		Kind:    failure.Kind,
		Final:   failed && in.Elapsed+in.NextTryIn > min(budget(failure.Kind), maxAccessCheck),
	}
	report.CheckedAt = time.Now().UTC()
	report.Attempt = in.Attempt
	if !result.Granted && !result.Final {
		next := report.CheckedAt.Add(in.NextTryIn)
		report.NextTryAt = &next
	}
	err = a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) error {
		current, err := tx.SetAccessReport(ctx, in.IntegrationID, in.Check, report)
		result.Superseded = !current
		return err
	})
	return result, toTemporal(ctx, err)
}

// subject loads the integration; superseded is true when this check is not its
// newest one any more.
func (a *Access) subject(ctx context.Context, in schemas.ProbeInput) (integration schemas.Integration, superseded bool, err error) {
	err = a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) error {
		check, err := tx.AccessCheck(ctx, in.IntegrationID)
		if err != nil {
			return err
		}
		integration, err = tx.Integration(ctx, in.IntegrationID)
		superseded = check != in.Check || !integration.Live()
		return err
	})
	return integration, superseded, err
}

func (a *Access) probe(ctx context.Context, integration schemas.Integration) (schemas.AccessReport, error) {
	place, err := openDestination(ctx, a.Destinations, integration, integration.Destination)
	if err != nil {
		if destination.KindOf(err) == "" {
			return schemas.AccessReport{}, err
		}
		return schemas.AccessReport{Steps: []schemas.AccessStep{{
			Name:    "authenticate",
			Status:  schemas.StepFailed,
			Kind:    destination.KindOf(err),
			Code:    destination.CodeOf(err),
			Message: err.Error(),
		}}}, nil
	}
	defer place.Close() //nolint:errcheck // nothing was left open by a finished probe
	return place.Probe(ctx)
}

// openDestination opens a place with the integration's credentials. The
// integration's session name is what the org sees in its own cloud's log.
func openDestination(ctx context.Context, opener Opener, integration schemas.Integration, place schemas.Destination) (destination.Destination, error) {
	if integration.Credentials == nil {
		return nil, fmt.Errorf("integration %s has no credentials", integration.ID)
	}
	return opener.Open(ctx, destination.Target{
		Destination: place,
		Grant:       integration.Grant,
		Credentials: *integration.Credentials,
		SessionName: "auditferry-" + integration.ID.String(),
	})
}
