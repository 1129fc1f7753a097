package activities_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"golang.org/x/sync/errgroup"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/schemas"
)

// Invariants 1 to 3 under everything at once: runs that fight for the same
// export, a cloud that fails before and after each fifth request, answers that
// are lost, events that come in. Whoever wins, every event is delivered once.
func TestRivalRunsDeliverEveryEventOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/audit/")
	e := b.addExport(i, "all", func(e *schemas.Export) { e.Compression = schemas.CompressionZstd })
	a := b.exports(func(l *activities.Limits) { l.WindowRows, l.PartBytes = 40, 1024 })
	fail := func(destination.Request) error {
		if rand.IntN(5) == 0 {
			return destination.Refusal(schemas.KindUnavailable, "InternalError")
		}
		return nil
	}
	b.cloud.Before(fail)
	b.cloud.After(fail)

	var rivals errgroup.Group
	for n := range 3 {
		rivals.Go(func() error {
			for range 5 {
				if err := b.compete(a, e); err != nil {
					return fmt.Errorf("rival %d: %w", n, err)
				}
			}
			return nil
		})
	}
	for range 6 {
		b.append(15, 200)
	}
	require.NoError(t, rivals.Wait())

	b.cloud.Before(nil)
	b.cloud.After(nil)
	for b.export(e.ID).DeliveredSeq < 90 { // what the rivals have left
		require.NoError(t, b.compete(a, e))
	}
	var ledger []schemas.Object
	for _, r := range b.runs(e) {
		require.NotEqual(t, schemas.RunRunning, r.Status)
		if r.Status == schemas.RunSucceeded { // it lists all parts of its window, whoever stored them
			ledger = append(ledger, b.ledger(r.ID)...)
		}
	}
	b.requireDelivered(i.Destination, ledger, 1, 90)
	chains := b.verify([]schemas.Destination{i.Destination}).Chains
	require.Len(t, chains, 1)
	require.EqualValues(t, 90, chains[0].Rows)
}

// compete is one turn of a workflow whose activities lose every fourth answer
// and are tried again. Being superseded is part of the game.
func (b *bundle) compete(a *activities.Exports, e schemas.Export) error {
	in := schemas.ExportInput{OrgID: e.OrgID, ExportID: e.ID}
	begun, err := persist[schemas.BeginRunResult](b.t, a.BeginRun, schemas.BeginRunInput{ExportInput: in, RunID: uuid.NewString()})
	if err != nil || begun.Window == nil {
		return unlessSuperseded(err)
	}
	_, err = persist[schemas.WritePartsResult](b.t, a.WriteParts, schemas.WritePartsInput{
		ExportInput: in, RunID: begun.RunID, Window: *begun.Window,
	})
	if err != nil {
		return unlessSuperseded(err)
	}
	_, err = persist[schemas.FinishRunResult](b.t, a.FinishRun, schemas.FinishRunInput{
		ExportInput: in, RunID: begun.RunID, WindowID: begun.Window.ID, UpTo: begun.UpTo,
	})
	return unlessSuperseded(err)
}

// persist tries as Temporal does.
func persist[T any](t testing.TB, fn any, input any) (T, error) {
	for {
		result, err := try[T](t, attempt{}, fn, input)
		var application *temporal.ApplicationError
		if errors.As(err, &application) && !application.NonRetryable() || rand.IntN(4) == 0 {
			continue
		}
		return result, err
	}
}

func unlessSuperseded(err error) error {
	var application *temporal.ApplicationError
	if errors.As(err, &application) && application.Type() == schemas.ErrorRunSuperseded {
		return nil
	}
	return err
}

// Invariant 2: two workers that write the same window at once, because one was
// thought dead, end with the same objects.
func TestTwoWorkersWriteTheSameObjects(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all", func(e *schemas.Export) { e.Compression = schemas.CompressionGzip })
	b.append(100, 500)
	r := b.begin(b.exports(), e)

	var both sync.WaitGroup
	var results [2][]schemas.Object
	var errs [2]error
	for n := range results {
		both.Go(func() { results[n], errs[n] = r.write(attempt{ctx: context.Background()}) })
	}
	both.Wait()
	require.NoError(t, errors.Join(errs[:]...))
	require.Equal(t, results[0], results[1])
	r.mustFinish()
	b.requireDelivered(i.Destination, results[0], 1, 100)
}
