package e2e

import (
	"fmt"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/sdk/v1"
	"go.temporal.io/api/workflowservice/v1"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/auditferry/auditferry/dev/actor"
	"github.com/auditferry/auditferry/schemas"
)

// metadataQuery is what Temporal's UI asks a workflow for its current details.
const metadataQuery = "__temporal_workflow_metadata"

// operatorsFind: in Temporal, an operator finds all runs of one org,
// integration or export, and reads what each is doing.
func operatorsFind(o *org) {
	f := o.sail(schemas.AWS, schemas.CompressionGzip)
	f.awaitAccess()
	f.awaitDelivered(o.report(50))

	integration := schemas.IntegrationWorkflowID(f.integration)
	o.awaitListed(schemas.SearchOrg, o.admin.Org.ID.String(), schemas.WorkflowIntegration, schemas.WorkflowAccessCheck, schemas.WorkflowNotice, schemas.WorkflowExport)
	o.awaitListed(schemas.SearchIntegration, f.integration.String(), schemas.WorkflowIntegration, schemas.WorkflowAccessCheck, schemas.WorkflowNotice, schemas.WorkflowExport)
	o.awaitListed(schemas.SearchExport, f.export.ID.String(), schemas.WorkflowExport)

	// Temporal keeps a summary with the run it was given to; later runs of the
	// entity are told by their current details.
	var summary string
	started := o.runsOf(integration)[0].Events[0]
	require.NoError(o.t, converter.GetDefaultDataConverter().FromPayload(started.GetUserMetadata().GetSummary(), &summary))
	require.Contains(o.t, summary, f.integration.String())

	details, err := o.temporal.QueryWorkflow(o.ctx, integration, "", metadataQuery)
	require.NoError(o.t, err)
	metadata := &sdk.WorkflowMetadata{}
	require.NoError(o.t, details.Get(metadata))
	require.Contains(o.t, metadata.CurrentDetails, "**active**")

	runs, err := o.admin.Runs(o.ctx, f.export.ID)
	require.NoError(o.t, err)
	require.Contains(o.t, o.activitySummaries(runs[0].WorkflowID), fmt.Sprintf("write %d to %d", runs[0].FirstSeq, runs[0].LastSeq))
}

// awaitListed waits until visibility, which lags, lists each workflow type
// under the search attribute.
func (o *org) awaitListed(attribute, value string, types ...string) {
	o.t.Helper()
	require.NoError(o.t, actor.Until(o.ctx, func() (string, error) {
		listed, err := o.temporal.ListWorkflow(o.ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Query: fmt.Sprintf("%s = '%s'", attribute, value),
		})
		if err != nil {
			return "", err
		}
		found := map[string]bool{}
		for _, e := range listed.Executions {
			found[e.Type.Name] = true
		}
		for _, name := range types {
			if !found[name] {
				return fmt.Sprintf("%s to be listed under %s", name, attribute), nil
			}
		}
		return "", nil
	}))
}

// activitySummaries are what the UI shows beside each activity of a workflow.
func (o *org) activitySummaries(workflowID string) []string {
	o.t.Helper()
	var summaries []string
	events := o.temporal.GetWorkflowHistory(o.ctx, workflowID, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(o.t, err)
		if event.GetActivityTaskScheduledEventAttributes() == nil {
			continue
		}
		var summary string
		require.NoError(o.t, converter.GetDefaultDataConverter().FromPayload(event.GetUserMetadata().GetSummary(), &summary))
		summaries = append(summaries, summary)
	}
	return summaries
}

// housekeeping: the service's own schedules exist and their workflows succeed.
func housekeeping(o *org) {
	for _, id := range []string{schemas.ScheduleReconcile, schemas.ScheduleRetention, schemas.ScheduleWatch} {
		handle := o.temporal.ScheduleClient().GetHandle(o.ctx, id)
		require.NoError(o.t, handle.Trigger(o.ctx, client.ScheduleTriggerOptions{}))
		var run string
		require.NoError(o.t, actor.Until(o.ctx, func() (string, error) {
			described, err := handle.Describe(o.ctx)
			if err != nil || len(described.Info.RecentActions) == 0 {
				return "a run of " + id, err
			}
			run = described.Info.RecentActions[0].StartWorkflowResult.WorkflowID
			return "", nil
		}))
		require.NoError(o.t, o.temporal.GetWorkflow(o.ctx, run, "").Get(o.ctx, nil))
		o.record(id, run)
	}
}
