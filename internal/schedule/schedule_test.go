package schedule_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/auditferry/auditferry/internal/schedule"
	"github.com/auditferry/auditferry/schemas"
)

func kinds() map[string]schemas.Schedule {
	return map[string]schemas.Schedule{
		"interval":             {Kind: schemas.ScheduleInterval, Every: "90m", Jitter: "30s"},
		"interval in seconds":  {Kind: schemas.ScheduleInterval, Every: "5s", TimeZone: "UTC"},
		"daily":                daily(),
		"weekly":               {Kind: schemas.ScheduleWeekly, At: "23:59", Weekdays: []string{"sunday", "tuesday", "wednesday"}, TimeZone: "America/New_York", Jitter: "10m"},
		"cron":                 {Kind: schemas.ScheduleCron, Cron: "*/20 1-5,9 * jan-jun mon", TimeZone: "Asia/Kolkata"},
		"cron, days by either": {Kind: schemas.ScheduleCron, Cron: "0 0 13 * fri"},
	}
}

// Invariant 5: a Temporal schedule equals its row.
func TestApplyCreatesWhatTheRowSays(t *testing.T) {
	t.Parallel()
	for name, frequency := range kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, frequency)
			b.apply(t)

			d := b.describe(t)
			require.False(t, d.Schedule.State.Paused)
			require.Equal(t, client.SchedulePolicies{Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP, CatchupWindow: time.Hour}, *d.Schedule.Policy)
			b.requireAction(t, d)
			b.requireSearch(t, d.TypedSearchAttributes)

			// What people are shown is what Temporal will do. Jitter is added
			// by Temporal, up to its limit.
			jitter, err := time.ParseDuration(max(frequency.Jitter, "0s"))
			require.NoError(t, err)
			require.Equal(t, jitter, d.Schedule.Spec.Jitter)
			next, err := schedule.Next(frequency, time.Now(), 5)
			require.NoError(t, err)
			require.Len(t, next, 5)
			if frequency.Every == "5s" {
				return // gone by before one can look
			}
			for i, at := range next {
				late := d.Info.NextActionTimes[i].Sub(at)
				require.True(t, late >= 0 && late <= jitter, "%s instead of %s", d.Info.NextActionTimes[i], at)
			}
		})
	}
}

func (b *bundle) requireAction(t *testing.T, d *client.ScheduleDescription) {
	t.Helper()
	action, ok := d.Schedule.Action.(*client.ScheduleWorkflowAction)
	require.True(t, ok)
	require.Equal(t, schemas.ExportWorkflowID(b.export.ID), action.ID)
	require.Equal(t, schemas.WorkflowExport, action.Workflow)
	require.Equal(t, schemas.TaskQueueControl, action.TaskQueue)
	require.Equal(t, "Export nightly-0a1b2c of org "+b.export.OrgID.String(), action.StaticSummary)
	b.requireSearch(t, action.TypedSearchAttributes)

	require.Len(t, action.Args, 1)
	payload, ok := action.Args[0].(*commonpb.Payload)
	require.True(t, ok)
	var input schemas.ExportInput
	require.NoError(t, converter.GetDefaultDataConverter().FromPayload(payload, &input))
	require.Equal(t, schemas.ExportInput{OrgID: b.export.OrgID, ExportID: b.export.ID}, input)
}

func (b *bundle) requireSearch(t *testing.T, is temporal.SearchAttributes) {
	t.Helper()
	for name, want := range map[string]uuid.UUID{
		schemas.SearchOrg: b.export.OrgID, schemas.SearchIntegration: b.export.IntegrationID, schemas.SearchExport: b.export.ID,
	} {
		got, _ := is.GetKeyword(temporal.NewSearchAttributeKeyKeyword(name))
		require.Equal(t, want.String(), got, name)
	}
}

