package service_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

func (b bundle) inOrg(t *testing.T, do func(tx *postgres.Tx) error) {
	t.Helper()
	require.NoError(t, b.store.InOrg(t.Context(), *b.admin.OrgID, do))
}

// sailing makes an export at a place of its own that has delivered one event.
func (b bundle) sailing(t *testing.T, place string) schemas.Export {
	t.Helper()
	integration, err := b.create(t.Context(), place)
	require.NoError(t, err)
	op, err := b.CreateExport(t.Context(), b.call(), service.CreateExport{
		Name: "to " + place, IntegrationID: *integration.IntegrationID, Schedule: schemas.Schedule{Kind: schemas.ScheduleInterval, Every: "1h"},
	})
	require.NoError(t, err)
	export := b.export(t, *op.ExportID)
	b.deliverOne(t, export)
	return b.export(t, export.ID)
}

func (b bundle) export(t *testing.T, id uuid.UUID) schemas.Export {
	t.Helper()
	view, err := b.Export(t.Context(), b.admin, id)
	require.NoError(t, err)
	return view.Export
}

// deliverOne plays the part of the worker.
func (b bundle) deliverOne(t *testing.T, export schemas.Export) {
	t.Helper()
	next := export.DeliveredSeq + 1
	w := schemas.Window{
		ID: uuid.New(), ExportID: export.ID, Slug: export.Slug, FirstSeq: next, LastSeq: next, RowsPerPart: 1,
		Format: export.Format, Compression: export.Compression, PathTemplate: export.PathTemplate, Destination: export.Destination,
	}
	run := schemas.Run{ID: uuid.New(), ExportID: export.ID, WindowID: w.ID}
	b.inOrg(t, func(tx *postgres.Tx) error {
		if err := tx.InsertWindow(t.Context(), w); err != nil {
			return err
		}
		if err := tx.InsertRun(t.Context(), run, uuid.NewString(), 0); err != nil {
			return err
		}
		object := schemas.Object{Key: w.Place().Key(w.Name(next, next, time.Now())), FirstSeq: next, LastSeq: next, Rows: 1, Bytes: 1, SHA256: "00"}
		if err := tx.RecordPart(t.Context(), run.ID, object); err != nil {
			return err
		}
		key := w.Place().Key(schemas.ManifestName(export.ID, next, next))
		if err := tx.SealWindow(t.Context(), w.ID, schemas.SealedManifest{Key: key, Content: []byte("{}"), SHA256: "00", Signature: "signed"}); err != nil {
			return err
		}
		if err := tx.DeliverWindow(t.Context(), w.ID, run.ID); err != nil {
			return err
		}
		return tx.EndRun(t.Context(), schemas.Run{ID: run.ID, Status: schemas.RunSucceeded})
	})
}

// closings are the chains that are to be closed under an integration, as
// "place reason".
func (b bundle) closings(t *testing.T, integration uuid.UUID) (found []string) {
	t.Helper()
	b.inOrg(t, func(tx *postgres.Tx) error {
		open, err := tx.OpenClosings(t.Context(), integration)
		for _, c := range open {
			found = append(found, fmt.Sprint(c.Destination, " ", c.Reason))
		}
		return err
	})
	return found
}

func (b bundle) relink(t *testing.T, export schemas.Export, to uuid.UUID) error {
	t.Helper()
	_, err := b.RelinkExport(t.Context(), b.call(), service.RelinkExport{ExportID: export.ID, IntegrationID: to})
	return err
}

// A chain of manifests is closed when its export is deleted.
func TestDeleteClosesTheChain(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	export := b.sailing(t, "gs://acme-audit/")
	for range 2 {
		_, err := b.DeleteExport(t.Context(), b.call(), service.DeleteExport{ExportID: export.ID})
		require.NoError(t, err)
		require.Equal(t, []string{"gs://acme-audit/ export_deleted"}, b.closings(t, export.IntegrationID))
	}
}

// A chain is closed where its export leaves a place, and only then.
func TestRelinkClosesTheChain(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	export := b.sailing(t, "gs://acme-old/")
	next, err := b.create(t.Context(), "gs://acme-next/")
	require.NoError(t, err)
	_, err = b.PauseExport(t.Context(), b.call(), service.PauseExport{ExportID: export.ID})
	require.NoError(t, err)
	require.NoError(t, b.relink(t, export, export.IntegrationID))
	require.Empty(t, b.closings(t, export.IntegrationID), "it stays where it is")
	require.NoError(t, b.relink(t, export, *next.IntegrationID))
	require.Equal(t, []string{"gs://acme-old/ relinked"}, b.closings(t, export.IntegrationID))
	require.NoError(t, b.relink(t, export, export.IntegrationID))
	require.Empty(t, b.closings(t, *next.IntegrationID), "nothing was delivered there")
}

