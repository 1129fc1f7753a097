package httpapi_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

func (s *server) cancel(t *testing.T, o tenant, export schemas.Export, id uuid.UUID) (op schemas.Operation) {
	t.Helper()
	s.post(t, o.admin(), cancelPath(export, id), nil).is(t, http.StatusAccepted, &op)
	return op
}

func cancelPath(export schemas.Export, id uuid.UUID) string {
	return fmt.Sprintf("/v1/exports/%s/backfills/%s/cancel", export.ID, id)
}

// Invariant 4: a cancel is carried out at once, and once. A run that is under
// way can deliver nothing any more.
func TestCancelBackfill(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o, export := s.atSea(t, "Acme")
	id := s.newBackfill(t, o, export, 1, 20)
	asked := s.dispatcher.last()
	w := windowOfBackfill(export, s.backfill(t, o, export, id).Backfill, 1, 20)
	writing := s.begin(t, o, w)
	live := s.begin(t, o, windowOf(export, export.DeliveredSeq+1, export.DeliveredSeq+1))
	dispatched := len(s.dispatcher.dispatched())

	op := s.cancel(t, o, export, id)
	require.Equal(t, schemas.OpCancelBackfill, op.Kind)
	require.Equal(t, schemas.OperationSucceeded, op.Status)
	require.NotNil(t, op.EndedAt)
	require.Equal(t, id, *op.BackfillID)
	require.Len(t, s.dispatcher.dispatched(), dispatched, "no workflow has to hear of it")
	ended := s.backfill(t, o, export, id)
	require.Equal(t, schemas.BackfillCancelled, ended.Status)
	require.Equal(t, "cancelled by admin", ended.Error)
	s.get(t, o.admin(), "/v1/operations/"+asked.ID.String()).is(t, http.StatusOK, &asked)
	require.Equal(t, schemas.OperationFailed, asked.Status)
	require.Equal(t, "cancelled by admin", asked.Error)
	var detail struct{ Run schemas.Run }
	path := "/v1/exports/" + export.ID.String() + "/runs/"
	s.get(t, o.admin(), path+writing.ID.String()).is(t, http.StatusOK, &detail)
	require.Equal(t, schemas.RunCancelled, detail.Run.Status)
	require.Equal(t, id, *detail.Run.BackfillID)
	require.Error(t, s.store.InOrg(t.Context(), o.id, func(tx *postgres.Tx) error {
		return tx.RecordPart(t.Context(), writing.ID, whole(w)[0])
	}))
	detail.Run = schemas.Run{}
	s.get(t, o.admin(), path+live.ID.String()).is(t, http.StatusOK, &detail)
	require.Equal(t, schemas.RunRunning, detail.Run.Status, "live deliveries are another matter")
	require.Nil(t, detail.Run.BackfillID)

	require.Equal(t, op, s.cancel(t, o, export, id), "once more")
	events := s.eventsOf(t, o, "auditferry.export.backfill_cancelled")
	require.Len(t, events, 1)
	require.JSONEq(t, fmt.Sprintf(`{"operation_id": %q, "backfill_id": %q, "integration_id": %q, "destination": "s3://acme-audit/logs/",
		"first_seq": 1, "last_seq": 20, "delivered_seq": 0}`, op.ID, id, export.IntegrationID), string(events[0].Metadata))
}

// What has ended by itself cannot be cancelled, and the answer says how it did.
func TestCancelOfAnEndedBackfill(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o, export := s.atSea(t, "Acme")
	end := func(status schemas.BackfillStatus, message string) string {
		id := s.newBackfill(t, o, export, 1, 20)
		s.inOrg(t, o, func(tx *postgres.Tx) error { return tx.EndBackfill(t.Context(), id, status, message) })
		return s.post(t, o.admin(), cancelPath(export, id), nil).problem(t, http.StatusConflict).Detail
	}
	require.Equal(t, "The backfill has succeeded already; everything from event 1 to 20 is in its folder.", end(schemas.BackfillSucceeded, ""))
	require.Equal(t, "The backfill has failed already: the role may not write", end(schemas.BackfillFailed, "the role may not write"))
	require.Equal(t, "The backfill was cancelled already: the integration has been deleted", end(schemas.BackfillCancelled, "the integration has been deleted"))
}

// Invariant 6 within an org: a backfill is found under its own export only.
func TestBackfillOfAnotherExport(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o, export := s.atSea(t, "Acme")
	other := s.newExport(t, o, "nightly", export.IntegrationID)
	id := s.newBackfill(t, o, export, 1, 2)
	s.get(t, o.admin(), fmt.Sprintf("/v1/exports/%s/backfills/%s", other.ID, id)).problem(t, http.StatusNotFound)
	s.post(t, o.admin(), cancelPath(other, id), nil).problem(t, http.StatusNotFound)
	require.Equal(t, schemas.BackfillRunning, s.backfill(t, o, export, id).Status)
}

