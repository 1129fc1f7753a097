package postgres_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

func TestIntegrationKeepsWhatItIsGiven(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	want := b.addIntegration("s3://logs/audit/")
	b.in(func(tx *postgres.Tx) {
		got, err := tx.Integration(ctx, want.ID)
		require.NoError(t, err)
		require.Equal(t, want, got)

		want.Destination = parse(t, "s3://logs/elsewhere/")
		want.Credentials = &schemas.Credentials{AWS: &schemas.AWSCredentials{ExternalID: "x", IAMUserARN: "y"}}
		want.Report = &schemas.AccessReport{
			Check: 3, Granted: true, Attempt: 2, CheckedAt: now(), Steps: []schemas.AccessStep{{Name: "write", Status: schemas.StepOK}},
		}
		want.Status, want.Access = schemas.IntegrationActive, schemas.AccessGranted
		want.Grant.BucketOwner = "210987654321"
		require.NoError(t, tx.SetDestination(ctx, want.ID, want.Destination, want.Grant))
		require.NoError(t, tx.SetCredentials(ctx, want.ID, *want.Credentials, true))
		want.Ownership.State = schemas.OwnershipImplied
		require.NoError(t, tx.SetAccess(ctx, want.ID, want.Status, want.Access, 3))
		current, err := tx.RecordAttempt(ctx, want.ID, *want.Report)
		require.NoError(t, err)
		require.True(t, current)
		current, err = tx.RecordAttempt(ctx, want.ID, schemas.AccessReport{Check: 2, Attempt: 1})
		require.NoError(t, err)
		require.False(t, current, "a superseded check is not heard")
		check, err := tx.AccessCheck(ctx, want.ID)
		require.NoError(t, err)
		require.Equal(t, 3, check)

		got, err = tx.LockIntegration(ctx, want.ID)
		require.NoError(t, err)
		want.UpdatedAt = got.UpdatedAt
		require.Equal(t, want, got)
	})
}

// Invariant 2: what a worker says that has long been given up for lost changes
// nothing any more.
func TestAccessIsNotSetTooLate(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	i := b.addIntegration("s3://logs/audit/")
	set := func(status schemas.IntegrationStatus, access schemas.Access, check int) (schemas.IntegrationStatus, schemas.Access) {
		var is schemas.Integration
		b.in(func(tx *postgres.Tx) {
			require.NoError(t, tx.SetAccess(ctx, i.ID, status, access, check))
			var err error
			is, err = tx.Integration(ctx, i.ID)
			require.NoError(t, err)
		})
		return is.Status, is.Access
	}
	set(schemas.IntegrationAwaitingAccess, schemas.AccessChecking, 2)
	status, access := set(schemas.IntegrationActive, schemas.AccessGranted, 1)
	require.Equal(t, schemas.IntegrationAwaitingAccess, status, "an older check is not heard")
	require.Equal(t, schemas.AccessChecking, access)

	set(schemas.IntegrationActive, schemas.AccessGranted, 2)
	status, access = set(schemas.IntegrationAwaitingAccess, schemas.AccessChecking, 2)
	require.Equal(t, schemas.IntegrationActive, status, "a check that has ended does not begin again")
	require.Equal(t, schemas.AccessGranted, access)

	for _, gone := range []schemas.IntegrationStatus{schemas.IntegrationDeleting, schemas.IntegrationDeleted} {
		b.in(func(tx *postgres.Tx) { require.NoError(t, tx.SetIntegrationStatus(ctx, i.ID, gone)) })
		status, _ = set(schemas.IntegrationActive, schemas.AccessGranted, 3)
		require.Equal(t, gone, status, "what is deleted does not come back")
	}
	err := b.try(func(tx *postgres.Tx) error {
		return tx.SetAccess(ctx, newID(t), schemas.IntegrationActive, schemas.AccessGranted, 1)
	})
	require.ErrorIs(t, err, postgres.ErrNotFound)
}

func TestDeletedIntegrationsStayAsHistory(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	first, second := b.addIntegration("s3://one/"), b.addIntegration("s3://two/")
	b.in(func(tx *postgres.Tx) {
		require.NoError(t, tx.SetIntegrationStatus(ctx, first.ID, schemas.IntegrationDeleted))
		deleted, err := tx.Integration(ctx, first.ID)
		require.NoError(t, err)
		require.NotNil(t, deleted.DeletedAt)

		live, err := tx.Integrations(ctx, uuid.Nil, 10, false)
		require.NoError(t, err)
		require.Len(t, live, 1)
		require.Equal(t, second.ID, live[0].ID)
		all, err := tx.Integrations(ctx, uuid.Nil, 10, true)
		require.NoError(t, err)
		require.Len(t, all, 2)
		rest, err := tx.Integrations(ctx, first.ID, 10, true)
		require.NoError(t, err)
		require.Len(t, rest, 1)
	})
	b.asOperator(func(tx *postgres.Tx) {
		all, err := tx.Integrations(ctx, uuid.Nil, 10, true)
		require.NoError(t, err)
		require.Len(t, all, 2)
	})
}

