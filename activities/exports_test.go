package activities_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

func beginInput(e schemas.Export) schemas.BeginRunInput {
	return schemas.BeginRunInput{
		ExportInput: schemas.ExportInput{OrgID: e.OrgID, ExportID: e.ID},
		WorkflowID:  schemas.ExportWorkflowID(e.ID),
		RunID:       uuid.NewString(),
	}
}

func TestNothingToDeliverBeginsNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.addExport(b.addIntegration("s3://acme-logs/"), "all")
	a := b.exports()
	begun := must[schemas.BeginRunResult](t, a.BeginRun, beginInput(e))
	require.Nil(t, begun.Window)
	require.Equal(t, "everything up to 0 is delivered", begun.Reason)
	require.Empty(t, b.runs(e))

	b.append(5, 10)
	r := b.begin(a, e)
	r.mustWrite()
	r.mustFinish()
	begun = must[schemas.BeginRunResult](t, a.BeginRun, beginInput(e))
	require.Nil(t, begun.Window)
	require.Equal(t, "everything up to 5 is delivered", begun.Reason)
}

func (b *bundle) runs(e schemas.Export) []schemas.Run {
	b.t.Helper()
	return read(b, func(ctx context.Context, tx *postgres.Tx) ([]schemas.Run, error) {
		return tx.Runs(ctx, e.ID, uuid.Nil, 100)
	})
}

// Invariant 5: no run starts after a pause or delete.
func TestOnlyActiveExportsBegin(t *testing.T) {
	t.Parallel()
	for _, state := range []schemas.ExportState{schemas.ExportPaused, schemas.ExportDeleted} {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			e := b.addExport(b.addIntegration("s3://acme-logs/"), "all")
			b.append(5, 10)
			b.changeExport(e.ID, func(e *schemas.Export) { e.State = state })

			begun := must[schemas.BeginRunResult](t, b.exports().BeginRun, beginInput(e))
			require.Equal(t, schemas.BeginRunResult{UpTo: 5, Reason: "the export is " + string(state)}, begun)
			require.Empty(t, b.runs(e))
		})
	}
}

// Invariant 2: BeginRun repeated after its answer was lost gives the same run
// and window, whatever has come in or has been edited meanwhile.
func TestBeginRunIsRepeatable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.addExport(b.addIntegration("s3://acme-logs/"), "all")
	b.append(5, 10)
	a, in := b.exports(), beginInput(e)
	first := must[schemas.BeginRunResult](t, a.BeginRun, in)

	b.append(5, 10)
	elsewhere := parse(t, "s3://acme-elsewhere/")
	b.changeExport(e.ID, func(e *schemas.Export) {
		e.Compression, e.PathTemplate, e.Destination = schemas.CompressionZstd, "", elsewhere
	})
	again := must[schemas.BeginRunResult](t, a.BeginRun, in)
	require.Equal(t, first.RunID, again.RunID)
	require.Equal(t, first.Window, again.Window)
	require.Len(t, b.runs(e), 1)

	in.Turn++ // a workflow's next window is another run
	next := must[schemas.BeginRunResult](t, a.BeginRun, in)
	require.NotEqual(t, first.RunID, next.RunID)
}

// Invariant 5: a repetition that finds the export paused ends what it began.
func TestBeginRunRepeatedAfterAPauseEndsTheRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.addExport(b.addIntegration("s3://acme-logs/"), "all")
	b.append(5, 10)
	a, in := b.exports(), beginInput(e)
	first := must[schemas.BeginRunResult](t, a.BeginRun, in)
	b.changeExport(e.ID, func(e *schemas.Export) { e.State = schemas.ExportPaused })

	require.Nil(t, must[schemas.BeginRunResult](t, a.BeginRun, in).Window)
	ended := b.runRow(first.RunID)
	require.Equal(t, schemas.RunCancelled, ended.Status)
	require.Equal(t, "the export is paused", ended.Error)
}

// A repetition must not wait for ever, nor take the window back.
func TestBeginRunRepeatedAfterItWasSupersededIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.addExport(b.addIntegration("s3://acme-logs/"), "all")
	b.append(5, 10)
	a, in := b.exports(), beginInput(e)
	must[schemas.BeginRunResult](t, a.BeginRun, in)
	newer := b.begin(a, e)

	_, err := try[schemas.BeginRunResult](t, attempt{}, a.BeginRun, in)
	requireError(t, err, schemas.ErrorRunSuperseded, false)
	require.Equal(t, schemas.RunRunning, b.runRow(newer.begun.RunID).Status)
	newer.mustWrite()
	newer.mustFinish()
	_, err = try[schemas.BeginRunResult](t, attempt{}, a.BeginRun, in)
	requireError(t, err, schemas.ErrorRunSuperseded, false)
}

