package activities_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

const challengePrefix = "audit/_auditferry/ownership-"

// requireChallenge checks that the place holds the challenge that is noted, and
// nothing else.
func (b *bundle) requireChallenge(i schemas.Integration) (key string, content []byte) {
	b.t.Helper()
	stored := b.cloud.Objects(i.Destination)
	require.Len(b.t, stored, 1)
	claim := b.claimed(i)
	require.NotNil(b.t, claim.ChallengeKey)
	content, there := stored[*claim.ChallengeKey]
	require.True(b.t, there)
	hash := sha256.Sum256(content)
	require.Equal(b.t, hash[:], claim.ChallengeHash)
	return *claim.ChallengeKey, content
}

// prove does what the API does once the org has read the challenge back.
func (b *bundle) prove(i schemas.Integration) {
	b.t.Helper()
	b.in(func(ctx context.Context, tx *postgres.Tx) error { return tx.ProveClaim(ctx, i.ID, i.Destination) })
}

// Invariant 6: with an identity that orgs share, being let in shows nothing. A
// probe leaves one object for the org to read back, whose content stands
// nowhere else, and no probe adds to it.
func TestASharedIdentityIsChallenged(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, in := b.checking(sharing)
	i := b.integration(in.IntegrationID)
	require.Equal(t, schemas.OwnershipOpen, i.Ownership.State)
	require.Equal(t, schemas.ProbeResult{Kind: schemas.KindDenied}, must[schemas.ProbeResult](t, a.Probe, in))
	key, content := b.requireChallenge(i)
	require.True(t, strings.HasPrefix(key, challengePrefix), key)
	require.GreaterOrEqual(t, len(content), 26, "too long to be guessed")

	i = b.integration(i.ID)
	require.Equal(t, schemas.Ownership{State: schemas.OwnershipWaiting, Challenge: "s3://acme-logs/" + key}, i.Ownership)
	var failed []schemas.AccessStep
	for _, step := range i.Report.Steps {
		if step.Status != schemas.StepOK {
			failed = append(failed, step)
		}
	}
	require.Equal(t, schemas.StepOwnership, failed[0].Name)
	require.Equal(t, destination.CodeOwnershipOpen, failed[0].Code)
	require.NotEmpty(t, failed[0].Fix)
	for _, step := range failed[1:] {
		require.Equal(t, schemas.StepSkipped, step.Status)
	}
	public, err := json.Marshal(i)
	require.NoError(t, err)
	require.NotContains(t, string(public), string(content))

	asked := b.requests(nil)
	require.False(t, must[schemas.ProbeResult](t, a.Probe, in).Granted)
	require.Empty(t, asked.keys("put"))
	again, _ := b.requireChallenge(i)
	require.Equal(t, key, again)

	b.prove(i)
	require.True(t, must[schemas.ProbeResult](t, a.Probe, in).Granted)
	require.NotNil(t, b.claimed(i).VerifiedAt)
	require.Equal(t, schemas.OwnershipProven, b.integration(i.ID).Ownership.State)
}

// Invariant 6: events wait for the proof, however often an export tries, and
// then go out by themselves.
func TestExportsWaitForTheProof(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i, r := b.delivering(sharing)
	for range 2 {
		_, err := r.write(attempt{})
		requireError(t, err, schemas.ErrorDestinationDenied, true)
		require.ErrorContains(t, err, destination.CodeOwnershipOpen)
		b.requireChallenge(i)
	}
	require.Nil(t, b.claimed(i).VerifiedAt)
	require.Empty(t, b.watcher.looks())

	b.prove(i)
	objects := r.mustWrite()
	r.mustFinish()
	key := *b.claimed(i).ChallengeKey
	stored := slices.Sorted(maps.Keys(b.stored(i.Destination)))
	want := []string{key}
	for _, object := range objects {
		want = append(want, object.Key)
	}
	require.ElementsMatch(t, want, stored)
	require.Len(t, b.watcher.looks(), 1)
}

// A challenge that is gone unread, with its bucket or by a lifecycle rule, can
// never be read back; the next probe leaves another.
func TestAChallengeThatIsGoneIsReplaced(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, in := b.checking(sharing)
	i := b.integration(in.IntegrationID)
	must[schemas.ProbeResult](t, a.Probe, in)
	first, _ := b.requireChallenge(i)

	b.cloud.Remove(i.Destination, first)
	require.Equal(t, schemas.ProbeResult{Kind: schemas.KindDenied}, must[schemas.ProbeResult](t, a.Probe, in))
	second, _ := b.requireChallenge(i)
	require.NotEqual(t, first, second)
	failure, _ := b.integration(i.ID).Report.Failure()
	require.Equal(t, destination.CodeOwnershipOpen, failure.Code)
	require.Contains(t, failure.Fix, second)

	b.requests(denyOp("list"))
	must[schemas.ProbeResult](t, a.Probe, in)
	b.cloud.Before(nil)
	again, _ := b.requireChallenge(i)
	require.Equal(t, second, again, "what may not be looked up is taken to be there")
}

