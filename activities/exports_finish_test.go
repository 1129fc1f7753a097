package activities_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/schemas"
)

// Invariant 1: of two runs of one window only the newest can settle it.
func TestASupersededRunRecordsNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all")
	b.append(10, 10)
	a := b.exports()
	old := b.begin(a, e)
	objects := old.mustWrite()
	newer := b.begin(a, e)

	_, err := old.finish(attempt{})
	requireError(t, err, schemas.ErrorRunSuperseded, false)
	before := b.runRow(old.begun.RunID)
	require.Equal(t, schemas.RunFailed, before.Status)
	old.fail()
	require.Equal(t, before, b.runRow(old.begun.RunID))
	require.Zero(t, b.export(e.ID).DeliveredSeq)
	require.Empty(t, b.manifests(i.Destination))

	require.Equal(t, objects, newer.mustWrite())
	newer.mustFinish()
	delivered := b.runRow(newer.begun.RunID)
	_, err = old.finish(attempt{})
	requireError(t, err, schemas.ErrorRunSuperseded, false)
	require.Equal(t, before, b.runRow(old.begun.RunID))
	require.Equal(t, delivered, b.runRow(newer.begun.RunID))
	b.requireDelivered(i.Destination, b.ledger(newer.begun.RunID), 1, 10)
}

// Invariant 5: a run that is left behind by a delete leaves no trace in the
// ledger. One of an export that was merely paused finishes.
func TestOnlyRunsThatMayDeliverFinish(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change   func(*schemas.Export)
		finishes bool
	}{
		"export deleted":                 {func(e *schemas.Export) { e.State = schemas.ExportDeleted }, false},
		"integration deleted":            {pausedBy(schemas.PausedByIntegrationDeleted), false},
		"paused by an admin":             {pausedBy(schemas.PausedByAdmin), true},
		"paused by a destination update": {pausedBy(schemas.PausedByDestinationUpdate), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			i := b.addIntegration("s3://acme-logs/")
			e := b.addExport(i, "all")
			b.append(10, 10)
			r := b.begin(b.exports(), e)
			r.mustWrite()
			b.changeExport(e.ID, test.change)

			_, err := r.finish(attempt{})
			if test.finishes {
				require.NoError(t, err)
				b.requireDelivered(i.Destination, b.ledger(r.begun.RunID), 1, 10)
				return
			}
			requireError(t, err, schemas.ErrorRunSuperseded, false)
			require.Empty(t, b.manifests(i.Destination))
			require.Zero(t, b.export(e.ID).DeliveredSeq)
			r.fail(func(in *schemas.RecordFailureInput) { in.Cancelled = true })
			require.Equal(t, schemas.RunCancelled, b.runRow(r.begun.RunID).Status)
		})
	}
}

func pausedBy(reason schemas.PauseReason) func(*schemas.Export) {
	return func(e *schemas.Export) { e.State, e.PauseReason = schemas.ExportPaused, reason }
}

// Invariant 4: FinishRun and RecordFailure repeated after a lost answer change
// nothing, also when they contradict each other.
func TestEndingARunIsRepeatable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.addExport(b.addIntegration("s3://acme-logs/"), "all")
	b.append(10, 10)
	a := b.exports()

	failed := b.begin(a, e)
	objects := failed.mustWrite()
	failed.fail()
	first := b.runRow(failed.begun.RunID)
	require.Equal(t, schemas.RunFailed, first.Status)
	require.Equal(t, schemas.KindUnavailable, first.ErrorKind)
	require.Equal(t, "the cloud is down", first.Error)
	failed.fail(func(in *schemas.RecordFailureInput) { in.Cancelled = true })
	_, err := failed.finish(attempt{})
	requireError(t, err, schemas.ErrorRunSuperseded, false)
	require.Equal(t, first, b.runRow(failed.begun.RunID))

	r := b.begin(a, e)
	r.mustFinish()
	first = b.runRow(r.begun.RunID)
	r.mustFinish()
	r.fail()
	require.Equal(t, first, b.runRow(r.begun.RunID))
	require.Equal(t, objects, b.ledger(r.begun.RunID))
	b.changeExport(e.ID, func(e *schemas.Export) { e.State = schemas.ExportDeleted })
	r.mustFinish() // what is delivered stays delivered
}

// Invariants 1 and 3: a window whose parts are not all settled is not delivered,
// and has no manifest.
func TestIncompleteWindowsAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all")
	b.append(50, 500)
	r := b.begin(b.exports(oneByOne), e)
	for name, disturb := range map[string]func(){
		"nothing written": func() {},
		"some written": func() {
			b.cloud.Before(onPut(4, func() error { return destination.Refusal(schemas.KindUnavailable, "") }))
			_, err := r.write(attempt{})
			require.Error(t, err)
			require.Len(t, r.parts(), 3)
			b.cloud.Before(nil)
		},
	} {
		disturb()
		_, err := r.finish(attempt{})
		requireError(t, err, schemas.ErrorConflict, false)
		require.Zero(t, b.export(e.ID).DeliveredSeq, name)
		require.Equal(t, schemas.RunRunning, b.runRow(r.begun.RunID).Status, name)
		require.Empty(t, b.manifests(i.Destination), name)
	}
	r.mustWrite()
	r.mustFinish()
	require.Len(t, b.manifests(i.Destination), 1)
}

// Invariant 1: once the manifest is written nothing keeps the window from being
// delivered, not even that the run is cancelled.
func TestAPublishedWindowIsDelivered(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i, e, r := b.written()
	ctx := b.cancelBehind(".json")
	_, err := r.finish(attempt{ctx: ctx})
	require.NoError(t, err)
	require.Error(t, ctx.Err())
	require.EqualValues(t, 10, b.export(e.ID).DeliveredSeq)
	require.Equal(t, schemas.RunSucceeded, b.runRow(r.begun.RunID).Status)
	b.verify([]schemas.Destination{i.Destination})
}

// Invariant 3: a signature alone commits nothing. It is there before the
// manifest, so that no manifest lies anywhere without one.
func TestASignatureAloneCommitsNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i, e, r := b.written()
	_, err := r.finish(attempt{ctx: b.cancelBehind(schemas.SignatureSuffix)})
	require.Error(t, err)
	require.Zero(t, b.export(e.ID).DeliveredSeq)
	require.Empty(t, b.manifests(i.Destination))
	b.cloud.After(nil)
	r.mustFinish()
	require.EqualValues(t, 10, b.export(e.ID).DeliveredSeq)
	b.verify([]schemas.Destination{i.Destination})
}

// written is a run that has written its window of ten events.
func (b *bundle) written() (schemas.Integration, schemas.Export, *run) {
	b.t.Helper()
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all")
	b.append(10, 10)
	r := b.begin(b.exports(), e)
	r.mustWrite()
	return i, e, r
}

// cancelBehind is a context that is cancelled when an object with such a name
// has been stored.
func (b *bundle) cancelBehind(suffix string) context.Context {
	ctx, cancel := context.WithCancel(b.t.Context())
	b.cloud.After(func(request destination.Request) error {
		if request.Op == "put" && strings.HasSuffix(request.Key, suffix) {
			cancel()
		}
		return nil
	})
	return ctx
}
