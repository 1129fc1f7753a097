package postgres_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

func TestExportKeepsWhatItIsGiven(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	integration := b.addIntegration("s3://logs/")
	want := export(t, integration, "daily")
	want.Filter = schemas.Filter{Actions: []string{"document.*"}, ExceptActions: []string{"document.read"}, Outcome: schemas.OutcomeFailure}
	want.DeliveredSeq, want.StartSeq = 41, 42
	b.in(func(tx *postgres.Tx) {
		require.NoError(t, tx.InsertExport(ctx, want))
		got, err := tx.Export(ctx, want.ID)
		require.NoError(t, err)
		require.Equal(t, want, got)

		changed := want
		changed.Name, changed.State, changed.PauseReason = "weekly", schemas.ExportPaused, schemas.PausedByAdmin
		changed.Schedule = schemas.Schedule{Kind: schemas.ScheduleWeekly, Weekdays: []string{"monday"}, At: "02:00"}
		changed.Destination = parse(t, "s3://logs/new/")
		changed.Filter = schemas.Filter{}
		changed.Slug, changed.DeliveredSeq, changed.StartSeq, changed.AppliedVersion = "no part", 99, 99, 99 // of the specification
		version, err := tx.UpdateExport(ctx, changed)
		require.NoError(t, err)
		require.Equal(t, 2, version)

		got, err = tx.LockExport(ctx, want.ID)
		require.NoError(t, err)
		changed.Slug, changed.DeliveredSeq, changed.StartSeq, changed.AppliedVersion = want.Slug, 41, 42, 0
		changed.SpecVersion, changed.UpdatedAt = 2, got.UpdatedAt
		require.Equal(t, changed, got)
	})
}

// A streak of failures begins with the first, and lasts until a live window is
// delivered.
func TestAStreakOfFailures(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	e := b.addExport(b.addIntegration("s3://logs/"), "daily")
	b.append(30)
	mark := func(at time.Time) {
		b.in(func(tx *postgres.Tx) { require.NoError(t, tx.MarkFailing(ctx, e.ID, at)) })
	}
	first := now().Add(-time.Hour)
	mark(first)
	mark(now())
	require.Equal(t, &first, b.currentExport(e.ID).FailingSince)

	again := b.addBackfill(e, 1, 10)
	b.delivered(b.backfillWindow(e, again, 1, 10))
	require.Equal(t, &first, b.currentExport(e.ID).FailingSince, "a backfill says nothing about the schedule's runs")
	b.delivered(b.windowOf(e, 1, 20))
	require.Nil(t, b.currentExport(e.ID).FailingSince)

	next := now()
	mark(next)
	require.Equal(t, &next, b.currentExport(e.ID).FailingSince)
	b.in(func(tx *postgres.Tx) { require.ErrorIs(t, tx.MarkFailing(ctx, newID(t), next), postgres.ErrNotFound) })
}

func TestExportNames(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	integration := b.addIntegration("s3://logs/")
	first, second := b.addExport(integration, "daily"), b.addExport(integration, "weekly")
	rename := func(e schemas.Export, name string) error {
		return b.try(func(tx *postgres.Tx) error {
			e.Name = name
			_, err := tx.UpdateExport(ctx, e)
			return err
		})
	}
	insert := func(name, slug string) error {
		return b.try(func(tx *postgres.Tx) error {
			e := export(t, integration, name)
			e.Slug = slug
			return tx.InsertExport(ctx, e)
		})
	}
	requireConflict(t, rename(second, "daily"))
	requireConflict(t, insert("daily", "another"))

	first.State = schemas.ExportDeleted
	require.NoError(t, rename(first, "daily"))
	requireConflict(t, insert("daily", first.Slug)) // its objects are still there
	require.NoError(t, insert("daily", "another"))

	b.in(func(tx *postgres.Tx) {
		linked, err := tx.LinkedExports(ctx, integration.ID, false)
		require.NoError(t, err)
		require.Len(t, linked, 2)
		linked, err = tx.LinkedExports(ctx, integration.ID, true)
		require.NoError(t, err)
		require.Len(t, linked, 3)
		unapplied, err := tx.UnappliedLinked(ctx, integration.ID)
		require.NoError(t, err)
		require.Len(t, unapplied, 3, "deleted ones have to be applied too")
		live, err := tx.Exports(ctx, uuid.Nil, 10, false)
		require.NoError(t, err)
		require.Len(t, live, 2)
		all, err := tx.Exports(ctx, uuid.Nil, 10, true)
		require.NoError(t, err)
		require.Len(t, all, 3)
		rest, err := tx.Exports(ctx, all[0].ID, 1, true)
		require.NoError(t, err)
		require.Equal(t, all[1:2], rest)
	})
}