// Invariant 4: repeating an apply changes nothing.
func TestApplyTwiceIsOneChange(t *testing.T) {
	t.Parallel()
	for name, frequency := range kinds() {
		for _, state := range []schemas.ExportState{schemas.ExportActive, schemas.ExportPaused} {
			t.Run(name+", "+string(state), func(t *testing.T) {
				t.Parallel()
				b := setup(t, frequency)
				b.export.State = state
				b.apply(t)
				b.apply(t)
				require.True(t, b.neverUpdated(t))
			})
		}
	}
}

// neverUpdated tells whether the schedule is as it was created. Temporal notes
// the time of an update, not of a pause.
func (b *bundle) neverUpdated(t *testing.T) bool {
	t.Helper()
	at := b.describe(t).Info.LastUpdateAt
	return at.IsZero() || at.Equal(time.Unix(0, 0))
}

// Invariant 5: whatever the schedule was before, it equals the row afterwards.
func TestApplyRepairs(t *testing.T) {
	t.Parallel()
	for name, disturb := range map[string]func(*testing.T, *bundle){
		"paused by hand": func(t *testing.T, b *bundle) {
			require.NoError(t, b.handle(t).Pause(t.Context(), client.SchedulePauseOptions{}))
		},
		"deleted by hand": func(t *testing.T, b *bundle) {
			require.NoError(t, b.handle(t).Delete(t.Context()))
			require.EventuallyWithT(t, func(c *assert.CollectT) {
				_, err := server.ScheduleClient().GetHandle(context.Background(), schemas.ExportScheduleID(b.export.ID)).Describe(context.Background())
				require.Error(c, err)
			}, 10*time.Second, 20*time.Millisecond)
		},
		"another time": func(t *testing.T, b *bundle) {
			b.edit(t, func(s *client.Schedule) {
				s.Spec = &client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: time.Hour}}}
			})
		},
		"a year left out": func(t *testing.T, b *bundle) {
			b.edit(t, func(s *client.Schedule) { s.Spec.EndAt = time.Now().Add(time.Hour) })
		},
		"pause on failure": func(t *testing.T, b *bundle) {
			b.edit(t, func(s *client.Schedule) { s.Policy.PauseOnFailure = true })
		},
		"limited actions": func(t *testing.T, b *bundle) {
			b.edit(t, func(s *client.Schedule) { s.State.LimitedActions, s.State.RemainingActions = true, 3 })
		},
		"another org's input": func(t *testing.T, b *bundle) {
			b.edit(t, func(s *client.Schedule) {
				s.Action.(*client.ScheduleWorkflowAction).Args = []any{schemas.ExportInput{OrgID: uuid.New(), ExportID: b.export.ID}}
			})
		},
		"a time limit": func(t *testing.T, b *bundle) {
			b.edit(t, func(s *client.Schedule) {
				s.Action.(*client.ScheduleWorkflowAction).WorkflowRunTimeout = time.Minute
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, daily())
			b.apply(t)
			want := b.describe(t).Schedule
			disturb(t, b)

			b.apply(t)

			require.Equal(t, want, b.describe(t).Schedule)
		})
	}
}

// edit changes the schedule behind the adapter's back.
func (b *bundle) edit(t *testing.T, change func(*client.Schedule)) {
	t.Helper()
	require.NoError(t, b.handle(t).Update(t.Context(), client.ScheduleUpdateOptions{
		DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			change(&in.Description.Schedule)
			return &client.ScheduleUpdate{Schedule: &in.Description.Schedule}, nil
		},
	}))
}

