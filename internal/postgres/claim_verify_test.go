package postgres_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// The first grant pins the bucket's owner; later ones leave it.
func TestVerifyClaim(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i, old, replaced := b.addClaimed("s3://logs/audit/"), awsCredentials("one"), awsCredentials("two")
	verified, err := b.verify(i, "123456789012", old)
	require.NoError(t, err)
	require.False(t, verified, "it has no credentials yet")

	b.setCredentials(i, old, true)
	b.mustVerify(i, "", old) // not every probe learns the owner
	require.Nil(t, b.claimed(i).Owner)
	b.mustVerify(i, "123456789012", old)
	b.mustVerify(i, "", old)
	b.mustVerify(i, "123456789012", old)
	first := b.claimed(i)
	require.Equal(t, "123456789012", *first.Owner)
	require.WithinDuration(t, now(), *first.VerifiedAt, time.Minute)

	_, err = b.verify(i, "210987654321", old)
	require.ErrorContains(t, err, "of 210987654321, and another one has pinned 123456789012")
	require.Equal(t, first, b.claimed(i), "nothing has changed")

	b.setCredentials(i, replaced, true)
	verified, err = b.verify(i, "123456789012", old)
	require.NoError(t, err)
	require.False(t, verified, "these credentials have been replaced")
	require.Nil(t, b.claimed(i).VerifiedAt)
	b.mustVerify(i, "123456789012", replaced)

	b.in(func(tx *postgres.Tx) { require.NoError(t, tx.ClearCredentials(t.Context(), i.ID)) })
	verified, err = b.verify(i, "123456789012", replaced)
	require.NoError(t, err)
	require.False(t, verified, "these have been revoked")

	i.Destination = parse(t, "s3://logs/elsewhere/")
	verified, err = b.verify(i, "123456789012", replaced)
	require.NoError(t, err)
	require.False(t, verified, "a place that is not claimed")
}

// A probe that ends while its credentials are being replaced verifies nothing,
// in whichever order the two come.
func TestVerifyClaimWhileCredentialsAreReplaced(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old, replaced := awsCredentials("one"), awsCredentials("two")
	for _, place := range []string{"s3://first/", "s3://second/"} {
		i := b.addClaimed(place)
		b.setCredentials(i, old, true)
		var verified bool
		verify := func(tx *postgres.Tx) (err error) {
			verified, err = tx.VerifyClaim(t.Context(), i.ID, i.Destination, "123456789012", old)
			return err
		}
		replace := func(tx *postgres.Tx) error { return tx.SetCredentials(t.Context(), i.ID, replaced, true) }
		if place == "s3://first/" {
			first, second := meanwhile(t, b, replace, b, verify)
			require.NoError(t, first)
			require.NoError(t, second)
			require.False(t, verified)
			require.Nil(t, b.claimed(i).Owner)
		} else {
			first, second := meanwhile(t, b, verify, b, replace)
			require.NoError(t, first)
			require.NoError(t, second)
			require.True(t, verified)
		}
		require.Nil(t, b.claimed(i).VerifiedAt)
	}
}

// Two first probes at once pin one owner, and the one that found another does
// not pass for granted.
func TestFirstOwnersRace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addClaimed("s3://logs/audit/")
	b.setCredentials(i, awsCredentials("one"), true)
	verify := func(owner string) func(*postgres.Tx) error {
		return func(tx *postgres.Tx) error {
			_, err := tx.VerifyClaim(t.Context(), i.ID, i.Destination, owner, awsCredentials("one"))
			return err
		}
	}
	first, second := meanwhile(t, b, verify("123456789012"), b, verify("210987654321"))
	require.NoError(t, first)
	require.Error(t, second)
	require.Equal(t, "123456789012", *b.claimed(i).Owner)
}

// An admin who accepts that a bucket has another owner begins anew: what was
// proven was about the former one's bucket.
func TestForgetOwner(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addClaimed("gs://logs/audit/")
	shared := gcpCredentials("shared")
	b.setCredentials(i, shared, false)
	b.mustVerify(i, "100000000001", shared)
	require.True(t, b.challenge(i, "audit/challenge", []byte("hash")))
	b.prove(i)

	b.in(func(tx *postgres.Tx) { require.NoError(t, tx.ForgetOwner(t.Context(), i.ID, i.Destination)) })
	require.Equal(t, postgres.Claim{Destination: i.Destination}, b.claimed(i))
	require.Equal(t, schemas.OwnershipOpen, b.integration(i.ID).Ownership.State)
	b.mustVerify(i, "200000000002", shared)
	require.Equal(t, "200000000002", *b.claimed(i).Owner)
}

// Other credentials may open other doors, so access has to be found out again,
// everywhere. Whose a place is does not depend on them.
func TestNewCredentialsVerifyNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i, bystander := b.addClaimed("gs://logs/audit/"), b.addClaimed("gs://logs/other/")
	require.NoError(t, b.claim(i, "gs://logs/next/"))
	next := i
	next.Destination = parse(t, "gs://logs/next/")
	old := gcpCredentials("old")
	for _, of := range []schemas.Integration{i, bystander} {
		b.setCredentials(of, old, false)
	}
	for _, of := range []schemas.Integration{i, next, bystander} {
		b.mustVerify(of, "100000000001", old)
		require.True(t, b.challenge(of, "challenge", []byte("hash")))
		b.prove(of)
	}

	b.setCredentials(i, gcpCredentials("new"), false)
	for _, of := range []schemas.Integration{i, next} {
		claim := b.claimed(of)
		require.Nil(t, claim.VerifiedAt)
		require.NotNil(t, claim.ProvenAt)
		require.Equal(t, "100000000001", *claim.Owner)
		require.Equal(t, "challenge", *claim.ChallengeKey)
	}
	require.NotNil(t, b.claimed(bystander).VerifiedAt)
}

