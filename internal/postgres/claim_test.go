package postgres_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// addClaimed adds an integration that claims its destination, in whichever
// cloud that is.
func (b bundle) addClaimed(destination string) schemas.Integration {
	b.t.Helper()
	i := schemas.Integration{
		ID: newID(b.t), OrgID: b.org, Name: "Archive", Destination: parse(b.t, destination),
		Provisioner: schemas.ProvisionerAuto, Status: schemas.IntegrationAwaitingAccess, Access: schemas.AccessUnknown,
	}
	i.Cloud = i.Destination.Cloud
	b.in(func(tx *postgres.Tx) { require.NoError(b.t, tx.InsertIntegration(b.t.Context(), i)) })
	require.NoError(b.t, b.claim(i, destination))
	return i
}

// claimed reads what is known of the place that an integration writes to.
func (b bundle) claimed(i schemas.Integration) (c postgres.Claim) {
	b.t.Helper()
	b.in(func(tx *postgres.Tx) {
		var err error
		c, err = tx.Claim(b.t.Context(), i.ID, i.Destination)
		require.NoError(b.t, err)
	})
	return c
}

func (b bundle) setCredentials(i schemas.Integration, c schemas.Credentials, exclusive bool) {
	b.t.Helper()
	b.in(func(tx *postgres.Tx) { require.NoError(b.t, tx.SetCredentials(b.t.Context(), i.ID, c, exclusive)) })
}

func (b bundle) verify(i schemas.Integration, owner string, c schemas.Credentials) (verified bool, err error) {
	err = b.try(func(tx *postgres.Tx) (err error) {
		verified, err = tx.VerifyClaim(b.t.Context(), i.ID, i.Destination, owner, c)
		return err
	})
	return verified, err
}

func (b bundle) mustVerify(i schemas.Integration, owner string, c schemas.Credentials) {
	b.t.Helper()
	verified, err := b.verify(i, owner, c)
	require.NoError(b.t, err)
	require.True(b.t, verified)
}

func (b bundle) challenge(i schemas.Integration, key string, hash []byte) (set bool) {
	b.t.Helper()
	b.in(func(tx *postgres.Tx) {
		var err error
		set, err = tx.SetChallenge(b.t.Context(), i.ID, i.Destination, key, hash)
		require.NoError(b.t, err)
	})
	return set
}

func (b bundle) prove(i schemas.Integration) {
	b.t.Helper()
	b.in(func(tx *postgres.Tx) { require.NoError(b.t, tx.ProveClaim(b.t.Context(), i.ID, i.Destination)) })
}

func (b bundle) release(i schemas.Integration) {
	b.t.Helper()
	b.in(func(tx *postgres.Tx) { require.NoError(b.t, tx.ReleaseDestinations(b.t.Context(), i.ID, nil)) })
}

func (b bundle) dropReleased() {
	b.t.Helper()
	b.asOperator(func(tx *postgres.Tx) { require.NoError(b.t, tx.DropReleasedClaims(b.t.Context())) })
}

func (b bundle) endRun(r schemas.Run) {
	b.t.Helper()
	r.Status = schemas.RunFailed
	b.in(func(tx *postgres.Tx) { require.NoError(b.t, tx.EndRun(b.t.Context(), r)) })
}

// meanwhile runs second while first has done its work and not committed yet,
// and lets first commit when second waits for it, or has not waited.
func meanwhile(t *testing.T, one bundle, first func(*postgres.Tx) error, other bundle, second func(*postgres.Tx) error) (firstErr, secondErr error) {
	t.Helper()
	return beside(t, one, first, func() error { return other.try(second) })
}

// beside is meanwhile for a second that is not one transaction.
func beside(t *testing.T, one bundle, first func(*postgres.Tx) error, second func() error) (firstErr, secondErr error) {
	t.Helper()
	did, commit := make(chan error, 1), make(chan struct{})
	finish := sync.OnceFunc(func() { close(commit) })
	defer finish()
	firstDone, secondDone := make(chan error, 1), make(chan error, 1)
	go func() {
		firstDone <- one.try(func(tx *postgres.Tx) error {
			err := first(tx)
			did <- err
			<-commit
			return err
		})
	}()
	require.NoError(t, <-did)
	go func() { secondDone <- second() }()
	conn := connect(t, one.ownerURL)
	require.Eventually(t, func() bool {
		return len(secondDone) > 0 || number(t, conn, `
			SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
			WHERE NOT granted AND datname = current_database()`) > 0
	}, 20*time.Second, 2*time.Millisecond)
	finish()
	return <-firstDone, <-secondDone
}

// Invariant 6: a place that was given up belongs to nobody else while a run is
// still writing there.
func TestReleasedClaimsWaitForTheirRuns(t *testing.T) {
	t.Parallel()
	mine := setup(t)
	others := mine.withOrg(mine.addOrg("Umbrella"))
	i := mine.addClaimed("s3://logs/audit/")
	second := mine.addIntegration("s3://elsewhere/")
	foreign := others.addIntegration("s3://foreign/")
	_, run := mine.addRun(mine.addExport(i, "daily"), 1, 3)

	mine.release(i)
	held := func(what string) {
		t.Helper()
		for _, place := range []string{"s3://logs/audit/", "s3://logs/", "s3://logs/audit/2026/"} {
			requireConflict(t, others.claim(foreign, place))
			requireConflict(t, mine.claim(second, place))
		}
		require.Equal(t, i.Destination, mine.claimed(i).Destination, what)
	}
	held("released")
	mine.dropReleased()
	held("the run is still writing")

	mine.endRun(run)
	held("nobody has looked yet")
	mine.dropReleased()
	require.NoError(t, others.claim(foreign, "s3://logs/audit/"))
}

