package schedule_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/auditferry/auditferry/dev/stack"
	"github.com/auditferry/auditferry/internal/schedule"
	"github.com/auditferry/auditferry/schemas"
)

// server is a real Temporal server that all tests of the package share; each
// test has exports of its own.
var server client.Client

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	s, err := stack.Start(context.Background(), stack.Options{Services: []stack.Service{stack.Temporal}})
	if err != nil {
		return 0, err
	}
	defer func() {
		if stopped := s.Stop(); err == nil {
			err = stopped
		}
	}()
	server, err = client.NewLazyClient(client.Options{HostPort: s.Temporal.Address, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	if err != nil {
		return 0, err
	}
	defer server.Close()
	return m.Run(), nil
}

// bundle is one export and what is needed to look at its schedule.
type bundle struct {
	adapter schedule.Adapter
	export  schemas.Export
}

func setup(t *testing.T, frequency schemas.Schedule) *bundle {
	t.Helper()
	b := &bundle{
		adapter: schedule.Adapter{Client: server},
		export: schemas.Export{
			ID: uuid.New(), OrgID: uuid.New(), IntegrationID: uuid.New(),
			Name: "Nightly", Slug: "nightly-0a1b2c", State: schemas.ExportActive, Schedule: frequency,
		},
	}
	t.Cleanup(func() {
		b.export.State = schemas.ExportDeleted
		require.NoError(t, b.adapter.Apply(context.Background(), b.export))
	})
	return b
}

func (b *bundle) apply(t *testing.T) {
	t.Helper()
	require.NoError(t, b.adapter.Apply(t.Context(), b.export))
}

func (b *bundle) handle(t *testing.T) client.ScheduleHandle {
	return server.ScheduleClient().GetHandle(t.Context(), schemas.ExportScheduleID(b.export.ID))
}

func (b *bundle) describe(t *testing.T) *client.ScheduleDescription {
	t.Helper()
	d, err := b.handle(t).Describe(t.Context())
	require.NoError(t, err)
	return d
}

func (b *bundle) requireGone(t *testing.T) {
	t.Helper()
	_, err := b.handle(t).Describe(t.Context())
	var notFound *serviceerror.NotFound
	require.ErrorAs(t, err, &notFound)
}

// running waits until Temporal knows of a run that the schedule started.
func (b *bundle) running(t *testing.T) (workflowID string) {
	t.Helper()
	handle := b.handle(t)
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		d, err := handle.Describe(context.Background())
		require.NoError(c, err)
		require.Len(c, d.Info.RunningWorkflows, 1)
		workflowID = d.Info.RunningWorkflows[0].WorkflowID
	}, 20*time.Second, 50*time.Millisecond)
	return workflowID
}

func daily() schemas.Schedule {
	return schemas.Schedule{Kind: schemas.ScheduleDaily, At: "02:00", TimeZone: "Europe/Berlin"}
}
