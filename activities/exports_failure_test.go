package activities_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/schemas"
)

// A streak of failures begins with the first failed run, by the workflow's
// clock, and ends with the first that delivers. Each failed run is one event of
// the org's log.
func TestAStreakOfFailures(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.addExport(b.addIntegration("s3://acme-logs/"), "all")
	b.append(10, 10)
	a := b.exports()
	began := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for n := range 3 {
		r := b.begin(a, e)
		for range 2 { // the answer was lost
			r.fail(func(in *schemas.RecordFailureInput) { in.At = began.Add(time.Duration(n) * time.Hour) })
		}
		require.Equal(t, n+1, b.audited("auditferry.export.run_failed"))
		require.Equal(t, &began, b.export(e.ID).FailingSince)
		require.Equal(t, schemas.RunFailed, b.runRow(r.begun.RunID).Status)
	}
	b.deliver(a, e)
	require.Nil(t, b.export(e.ID).FailingSince)

	before := time.Now().Add(-time.Second)
	b.begin(a, e).fail() // by a workflow that does not tell when
	require.WithinRange(t, *b.export(e.ID).FailingSince, before, time.Now().Add(time.Minute))
}

// Invariant 4: a run that was cancelled, or whose export was deleted or let go,
// has not failed: nobody is told of it.
func TestRunsThatAreStoppedDoNotFail(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*schemas.Export)
		in     func(*schemas.RecordFailureInput)
		fails  bool
	}{
		"cancelled":           {nil, func(in *schemas.RecordFailureInput) { in.Cancelled = true }, false},
		"export deleted":      {func(e *schemas.Export) { e.State = schemas.ExportDeleted }, nil, false},
		"integration deleted": {pausedBy(schemas.PausedByIntegrationDeleted), nil, false},
		"paused by an admin":  {pausedBy(schemas.PausedByAdmin), nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			e := b.addExport(b.addIntegration("s3://acme-logs/"), "all")
			b.append(10, 10)
			r := b.begin(b.exports(), e)
			if test.change != nil {
				b.changeExport(e.ID, test.change)
			}
			if test.in != nil {
				r.fail(test.in)
			} else {
				r.fail()
			}
			require.Equal(t, test.fails, b.export(e.ID).FailingSince != nil)
			want := map[bool]schemas.RunStatus{true: schemas.RunFailed, false: schemas.RunCancelled}[test.fails]
			require.Equal(t, want, b.runRow(r.begun.RunID).Status)
			require.Equal(t, test.fails, b.audited("auditferry.export.run_failed") == 1)
		})
	}
}

// Being taken over is no failure either, whatever the old run says of it.
func TestASupersededRunBeginsNoStreak(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.addExport(b.addIntegration("s3://acme-logs/"), "all")
	b.append(10, 10)
	old := b.begin(b.exports(), e)
	b.begin(b.exports(), e)
	old.fail()
	require.Nil(t, b.export(e.ID).FailingSince)
	require.Zero(t, b.audited("auditferry.export.run_failed"))
}

// Budgets go by the clock that the activity was given, so that days can be
// skipped.
func TestBudgetsGoByTheGivenClock(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.addExport(b.addIntegration("s3://acme-logs/"), "all")
	b.append(5, 10)
	r := b.begin(b.exports(), e)
	b.cloud.Before(func(destination.Request) error { return destination.Refusal(schemas.KindDenied, "AccessDenied") })
	for later, retried := range map[time.Duration]bool{0: true, time.Hour: true, 76 * time.Minute: false, 29 * 24 * time.Hour: false} {
		ctx := activities.WithClock(t.Context(), func() time.Time { return time.Now().Add(later) })
		_, err := r.write(attempt{ctx: ctx})
		requireError(t, err, schemas.ErrorDestinationDenied, retried)
		require.Equal(t, schemas.KindDenied, b.runRow(r.begun.RunID).ErrorKind)
	}
}
