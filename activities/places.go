package activities

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"go.temporal.io/sdk/activity"

	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// Opener opens an org's destination with the credentials of its integration.
type Opener interface {
	Open(ctx context.Context, target destination.Target) (destination.Destination, error)
}

// Watcher asks an integration's workflow to look at its access again.
type Watcher interface {
	LookAgain(ctx context.Context, integration schemas.IntegrationRef, check int) error
}

// Places is the way to the destinations of integrations. Nothing but the
// probes' own small objects is ever written to a place that a probe has not
// been let into: whoever names a bucket, role or tenant that is not theirs gets
// no further than that.
type Places struct {
	Store        *postgres.Store
	Destinations Opener
	Watcher      Watcher
}

// errNoCredentials says that there is nothing to open a place with.
func errNoCredentials(place schemas.Destination) error {
	return &destination.Error{
		Kind:    schemas.KindDenied,
		Op:      "open",
		Place:   place.URL(),
		Message: "the integration has no credentials yet; they come with its provisioning",
	}
}

// target is how to reach a place with the integration's credentials. The
// session name is what the org sees in its own cloud's log.
func target(integration schemas.Integration, claim postgres.Claim) destination.Target {
	t := destination.Target{
		Destination: claim.Destination,
		Grant:       integration.Grant,
		Credentials: *integration.Credentials,
		SessionName: "auditferry-" + integration.ID.String(),
	}
	if claim.Owner != nil {
		t.Owner = *claim.Owner
	}
	return t
}

// probe tries the integration's destination, step by step. Where the identity
// is shared and nobody has shown yet that the place is the org's own, it
// writes the challenge and nothing else.
func (p *Places) probe(ctx context.Context, integration schemas.Integration, claim postgres.Claim) (schemas.AccessReport, error) {
	challenge := challengeFor(integration, claim)
	place, err := p.Destinations.Open(ctx, target(integration, claim))
	if err != nil {
		return refusedToOpen(err)
	}
	defer place.Close() //nolint:errcheck // nothing was left open by a finished probe
	report, err := place.Probe(ctx, challenge)
	if err == nil && found(report, destination.CodeChallengeGone) {
		return p.challengeAnew(ctx, integration, claim)
	}
	if err != nil || challenge == nil || challenge.Content == nil || !found(report, destination.CodeOwnershipOpen) {
		return report, err
	}
	hash := sha256.Sum256(challenge.Content)
	return report, p.Store.InOrg(ctx, integration.OrgID, func(tx *postgres.Tx) error {
		// When another probe was faster its challenge counts, and this one is a
		// file that means nothing.
		_, err := tx.SetChallenge(ctx, integration.ID, claim.Destination, challenge.Key, hash[:])
		return err
	})
}

// challengeFor is what an unproven place has to hold before anything else; nil
// when the place is proven, or needs no proof.
func challengeFor(integration schemas.Integration, claim postgres.Claim) *destination.Challenge {
	switch {
	case integration.Ownership.State == schemas.OwnershipImplied || claim.ProvenAt != nil:
		return nil
	case claim.ChallengeKey != nil:
		return &destination.Challenge{Key: *claim.ChallengeKey}
	}
	return &destination.Challenge{
		Key:     claim.Destination.Key("_auditferry/ownership-" + rand.Text()[:8] + ".txt"),
		Content: []byte(rand.Text()),
	}
}

// challengeAnew poses another challenge where the one that was noted is gone:
// a lifecycle rule has deleted it, or the bucket has been made anew. Nobody
// could ever read that one back.
func (p *Places) challengeAnew(ctx context.Context, integration schemas.Integration, claim postgres.Claim) (schemas.AccessReport, error) {
	err := p.Store.InOrg(ctx, integration.OrgID, func(tx *postgres.Tx) error {
		return tx.ForgetChallenge(ctx, integration.ID, claim.Destination, *claim.ChallengeKey)
	})
	if err != nil {
		return schemas.AccessReport{}, err
	}
	claim.ChallengeKey, claim.ChallengeHash = nil, nil
	return p.probe(ctx, integration, claim)
}

// found tells whether the probe has come as far as the challenge, and what it
// found there.
func found(report schemas.AccessReport, code string) bool {
	failure, failed := report.Failure()
	return failed && failure.Name == schemas.StepOwnership && failure.Code == code
}

