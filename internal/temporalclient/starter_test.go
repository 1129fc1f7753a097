package temporalclient_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/temporalclient"
	"github.com/auditferry/auditferry/schemas"
)

// Invariant 4: a backfill that is dispatched twice has one workflow, which knows
// what it is of.
func TestStartBackfill(t *testing.T) {
	t.Parallel()
	starter := temporalclient.Starter{Client: server}
	export, backfill := uuid.New(), uuid.New()
	op := schemas.Operation{ID: uuid.New(), OrgID: uuid.New(), Kind: schemas.OpBackfillExport, ExportID: &export, BackfillID: &backfill}
	require.NoError(t, starter.StartBackfill(t.Context(), op))
	first := runOf(t, schemas.BackfillWorkflowID(backfill))
	require.NoError(t, starter.StartBackfill(t.Context(), op))
	require.Equal(t, first, runOf(t, schemas.BackfillWorkflowID(backfill)), "it runs already")

	op.BackfillID = nil
	require.ErrorContains(t, starter.StartBackfill(t.Context(), op), "names none")
}

// The places of an integration are closed by one workflow at a time.
func TestStartClosing(t *testing.T) {
	t.Parallel()
	starter := temporalclient.Starter{Client: server}
	ref := schemas.IntegrationRef{OrgID: uuid.New(), IntegrationID: uuid.New()}
	require.NoError(t, starter.StartClosing(t.Context(), ref))
	first := runOf(t, schemas.ClosingWorkflowID(ref.IntegrationID))
	require.NoError(t, starter.StartClosing(t.Context(), ref))
	require.Equal(t, first, runOf(t, schemas.ClosingWorkflowID(ref.IntegrationID)))
	// One that was terminated, or gave up, comes back when there is more to close.
	require.NoError(t, server.TerminateWorkflow(t.Context(), schemas.ClosingWorkflowID(ref.IntegrationID), "", "a test"))
	require.NoError(t, starter.StartClosing(t.Context(), ref))
	require.NotEqual(t, first, runOf(t, schemas.ClosingWorkflowID(ref.IntegrationID)))
}

// runOf is the ID of a workflow's newest run.
func runOf(t *testing.T, workflow string) string {
	t.Helper()
	found, err := server.DescribeWorkflowExecution(t.Context(), workflow, "")
	require.NoError(t, err)
	return found.GetWorkflowExecutionInfo().GetExecution().GetRunId()
}