// A place that nobody may write to any more gets no final manifest: the
// integration that is gone has closed it, or could not.
func TestChainsOfDeletedIntegrationsAreLeftAlone(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	export := b.sailing(t, "gs://acme-old/")
	deleted := b.sailing(t, "gs://acme-gone/")
	next, err := b.create(t.Context(), "gs://acme-next/")
	require.NoError(t, err)
	b.inOrg(t, func(tx *postgres.Tx) error {
		for _, e := range []schemas.Export{export, deleted} {
			e.State, e.PauseReason = schemas.ExportPaused, schemas.PausedByIntegrationDeleted
			if _, err := tx.UpdateExport(t.Context(), e); err != nil {
				return err
			}
			if err := tx.SetIntegrationStatus(t.Context(), e.IntegrationID, schemas.IntegrationDeleted); err != nil {
				return err
			}
		}
		return nil
	})
	require.NoError(t, b.relink(t, export, *next.IntegrationID))
	_, err = b.DeleteExport(t.Context(), b.call(), service.DeleteExport{ExportID: deleted.ID})
	require.NoError(t, err)
	require.Empty(t, b.closings(t, export.IntegrationID))
	require.Empty(t, b.closings(t, deleted.IntegrationID))
}

// Invariant 4: a backfill ends with its export, and neither is left behind when
// the export moves.
func TestBackfillsOfExportsThatLeave(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	export := b.sailing(t, "gs://acme-old/")
	next, err := b.create(t.Context(), "gs://acme-next/")
	require.NoError(t, err)
	one := int64(1)
	asked, err := b.CreateBackfill(t.Context(), b.call(), service.CreateBackfill{
		ExportID: export.ID, Range: service.BackfillRange{FirstSeq: &one, LastSeq: &one},
	})
	require.NoError(t, err)
	_, err = b.PauseExport(t.Context(), b.call(), service.PauseExport{ExportID: export.ID})
	require.NoError(t, err)
	err = b.relink(t, export, *next.IntegrationID)
	requireKind(t, service.Conflict, err)
	require.ErrorContains(t, err, asked.BackfillID.String())
	require.Empty(t, b.closings(t, export.IntegrationID))
	require.NoError(t, b.relink(t, export, export.IntegrationID), "this is no move")

	_, err = b.DeleteExport(t.Context(), b.call(), service.DeleteExport{ExportID: export.ID})
	require.NoError(t, err)
	ended, err := b.Backfill(t.Context(), b.admin, export.ID, *asked.BackfillID)
	require.NoError(t, err)
	require.Equal(t, schemas.BackfillCancelled, ended.Status)
	require.Equal(t, "the export was deleted by Ada", ended.Error)
	op, err := b.Operation(t.Context(), b.admin, asked.ID, 0)
	require.NoError(t, err)
	require.Equal(t, schemas.OperationFailed, op.Status)
	_, err = b.CancelBackfill(t.Context(), b.call(), service.CancelBackfill{ExportID: export.ID, BackfillID: *asked.BackfillID})
	requireKind(t, service.Conflict, err)
	require.ErrorContains(t, err, "the export was deleted by Ada")
}

// A backfill up to now holds what is being recorded at this moment, too: its
// range is looked for behind those who came before.
func TestBackfillsWaitForEventsUnderWay(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	export := b.sailing(t, "gs://acme-audit/")
	before := time.Now().Add(-time.Hour)
	release := b.holdLog(t)
	now := time.Now() // after the event that is under way was recorded
	type answer struct {
		op  schemas.Operation
		err error
	}
	answers := make(chan answer, 1)
	go func() {
		op, err := b.CreateBackfill(t.Context(), b.call(), service.CreateBackfill{
			ExportID: export.ID, Range: service.BackfillRange{From: &before, To: &now},
		})
		answers <- answer{op, err}
	}()
	b.awaitLock(t)
	release()
	got := <-answers
	require.NoError(t, got.err)
	backfill, err := b.Backfill(t.Context(), b.admin, export.ID, *got.op.BackfillID)
	require.NoError(t, err)
	var newest int64
	b.inOrg(t, func(tx *postgres.Tx) (err error) {
		newest, err = tx.NewestSeq(t.Context())
		return err
	})
	require.Equal(t, newest-1, backfill.LastSeq, "all but the event of the request")
}

// awaitLock waits until somebody waits for another's lock.
func (b bundle) awaitLock(t *testing.T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), b.ownerURL)
	require.NoError(t, err)
	defer conn.Close(t.Context()) //nolint:errcheck // read only
	require.Eventually(t, func() bool {
		var waiting int
		err := conn.QueryRow(t.Context(), `
			SELECT count(*) FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
				OR NOT granted AND locktype = 'transactionid'`).Scan(&waiting)
		return err == nil && waiting > 0
	}, 30*time.Second, 5*time.Millisecond)
}
