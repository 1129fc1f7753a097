package activities_test

import (
	"testing"

	"github.com/stretchr/testify/require"

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

	_, err := old.finish(objects)
	requireError(t, err, schemas.ErrorRunSuperseded, false)
	before := b.runRow(old.begun.RunID)
	require.Equal(t, schemas.RunFailed, before.Status)
	old.fail()
	require.Equal(t, before, b.runRow(old.begun.RunID))
	require.Zero(t, b.export(e.ID).DeliveredSeq)
	require.Empty(t, b.ledger(old.begun.RunID))

	newer.mustFinish(newer.mustWrite())
	_, err = old.finish(objects)
	requireError(t, err, schemas.ErrorRunSuperseded, false)
	require.Empty(t, b.ledger(old.begun.RunID))
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
			objects := r.mustWrite()
			b.changeExport(e.ID, test.change)

			_, err := r.finish(objects)
			if test.finishes {
				require.NoError(t, err)
				b.requireDelivered(i.Destination, b.ledger(r.begun.RunID), 1, 10)
				return
			}
			requireError(t, err, schemas.ErrorRunSuperseded, false)
			require.Empty(t, b.ledger(r.begun.RunID))
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
	_, err := failed.finish(objects)
	requireError(t, err, schemas.ErrorRunSuperseded, false)
	require.Equal(t, first, b.runRow(failed.begun.RunID))

	r := b.begin(a, e)
	r.mustFinish(objects)
	first = b.runRow(r.begun.RunID)
	r.mustFinish(objects)
	r.fail()
	require.Equal(t, first, b.runRow(r.begun.RunID))
	require.Equal(t, objects, b.ledger(r.begun.RunID))
	b.changeExport(e.ID, func(e *schemas.Export) { e.State = schemas.ExportDeleted })
	r.mustFinish(objects) // what is delivered stays delivered
}

// Invariants 1 and 3: a list of objects that does not make up the window is not
// recorded.
func TestIncompleteObjectsAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.addExport(b.addIntegration("s3://acme-logs/"), "all")
	b.append(50, 500)
	r := b.begin(b.exports(), e)
	objects := r.mustWrite()
	for name, wrong := range map[string][]schemas.Object{
		"none":          nil,
		"last missing":  objects[:len(objects)-1],
		"first missing": objects[1:],
		"one doubled":   append([]schemas.Object{objects[0]}, objects...),
	} {
		_, err := r.finish(wrong)
		requireError(t, err, schemas.ErrorConflict, false)
		require.Zero(t, b.export(e.ID).DeliveredSeq, name)
		require.Equal(t, schemas.RunRunning, b.runRow(r.begun.RunID).Status, name)
	}
	r.mustFinish(objects)
}
