package destination

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/auditferry/auditferry/schemas"
)

// stepTimeout bounds one step. All of them have to fit into the minute that one
// attempt of an access check has, or a cloud that does not answer at all would
// never be a finding.
const stepTimeout = 8 * time.Second

const accessText = "Auditferry checks with this object that it may write here. It may be deleted.\n"

// step is one thing that a probe tries. Its error is a driver's.
type step struct {
	name schemas.Step
	try  func(context.Context) error
}

// Probe implements Destination.
func (s *store) Probe(ctx context.Context, challenge *Challenge) (schemas.AccessReport, error) {
	report := schemas.AccessReport{Granted: true}
	for _, step := range s.steps(challenge) {
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
	report.Owner = s.driver.owner()
	report.CheckedAt = time.Now().UTC()
	return report, nil
}

// steps are those of one probe, in their order. Nothing is written before the
// driver's checks have passed, and nothing but the challenge while there is
// one, since its step fails in any case.
func (s *store) steps(challenge *Challenge) []step {
	key := s.at.Key(ownFolder + "/access-check")
	steps := append([]step{{schemas.StepAuthenticate, s.driver.authenticate}}, s.driver.checks()...)
	if challenge != nil {
		steps = append(steps, step{schemas.StepOwnership, func(ctx context.Context) error { return s.pose(ctx, *challenge) }})
	}
	return append(steps,
		step{schemas.StepWrite, func(ctx context.Context) error { return s.writeMarker(ctx, key, accessText) }},
		step{schemas.StepList, func(ctx context.Context) error { return s.listMarker(ctx, key) }},
		step{schemas.StepDelete, func(ctx context.Context) error { return s.driver.remove(ctx, key) }},
	)
}

func inTime(ctx context.Context, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	return try(ctx)
}

// unproven is the error of a challenge that lies in its place, to be read back.
type unproven struct{ key string }

func (u *unproven) Error() string { return "the challenge " + u.key + " has not been read back" }

// pose writes the challenge unless it is there already. It never succeeds: what
// ends a challenge is the admin's answer, and not a probe.
func (s *store) pose(ctx context.Context, challenge Challenge) error {
	if challenge.Content != nil {
		if err := s.Put(ctx, challenge.Key, marker(string(challenge.Content))); err != nil {
			return err
		}
	}
	return &unproven{challenge.Key}
}

// listMarker accepts a listing without the marker: another probe of the same
// destination may have deleted it, and the listing was allowed.
func (s *store) listMarker(ctx context.Context, key string) error {
	_, err := s.driver.stat(ctx, key)
	return err
}

// outcome turns the result of a step into what an admin reads.
func (s *store) outcome(name schemas.Step, err error) schemas.AccessStep {
	if err == nil {
		return schemas.AccessStep{Name: name, Status: schemas.StepOK}
	}
	var open *unproven
	if errors.As(err, &open) {
		return schemas.AccessStep{Name: name, Status: schemas.StepFailed, Kind: schemas.KindDenied, Code: CodeOwnershipOpen,
			Explanation: "Several organizations share the identity that writes here, so it has to be shown that this destination is yours.",
			Fix:         fmt.Sprintf("Open the object %s in your storage and hand in the code that it holds.", open.key)}
	}
	v := s.driver.sort(err)
	if name == schemas.StepDelete && v.kind == schemas.KindNotFound {
		return schemas.AccessStep{Name: name, Status: schemas.StepOK} // another probe was faster
	}
	status := schemas.StepFailed
	if name == schemas.StepDelete {
		status = schemas.StepWarning
	}
	return schemas.AccessStep{Name: name, Status: status, Kind: v.kind, Code: v.code, Explanation: s.explain(name, v), Answer: v.message}
}

// explain says what happened and what to do about it.
func (s *store) explain(name schemas.Step, v verdict) string {
	advice := s.driver.advise(name, v)
	if advice == "" {
		advice = generalAdvice(v.kind)
	}
	if name == schemas.StepDelete {
		advice += " Exports work without it; only the small marker object stays."
	}
	return advice
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
