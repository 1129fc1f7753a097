package activities_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/schemas"
)

// Invariant 4: a delete is carried out once.
func TestDeletePauses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := &activities.Integrations{Store: b.Store}
	i := b.addIntegration("s3://acme-logs/")
	active := b.addExport(i, "active")
	paused := b.addExport(i, "paused", pausedBy(schemas.PausedByAdmin))
	op := b.addOperation(i, schemas.OpDeleteIntegration, schemas.OperationParams{})

	begins(t, a.BeginDelete, op)
	require.Equal(t, schemas.IntegrationDeleting, b.integration(i.ID).Status)
	for _, e := range []schemas.Export{active, paused} {
		row := b.export(e.ID)
		require.Equal(t, schemas.ExportPaused, row.State)
		require.Equal(t, schemas.PausedByIntegrationDeleted, row.PauseReason)
		require.Equal(t, e.SpecVersion+1, row.SpecVersion)
	}
	require.Equal(t, schemas.OperationOutcome{ExportsPaused: 2}, b.operation(op.OperationID).Outcome)
	require.False(t, b.isFree(i.Destination), "not before the end")

	pending := b.addOperation(i, schemas.OpUpdateDestination, schemas.OperationParams{})
	for range 2 {
		mustDo(t, a.FinishDelete, op)
	}
	deleted := b.integration(i.ID)
	require.Equal(t, schemas.IntegrationDeleted, deleted.Status)
	require.NotNil(t, deleted.DeletedAt)
	require.True(t, b.isFree(i.Destination))
	require.Equal(t, 1, b.audited("auditferry.integration.deleted"))
	require.Equal(t, schemas.OperationRunning, b.operation(op.OperationID).Status, "its confirmation is not mailed yet")
	require.Equal(t, schemas.OperationFailed, b.operation(pending.OperationID).Status)
	require.Equal(t, "the integration has been deleted", b.operation(pending.OperationID).Error)

	for range 2 {
		mustDo(t, a.FinishOperation, op)
	}
	require.Equal(t, schemas.OperationSucceeded, b.operation(op.OperationID).Status)
	refused(t, a.BeginDelete, op, "the operation has succeeded")
}

func TestDeleteDeletesExports(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := &activities.Integrations{Store: b.Store}
	i := b.addIntegration("s3://acme-logs/")
	active := b.addExport(i, "active")
	paused := b.addExport(i, "paused", pausedBy(schemas.PausedByAdmin))
	op := b.addOperation(i, schemas.OpDeleteIntegration, schemas.OperationParams{DeleteLinks: true})

	begins(t, a.BeginDelete, op)
	for _, e := range []schemas.Export{active, paused} {
		row := b.export(e.ID)
		require.Equal(t, schemas.ExportDeleted, row.State)
		require.Empty(t, row.PauseReason)
		require.Equal(t, e.SpecVersion+1, row.SpecVersion)
	}
	require.Equal(t, schemas.OperationOutcome{ExportsDeleted: 2}, b.operation(op.OperationID).Outcome)
}

// Invariant 5: what could not be stopped in time records nothing any more, not
// even after its export has found another integration.
func TestDeleteLeavesNoRunBehind(t *testing.T) {
	t.Parallel()
	for name, deleteExports := range map[string]bool{"exports paused": false, "exports deleted": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			a := &activities.Integrations{Store: b.Store}
			i := b.addIntegration("s3://acme-logs/")
			e := b.addExport(i, "all")
			b.append(10, 10)
			r := b.begin(b.exports(), e)
			r.mustWrite()
			op := b.addOperation(i, schemas.OpDeleteIntegration, schemas.OperationParams{DeleteLinks: deleteExports})
			must[schemas.BeginCommandResult](t, a.BeginDelete, op)
			require.Equal(t, schemas.RunRunning, b.runRow(r.begun.RunID).Status, "it is waited for")
			mustDo(t, a.FinishDelete, op)

			require.Equal(t, schemas.RunCancelled, b.runRow(r.begun.RunID).Status)
			elsewhere := b.addIntegration("s3://acme-elsewhere/")
			b.changeExport(e.ID, func(e *schemas.Export) {
				e.IntegrationID, e.Destination = elsewhere.ID, elsewhere.Destination
				e.State, e.PauseReason = schemas.ExportActive, ""
			})
			_, err := r.finish(attempt{})
			requireError(t, err, schemas.ErrorRunSuperseded, false)
			require.Zero(t, b.export(e.ID).DeliveredSeq)
		})
	}
}

// Invariant 4: a command that comes after the delete has begun is refused, and
// ends.
func TestNothingIsDoneToAnIntegrationThatGoesAway(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := &activities.Integrations{Store: b.Store}
	i := b.addIntegration("s3://acme-logs/")
	must[schemas.BeginCommandResult](t, a.BeginDelete, b.addOperation(i, schemas.OpDeleteIntegration, schemas.OperationParams{}))

	to := parse(t, "s3://acme-new/")
	provision := b.addOperation(i, schemas.OpProvision, schemas.OperationParams{})
	update := b.addOperation(i, schemas.OpUpdateDestination, schemas.OperationParams{Destination: &to})
	check := b.addOperation(i, schemas.OpCheckAccess, schemas.OperationParams{})
	refused(t, a.StoreCredentials, b.store(provision, "second"), "the integration has been deleted")
	refused(t, a.UpdateDestination, update, "the integration has been deleted")
	refused(t, a.BeginAccessCheck, check, "the integration has been deleted")
	for _, op := range []schemas.OperationRef{provision, update, check} {
		require.Equal(t, schemas.OperationFailed, b.operation(op.OperationID).Status)
	}
	row := b.integration(i.ID)
	require.Equal(t, schemas.IntegrationDeleting, row.Status)
	require.Equal(t, i.Destination, row.Destination)
	require.Equal(t, awsCredentials("first"), row.Credentials)
}

// A delete that failed half-way is asked for again, and this time with the
// exports.
func TestDeleteMayBeAskedForAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := &activities.Integrations{Store: b.Store}
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all")
	first := b.addOperation(i, schemas.OpDeleteIntegration, schemas.OperationParams{})
	must[schemas.BeginCommandResult](t, a.BeginDelete, first)
	mustDo(t, a.FailOperation, schemas.FailOperationInput{OperationRef: first, Message: "the power failed"})

	second := b.addOperation(i, schemas.OpDeleteIntegration, schemas.OperationParams{DeleteLinks: true})
	begins(t, a.BeginDelete, second)
	require.Equal(t, schemas.ExportDeleted, b.export(e.ID).State)
	mustDo(t, a.FinishDelete, second)
	require.Equal(t, schemas.IntegrationDeleted, b.integration(i.ID).Status)
}
