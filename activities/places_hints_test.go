package activities_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// What a writer finds is news to the workflow if it is otherwise than what the
// last check found.
func TestWritersDoubtTheLastCheck(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		said  schemas.Access
		finds schemas.ErrorKind
		looks bool
	}{
		"denied, and said to be granted":      {schemas.AccessGranted, schemas.KindDenied, true},
		"not found, and said to be granted":   {schemas.AccessGranted, schemas.KindNotFound, true},
		"unavailable":                         {schemas.AccessGranted, schemas.KindUnavailable, false},
		"throttled":                           {schemas.AccessGranted, schemas.KindThrottled, false},
		"let in, and said to be granted":      {schemas.AccessGranted, "", false},
		"let in, and said to be denied":       {schemas.AccessDenied, "", true},
		"denied, and said to be denied":       {schemas.AccessDenied, schemas.KindDenied, false},
		"denied while it is being checked":    {schemas.AccessChecking, schemas.KindDenied, false},
		"let in while it is being checked":    {schemas.AccessChecking, "", false},
		"unavailable, and said to be denied":  {schemas.AccessDenied, schemas.KindUnavailable, false},
		"not found while it is being checked": {schemas.AccessChecking, schemas.KindNotFound, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			i, r := b.delivering()
			b.say(i, test.said, 7)
			b.watcher.fail = errors.New("no connection")
			b.cloud.Before(onPut(1, func() error {
				if test.finds == "" {
					return nil
				}
				return destination.Refusal(test.finds, "Code")
			}))
			objects, err := r.write(attempt{})
			if test.finds == "" {
				require.NoError(t, err, "the hint was lost, the objects are not")
				b.requireDelivered(i.Destination, objects, 1, 10)
			} else {
				requireError(t, err, schemas.ErrorType(test.finds), true)
			}
			var want []asked
			if test.looks {
				want = []asked{{ref(i), 7}}
			}
			require.Equal(t, want, b.watcher.looks())
		})
	}
}

// A writer that has taken hours knows less than a check that has begun since.
func TestWritersGoByWhatIsSaidNow(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before, meanwhile schemas.Access
		finds             schemas.ErrorKind
	}{
		"being checked again": {schemas.AccessGranted, schemas.AccessChecking, schemas.KindDenied},
		"denied by now":       {schemas.AccessGranted, schemas.AccessDenied, schemas.KindDenied},
		"granted by now":      {schemas.AccessDenied, schemas.AccessGranted, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			i, r := b.delivering()
			b.say(i, test.before, 7)
			b.cloud.Before(onPut(1, func() error {
				b.say(i, test.meanwhile, 8)
				if test.finds == "" {
					return nil
				}
				return destination.Refusal(test.finds, "Code")
			}))
			_, err := r.write(attempt{})
			require.Equal(t, test.finds != "", err != nil)
			require.Empty(t, b.watcher.looks())
		})
	}
}

// A writer that finishes where the integration no longer delivers to has found
// out nothing about the present place: without end, the check would find that
// granted, and the writer's next attempt doubt it.
func TestWritersSayNothingOfAPlaceThatWasLeft(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.moving(true)
	b.append(10, 10)
	inFlight := b.begin(b.exports(), m.active)
	begins(t, (&activities.Integrations{Store: b.Store}).UpdateDestination, m.op)
	b.say(m.integration, schemas.AccessGranted, 7)
	b.requests(denyOp("put"))
	for range 2 {
		_, err := inFlight.write(attempt{})
		requireError(t, err, schemas.ErrorDestinationDenied, true)
	}
	require.Empty(t, b.watcher.looks())
}

// A place that was granted before and is verified by a writer is no news.
func TestWritersVerifyWhatIsSaidToBeGranted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i, r := b.delivering(awaiting)
	b.say(i, schemas.AccessGranted, 7)
	b.requireDelivered(i.Destination, r.mustWrite(), 1, 10)
	require.NotNil(t, b.claimed(i).VerifiedAt)
	require.Empty(t, b.watcher.looks())
}

// say stores what is said of an integration's access.
func (b *bundle) say(i schemas.Integration, access schemas.Access, check int) {
	b.t.Helper()
	b.in(func(ctx context.Context, tx *postgres.Tx) error {
		return tx.SetAccess(ctx, i.ID, schemas.IntegrationActive, access, check)
	})
	require.Equal(b.t, access, b.integration(i.ID).Access)
}

// A role that lets anybody in through us is written with no more, also when it
// was not so at first.
func TestRolesThatBecomeOpenAreUsedNoMore(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, in := b.checking()
	must[schemas.ProbeResult](t, a.Probe, in)
	require.NotNil(t, b.claimed(b.integration(in.IntegrationID)).VerifiedAt)

	open := schemas.AccessStep{
		Name: schemas.StepExternalID, Status: schemas.StepFailed, Kind: schemas.KindDenied, Code: destination.CodeExternalIDNotRequired,
	}
	for _, test := range []struct {
		kind     schemas.ErrorKind
		verified bool
	}{{schemas.KindUnavailable, true}, {schemas.KindDenied, false}} { // a probe that could not tell says nothing
		open.Kind = test.kind
		a.Places.Destinations = finding{open}
		must[schemas.ProbeResult](t, a.Probe, in)
		require.Equal(t, test.verified, b.claimed(b.integration(in.IntegrationID)).VerifiedAt != nil, test.kind)
	}
}

// finding is a destination of which every probe finds one thing.
type finding struct{ step schemas.AccessStep }

func (f finding) Open(context.Context, destination.Target) (destination.Destination, error) {
	return f, nil
}

func (f finding) Put(context.Context, string, destination.Object) error { return nil }

func (f finding) Probe(context.Context, *destination.Challenge) (schemas.AccessReport, error) {
	return schemas.AccessReport{Steps: []schemas.AccessStep{f.step}}, nil
}

func (f finding) Close() error { return nil }
