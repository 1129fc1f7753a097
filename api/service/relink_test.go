package service_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// Invariant 5: a run that is left behind by its integration records nothing
// under the next one.
func TestRelinkSupersedesTheRunInFlight(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	old, err := b.create(t.Context(), "gs://acme-old/")
	require.NoError(t, err)
	next, err := b.create(t.Context(), "gs://acme-next/")
	require.NoError(t, err)
	op, err := b.CreateExport(t.Context(), b.call(), service.CreateExport{
		Name: "hourly", IntegrationID: *old.IntegrationID, Schedule: schemas.Schedule{Kind: schemas.ScheduleInterval, Every: "1h"},
	})
	require.NoError(t, err)
	export, err := b.Export(t.Context(), b.admin, *op.ExportID)
	require.NoError(t, err)
	window := schemas.Window{
		ID: uuid.New(), ExportID: export.ID, Slug: export.Slug, FirstSeq: 1, LastSeq: 1, RowsPerPart: 1,
		Format: export.Format, Compression: export.Compression, Destination: export.Destination,
	}
	run := schemas.Run{ID: uuid.New(), ExportID: export.ID, WindowID: window.ID}
	inOrg := func(fn func(tx *postgres.Tx) error) {
		t.Helper()
		require.NoError(t, b.store.InOrg(t.Context(), export.OrgID, fn))
	}
	inOrg(func(tx *postgres.Tx) error {
		if err := tx.InsertWindow(t.Context(), window); err != nil {
			return err
		}
		return tx.InsertRun(t.Context(), run, uuid.NewString(), 0)
	})

	_, err = b.PauseExport(t.Context(), b.call(), service.PauseExport{ExportID: export.ID})
	require.NoError(t, err)
	for _, step := range []struct {
		to     uuid.UUID
		status schemas.RunStatus
	}{{*old.IntegrationID, schemas.RunRunning}, {*next.IntegrationID, schemas.RunFailed}} {
		_, err = b.RelinkExport(t.Context(), b.call(), service.RelinkExport{ExportID: export.ID, IntegrationID: step.to})
		require.NoError(t, err)
		inOrg(func(tx *postgres.Tx) error {
			row, err := tx.Run(t.Context(), run.ID)
			require.Equal(t, step.status, row.Status)
			return err
		})
	}
}

// Exports that trade their integrations do not wait for each other for ever,
// which Postgres ends with an error for one of them.
func TestConcurrentRelinksTakeTurns(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	var integrations [2]uuid.UUID
	for i := range integrations {
		op, err := b.create(t.Context(), fmt.Sprintf("gs://acme-%d-audit/", i))
		require.NoError(t, err)
		integrations[i] = *op.IntegrationID
	}
	var exports [8]uuid.UUID // so many that trying again does not always help
	for i := range exports {
		op, err := b.CreateExport(t.Context(), b.call(), service.CreateExport{
			Name: fmt.Sprint("hourly ", i), IntegrationID: integrations[i%2], Schedule: schemas.Schedule{Kind: schemas.ScheduleInterval, Every: "1h"},
		})
		require.NoError(t, err)
		exports[i] = *op.ExportID
		_, err = b.PauseExport(t.Context(), b.call(), service.PauseExport{ExportID: exports[i]})
		require.NoError(t, err)
	}
	var all sync.WaitGroup
	for i, export := range exports {
		all.Go(func() {
			for turn := range 10 {
				_, err := b.RelinkExport(t.Context(), b.call(), service.RelinkExport{
					ExportID: export, IntegrationID: integrations[(i+turn+1)%2],
				})
				assert.NoError(t, err)
			}
		})
	}
	all.Wait()
}
