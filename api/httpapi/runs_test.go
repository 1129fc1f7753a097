package httpapi_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// run is what the API shows of a run.
type run struct {
	schemas.Run
	DurationSeconds float64 `json:"duration_seconds"`
	Manifest        string
}

// A run tells how far it has come while it is running, and in the end what it
// delivered and where that is proven.
func TestRunsAndTheirObjects(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	export := s.newExport(t, o, "hourly", s.newAWS(t, o, "s3://acme-audit/logs/"))
	w := windowOf(export, export.DeliveredSeq+1, export.DeliveredSeq+30)
	begun := s.begin(t, o, w)
	path := "/v1/exports/" + export.ID.String() + "/runs"
	type runWithObjects struct {
		Run     run
		Objects []schemas.Object
	}
	look := func(key string) (detail runWithObjects) {
		t.Helper()
		s.get(t, key, path+"/"+begun.ID.String()).is(t, http.StatusOK, &detail)
		return detail
	}
	detail := look(o.admin())
	require.Equal(t, schemas.RunRunning, detail.Run.Status)
	require.Equal(t, 3, detail.Run.Parts)
	require.Equal(t, 1, detail.Run.Attempts)
	require.Empty(t, detail.Objects)
	require.Empty(t, detail.Run.Manifest)

	parts := whole(w)
	parts[1].Rows, parts[1].Excluded = 7, 3
	parts[2] = schemas.Object{Part: 2, FirstSeq: parts[2].FirstSeq, LastSeq: parts[2].LastSeq, Excluded: 10}
	s.record(t, o, begun, parts[:2]...)
	s.inOrg(t, o, func(tx *postgres.Tx) error {
		return tx.NoteAttempt(t.Context(), begun.ID, schemas.KindThrottled, "The bucket is asked too often. It is tried again.")
	})
	detail = look(o.admin())
	require.Equal(t, 2, detail.Run.Settled)
	require.EqualValues(t, 17, detail.Run.Rows)
	require.EqualValues(t, 200, detail.Run.Bytes)
	require.Equal(t, schemas.KindThrottled, detail.Run.ErrorKind, "of the last attempt")
	require.Equal(t, "The bucket is asked too often. It is tried again.", detail.Run.Error)
	require.Equal(t, parts[:2], detail.Objects)

	s.record(t, o, begun, parts[2])
	s.finish(t, o, w, begun)
	s.asOwner(t, `UPDATE export_run SET ended_at = started_at + interval '90.5 seconds' WHERE id = $1`, begun.ID)
	detail = look(o.keys[schemas.RoleViewer])
	require.Equal(t, schemas.RunSucceeded, detail.Run.Status)
	require.Equal(t, 3, detail.Run.Settled)
	require.Equal(t, 2, detail.Run.Objects)
	require.EqualValues(t, 17, detail.Run.Rows)
	require.EqualValues(t, 13, detail.Run.Excluded)
	require.InDelta(t, 90.5, detail.Run.DurationSeconds, 0.001)
	require.Equal(t, "logs/"+schemas.ManifestName(export.ID, w.FirstSeq, w.LastSeq), detail.Run.Manifest)
	require.Equal(t, parts[:2], detail.Objects, "a part without events has no object")

	var list struct{ Items []run }
	s.get(t, o.admin(), path).is(t, http.StatusOK, &list)
	require.Equal(t, []run{detail.Run}, list.Items)
}

// A run that has not delivered names no manifest, also when another has
// delivered its window since.
func TestOnlyTheRunThatDeliveredNamesItsManifest(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	export := s.newExport(t, o, "hourly", s.newAWS(t, o, "s3://acme-audit/"))
	w := windowOf(export, export.DeliveredSeq+1, export.DeliveredSeq+10)
	failed := s.begin(t, o, w)
	second := schemas.Run{ID: failed.ID, ExportID: export.ID, WindowID: w.ID, WorkflowID: "export-run/test"}
	second.ID[15]++ // the next one
	s.inOrg(t, o, func(tx *postgres.Tx) error {
		failed.Status, failed.ErrorKind, failed.Error = schemas.RunFailed, schemas.KindDenied, "The role may not write."
		if err := tx.EndRun(t.Context(), failed); err != nil {
			return err
		}
		return tx.InsertRun(t.Context(), second, second.ID.String(), 0)
	})
	s.record(t, o, second, whole(w)...)
	s.finish(t, o, w, second)
	var list struct{ Items []run }
	s.get(t, o.admin(), "/v1/exports/"+export.ID.String()+"/runs").is(t, http.StatusOK, &list)
	require.Len(t, list.Items, 2)
	require.Equal(t, manifestOf(w), list.Items[0].Manifest)
	require.Empty(t, list.Items[1].Manifest)
	require.Equal(t, "The role may not write.", list.Items[1].Error)
	require.WithinDuration(t, time.Now(), *list.Items[1].EndedAt, time.Hour)
}
