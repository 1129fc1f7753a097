package temporalclient_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/auditferry/auditferry/internal/temporalclient"
)

func TestWatcherNamesTheNamespace(t *testing.T) {
	useServer(t, "")
	w := temporalclient.Watcher{Client: server}
	name, err := w.Namespace(t.Context())
	require.NoError(t, err)
	require.Equal(t, client.DefaultNamespace, name)

	t.Setenv("TEMPORAL_NAMESPACE", "nobody-has-this")
	_, err = w.Namespace(t.Context())
	require.ErrorContains(t, err, "nobody-has-this")
}

// A page waits for the answer, and says so when there is none.
func TestWatcherWithoutServer(t *testing.T) {
	useServer(t, "")
	t.Setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
	c, err := temporalclient.Dial(temporalclient.Options{Lazy: true})
	require.NoError(t, err)
	defer c.Close()
	w := temporalclient.Watcher{Client: c}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	begin := time.Now()
	_, err = w.Namespace(ctx)
	require.Error(t, err)
	_, err = w.Pollers(ctx, "anything")
	require.Error(t, err)
	_, err = w.Schedule(ctx, "anything")
	require.Error(t, err)
	require.Less(t, time.Since(begin), 3*time.Second)
}

func TestWatcherSeesPollers(t *testing.T) {
	t.Parallel()
	w := temporalclient.Watcher{Client: server}
	queue := uuid.NewString()
	pollers, err := w.Pollers(t.Context(), queue)
	require.NoError(t, err)
	require.Empty(t, pollers)

	all := worker.New(server, queue, worker.Options{Identity: "worker of a test"})
	all.RegisterActivity(func(context.Context) error { return nil })
	require.NoError(t, all.Start())
	defer all.Stop()
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		pollers, err := w.Pollers(t.Context(), queue)
		require.NoError(collect, err)
		require.Len(collect, pollers, 1)
		require.Equal(collect, "worker of a test", pollers[0].Identity)
		require.WithinDuration(collect, time.Now(), pollers[0].SeenAt, time.Minute)
	}, 30*time.Second, 50*time.Millisecond)
}

func TestWatcherSeesSchedules(t *testing.T) {
	t.Parallel()
	w := temporalclient.Watcher{Client: server}
	id := uuid.NewString()
	state, err := w.Schedule(t.Context(), id)
	require.NoError(t, err)
	require.Zero(t, state)

	all := worker.New(server, id, worker.Options{})
	all.RegisterWorkflowWithOptions(func(workflow.Context) error { return assert.AnError }, workflow.RegisterOptions{Name: "Fails"})
	require.NoError(t, all.Start())
	defer all.Stop()
	handle, err := server.ScheduleClient().Create(t.Context(), client.ScheduleOptions{
		ID:     id,
		Spec:   client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: 24 * time.Hour}}},
		Action: &client.ScheduleWorkflowAction{ID: id, Workflow: "Fails", TaskQueue: id},
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, handle.Delete(context.Background())) }()
	state, err = w.Schedule(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, temporalclient.ScheduleState{Exists: true}, state)

	require.NoError(t, handle.Trigger(t.Context(), client.ScheduleTriggerOptions{}))
	require.NoError(t, handle.Pause(t.Context(), client.SchedulePauseOptions{}))
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		state, err := w.Schedule(t.Context(), id)
		require.NoError(collect, err)
		require.True(collect, state.Paused)
		require.NotNil(collect, state.LastAt)
		require.Equal(collect, "failed", state.Outcome)
	}, 30*time.Second, 50*time.Millisecond)
}
