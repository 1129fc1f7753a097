package schedule

import (
	"fmt"
	"reflect"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/auditferry/auditferry/schemas"
)

// desired is what a Temporal schedule should be.
type desired struct {
	id        string
	spec      client.ScheduleSpec
	action    client.ScheduleWorkflowAction
	search    temporal.SearchAttributes
	paused    bool
	note      string
	keepState bool // paused and note are up to whoever set them
}

func ofExport(e schemas.Export) (desired, error) {
	f, err := parse(e.Schedule)
	if err != nil {
		return desired{}, err
	}
	search := temporal.NewSearchAttributes(
		temporal.NewSearchAttributeKeyKeyword(schemas.SearchOrg).ValueSet(e.OrgID.String()),
		temporal.NewSearchAttributeKeyKeyword(schemas.SearchIntegration).ValueSet(e.IntegrationID.String()),
		temporal.NewSearchAttributeKeyKeyword(schemas.SearchExport).ValueSet(e.ID.String()),
	)
	return desired{
		id:   schemas.ExportScheduleID(e.ID),
		spec: f.spec(),
		action: client.ScheduleWorkflowAction{
			ID:       schemas.ExportWorkflowID(e.ID),
			Workflow: schemas.WorkflowExport,
			// The workflow only decides; the activities that move the bytes
			// run on the export queue.
			TaskQueue:             schemas.TaskQueueControl,
			Args:                  []any{schemas.ExportInput{OrgID: e.OrgID, ExportID: e.ID}},
			TypedSearchAttributes: search,
			StaticSummary:         fmt.Sprintf("Export %s of org %s", e.Slug, e.OrgID),
		},
		search: search,
		paused: e.State != schemas.ExportActive,
		note:   note(e),
	}, nil
}

// note tells operators in Temporal why a schedule is paused.
func note(e schemas.Export) string {
	if e.State == schemas.ExportActive {
		return ""
	}
	switch e.PauseReason {
	case schemas.PausedByDestinationUpdate:
		return "Paused: the integration's destination was updated."
	case schemas.PausedByIntegrationDeleted:
		return "Paused: the integration was deleted."
	default:
		return "Paused by an admin."
	}
}

// policies never pause on failure: one bad hour would become silent loss.
func policies() client.SchedulePolicies {
	return client.SchedulePolicies{
		Overlap:       enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
		CatchupWindow: catchUp,
	}
}

// options is for creating the schedule.
func (d desired) options() client.ScheduleOptions {
	policy := policies()
	return client.ScheduleOptions{
		ID:                    d.id,
		Spec:                  d.spec,
		Action:                &d.action,
		Overlap:               policy.Overlap,
		CatchupWindow:         policy.CatchupWindow,
		Paused:                d.paused,
		Note:                  d.note,
		TypedSearchAttributes: d.search,
	}
}

// update is for replacing the schedule that is there.
func (d desired) update(is client.ScheduleDescription) *client.ScheduleUpdate {
	policy, state := policies(), d.state(is)
	return &client.ScheduleUpdate{
		Schedule: &client.Schedule{
			Spec:   &d.spec,
			Action: &d.action,
			Policy: &policy,
			State:  &state,
		},
		TypedSearchAttributes: &d.search,
	}
}

func (d desired) state(is client.ScheduleDescription) client.ScheduleState {
	if d.keepState {
		return *is.Schedule.State
	}
	return client.ScheduleState{Paused: d.paused, Note: d.note}
}

// equals tells whether the schedule is as it should be, so that repeating an
// apply changes nothing. In doubt the answer is no, which costs one update.
func (d desired) equals(is client.ScheduleDescription) bool {
	return *is.Schedule.State == d.state(is) &&
		*is.Schedule.Policy == policies() &&
		equalSpecs(*is.Schedule.Spec, d.spec) &&
		equalActions(is.Schedule.Action, d.action) &&
		equalSearch(is.TypedSearchAttributes, d.search)
}

func equalSpecs(is, want client.ScheduleSpec) bool {
	return is.Jitter == want.Jitter && is.TimeZoneName == want.TimeZoneName &&
		is.StartAt.IsZero() && is.EndAt.IsZero() && len(is.Skip) == 0 &&
		equalLists(is.Intervals, want.Intervals) && equalLists(is.Calendars, want.Calendars)
}

// equalLists takes nil for empty.
func equalLists[T any](a, b []T) bool {
	return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b)
}

func equalActions(described client.ScheduleAction, want client.ScheduleWorkflowAction) bool {
	is, ok := described.(*client.ScheduleWorkflowAction)
	return ok && is.ID == want.ID && is.Workflow == want.Workflow && is.TaskQueue == want.TaskQueue &&
		is.WorkflowExecutionTimeout == 0 && is.WorkflowRunTimeout == 0 && is.RetryPolicy == nil &&
		is.StaticSummary == want.StaticSummary && is.StaticDetails == want.StaticDetails &&
		equalSearch(is.TypedSearchAttributes, want.TypedSearchAttributes) &&
		equalArgs(is.Args, want.Args)
}

// equalArgs compares what Temporal keeps encoded with what we would send.
func equalArgs(is, want []any) bool {
	if len(is) != len(want) {
		return false
	}
	for i := range want {
		payload, err := converter.GetDefaultDataConverter().ToPayload(want[i])
		if err != nil {
			return false
		}
		described, ok := is[i].(*commonpb.Payload)
		if !ok || string(described.GetData()) != string(payload.GetData()) {
			return false
		}
	}
	return true
}

// equalSearch looks at our attributes only; the server adds its own.
func equalSearch(is, want temporal.SearchAttributes) bool {
	for _, name := range []string{schemas.SearchOrg, schemas.SearchIntegration, schemas.SearchExport} {
		key := temporal.NewSearchAttributeKeyKeyword(name)
		a, hasA := is.GetKeyword(key)
		b, hasB := want.GetKeyword(key)
		if a != b || hasA != hasB {
			return false
		}
	}
	return true
}
