package postgres_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// report is one attempt's, with all that one can hold.
func report(check, attempt int) schemas.AccessReport {
	next := now().Add(time.Minute)
	return schemas.AccessReport{
		Check: check, Attempt: attempt, Owner: "123456789012", CheckedAt: now(), NextTryAt: &next,
		Steps: []schemas.AccessStep{{
			Name: schemas.StepWrite, Status: schemas.StepFailed, Kind: schemas.KindDenied, Code: "AccessDenied",
			Explanation: "The role may not write.", Fix: "Add the permission policy.", Answer: "Access Denied",
		}},
	}
}

// check begins an access check.
func (b bundle) check(i schemas.Integration, number int) {
	b.t.Helper()
	b.in(func(tx *postgres.Tx) {
		require.NoError(b.t, tx.SetAccess(b.t.Context(), i.ID, schemas.IntegrationAwaitingAccess, schemas.AccessChecking, number))
	})
}

func (b bundle) record(i schemas.Integration, r schemas.AccessReport) (current bool) {
	b.t.Helper()
	b.in(func(tx *postgres.Tx) {
		var err error
		current, err = tx.RecordAttempt(b.t.Context(), i.ID, r)
		require.NoError(b.t, err)
	})
	return current
}

func (b bundle) attempts(i schemas.Integration, before *postgres.Attempt, limit int) (all []schemas.AccessReport) {
	b.t.Helper()
	b.in(func(tx *postgres.Tx) {
		var err error
		all, err = tx.AccessAttempts(b.t.Context(), i.ID, before, limit)
		require.NoError(b.t, err)
	})
	return all
}

// Attempts are listed newest first, page by page, each once and as it was.
func TestAccessAttempts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i, bystander := b.addIntegration("s3://logs/"), b.addIntegration("s3://other/")
	require.Empty(t, b.attempts(i, nil, 10))
	b.check(bystander, 1)
	require.True(t, b.record(bystander, report(1, 1)))

	var newest []schemas.AccessReport
	for _, at := range []postgres.Attempt{{Check: 1, Attempt: 1}, {Check: 1, Attempt: 2}, {Check: 2, Attempt: 1}, {Check: 2, Attempt: 9}, {Check: 2, Attempt: 10}} {
		b.check(i, at.Check)
		r := report(at.Check, at.Attempt)
		require.True(t, b.record(i, r))
		newest = append([]schemas.AccessReport{r}, newest...)
	}
	require.Equal(t, newest, b.attempts(i, nil, 10))
	for _, limit := range []int{1, 2, 3} {
		var all []schemas.AccessReport
		var before *postgres.Attempt
		for {
			page := b.attempts(i, before, limit)
			if len(page) == 0 {
				break
			}
			require.LessOrEqual(t, len(page), limit)
			all = append(all, page...)
			last := page[len(page)-1]
			before = &postgres.Attempt{Check: last.Check, Attempt: last.Attempt}
		}
		require.Equal(t, newest, all)
	}
	require.Equal(t, newest[0], *b.integration(i.ID).Report)
}

// An attempt that was made again, because its answer was lost, is one attempt.
func TestRecordAttemptAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://logs/")
	b.check(i, 1)
	require.True(t, b.record(i, report(1, 1)))
	again := report(1, 1)
	again.Granted, again.Steps = true, nil
	require.True(t, b.record(i, again))
	require.Equal(t, []schemas.AccessReport{again}, b.attempts(i, nil, 10))
}

// Invariant 2: a check that a newer one has superseded is not heard.
func TestRecordAttemptOfASupersededCheck(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://logs/")
	b.check(i, 1)
	require.True(t, b.record(i, report(1, 1)))
	b.check(i, 2)
	require.False(t, b.record(i, report(1, 2)))
	require.False(t, b.record(i, report(3, 1)), "one that nobody has begun")
	require.Len(t, b.attempts(i, nil, 10), 1)
	require.Equal(t, 1, b.integration(i.ID).Report.Attempt)

	i.ID = newID(t)
	require.False(t, b.record(i, report(0, 1)), "an integration that nobody knows")
}

// An attempt that ends while a newer check begins is heard before it, or not at
// all.
func TestRecordAttemptWhileANewerCheckBegins(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://logs/")
	b.check(i, 1)
	var current bool
	first, second := meanwhile(t, b,
		func(tx *postgres.Tx) error {
			return tx.SetAccess(t.Context(), i.ID, schemas.IntegrationAwaitingAccess, schemas.AccessChecking, 2)
		}, b,
		func(tx *postgres.Tx) (err error) {
			current, err = tx.RecordAttempt(t.Context(), i.ID, report(1, 1))
			return err
		})
	require.NoError(t, first)
	require.NoError(t, second)
	require.False(t, current)
	require.Empty(t, b.attempts(i, nil, 10))
}

// The latest twenty checks keep their attempts.
func TestAccessAttemptsArePruned(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i, bystander := b.addIntegration("s3://logs/"), b.addIntegration("s3://other/")
	b.check(bystander, 1)
	require.True(t, b.record(bystander, report(1, 1)))
	const kept = 20
	for check := 1; check <= kept+2; check++ {
		b.check(i, check)
		for attempt := 1; attempt <= 2; attempt++ {
			require.True(t, b.record(i, report(check, attempt)))
		}
		require.Len(t, b.attempts(i, nil, 100), 2*min(check, kept))
	}
	all := b.attempts(i, nil, 100)
	require.Equal(t, kept+2, all[0].Check)
	require.Equal(t, 3, all[len(all)-1].Check)
	require.Len(t, b.attempts(bystander, nil, 10), 1)
}

// Invariant 6: another org neither reads nor writes them.
func TestAccessAttemptsOfOtherOrgs(t *testing.T) {
	t.Parallel()
	mine := setup(t)
	others := mine.withOrg(mine.addOrg("Umbrella"))
	i := mine.addIntegration("s3://logs/")
	mine.check(i, 1)
	require.True(t, mine.record(i, report(1, 1)))
	require.Empty(t, others.attempts(i, nil, 10))
	require.False(t, others.record(i, report(1, 2)))
	require.Len(t, mine.attempts(i, nil, 10), 1)
}