func (b bundle) claim(integration schemas.Integration, destination string) error {
	return b.try(func(tx *postgres.Tx) error {
		return tx.ClaimDestination(b.t.Context(), integration.ID, parse(b.t, destination))
	})
}

// Invariant 6: two orgs never write into the same place.
func TestClaimsDoNotOverlap(t *testing.T) {
	t.Parallel()
	mine := setup(t)
	others := mine.withOrg(mine.addOrg("Umbrella"))
	first, second := mine.addIntegration("s3://logs/audit/"), mine.addIntegration("s3://logs/other/")
	foreign := others.addIntegration("s3://logs/foreign/")
	require.NoError(t, mine.claim(first, "s3://logs/audit/"))

	for _, overlapping := range []string{"s3://logs/audit/", "s3://logs/audit/2026/", "s3://logs/"} {
		err := mine.claim(second, overlapping)
		requireConflict(t, err)
		require.ErrorContains(t, err, first.Name)
		err = others.claim(foreign, overlapping)
		requireConflict(t, err)
		require.NotContains(t, err.Error(), first.Name, "another org's rows are none of its business")
		require.NoError(t, mine.claim(first, overlapping), "its own places are no obstacle")
		require.NoError(t, mine.try(func(tx *postgres.Tx) error {
			return tx.ReleaseDestinations(t.Context(), first.ID, &first.Destination)
		}))
	}
	for _, apart := range []string{"s3://logs/audits/", "s3://logs/aud/", "s3://logs2/audit/", "gs://logs/audit/"} {
		require.NoError(t, others.claim(foreign, apart))
	}

	require.NoError(t, mine.try(func(tx *postgres.Tx) error {
		return tx.ReleaseDestinations(t.Context(), first.ID, nil)
	}))
	require.NoError(t, mine.claim(second, "s3://logs/audit/"), "a released place is free")
}

// Invariant 6: nor when they ask at the same moment.
func TestClaimsRace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for round := range 5 {
		nested := []string{"", "a/", "a/b/", "a/b/c/"}
		var won atomic.Int64
		var all sync.WaitGroup
		for _, folder := range nested {
			org := b.withOrg(b.addOrg("Contender"))
			place := fmt.Sprintf("s3://bucket-%d/%s", round, folder)
			integration := org.addIntegration(place)
			all.Go(func() {
				if org.claim(integration, place) == nil {
					won.Add(1)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 1, won.Load())
	}
}

// The settings that let a claim look past its org must not outlive the look.
func TestClaimLeavesTheTransactionInItsOrg(t *testing.T) {
	t.Parallel()
	b := setup(t)
	others := b.withOrg(b.addOrg("Umbrella"))
	theirs := others.addIntegration("s3://theirs/")
	mine := b.addIntegration("s3://mine/")
	b.in(func(tx *postgres.Tx) {
		require.NoError(t, tx.ClaimDestination(t.Context(), mine.ID, mine.Destination))
		_, err := tx.Integration(t.Context(), theirs.ID)
		require.ErrorIs(t, err, postgres.ErrNotFound)
	})
	b.asOperator(func(tx *postgres.Tx) {
		require.NoError(t, tx.ClaimDestination(t.Context(), theirs.ID, theirs.Destination))
		_, err := tx.Integration(t.Context(), mine.ID)
		require.NoError(t, err)
	})
}

// Two transactions that lock the same rows in another order: both come about.
func TestDeadlocksAreRunAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first, second := b.addIntegration("s3://one/"), b.addIntegration("s3://two/")
	var met sync.WaitGroup // both hold their first lock
	met.Add(2)
	lock := func(ids ...uuid.UUID) func(*postgres.Tx) error {
		meet := sync.OnceFunc(func() {
			met.Done()
			met.Wait()
		})
		return func(tx *postgres.Tx) error {
			for _, id := range ids {
				if _, err := tx.LockIntegration(t.Context(), id); err != nil {
					return err
				}
				meet()
			}
			return nil
		}
	}
	done := make(chan error, 2)
	go func() { done <- b.try(lock(first.ID, second.ID)) }()
	go func() { done <- b.try(lock(second.ID, first.ID)) }()
	require.NoError(t, <-done)
	require.NoError(t, <-done)
}