// Invariant 6: nor while a backfill is still to write there, also between two of
// its runs, nor before the chain in that place is ended.
func TestReleasedClaimsWaitForBackfillsAndClosings(t *testing.T) {
	t.Parallel()
	mine := setup(t)
	others := mine.withOrg(mine.addOrg("Umbrella"))
	for name, holds := range map[string]func(schemas.Integration, schemas.Export) (end func()){
		"backfill": func(_ schemas.Integration, e schemas.Export) func() {
			backfill := mine.addBackfill(e, 1, 3)
			return func() {
				mine.in(func(tx *postgres.Tx) { require.NoError(t, tx.AdvanceBackfill(t.Context(), backfill.ID, 3)) })
			}
		},
		"closing": func(i schemas.Integration, e schemas.Export) func() {
			mine.leave(e)
			return func() { mine.closeChain(i, e, 3, "") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			place := "s3://" + name + "/audit/"
			i, foreign := mine.addClaimed(place), others.addIntegration("s3://foreign/")
			e := mine.addExport(i, name)
			mine.delivered(mine.windowOf(e, 1, 3))
			end := holds(i, e)
			mine.release(i)
			mine.dropReleased()
			requireConflict(t, others.claim(foreign, place))
			end()
			mine.dropReleased()
			require.NoError(t, others.claim(foreign, place))
		})
	}
}

// Neither holds a place that it does not write to.
func TestReleasedClaimsWaitForNoOtherBackfillsAndClosings(t *testing.T) {
	t.Parallel()
	mine := setup(t)
	others := mine.withOrg(mine.addOrg("Umbrella"))
	for _, b := range []bundle{mine, others} {
		elsewhere := b.addIntegration("s3://elsewhere/")
		e := b.addExport(elsewhere, "daily")
		if b.org == others.org {
			e.Destination = parse(t, "s3://logs/audit/")
		}
		b.delivered(b.windowOf(e, 1, 3))
		b.addBackfill(e, 1, 3)
		b.leave(e)
		require.Len(t, b.closings(elsewhere), 1)
	}
	i := mine.addClaimed("s3://logs/audit/")
	mine.release(i)
	foreign := others.addIntegration("s3://foreign/")
	require.NoError(t, others.claim(foreign, "s3://logs/audit/"))
}

// A run that writes elsewhere holds nothing, nor does another org's run to a
// place of the same name.
func TestReleasedClaimsWaitForNoOtherRuns(t *testing.T) {
	t.Parallel()
	mine := setup(t)
	others := mine.withOrg(mine.addOrg("Umbrella"))
	i := mine.addClaimed("s3://logs/audit/")
	elsewhere := i
	elsewhere.Destination = parse(t, "s3://logs/audit/2025/")
	mine.addRun(mine.addExport(elsewhere, "elsewhere"), 1, 3)
	foreign := others.addIntegration("s3://logs/audit/")
	others.addRun(others.addExport(foreign, "daily"), 1, 3)
	_, run := mine.addRun(mine.addExport(i, "daily"), 1, 3)

	mine.release(i)
	mine.endRun(run)
	requireConflict(t, others.claim(foreign, "s3://logs/audit/"))
	mine.dropReleased()
	require.NoError(t, others.claim(foreign, "s3://logs/audit/"))
}

// What is known of a place lasts when the integration comes back to it before
// its last run has ended.
func TestReclaimingAReleasedPlace(t *testing.T) {
	t.Parallel()
	mine := setup(t)
	i := mine.addClaimed("s3://logs/audit/")
	mine.setCredentials(i, awsCredentials("one"), true)
	mine.mustVerify(i, "123456789012", awsCredentials("one"))
	before := mine.claimed(i)
	_, run := mine.addRun(mine.addExport(i, "daily"), 1, 3)

	mine.release(i)
	require.NoError(t, mine.claim(i, "s3://logs/audit/"))
	mine.endRun(run)
	mine.dropReleased()
	require.Equal(t, before, mine.claimed(i))
}

// A place that was free in between is a new one: whoever owns it now has to be
// found out.
func TestClaimingAFreedPlaceAgain(t *testing.T) {
	t.Parallel()
	mine := setup(t)
	i := mine.addClaimed("s3://logs/audit/")
	mine.setCredentials(i, awsCredentials("one"), false)
	mine.mustVerify(i, "123456789012", awsCredentials("one"))
	require.True(t, mine.challenge(i, "audit/challenge", []byte("hash")))
	mine.prove(i)

	mine.release(i)
	err := mine.try(func(tx *postgres.Tx) error {
		_, err := tx.Claim(t.Context(), i.ID, i.Destination)
		return err
	})
	require.ErrorIs(t, err, postgres.ErrNotFound)
	require.NoError(t, mine.claim(i, "s3://logs/audit/"))
	require.Equal(t, postgres.Claim{Destination: i.Destination}, mine.claimed(i))
}

func TestReleaseKeepsThePlaceThatItIsTold(t *testing.T) {
	t.Parallel()
	mine := setup(t)
	i := mine.addClaimed("s3://logs/audit/")
	require.NoError(t, mine.claim(i, "s3://logs/next/"))
	next := parse(t, "s3://logs/next/")
	mine.in(func(tx *postgres.Tx) { require.NoError(t, tx.ReleaseDestinations(t.Context(), i.ID, &next)) })
	second := mine.addIntegration("s3://other/")
	require.NoError(t, mine.claim(second, "s3://logs/audit/"))
	requireConflict(t, mine.claim(second, "s3://logs/next/"))
}