// Invariants 1 and 2: a window that a failed run leaves is taken up unchanged
// by the next one.
func TestTheNextRunTakesUpTheWindow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all")
	b.append(50, 500)
	a := b.exports()
	failed := b.begin(a, e)
	objects := failed.mustWrite()
	failed.fail()
	b.append(50, 500)
	b.changeExport(e.ID, func(e *schemas.Export) { e.Compression, e.PathTemplate = schemas.CompressionGzip, "x" })

	next := b.begin(a, e)
	require.Equal(t, failed.window(), next.window())
	require.NotEqual(t, failed.begun.RunID, next.begun.RunID)
	require.Equal(t, objects, next.mustWrite())
	require.True(t, next.mustFinish(), "the second fifty wait")
	b.requireDelivered(i.Destination, objects, 1, 50)

	edited := b.begin(a, e)
	require.Equal(t, schemas.CompressionGzip, edited.window().Compression)
	require.EqualValues(t, "x", edited.window().PathTemplate)
	require.EqualValues(t, 51, edited.window().FirstSeq)
}

// Invariant 1: windows are bounded and join, until nothing waits.
func TestWindowsAreBounded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all")
	b.append(25, 10)
	a := b.exports(func(l *activities.Limits) { l.WindowRows = 10 })

	var ledger []schemas.Object
	for n, want := range []struct {
		first, last int64
		more        bool
	}{{1, 10, true}, {11, 20, true}, {21, 25, false}} {
		r := b.begin(a, e)
		require.Equal(t, []int64{want.first, want.last}, []int64{r.window().FirstSeq, r.window().LastSeq}, n)
		objects := r.mustWrite()
		require.Equal(t, want.more, r.mustFinish(), n)
		require.Equal(t, want.more, r.mustFinish(), "asked again")
		ledger = append(ledger, objects...)
	}
	b.requireDelivered(i.Destination, ledger, 1, 25)
}

// A full window without anything behind it is the last one, and a paused
// export goes no further.
func TestMore(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.addExport(b.addIntegration("s3://acme-logs/"), "all")
	a := b.exports(func(l *activities.Limits) { l.WindowRows = 10 })
	b.append(10, 10)
	exact := b.begin(a, e)
	exact.mustWrite()
	require.False(t, exact.mustFinish())

	b.append(5, 10)
	small := b.begin(a, e)
	small.mustWrite()
	b.append(5, 10)
	require.False(t, small.mustFinish(), "what came in since is the next run's")

	b.append(20, 10)
	paused := b.begin(a, e)
	paused.mustWrite()
	b.changeExport(e.ID, func(e *schemas.Export) { e.State = schemas.ExportPaused })
	require.False(t, paused.mustFinish())
}

// Invariant 9: what travels through Temporal stays small, however small the
// parts are.
func TestWindowsAreBoundedByTheirParts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.addExport(b.addIntegration("s3://acme-logs/"), "all")
	b.append(1000, 10)
	a := b.exports(func(l *activities.Limits) { l.WindowRows, l.PartBytes = 100_000, 1 })
	r := b.begin(a, e)
	require.Equal(t, 300, r.window().Parts())
	require.EqualValues(t, 1, r.window().RowsPerPart)
	r.mustWrite()
	require.True(t, r.mustFinish())
	require.EqualValues(t, 301, b.begin(a, e).window().FirstSeq)
}

func TestRowsPerPart(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		compression schemas.Compression
		partBytes   int64
		least, most int64
	}{
		"plain":                {schemas.CompressionNone, 10_000, 8, 11},  // events of 900 to 1,200 bytes
		"compressed":           {schemas.CompressionZstd, 10_000, 25, 44}, // 25 if four parts are more even than three
		"larger than a window": {schemas.CompressionNone, 1 << 30, 100, 100},
		"smaller than a row":   {schemas.CompressionNone, 1, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			e := b.addExport(b.addIntegration("s3://acme-logs/"), "all", func(e *schemas.Export) { e.Compression = test.compression })
			b.append(100, 700)
			r := b.begin(b.exports(func(l *activities.Limits) { l.PartBytes = test.partBytes }), e)
			require.GreaterOrEqual(t, r.window().RowsPerPart, test.least)
			require.LessOrEqual(t, r.window().RowsPerPart, test.most)
		})
	}
}

// An export that starts late begins behind what it is not to deliver.
func TestWindowsBeginBehindTheStart(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	b.append(10, 10)
	e := b.addExport(i, "from now", func(e *schemas.Export) { e.DeliveredSeq = 10 })
	a := b.exports()
	require.Nil(t, must[schemas.BeginRunResult](t, a.BeginRun, beginInput(e)).Window)
	b.append(3, 10)
	r := b.begin(a, e)
	objects := r.mustWrite()
	r.mustFinish()
	b.requireDelivered(i.Destination, objects, 11, 13)
}

// As many parts are written at a time to the very end, and none of them is a
// small rest that leaves the other writers with nothing to do.
func TestPartsAreEven(t *testing.T) {
	t.Parallel()
	for _, parallel := range []int{1, 2, 4} {
		t.Run(fmt.Sprint(parallel), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			e := b.addExport(b.addIntegration("s3://acme-logs/"), "all")
			b.append(1000, 100)
			w := b.begin(b.exports(func(l *activities.Limits) { l.WindowRows, l.PartBytes, l.Parallel = 1000, 80_000, parallel }), e).window()
			first, last := w.Part(w.Parts() - 1)
			require.Greater(t, w.Parts(), 1)
			require.Zero(t, w.Parts()%parallel)
			require.Greater(t, last-first+1, w.RowsPerPart*3/4, "%d parts of %d", w.Parts(), w.RowsPerPart)
		})
	}
}