// Invariants 4 and 5: an operation ends when its version, or a newer one, is
// applied, and never because of an older one.
func TestMarkApplied(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	e := b.addExport(b.addIntegration("s3://logs/"), "daily")
	other := b.addExport(b.addIntegration("s3://other/"), "weekly")
	ask := func(kind schemas.OperationKind, of uuid.UUID, version int) uuid.UUID {
		return b.addOperation(kind, func(op *schemas.Operation) { op.ExportID, op.SpecVersion = &of, version }).ID
	}
	b.in(func(tx *postgres.Tx) {
		for range 2 {
			_, err := tx.UpdateExport(ctx, e)
			require.NoError(t, err)
		}
	})
	create, edit, pause := ask(schemas.OpCreateExport, e.ID, 1), ask(schemas.OpEditExport, e.ID, 2), ask(schemas.OpPauseExport, e.ID, 3)
	run := ask(schemas.OpRunExport, e.ID, 0)
	foreign := ask(schemas.OpEditExport, other.ID, 1)
	apply := func(version int) schemas.Export {
		var after schemas.Export
		b.in(func(tx *postgres.Tx) {
			require.NoError(t, tx.LockSchedule(ctx, e.ID))
			require.NoError(t, tx.MarkApplied(ctx, e.ID, version))
			var err error
			after, err = tx.Export(ctx, e.ID)
			require.NoError(t, err)
		})
		return after
	}
	waiting := func() []schemas.Export {
		var all []schemas.Export
		b.asOperator(func(tx *postgres.Tx) {
			var err error
			all, err = tx.UnappliedExports(ctx, 0, 10)
			require.NoError(t, err)
		})
		return all
	}

	require.Equal(t, 2, apply(2).AppliedVersion)
	require.Equal(t, schemas.OperationSucceeded, b.operation(create).Status)
	require.Equal(t, schemas.OperationSucceeded, b.operation(edit).Status)
	require.Equal(t, schemas.OperationPending, b.operation(pause).Status)
	require.Len(t, waiting(), 2)

	require.Equal(t, 2, apply(1).AppliedVersion, "never lowered")
	require.Equal(t, 3, apply(3).AppliedVersion)
	require.Equal(t, schemas.OperationSucceeded, b.operation(pause).Status)
	require.Equal(t, schemas.OperationPending, b.operation(run).Status)
	require.Equal(t, schemas.OperationPending, b.operation(foreign).Status)
	require.Len(t, waiting(), 1)

	b.asOperator(func(tx *postgres.Tx) {
		young, err := tx.UnappliedExports(ctx, time.Hour, 10)
		require.NoError(t, err)
		require.Empty(t, young)
	})
}

// Invariant 5: one applier at a time.
func TestScheduleLockExcludes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.addExport(b.addIntegration("s3://logs/"), "daily")
	held, second := make(chan struct{}), make(chan struct{})
	var released atomic.Bool
	done := make(chan error, 1)
	go func() {
		<-held
		done <- b.try(func(tx *postgres.Tx) error {
			close(second)
			err := tx.LockSchedule(t.Context(), e.ID)
			if err == nil && !released.Load() {
				err = errors.New("two hold the lock")
			}
			return err
		})
	}()
	b.in(func(tx *postgres.Tx) {
		require.NoError(t, tx.LockSchedule(t.Context(), e.ID))
		close(held)
		<-second
		released.Store(true)
	})
	require.NoError(t, <-done)
}

