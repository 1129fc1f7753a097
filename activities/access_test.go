package activities_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// checking is an integration whose first access check is under way.
func (b *bundle) checking(change ...func(*schemas.Integration)) (*activities.Access, schemas.ProbeInput) {
	b.t.Helper()
	i := b.addIntegration("s3://acme-logs/audit/", append([]func(*schemas.Integration){awaiting}, change...)...)
	b.setCheck(i.ID, 1)
	return &activities.Access{Store: b.Store, Places: b.places()},
		schemas.ProbeInput{IntegrationRef: ref(i), Check: 1, Attempt: 3, NextTryIn: 90 * time.Second}
}

func (b *bundle) setCheck(integration uuid.UUID, check int) {
	b.t.Helper()
	b.in(func(ctx context.Context, tx *postgres.Tx) error {
		return tx.SetAccess(ctx, integration, schemas.IntegrationAwaitingAccess, schemas.AccessChecking, check)
	})
}

func TestProbeGranted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, in := b.checking()
	require.Equal(t, schemas.ProbeResult{Granted: true}, must[schemas.ProbeResult](t, a.Probe, in))

	i := b.integration(in.IntegrationID)
	require.True(t, i.Report.Granted)
	require.Equal(t, 3, i.Report.Attempt)
	require.Nil(t, i.Report.NextTryAt)
	names := make([]schemas.Step, len(i.Report.Steps))
	for n, step := range i.Report.Steps {
		names[n] = step.Name
	}
	require.Equal(t, []schemas.Step{
		schemas.StepAuthenticate, schemas.StepOwner, schemas.StepWrite, schemas.StepList, schemas.StepDelete,
	}, names)
	require.WithinDuration(t, time.Now(), i.Report.CheckedAt, time.Minute)
	require.Empty(t, b.cloud.Objects(i.Destination), "the marker is gone")
}

// The admin sees every attempt and when the next one comes; what refuses is a
// result and not an error.
func TestProbeRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		kind    schemas.ErrorKind
		elapsed time.Duration
		final   bool
	}{
		"denied at first":                      {schemas.KindDenied, 0, false},
		"denied, the next try just in time":    {schemas.KindDenied, 75*time.Minute - 90*time.Second, false},
		"denied, the next try too late":        {schemas.KindDenied, 75*time.Minute - 89*time.Second, true},
		"not found at first":                   {schemas.KindNotFound, 0, false},
		"not found, the next try just in time": {schemas.KindNotFound, 5*time.Minute - 90*time.Second, false},
		"not found, the next try too late":     {schemas.KindNotFound, 5*time.Minute - 89*time.Second, true},
		"unavailable for an hour":              {schemas.KindUnavailable, time.Hour, false},
		"unavailable beyond any check":         {schemas.KindUnavailable, 75 * time.Minute, true},
		"throttled beyond any check":           {schemas.KindThrottled, 75 * time.Minute, true},
		"invalid":                              {schemas.KindInvalid, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			a, in := b.checking()
			in.Elapsed, in.Kind, in.Lasted = test.elapsed, test.kind, test.elapsed
			b.cloud.Before(func(r destination.Request) error {
				if r.Op == "put" {
					return destination.Refusal(test.kind, "TheCode")
				}
				return nil
			})
			require.Equal(t, schemas.ProbeResult{Kind: test.kind, Final: test.final}, must[schemas.ProbeResult](t, a.Probe, in))

			report := b.integration(in.IntegrationID).Report
			require.False(t, report.Granted)
			failure, failed := report.Failure()
			require.True(t, failed)
			require.Equal(t, schemas.StepWrite, failure.Name)
			require.Equal(t, test.kind, failure.Kind)
			require.Equal(t, "TheCode", failure.Code)
			if test.final {
				require.Nil(t, report.NextTryAt)
			} else {
				require.Equal(t, report.CheckedAt.Add(90*time.Second), *report.NextTryAt)
			}
		})
	}
}

// A cloud that says "denied" for half an hour, and then for once that there is
// no bucket, has not said for five minutes that there is none.
func TestProbeCountsFromWhenAFailureCameUp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, in := b.checking()
	b.cloud.Before(func(r destination.Request) error {
		return destination.Refusal(schemas.KindNotFound, "NoSuchBucket")
	})
	in.Elapsed, in.Kind, in.Lasted = 30*time.Minute, schemas.KindDenied, 30*time.Minute
	require.False(t, must[schemas.ProbeResult](t, a.Probe, in).Final)
	in.Kind, in.Lasted = schemas.KindNotFound, 2*time.Minute
	require.False(t, must[schemas.ProbeResult](t, a.Probe, in).Final)
	in.Lasted = 4 * time.Minute
	require.True(t, must[schemas.ProbeResult](t, a.Probe, in).Final)
	in.Elapsed, in.Lasted = 75*time.Minute, 0
	require.True(t, must[schemas.ProbeResult](t, a.Probe, in).Final)
}