// Invariant 5: pausing, resuming and every edit of the row arrive.
func TestApplyFollowsTheRow(t *testing.T) {
	t.Parallel()
	b := setup(t, daily())
	b.apply(t)

	b.export.State, b.export.PauseReason = schemas.ExportPaused, schemas.PausedByDestinationUpdate
	b.apply(t)
	state := b.describe(t).Schedule.State
	require.True(t, state.Paused)
	require.Equal(t, "Paused: the integration's destination was updated.", state.Note)

	b.export.PauseReason = schemas.PausedByAdmin
	b.apply(t)
	require.Equal(t, "Paused by an admin.", b.describe(t).Schedule.State.Note)

	b.export.State, b.export.PauseReason = schemas.ExportActive, ""
	b.apply(t)
	require.Equal(t, client.ScheduleState{}, *b.describe(t).Schedule.State)

	b.export.IntegrationID = uuid.New()
	b.apply(t)
	b.requireAction(t, b.describe(t))
	handle, integration := b.handle(t), b.export.IntegrationID.String()
	require.EventuallyWithT(t, func(c *assert.CollectT) { // Temporal's index of schedules lags behind
		d, err := handle.Describe(context.Background())
		require.NoError(c, err)
		got, _ := d.TypedSearchAttributes.GetKeyword(temporal.NewSearchAttributeKeyKeyword(schemas.SearchIntegration))
		require.Equal(c, integration, got)
	}, 20*time.Second, 50*time.Millisecond)

	b.export.Schedule = schemas.Schedule{Kind: schemas.ScheduleInterval, Every: "1h"}
	b.apply(t)
	d := b.describe(t)
	require.Equal(t, []client.ScheduleIntervalSpec{{Every: time.Hour}}, d.Schedule.Spec.Intervals)
	require.Empty(t, d.Schedule.Spec.Calendars)
}

// Invariant 2: what was due while an export was paused, or before an edit, is
// not made up for; the ledger knows what to deliver.
func TestApplyStartsNoMissedActions(t *testing.T) {
	t.Parallel()
	everySecond := schemas.Schedule{Kind: schemas.ScheduleInterval, Every: "1s"}
	b, running := setup(t, everySecond), setup(t, everySecond)
	b.export.State = schemas.ExportPaused
	b.apply(t)
	running.apply(t)
	handle := running.handle(t)
	require.EventuallyWithT(t, func(c *assert.CollectT) { // until a schedule that is not paused was due a few times
		d, err := handle.Describe(context.Background())
		require.NoError(c, err)
		require.GreaterOrEqual(c, d.Info.NumActionsSkippedOverlap, 3)
	}, 30*time.Second, 100*time.Millisecond)

	b.export.State = schemas.ExportActive
	b.export.Schedule.Every = "168h"
	b.apply(t)
	require.Zero(t, b.describe(t).Info.NumActions)

	b.export.Schedule.Every = "1s"
	b.apply(t)
	b.running(t) // nothing works on it, so there can be only one
	info := b.describe(t).Info
	require.Equal(t, 1, info.NumActions)
	require.Zero(t, info.NumActionsMissedCatchupWindow)
}

// Invariant 5: after a delete the schedule is gone, and its run is asked to
// stop.
func TestApplyDeletes(t *testing.T) {
	t.Parallel()
	b := setup(t, daily())
	b.apply(t)
	require.NoError(t, b.adapter.Trigger(t.Context(), b.export.ID))
	run := b.running(t)

	b.export.State = schemas.ExportDeleted
	b.apply(t)
	b.requireGone(t)
	requireCancelRequested(t, run)

	b.apply(t) // again: nothing to do is success
	b.requireGone(t)
}

// Invariant 5: once an integration is deleted, its paused exports do not go on
// writing either.
func TestApplyStopsRunsOfADeletedIntegration(t *testing.T) {
	t.Parallel()
	b := setup(t, daily())
	b.apply(t)
	require.NoError(t, b.adapter.Trigger(t.Context(), b.export.ID))
	run := b.running(t)

	b.export.State, b.export.PauseReason = schemas.ExportPaused, schemas.PausedByAdmin
	b.apply(t)
	require.False(t, cancelRequested(t, run), "a plain pause lets a run finish")

	b.export.PauseReason = schemas.PausedByIntegrationDeleted
	b.apply(t)
	requireCancelRequested(t, run)
	b.apply(t) // a run that is stopping already is no error
}

