package service_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/internal/postgres/postgrestest"
	"github.com/auditferry/auditferry/internal/temporalclient"
	"github.com/auditferry/auditferry/schemas"
)

// memoryTemporal is as healthy as it is told to be.
type memoryTemporal struct {
	down      error
	silent    bool // answers nothing before the context ends
	pollers   map[string][]temporalclient.Poller
	schedules map[string]temporalclient.ScheduleState
}

func (m *memoryTemporal) answer(ctx context.Context) error {
	if m.silent {
		<-ctx.Done()
		return ctx.Err()
	}
	return m.down
}

func (m *memoryTemporal) Namespace(ctx context.Context) (string, error) {
	return "auditferry", m.answer(ctx)
}

func (m *memoryTemporal) Pollers(ctx context.Context, queue string) ([]temporalclient.Poller, error) {
	return m.pollers[queue], m.answer(ctx)
}

func (m *memoryTemporal) Schedule(ctx context.Context, id string) (temporalclient.ScheduleState, error) {
	return m.schedules[id], m.answer(ctx)
}

func healthy() *memoryTemporal {
	at := time.Now().Add(-time.Second)
	polling := []temporalclient.Poller{{Identity: "a", SeenAt: at}, {Identity: "b", SeenAt: at.Add(-time.Hour)}}
	ran := temporalclient.ScheduleState{Exists: true, LastAt: &at, Outcome: "completed"}
	return &memoryTemporal{
		pollers:   map[string][]temporalclient.Poller{schemas.TaskQueueControl: polling, schemas.TaskQueueExport: polling},
		schedules: map[string]temporalclient.ScheduleState{schemas.ScheduleReconcile: ran, schemas.ScheduleWatch: ran, schemas.ScheduleRetention: ran},
	}
}

type partsByName map[string]service.Part

func health(t *testing.T, temporal service.Temporal) (partsByName, *service.Service) {
	t.Helper()
	store, _, _ := postgrestest.New(t)
	s := service.New(service.Options{
		Store: store, Dispatcher: dispatcherFunc(ignore), Log: zaptest.NewLogger(t), Retention: 30 * 24 * time.Hour, Temporal: temporal,
	})
	return partsOf(t, s), s
}

func partsOf(t *testing.T, s *service.Service) partsByName {
	t.Helper()
	list, err := s.Health(t.Context(), operator())
	require.NoError(t, err)
	parts := make(partsByName)
	for _, part := range list {
		require.NotEmpty(t, part.Is, part.Name)
		require.NotEmpty(t, part.Found, part.Name)
		if part.State == service.PartBad || part.State == service.PartWarning {
			require.NotEmpty(t, part.Todo, part.Name)
		}
		parts[part.Name] = part
	}
	return parts
}

func TestHealth(t *testing.T) {
	t.Parallel()
	parts, _ := health(t, healthy())
	require.Len(t, parts, 9)
	for name, part := range parts {
		require.Equal(t, service.PartGood, part.State, name)
		require.Empty(t, part.Todo, name)
	}
	require.Equal(t, "One takes tasks from auditferry-export.", parts["Workers, exports"].Found, "one has been silent for an hour")
	require.Equal(t, schemas.ScheduleWatch, parts["Schedule watch"].Schedule)
}

func TestHealthWithoutTemporal(t *testing.T) {
	t.Parallel()
	parts, _ := health(t, nil)
	require.Len(t, parts, 3)

	for name, temporal := range map[string]*memoryTemporal{"down": {down: errors.New("no route to host")}, "silent": {silent: true}} {
		parts, _ := health(t, temporal)
		require.Equal(t, service.PartBad, parts["Temporal"].State, name)
		require.Equal(t, service.PartUnknown, parts["Workers, exports"].State, name)
		require.Equal(t, service.PartUnknown, parts["Schedule watch"].State, name)
		require.Equal(t, "Temporal does not answer.", parts["Schedule watch"].Found, "the reason is said once")
		require.Equal(t, service.PartGood, parts["Database"].State, name)
	}
}

// A person who waits for the page sees that Temporal does not answer.
func TestHealthDoesNotWaitForTemporal(t *testing.T) {
	t.Parallel()
	_, s := health(t, &memoryTemporal{silent: true})
	begin := time.Now()
	partsOf(t, s)
	require.Less(t, time.Since(begin), 3*time.Second)
}

func TestHealthOfWorkersAndSchedules(t *testing.T) {
	t.Parallel()
	long := time.Now().Add(-time.Hour)
	for name, test := range map[string]struct {
		change func(*memoryTemporal)
		part   string
		state  service.PartState
	}{
		"no worker":      {func(m *memoryTemporal) { m.pollers[schemas.TaskQueueExport] = nil }, "Workers, exports", service.PartBad},
		"silent workers": {func(m *memoryTemporal) { m.pollers[schemas.TaskQueueControl][0].SeenAt = long }, "Workers, commands", service.PartBad},
		"no schedule":    {func(m *memoryTemporal) { delete(m.schedules, "watch") }, "Schedule watch", service.PartBad},
		"paused": {func(m *memoryTemporal) {
			m.schedules["watch"] = temporalclient.ScheduleState{Exists: true, Paused: true, LastAt: &long, Outcome: "completed"}
		}, "Schedule watch", service.PartBad},
		"failed": {func(m *memoryTemporal) {
			m.schedules["reconcile"] = temporalclient.ScheduleState{Exists: true, LastAt: &long, Outcome: "failed"}
		}, "Schedule reconcile", service.PartBad},
		"never ends": {func(m *memoryTemporal) {
			m.schedules["reconcile"] = temporalclient.ScheduleState{Exists: true, LastAt: &long, Outcome: "running"}
		}, "Schedule reconcile", service.PartWarning},
		"first run to come": {func(m *memoryTemporal) { m.schedules["retention"] = temporalclient.ScheduleState{Exists: true} }, "Schedule retention", service.PartGood},
		"forgotten": {func(m *memoryTemporal) {
			m.schedules["retention"] = temporalclient.ScheduleState{Exists: true, LastAt: &long}
		}, "Schedule retention", service.PartGood},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			temporal := healthy()
			test.change(temporal)
			parts, _ := health(t, temporal)
			require.Equal(t, test.state, parts[test.part].State, parts[test.part].Found)
			for other, part := range parts {
				if other != test.part && test.part != "Workers, commands" { // both queues have the same pollers here
					require.Equal(t, service.PartGood, part.State, other)
				}
			}
		})
	}
}

func TestHealthOfWhatWaits(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	created, err := b.create(t.Context(), "gs://acme-audit/")
	require.NoError(t, err)
	conn, err := pgx.Connect(t.Context(), b.ownerURL)
	require.NoError(t, err)
	defer conn.Close(context.Background()) //nolint:errcheck // the database goes with the test
	_, err = conn.Exec(t.Context(), `SET auditferry.scope = 'operator'`)
	require.NoError(t, err)
	for age, state := range map[string]service.PartState{
		"1 minute": service.PartGood, "15 minutes": service.PartWarning, "2 hours": service.PartBad,
	} {
		_, err := conn.Exec(t.Context(), `UPDATE operation SET created_at = now() - $1::text::interval`, age)
		require.NoError(t, err)
		part := partsOf(t, b.Service)["Operations"]
		require.Equal(t, state, part.State, age)
		require.NotNil(t, part.At)
		if state != service.PartGood {
			require.Contains(t, part.Found, "create_integration of Acme")
			require.Equal(t, schemas.IntegrationWorkflowID(*created.IntegrationID), part.Workflow)
		}
	}
}