// refusedToOpen reports a place that cannot be opened at all like one that
// refuses.
func refusedToOpen(err error) (schemas.AccessReport, error) {
	var refusal *destination.Error
	if !errors.As(err, &refusal) {
		return schemas.AccessReport{}, err
	}
	return schemas.AccessReport{Steps: []schemas.AccessStep{{
		Name:        schemas.StepAuthenticate,
		Status:      schemas.StepFailed,
		Kind:        refusal.Kind,
		Code:        refusal.Code,
		Explanation: refusal.Message,
	}}}, nil
}

// enter opens a place for writing. A place that no probe has been let into yet
// is probed first, so that an export waits for nobody but the cloud. So is one
// that wants a proof: a probe that began while the identity was the org's own
// may have been let in since.
func (p *Places) enter(ctx context.Context, integration schemas.Integration, at schemas.Destination) (destination.Destination, error) {
	if integration.Credentials == nil {
		return nil, errNoCredentials(at)
	}
	var claim postgres.Claim
	err := p.Store.InOrg(ctx, integration.OrgID, func(tx *postgres.Tx) (err error) {
		claim, err = tx.Claim(ctx, integration.ID, at)
		return err
	})
	if errors.Is(err, postgres.ErrNotFound) {
		return nil, superseded("the integration does not deliver to %s any more", at)
	}
	if err != nil {
		return nil, err
	}
	if claim.VerifiedAt == nil || challengeFor(integration, claim) != nil {
		if err := p.verify(ctx, integration, &claim); err != nil {
			return nil, err
		}
	}
	return p.Destinations.Open(ctx, target(integration, claim))
}

// verify probes a place on behalf of a writer, and tells the integration's
// workflow when it was let in and that is news.
func (p *Places) verify(ctx context.Context, integration schemas.Integration, claim *postgres.Claim) error {
	report, err := p.probe(ctx, integration, *claim)
	if err != nil {
		return err
	}
	if failure, failed := report.Failure(); failed {
		return &destination.Error{
			Kind:    failure.Kind,
			Op:      string(failure.Name),
			Place:   claim.Destination.URL(),
			Code:    failure.Code,
			Message: sentences(failure.Explanation, failure.Fix),
		}
	}
	err = p.Store.InOrg(ctx, integration.OrgID, func(tx *postgres.Tx) error {
		verified, err := tx.VerifyClaim(ctx, integration.ID, claim.Destination, report.Owner, *integration.Credentials)
		if err != nil {
			return err
		}
		if !verified {
			return errors.New("the credentials have been replaced meanwhile")
		}
		*claim, err = tx.Claim(ctx, integration.ID, claim.Destination)
		return err
	})
	if err != nil {
		return err
	}
	p.lookAgain(ctx, integration, claim.Destination, schemas.AccessDenied, schemas.AccessChecking, schemas.AccessUnknown)
	return nil
}

func sentences(explanation, fix string) string {
	if fix == "" {
		return explanation
	}
	return explanation + " " + fix
}

// reconsider asks for another look when a writer found otherwise than the last
// access check: refused although access is said to be granted, or let in
// although it is said to be denied.
func (p *Places) reconsider(ctx context.Context, integration schemas.Integration, at schemas.Destination, found error) {
	kind := destination.KindOf(found)
	switch {
	case found == nil:
		p.lookAgain(ctx, integration, at, schemas.AccessDenied)
	case kind == schemas.KindDenied || kind == schemas.KindNotFound:
		p.lookAgain(ctx, integration, at, schemas.AccessGranted)
	}
}

// lookAgain asks for another look at access, if it is said to be one of these.
// It goes by what is said now: a writer may have begun long before the last
// check, and one that finishes in a place that the integration has left since
// found nothing out about the present one. It is a hint, given again with every
// attempt until it is heard; what the writer itself found counts more than a
// hint that was lost.
func (p *Places) lookAgain(ctx context.Context, integration schemas.Integration, at schemas.Destination, said ...schemas.Access) {
	ref := schemas.IntegrationRef{OrgID: integration.OrgID, IntegrationID: integration.ID}
	var check int
	err := p.Store.InOrg(ctx, integration.OrgID, func(tx *postgres.Tx) (err error) {
		if check, err = tx.AccessCheck(ctx, integration.ID); err != nil {
			return err
		}
		integration, err = tx.Integration(ctx, integration.ID)
		return err
	})
	if err == nil && (integration.Destination != at || !slices.Contains(said, integration.Access)) {
		return
	}
	if err == nil {
		err = p.Watcher.LookAgain(ctx, ref, check)
	}
	if err != nil {
		activity.GetLogger(ctx).Warn("Access is not looked at again yet", "error", fmt.Errorf("ask for another access check: %w", err))
	}
}