func TestAPlaceHasOneChallenge(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addClaimed("gs://logs/audit/")
	require.True(t, b.challenge(i, "audit/first", []byte("first hash")))
	for _, key := range []string{"audit/second", "audit/first"} {
		require.False(t, b.challenge(i, key, []byte("second hash")))
	}
	claim := b.claimed(i)
	require.Equal(t, "audit/first", *claim.ChallengeKey)
	require.Equal(t, []byte("first hash"), claim.ChallengeHash)

	b.prove(i)
	proven := b.claimed(i).ProvenAt
	b.prove(i)
	require.Equal(t, proven, b.claimed(i).ProvenAt, "proven once")
}

func TestChallengesRace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addClaimed("gs://logs/audit/")
	set := make([]bool, 2)
	challenge := func(n int, key string) func(*postgres.Tx) error {
		return func(tx *postgres.Tx) (err error) {
			set[n], err = tx.SetChallenge(t.Context(), i.ID, i.Destination, key, []byte(key))
			return err
		}
	}
	first, second := meanwhile(t, b, challenge(0, "first"), b, challenge(1, "second"))
	require.NoError(t, first)
	require.NoError(t, second)
	require.Equal(t, []bool{true, false}, set)
	require.Equal(t, "first", *b.claimed(i).ChallengeKey)
}

// The admin reads where to look: the challenge's own URL, in each cloud's form.
func TestOwnership(t *testing.T) {
	t.Parallel()
	for place, root := range map[string]string{
		"s3://acme-logs/":                                        "s3://acme-logs/",
		"s3://acme-logs/audit/2026/":                             "s3://acme-logs/",
		"azure://acmelogs.blob.core.windows.net/container/":      "azure://acmelogs.blob.core.windows.net/container/",
		"azure://acmelogs.blob.core.windows.net/container/logs/": "azure://acmelogs.blob.core.windows.net/container/",
		"gs://acme-logs/":                                        "gs://acme-logs/",
		"gs://acme-logs/audit/":                                  "gs://acme-logs/",
	} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			i := b.addClaimed(place)
			ownership := func() schemas.Ownership { return b.integration(i.ID).Ownership }
			require.Equal(t, schemas.Ownership{State: schemas.OwnershipOpen}, ownership())

			key := i.Destination.Key("_auditferry/ownership.txt")
			require.True(t, b.challenge(i, key, []byte("hash")))
			waiting := schemas.Ownership{State: schemas.OwnershipWaiting, Challenge: root + key}
			require.Equal(t, waiting, ownership())
			require.Equal(t, place+"_auditferry/ownership.txt", waiting.Challenge)

			b.setCredentials(i, awsCredentials("own"), true)
			require.Equal(t, schemas.Ownership{State: schemas.OwnershipImplied}, ownership())
			b.setCredentials(i, awsCredentials("shared"), false)
			require.Equal(t, waiting, ownership())

			b.prove(i)
			require.Equal(t, schemas.Ownership{State: schemas.OwnershipProven}, ownership())
			b.in(func(tx *postgres.Tx) {
				moved := parse(t, place+"moved/")
				require.NoError(t, tx.ClaimDestination(t.Context(), i.ID, moved))
				require.NoError(t, tx.SetDestination(t.Context(), i.ID, moved, i.Grant))
			})
			require.Equal(t, schemas.Ownership{State: schemas.OwnershipOpen}, ownership(), "another place has to be proven again")
		})
	}
}

// Invariant 6: what is known of another org's places can be neither read nor
// changed.
func TestClaimsOfOtherOrgs(t *testing.T) {
	t.Parallel()
	mine := setup(t)
	theirs := mine.withOrg(mine.addOrg("Umbrella"))
	i := theirs.addClaimed("gs://logs/audit/")
	shared := gcpCredentials("shared")
	theirs.setCredentials(i, shared, false)
	theirs.mustVerify(i, "100000000001", shared)
	require.True(t, theirs.challenge(i, "challenge", []byte("hash")))
	before := theirs.claimed(i)

	ctx := t.Context()
	for name, attempt := range map[string]func(*postgres.Tx) error{
		"read": func(tx *postgres.Tx) error {
			_, err := tx.Claim(ctx, i.ID, i.Destination)
			return err
		},
		"prove":  func(tx *postgres.Tx) error { return tx.ProveClaim(ctx, i.ID, i.Destination) },
		"forget": func(tx *postgres.Tx) error { return tx.ForgetOwner(ctx, i.ID, i.Destination) },
	} {
		require.ErrorIs(t, mine.try(attempt), postgres.ErrNotFound, name)
	}
	verified, err := mine.verify(i, "100000000001", shared)
	require.NoError(t, err)
	require.False(t, verified)
	require.False(t, mine.challenge(i, "mine", []byte("mine")))
	mine.release(i)
	require.Equal(t, before, theirs.claimed(i))
	requireConflict(t, mine.claim(mine.addIntegration("gs://mine/"), "gs://logs/audit/"))
}

func gcpCredentials(name string) schemas.Credentials {
	return schemas.Credentials{GCP: &schemas.GCPCredentials{ServiceAccount: name + "@auditferry-dev.iam.gserviceaccount.com"}}
}

func (b bundle) integration(id uuid.UUID) (i schemas.Integration) {
	b.t.Helper()
	b.in(func(tx *postgres.Tx) {
		var err error
		i, err = tx.Integration(b.t.Context(), id)
		require.NoError(b.t, err)
	})
	return i
}