func requireCancelRequested(t *testing.T, workflowID string) {
	t.Helper()
	require.True(t, cancelRequested(t, workflowID), "run %s was not asked to stop", workflowID)
}

func cancelRequested(t *testing.T, workflowID string) bool {
	t.Helper()
	history := server.GetWorkflowHistory(t.Context(), workflowID, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		event, err := history.Next()
		require.NoError(t, err)
		if event.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED {
			return true
		}
	}
	return false
}

// Invariant 4: a run asked for while one is running is that run.
func TestTriggerSkipsWhileOneRuns(t *testing.T) {
	t.Parallel()
	b := setup(t, daily())
	b.apply(t)
	require.NoError(t, b.adapter.Trigger(t.Context(), b.export.ID))
	run := b.running(t)
	require.NoError(t, b.adapter.Trigger(t.Context(), b.export.ID))
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		d, err := server.ScheduleClient().GetHandle(context.Background(), schemas.ExportScheduleID(b.export.ID)).Describe(context.Background())
		require.NoError(c, err)
		require.Equal(c, 1, d.Info.NumActionsSkippedOverlap)
	}, 20*time.Second, 50*time.Millisecond)
	require.Equal(t, run, b.running(t))
}

func TestTriggerWithoutScheduleFails(t *testing.T) {
	t.Parallel()
	require.Error(t, schedule.Adapter{Client: server}.Trigger(t.Context(), uuid.New()))
}

// Invariant 5: the API and reconcile may apply the same row at once.
func TestApplyConcurrently(t *testing.T) {
	t.Parallel()
	b := setup(t, daily())
	var appliers sync.WaitGroup
	for range 8 {
		appliers.Go(func() { assert.NoError(t, b.adapter.Apply(t.Context(), b.export)) })
	}
	appliers.Wait()
	b.requireAction(t, b.describe(t))
}

func TestApplyRefusesABrokenRow(t *testing.T) {
	t.Parallel()
	b := setup(t, schemas.Schedule{Kind: schemas.ScheduleCron, Cron: "61 * * * *"})
	var field *schemas.FieldError
	require.ErrorAs(t, b.adapter.Apply(t.Context(), b.export), &field)
	b.requireGone(t)
}

func TestEnsureFixed(t *testing.T) {
	t.Parallel()
	adapter := schedule.Adapter{Client: server}
	id := "test-" + uuid.NewString()
	handle := server.ScheduleClient().GetHandle(t.Context(), id)
	ensure := func(every time.Duration) *client.ScheduleDescription {
		require.NoError(t, adapter.EnsureFixed(t.Context(), id, every, schemas.WorkflowReconcile, schemas.TaskQueueControl))
		d, err := handle.Describe(t.Context())
		require.NoError(t, err)
		return d
	}

	d := ensure(time.Minute)
	require.Equal(t, []client.ScheduleIntervalSpec{{Every: time.Minute}}, d.Schedule.Spec.Intervals)
	require.Equal(t, schemas.WorkflowReconcile, d.Schedule.Action.(*client.ScheduleWorkflowAction).Workflow)
	t.Cleanup(func() {
		require.NoError(t, server.ScheduleClient().GetHandle(context.Background(), id).Delete(context.Background()))
	})

	require.Equal(t, d.Info.LastUpdateAt, ensure(time.Minute).Info.LastUpdateAt)

	require.NoError(t, handle.Pause(t.Context(), client.SchedulePauseOptions{Note: "incident"}))
	d = ensure(30 * time.Second)
	require.Equal(t, []client.ScheduleIntervalSpec{{Every: 30 * time.Second}}, d.Schedule.Spec.Intervals)
	require.True(t, d.Schedule.State.Paused, "operators pause the service's own schedules as they see fit")
	require.Equal(t, "incident", d.Schedule.State.Note)
}
