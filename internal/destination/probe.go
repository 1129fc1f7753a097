package destination

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/auditferry/auditferry/schemas"
)

// stepTimeout bounds one step. All of them have to fit into what one attempt of
// an access check may take, or a cloud that does not answer at all would never
// be a finding.
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
		if outcome.Status == schemas.StepOK && !slices.Contains(signIn, step.name) {
			report.Owner = s.driver.owner()
		}
		report.Steps = append(report.Steps, outcome)
	}
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

// pose writes the challenge unless it is there already. It never succeeds: what
// ends a challenge is the admin's answer, and not a probe.
func (s *store) pose(ctx context.Context, challenge Challenge) error {
	if challenge.Content == nil {
		there, err := s.driver.stat(ctx, challenge.Key)
		if err != nil && s.driver.sort(schemas.StepList, err).kind == schemas.KindNotFound {
			return s.fail(ctx, "list", challenge.Key, err)
		}
		// A listing that is refused leaves it at what was noted.
		return &unproven{key: challenge.Key, gone: err == nil && !there.found}
	}
	object := marker(string(challenge.Content))
	if err := s.check(challenge.Key, object); err != nil {
		return err
	}
	// Nothing else may be written to find out about the bucket's hashes; an
	// object of this size under a key of this sort is taken for the challenge.
	noHashes := func(context.Context) (bool, error) { return false, nil }
	if err := s.store(ctx, challenge.Key, object, noHashes); err != nil {
		return err
	}
	return &unproven{key: challenge.Key}
}

// unproven is the error of a challenge that lies in its place, to be read back,
// or is gone from there unread.
type unproven struct {
	key  string
	gone bool
}

func (u *unproven) Error() string { return "the challenge " + u.key + " has not been read back" }

func (u *unproven) verdict() verdict {
	if u.gone {
		return verdict{
			kind: schemas.KindDenied, code: CodeChallengeGone,
			explanation: "The object " + u.key + ", which was to show that this destination is yours, is not there any more. The next try writes another.",
			fix:         "Leave the next object there until you have entered the code that it holds.",
		}
	}
	return verdict{
		kind: schemas.KindDenied, code: CodeOwnershipOpen,
		explanation: "The identity that writes here serves several organizations, so it has to be shown first that this destination is yours. Until then nothing is exported to it.",
		fix:         "Open the object " + u.key + " in your storage, and hand in the code that it holds as the integration's proof of ownership.",
	}
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
	v := s.sort(name, err)
	var not *untold
	switch {
	case errors.As(err, &not):
		return schemas.AccessStep{Name: name, Status: schemas.StepSkipped, Explanation: v.explanation}
	case name == schemas.StepDelete && v.kind == schemas.KindNotFound:
		return schemas.AccessStep{Name: name, Status: schemas.StepOK} // another probe was faster
	}
	status := schemas.StepFailed
	if name == schemas.StepDelete {
		status = schemas.StepWarning
	}
	return schemas.AccessStep{
		Name: name, Status: status, Kind: v.kind, Code: v.code,
		Explanation: v.explanation, Fix: v.fix, Answer: v.answer,
	}
}

// sort sorts the errors of the shared part as well as the driver's.
func (s *store) sort(name schemas.Step, err error) verdict {
	var open *unproven
	var wrapped *Error
	switch {
	case errors.As(err, &open):
		return open.verdict()
	case !errors.As(err, &wrapped):
		return s.driver.sort(name, err)
	case wrapped.Err != nil:
		return s.driver.sort(stepOf[wrapped.Op], wrapped.Err)
	}
	return verdict{
		kind: wrapped.Kind, code: wrapped.Code, explanation: "The object " + wrapped.Key + " could not be written: " + wrapped.Message + ".",
		fix: "Remove the object, or choose another folder.",
	}
}
