package destination

import (
	"context"
	"fmt"
	"time"

	"github.com/auditferry/auditferry/schemas"
)

// The steps of a probe, in their order.
const (
	stepAuthenticate = "authenticate"
	stepWrite        = "write"
	stepList         = "list"
	stepDelete       = "delete"
)

// stepTimeout bounds one step. All of them have to fit into the minute that one
// attempt of an access check has, or a cloud that does not answer at all would
// never be a finding.
const stepTimeout = 12 * time.Second

const accessText = "Auditferry checks with this object that it may write here. It may be deleted.\n"

// Probe implements Destination.
func (s *store) Probe(ctx context.Context) (schemas.AccessReport, error) {
	key := s.at.Key(ownFolder + "/access-check")
	steps := []struct {
		name string
		try  func(context.Context) error
	}{
		{stepAuthenticate, s.driver.authenticate},
		{stepWrite, func(ctx context.Context) error { return s.writeMarker(ctx, key, accessText) }},
		{stepList, func(ctx context.Context) error { return s.listMarker(ctx, key) }},
		{stepDelete, func(ctx context.Context) error { return s.driver.remove(ctx, key) }},
	}
	report := schemas.AccessReport{Granted: true}
	for _, step := range steps {
		if !report.Granted {
			report.Steps = append(report.Steps, schemas.AccessStep{Name: step.name, Status: schemas.StepSkipped})
			continue
		}
		err := inTime(ctx, step.try)
		if ctx.Err() != nil {
			return schemas.AccessReport{}, fmt.Errorf("probe %s, step %s: %w", s.at.URL(), step.name, context.Cause(ctx))
		}
		outcome := s.outcome(step.name, err)
		report.Granted = outcome.Status != schemas.StepFailed
		report.Steps = append(report.Steps, outcome)
	}
	report.CheckedAt = time.Now().UTC()
	return report, nil
}

func inTime(ctx context.Context, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	return try(ctx)
}

// listMarker accepts a listing without the marker: another probe of the same
// destination may have deleted it, and the listing was allowed.
func (s *store) listMarker(ctx context.Context, key string) error {
	_, err := s.driver.stat(ctx, key)
	return err
}

// outcome turns the result of a step into what an admin reads.
func (s *store) outcome(step string, err error) schemas.AccessStep {
	if err == nil {
		return schemas.AccessStep{Name: step, Status: schemas.StepOK}
	}
	v := s.driver.sort(err)
	if step == stepDelete && v.kind == schemas.KindNotFound {
		return schemas.AccessStep{Name: step, Status: schemas.StepOK} // another probe was faster
	}
	status := schemas.StepFailed
	if step == stepDelete {
		status = schemas.StepWarning
	}
	return schemas.AccessStep{Name: step, Status: status, Kind: v.kind, Code: v.code, Message: s.explain(step, v)}
}

// explain says what happened and what to do about it.
func (s *store) explain(step string, v verdict) string {
	advice := s.driver.advise(step, v)
	if advice == "" {
		advice = generalAdvice(v.kind)
	}
	if step == stepDelete {
		advice += " Exports work without it; only the small marker object stays."
	}
	if v.message == "" {
		return advice
	}
	return advice + " The answer was: " + v.message
}

func generalAdvice(kind schemas.ErrorKind) string {
	switch kind {
	case schemas.KindThrottled:
		return "The cloud asks for fewer requests at the moment. Nothing needs to be done, the check is repeated."
	case schemas.KindInvalid:
		return "The cloud does not accept the request, and repeating it would not help. Check the destination and what was entered with it."
	case schemas.KindDenied:
		return "Access is not granted, or not effective yet."
	case schemas.KindNotFound:
		return "The destination does not exist. Create it, or correct the destination."
	}
	return "The cloud could not be reached, or failed. Nothing needs to be done unless this lasts; the check is repeated."
}