// A challenge that could not be written is none: nothing is noted, and the next
// probe tries anew.
func TestAChallengeThatWasRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, in := b.checking(sharing)
	i := b.integration(in.IntegrationID)
	b.requests(denyOp("put"))
	require.Equal(t, schemas.KindDenied, must[schemas.ProbeResult](t, a.Probe, in).Kind)
	require.Nil(t, b.claimed(i).ChallengeKey)
	require.Equal(t, schemas.OwnershipOpen, b.integration(i.ID).Ownership.State)
	b.cloud.Before(nil)
	must[schemas.ProbeResult](t, a.Probe, in)
	b.requireChallenge(i)
}

// Of two probes that write a challenge at once one counts, and its hash is that
// of its own object.
func TestTwoProbesAtOnceChallengeOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, in := b.checking(sharing)
	i := b.integration(in.IntegrationID)
	var writing, probing sync.WaitGroup
	const rivals = 2
	writing.Add(rivals)
	asked := b.requests(nil)
	b.cloud.Before(func(r destination.Request) error {
		if r.Op == "put" {
			writing.Done()
			writing.Wait() // neither knows of the other's
		}
		return asked.before(r)
	})
	var errs [rivals]error
	for n := range rivals {
		probing.Go(func() { _, errs[n] = try[schemas.ProbeResult](t, attempt{}, a.Probe, in) })
	}
	probing.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.Len(t, asked.keys("put"), rivals)
	stored := b.cloud.Objects(i.Destination)
	require.Len(t, stored, rivals)
	claim := b.claimed(i)
	hash := sha256.Sum256(stored[*claim.ChallengeKey])
	require.Equal(t, hash[:], claim.ChallengeHash)

	b.cloud.Before(asked.before)
	must[schemas.ProbeResult](t, a.Probe, in)
	require.Len(t, asked.keys("put"), rivals, "what counts lies there already")
	require.Equal(t, claim, b.claimed(i))
}

// Invariant 6: a probe that was let in while the identity was the org's own
// opens no place for the same identity once it is shared.
func TestAnIdentityThatBecomesSharedNeedsAProof(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i, r := b.delivering(awaiting)
	b.setCheck(i.ID, 1)
	b.cloud.After(onPut(1, func() error {
		b.in(func(ctx context.Context, tx *postgres.Tx) error {
			return tx.SetCredentials(ctx, i.ID, *i.Credentials, false)
		})
		return nil
	}))
	a := &activities.Access{Store: b.Store, Places: b.places()}
	must[schemas.ProbeResult](t, a.Probe, schemas.ProbeInput{IntegrationRef: ref(i), Check: 1, Attempt: 1})
	require.NotNil(t, b.claimed(i).VerifiedAt)

	_, err := r.write(attempt{})
	requireError(t, err, schemas.ErrorDestinationDenied, true)
	require.ErrorContains(t, err, destination.CodeOwnershipOpen)
	b.requireChallenge(i)
	b.prove(i)
	r.mustWrite()
	r.mustFinish()
}

// A proof was about the former owner's bucket: whoever accepts another owner
// has to read another challenge back.
func TestAnotherOwnerNeedsAnotherProof(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, in := b.checking(sharing)
	i := b.integration(in.IntegrationID)
	must[schemas.ProbeResult](t, a.Probe, in)
	b.prove(i)
	require.True(t, must[schemas.ProbeResult](t, a.Probe, in).Granted)
	first := *b.claimed(i).ChallengeKey

	b.cloud.SetOwner(i.Destination, "999999999999")
	begins(t, (&activities.Integrations{Store: b.Store}).BeginAccessCheck,
		b.addOperation(i, schemas.OpCheckAccess, schemas.OperationParams{AcceptOwner: true}))
	require.Equal(t, schemas.Ownership{State: schemas.OwnershipOpen}, b.integration(i.ID).Ownership)
	require.False(t, must[schemas.ProbeResult](t, a.Probe, in).Granted)
	second := *b.claimed(i).ChallengeKey
	require.NotEqual(t, first, second)
	require.Contains(t, b.cloud.Objects(i.Destination), second)
}
