package activities

import (
	"context"
	"fmt"
	"time"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// Access finds out whether destinations accept our writes.
type Access struct {
	Store  *postgres.Store
	Places *Places
}

// maxAccessCheck is how long an access check goes on at most, whatever it is
// told.
const maxAccessCheck = 75 * time.Minute

// Probe makes one attempt of an access check and stores its report. A
// destination that refuses is a result, not an error.
func (a *Access) Probe(ctx context.Context, in schemas.ProbeInput) (schemas.ProbeResult, error) {
	integration, claim, superseded, err := a.subject(ctx, in)
	if err != nil || superseded {
		return schemas.ProbeResult{Superseded: superseded}, toTemporal(ctx, err)
	}
	report, err := a.Places.probe(ctx, integration, claim)
	if err != nil {
		return schemas.ProbeResult{}, toTemporal(ctx, err)
	}
	failure, failed := report.Failure()
	result := schemas.ProbeResult{
		Granted: report.Granted,
		Kind:    failure.Kind,
		Final:   failed && hopeless(in, failure.Kind),
	}
	report.Check, report.Attempt = in.Check, in.Attempt
	report.CheckedAt = time.Now().UTC()
	if !result.Granted && !result.Final {
		next := report.CheckedAt.Add(in.NextTryIn)
		report.NextTryAt = &next
	}
	result.Superseded, err = a.record(ctx, integration, claim, report)
	return result, toTemporal(ctx, err)
}

// hopeless tells whether the next try would come too late: behind the end of the
// check, or of what this kind of failure may last. That counts from when it came
// up: a bucket that turns out to be missing once access is granted may still be
// on its way.
func hopeless(in schemas.ProbeInput, kind schemas.ErrorKind) bool {
	lasted := in.Lasted
	if kind != in.Kind {
		lasted = 0
	}
	return in.Elapsed+in.NextTryIn > maxAccessCheck || lasted+in.NextTryIn > budget(kind)
}

// subject loads the integration and what is known of its destination;
// superseded is true when this check is not its newest one any more.
func (a *Access) subject(ctx context.Context, in schemas.ProbeInput) (integration schemas.Integration, claim postgres.Claim, superseded bool, err error) {
	err = a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) error {
		check, err := tx.AccessCheck(ctx, in.IntegrationID)
		if err != nil {
			return err
		}
		if integration, err = tx.Integration(ctx, in.IntegrationID); err != nil {
			return err
		}
		if superseded = check != in.Check || !integration.Live(); superseded {
			return nil
		}
		if integration.Credentials == nil {
			return fmt.Errorf("integration %s has no credentials", integration.ID)
		}
		claim, err = tx.Claim(ctx, in.IntegrationID, integration.Destination)
		return err
	})
	return integration, claim, superseded, err
}

// record stores a report and, when access was granted, lets exports in. A
// check that a newer one has superseded meanwhile records nothing.
func (a *Access) record(ctx context.Context, integration schemas.Integration, claim postgres.Claim, report schemas.AccessReport) (superseded bool, err error) {
	err = a.Store.InOrg(ctx, integration.OrgID, func(tx *postgres.Tx) error {
		current, err := tx.RecordAttempt(ctx, integration.ID, report)
		superseded = !current
		if err != nil || superseded {
			return err
		}
		if report.Granted {
			verified, err := tx.VerifyClaim(ctx, integration.ID, claim.Destination, report.Owner, *integration.Credentials)
			superseded = !verified // a check with the new credentials is on its way
			if err != nil || superseded {
				return err
			}
		}
		if failure, failed := report.Failure(); failed && failure.Name == schemas.StepExternalID && failure.Kind == schemas.KindDenied {
			// Whoever can talk us into using this role could have us write there.
			if err := tx.UnverifyClaim(ctx, integration.ID, claim.Destination); err != nil {
				return err
			}
		}
		return auditAccess(ctx, tx, integration, report)
	})
	return superseded, err
}

// auditAccess records what a check has found, when it has found something new:
// a cloud that says the same for an hour says it once.
func auditAccess(ctx context.Context, tx *postgres.Tx, integration schemas.Integration, report schemas.AccessReport) error {
	failure, failed := report.Failure()
	if last := integration.Report; last != nil && last.Check == report.Check {
		before, _ := last.Failure()
		if before.Name == failure.Name && before.Code == failure.Code {
			return nil
		}
	}
	details := map[string]any{"destination": integration.Destination, "check": report.Check}
	if !failed {
		event := schemas.Event{Action: "auditferry.integration.access_granted", Outcome: schemas.OutcomeSuccess}
		return recordIntegration(ctx, tx, integration, event, details)
	}
	details["step"], details["code"] = failure.Name, failure.Code
	event := schemas.Event{Action: "auditferry.integration.access_refused", Outcome: schemas.OutcomeFailure, Reason: failure.Explanation}
	return recordIntegration(ctx, tx, integration, event, details)
}