// Invariant 4: an operation gets one outcome, however often it is told.
func TestOperationLife(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	integration := b.addIntegration("s3://logs/")
	d := parse(t, "s3://logs/new/")
	want := b.addOperation(schemas.OpUpdateDestination, func(op *schemas.Operation) {
		op.IntegrationID = &integration.ID
		op.Params = schemas.OperationParams{Destination: &d, Retarget: true}
	})
	require.Equal(t, want, b.operation(want.ID))
	stranded := func(unsent, silent time.Duration) int {
		var n int
		b.asOperator(func(tx *postgres.Tx) {
			all, err := tx.StrandedOperations(ctx, unsent, silent, 10)
			require.NoError(t, err)
			n = len(all)
		})
		return n
	}
	require.Equal(t, 1, stranded(0, time.Hour))
	require.Zero(t, stranded(time.Hour, 0))

	b.in(func(tx *postgres.Tx) {
		require.NoError(t, tx.MarkOperationSent(ctx, want.ID))
		require.NoError(t, tx.MarkOperationSent(ctx, want.ID))
	})
	require.Equal(t, 1, stranded(time.Hour, 0), "nothing has been heard of it")
	require.Zero(t, stranded(0, time.Hour))
	b.in(func(tx *postgres.Tx) {
		require.NoError(t, tx.MarkOperationRunning(ctx, want.ID))
		require.NoError(t, tx.MarkOperationRunning(ctx, want.ID))
		open, err := tx.OpenOperations(ctx, integration.ID)
		require.NoError(t, err)
		require.Len(t, open, 1)
		require.Equal(t, schemas.OperationRunning, open[0].Status)

		require.NoError(t, tx.EndOperation(ctx, want.ID, schemas.OperationFailed, "no such bucket"))
		require.NoError(t, tx.EndOperation(ctx, want.ID, schemas.OperationSucceeded, ""))
		require.NoError(t, tx.MarkOperationRunning(ctx, want.ID))
		ended, err := tx.LockOperation(ctx, want.ID)
		require.NoError(t, err)
		require.Equal(t, schemas.OperationFailed, ended.Status)
		require.Equal(t, "no such bucket", ended.Error)
		require.NotNil(t, ended.EndedAt)

		open, err = tx.OpenOperations(ctx, integration.ID)
		require.NoError(t, err)
		require.Empty(t, open)
		for _, change := range []func() error{
			func() error { return tx.MarkOperationSent(ctx, newID(t)) },
			func() error { return tx.MarkOperationRunning(ctx, newID(t)) },
			func() error { return tx.EndOperation(ctx, newID(t), schemas.OperationSucceeded, "") },
		} {
			require.ErrorIs(t, change(), postgres.ErrNotFound)
		}
	})
	require.Zero(t, stranded(0, 0))
}

// Invariant 4: operations that wait for days, for an operator, do not keep
// reconcile from sending new ones, however many they are.
func TestStrandedOperationsTakeTurns(t *testing.T) {
	t.Parallel()
	b := setup(t)
	integration := b.addIntegration("s3://logs/")
	add := func() schemas.Operation {
		return b.addOperation(schemas.OpCreateIntegration, func(op *schemas.Operation) { op.IntegrationID = &integration.ID })
	}
	first := func() (op schemas.Operation) {
		b.asOperator(func(tx *postgres.Tx) {
			stranded, err := tx.StrandedOperations(t.Context(), 0, 0, 1)
			require.NoError(t, err)
			op = stranded[0]
		})
		return op
	}
	send := func(op schemas.Operation) {
		b.in(func(tx *postgres.Tx) { require.NoError(t, tx.MarkOperationSent(t.Context(), op.ID)) })
	}
	older, newer := add(), add()
	require.Equal(t, older, first())
	send(older)
	require.Equal(t, newer, first(), "it was never sent")
	send(newer)
	require.Equal(t, older, first(), "its turn is the longest ago")
}

func TestOperationsAreListedNewestFirst(t *testing.T) {
	t.Parallel()
	b := setup(t)
	integration := b.addIntegration("s3://logs/")
	e := b.addExport(integration, "daily")
	of := b.addOperation(schemas.OpCheckAccess, func(op *schemas.Operation) { op.IntegrationID = &integration.ID })
	ofBoth := b.addOperation(schemas.OpCreateExport, func(op *schemas.Operation) {
		op.IntegrationID, op.ExportID = &integration.ID, &e.ID
	})
	ofExport := b.addOperation(schemas.OpEditExport, func(op *schemas.Operation) { op.ExportID = &e.ID })
	list := func(integration, export *uuid.UUID, limit int) (ids []uuid.UUID) {
		b.in(func(tx *postgres.Tx) {
			all, err := tx.Operations(t.Context(), integration, export, limit)
			require.NoError(t, err)
			for _, op := range all {
				ids = append(ids, op.ID)
			}
		})
		return ids
	}
	require.Equal(t, []uuid.UUID{ofExport.ID, ofBoth.ID, of.ID}, list(nil, nil, 10))
	require.Equal(t, []uuid.UUID{ofExport.ID, ofBoth.ID}, list(nil, nil, 2))
	require.Equal(t, []uuid.UUID{ofBoth.ID, of.ID}, list(&integration.ID, nil, 10))
	require.Equal(t, []uuid.UUID{ofExport.ID, ofBoth.ID}, list(nil, &e.ID, 10))
	require.Equal(t, []uuid.UUID{ofBoth.ID}, list(&integration.ID, &e.ID, 10))
}