// One backfill of an export runs at a time, also when several are asked for at
// once; another export's does not count.
func TestOneBackfillAtATime(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o, export := s.atSea(t, "Acme")
	path := "/v1/exports/" + export.ID.String() + "/backfills"
	body := map[string]any{"first_seq": 1, "last_seq": 2}
	answers := make([]response, 6)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = s.post(t, o.admin(), path, body) })
	}
	all.Wait()
	accepted := 0
	for _, answer := range answers {
		if answer.status == http.StatusAccepted {
			accepted++
			continue
		}
		require.Contains(t, answer.problem(t, http.StatusConflict).Detail, "from event 1 to 2. Wait for its end, or cancel it.")
	}
	require.Equal(t, 1, accepted)
	require.Len(t, s.eventsOf(t, o, "auditferry.export.backfill_requested"), 1)
	s.newBackfill(t, o, s.newExport(t, o, "nightly", export.IntegrationID), 1, 2)
}

// Invariant 4: a repeated request is the first one, also after the backfill has
// ended.
func TestRepeatedBackfillRequests(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o, export := s.atSea(t, "Acme")
	create := request{
		method: http.MethodPost, path: "/v1/exports/" + export.ID.String() + "/backfills", key: o.admin(), idempotencyKey: "one",
		body: map[string]any{"from": daysAgo(20), "to": daysAgo(10)},
	}
	var first, again schemas.Operation
	s.do(t, create).is(t, http.StatusAccepted, &first)
	stop := request{method: http.MethodPost, path: cancelPath(export, *first.BackfillID), key: o.admin(), idempotencyKey: "two"}
	cancelled := s.do(t, stop)
	cancelled.is(t, http.StatusAccepted, nil)
	require.JSONEq(t, string(cancelled.body), string(s.do(t, stop).body))
	s.do(t, create).is(t, http.StatusAccepted, &again)
	require.Equal(t, first, again)
	create.body = map[string]any{"from": daysAgo(20), "to": daysAgo(9)}
	s.do(t, create).problem(t, http.StatusConflict)
	var list struct{ Items []backfill }
	s.get(t, o.admin(), create.path).is(t, http.StatusOK, &list)
	require.Len(t, list.Items, 1)
}

// Invariant 4: what changes the export's schedule does not end a backfill's
// operation, which ends with the backfill.
func TestSchedulesAndBackfillsEndApart(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o, export := s.atSea(t, "Acme")
	id := s.newBackfill(t, o, export, 1, 20)
	asked := s.dispatcher.last()
	s.post(t, o.admin(), "/v1/exports/"+export.ID.String()+"/pause", nil).is(t, http.StatusAccepted, nil)
	s.inOrg(t, o, func(tx *postgres.Tx) error {
		return tx.MarkApplied(t.Context(), export.ID, s.dispatcher.last().SpecVersion)
	})
	s.get(t, o.admin(), "/v1/operations/"+asked.ID.String()).is(t, http.StatusOK, &asked)
	require.Equal(t, schemas.OperationPending, asked.Status)
	require.Equal(t, schemas.BackfillRunning, s.backfill(t, o, export, id).Status, "nor does a pause end a backfill")
}

// Where an export may not write to, no backfill is begun, and the answer says
// what to do first.
func TestBackfillsNeedAPlace(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o, export := s.atSea(t, "Acme")
	path := "/v1/exports/" + export.ID.String()
	integration := "/v1/integrations/" + export.IntegrationID.String()
	refused := func(sentence string) {
		t.Helper()
		p := s.post(t, o.admin(), path+"/backfills", map[string]any{"first_seq": 1, "last_seq": 2}).problem(t, http.StatusConflict)
		require.Contains(t, p.Detail, sentence)
	}
	var update schemas.Operation
	s.post(t, o.admin(), integration+"/destination", map[string]any{"destination": "s3://acme-audit/new/"}).is(t, http.StatusAccepted, &update)
	refused("is being updated, by operation " + update.ID.String())
	s.inOrg(t, o, func(tx *postgres.Tx) error {
		if err := tx.SetDestination(t.Context(), export.IntegrationID, *update.Params.Destination, schemas.Grant{}); err != nil {
			return err
		}
		export.State, export.PauseReason = schemas.ExportPaused, schemas.PausedByDestinationUpdate
		_, err := tx.UpdateExport(t.Context(), export)
		return err
	})
	s.endOperation(t, o, update.ID)
	refused("The integration's destination is now s3://acme-audit/new/, and the export still delivers to s3://acme-audit/logs/. Resume the export with retarget first.")
	s.post(t, o.admin(), path+"/resume", map[string]any{"retarget": true}).is(t, http.StatusAccepted, nil)
	s.post(t, o.admin(), path+"/pause", nil).is(t, http.StatusAccepted, nil)
	id := s.newBackfill(t, o, export, 1, 2) // whoever paused it may still want the past
	require.Equal(t, "s3://acme-audit/new/", s.backfill(t, o, export, id).Destination.URL())
	s.cancel(t, o, export, id)

	s.delete(t, o, integration).is(t, http.StatusAccepted, nil)
	refused("Relink the export to another one first.")
	s.delete(t, o, path).is(t, http.StatusAccepted, nil)
	refused("The export has been deleted.")
}