// The org's log tells what a check has found, once for each thing found.
func TestFindingsAreAudited(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, in := b.checking()
	const granted, refused = "auditferry.integration.access_granted", "auditferry.integration.access_refused"
	audited := func() [2]int { return [2]int{b.audited(granted), b.audited(refused)} }
	for n, step := range []struct {
		op, code string
		want     [2]int
	}{
		{"put", "AccessDenied", [2]int{0, 1}},
		{"put", "AccessDenied", [2]int{0, 1}},
		{"put", "KMS.Disabled", [2]int{0, 2}},
		{"list", "KMS.Disabled", [2]int{0, 3}},
		{"", "", [2]int{1, 3}},
		{"", "", [2]int{1, 3}},
	} {
		b.cloud.Before(func(r destination.Request) error {
			if r.Op != step.op {
				return nil
			}
			return destination.Refusal(schemas.KindDenied, step.code)
		})
		must[schemas.ProbeResult](t, a.Probe, in)
		require.Equal(t, step.want, audited(), n)
	}
	b.setCheck(in.IntegrationID, 2)
	must[schemas.ProbeResult](t, a.Probe, in)
	require.Equal(t, [2]int{1, 3}, audited(), "a superseded check finds nothing")
	in.Check = 2
	must[schemas.ProbeResult](t, a.Probe, in)
	require.Equal(t, [2]int{2, 3}, audited())
}

// A grant that can never work is reported like any other refusal.
func TestProbeOfWhatCannotBeOpened(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, in := b.checking()
	a.Places.Destinations = closed{&destination.Error{Kind: schemas.KindInvalid, Op: "open", Place: "s3://acme-logs/audit/", Message: "no such role"}}
	require.Equal(t, schemas.ProbeResult{Kind: schemas.KindInvalid, Final: true}, must[schemas.ProbeResult](t, a.Probe, in))
	failure, _ := b.integration(in.IntegrationID).Report.Failure()
	require.Contains(t, failure.Explanation, "no such role")
}

// closed is an opener that opens nothing.
type closed struct{ err error }

func (c closed) Open(context.Context, destination.Target) (destination.Destination, error) {
	return nil, c.err
}

// Only the newest check of a live integration reports.
func TestProbeSuperseded(t *testing.T) {
	t.Parallel()
	for name, supersede := range map[string]func(b *bundle, id uuid.UUID){
		"by a newer check": func(b *bundle, id uuid.UUID) { b.setCheck(id, 2) },
		"by a delete": func(b *bundle, id uuid.UUID) {
			b.in(func(ctx context.Context, tx *postgres.Tx) error {
				return tx.SetIntegrationStatus(ctx, id, schemas.IntegrationDeleting)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			a, in := b.checking()
			supersede(b, in.IntegrationID)
			b.cloud.Before(func(destination.Request) error { panic("nothing is to be asked") })
			require.Equal(t, schemas.ProbeResult{Superseded: true}, must[schemas.ProbeResult](t, a.Probe, in))
			require.Nil(t, b.integration(in.IntegrationID).Report)
		})
	}
}

func TestProbeSupersededMeanwhile(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, in := b.checking()
	b.cloud.Before(onPut(1, func() error { b.setCheck(in.IntegrationID, 2); return nil }))
	require.True(t, must[schemas.ProbeResult](t, a.Probe, in).Superseded)
	require.Nil(t, b.integration(in.IntegrationID).Report)
}

// A probe that was cut short says nothing about access.
func TestProbeCancelled(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, in := b.checking()
	ctx, cancel := context.WithCancel(t.Context())
	b.cloud.Before(onPut(1, func() error { cancel(); return nil }))
	_, err := try[schemas.ProbeResult](t, attempt{ctx: ctx}, a.Probe, in)
	require.ErrorContains(t, err, "context canceled")
	require.Nil(t, b.integration(in.IntegrationID).Report)
}

func TestProbeWithoutCredentialsIsTriedAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, in := b.checking(unprovisioned)
	_, err := try[schemas.ProbeResult](t, attempt{}, a.Probe, in)
	requireError(t, err, schemas.ErrorUnexpected, true)
}

// Credentials, grant and a name that the org knows us by go to the opener.
func TestProbeOpensWithTheIntegrationsCredentials(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, in := b.checking()
	opener := &recordingOpener{Memory: b.cloud}
	a.Places.Destinations = opener
	must[schemas.ProbeResult](t, a.Probe, in)
	i := b.integration(in.IntegrationID)
	require.Equal(t, destination.Target{
		Destination: i.Destination, Grant: i.Grant, Credentials: *i.Credentials, SessionName: "auditferry-" + i.ID.String(),
	}, opener.target)
}

type recordingOpener struct {
	*destination.Memory
	target destination.Target
}

func (r *recordingOpener) Open(ctx context.Context, target destination.Target) (destination.Destination, error) {
	r.target = target
	return r.Memory.Open(ctx, target)
}
