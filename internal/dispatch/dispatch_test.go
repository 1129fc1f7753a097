package dispatch_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/dispatch"
	"github.com/auditferry/auditferry/schemas"
)

// memory is a ledger, Temporal's schedules and its Integration workflows, as
// far as a dispatcher can tell.
type memory struct {
	mu        sync.Mutex
	export    schemas.Export
	applied   int // spec version
	schedule  schemas.ExportState
	triggered int
	signaled  []schemas.OperationKind
	backfills int
	sent      bool
	status    schemas.OperationStatus
	message   string
	locked    bool
	fail      error // of every call to Temporal
}

func (m *memory) MarkOperationSent(context.Context, schemas.Operation) error {
	m.sent = true
	return nil
}

func (m *memory) ApplyExport(ctx context.Context, org, export uuid.UUID, apply func(context.Context, schemas.Export) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if org != m.export.OrgID || export != m.export.ID {
		return errors.New("no such export")
	}
	m.locked = true
	defer func() { m.locked = false }()
	for range 2 { // as a transaction that is retried does
		if err := apply(ctx, m.export); err != nil {
			return err
		}
	}
	m.applied = m.export.SpecVersion
	return nil
}

func (m *memory) EndOperation(_ context.Context, _ schemas.Operation, status schemas.OperationStatus, message string) error {
	if !m.status.Ended() {
		m.status, m.message = status, message
	}
	return nil
}

func (m *memory) Apply(ctx context.Context, export schemas.Export) error {
	if _, bounded := ctx.Deadline(); !bounded {
		return errors.New("a lock is held without a time limit")
	}
	m.schedule = export.State
	return m.fail
}

func (m *memory) Trigger(context.Context, uuid.UUID) error {
	if !m.locked {
		return errors.New("triggered without the schedule lock")
	}
	m.triggered++
	return m.fail
}

func (m *memory) Signal(_ context.Context, op schemas.Operation) error {
	m.signaled = append(m.signaled, op.Kind)
	return m.fail
}

func (m *memory) StartBackfill(context.Context, schemas.Operation) error {
	m.backfills++
	return m.fail
}

func setup() (*memory, *dispatch.Dispatcher) {
	m := &memory{
		export: schemas.Export{ID: uuid.New(), OrgID: uuid.New(), State: schemas.ExportActive, SpecVersion: 3},
		status: schemas.OperationPending,
	}
	return m, dispatch.New(m, m, m, m)
}

func (m *memory) ofExport(kind schemas.OperationKind) schemas.Operation {
	return schemas.Operation{ID: uuid.New(), OrgID: m.export.OrgID, ExportID: &m.export.ID, Kind: kind}
}

func (m *memory) ofIntegration(kind schemas.OperationKind) schemas.Operation {
	integration := uuid.New()
	return schemas.Operation{ID: uuid.New(), OrgID: m.export.OrgID, IntegrationID: &integration, Kind: kind}
}

var integrationKinds = []schemas.OperationKind{
	schemas.OpCreateIntegration, schemas.OpProvision, schemas.OpUpdateDestination, schemas.OpCheckAccess, schemas.OpDeleteIntegration,
}

// Invariant 4: a command reaches its workflow, whose business its end is.
func TestDispatchSignalsIntegrations(t *testing.T) {
	t.Parallel()
	for _, kind := range integrationKinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			m, d := setup()
			require.NoError(t, d.Dispatch(t.Context(), m.ofIntegration(kind)))
			require.Equal(t, []schemas.OperationKind{kind}, m.signaled)
			require.True(t, m.sent)
			require.Equal(t, schemas.OperationPending, m.status)
		})
	}
}

// Invariant 4: an operation always ends, also when nobody is left to do it.
func TestDispatchToADeletedIntegrationFailsTheOperation(t *testing.T) {
	t.Parallel()
	for _, kind := range integrationKinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			m, d := setup()
			m.fail = schemas.ErrIntegrationDeleted
			require.NoError(t, d.Dispatch(t.Context(), m.ofIntegration(kind)))
			require.Equal(t, schemas.OperationFailed, m.status)
			require.Equal(t, "the integration has been deleted", m.message)
		})
	}
}

// Invariant 5: an export's operation is done when its schedule equals its row.
func TestDispatchAppliesExports(t *testing.T) {
	t.Parallel()
	for _, kind := range []schemas.OperationKind{
		schemas.OpCreateExport, schemas.OpEditExport, schemas.OpPauseExport, schemas.OpResumeExport, schemas.OpRelinkExport, schemas.OpDeleteExport,
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			m, d := setup()
			m.export.State = schemas.ExportPaused
			require.NoError(t, d.Dispatch(t.Context(), m.ofExport(kind)))
			require.Equal(t, schemas.ExportPaused, m.schedule)
			require.Equal(t, 3, m.applied)
			require.Zero(t, m.triggered)
		})
	}
}

func TestDispatchRunsNow(t *testing.T) {
	t.Parallel()
	m, d := setup()
	require.NoError(t, d.Dispatch(t.Context(), m.ofExport(schemas.OpRunExport)))
	require.Equal(t, schemas.ExportActive, m.schedule, "a schedule deleted by hand is repaired first")
	require.NotZero(t, m.triggered)
	require.Equal(t, schemas.OperationSucceeded, m.status)
}

// Invariant 5: after a pause or delete no run starts, also when one had been
// asked for before.
func TestDispatchDoesNotRunWhatIsPaused(t *testing.T) {
	t.Parallel()
	for _, state := range []schemas.ExportState{schemas.ExportPaused, schemas.ExportDeleted} {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			m, d := setup()
			m.export.State = state
			require.NoError(t, d.Dispatch(t.Context(), m.ofExport(schemas.OpRunExport)))
			require.Zero(t, m.triggered)
			require.Equal(t, schemas.OperationFailed, m.status)
			require.Equal(t, "the export is "+string(state), m.message)
		})
	}
}

// Invariant 4: a backfill has a workflow, whose business its end is. The export's
// schedule has no part in it.
func TestDispatchStartsBackfills(t *testing.T) {
	t.Parallel()
	m, d := setup()
	require.NoError(t, d.Dispatch(t.Context(), m.ofExport(schemas.OpBackfillExport)))
	require.Equal(t, 1, m.backfills)
	require.True(t, m.sent)
	require.Zero(t, m.applied)
	require.Equal(t, schemas.OperationPending, m.status)
}

// Invariant 4: what did not get through is neither marked as sent nor ended,
// so that it is dispatched again.
func TestDispatchLeavesFailuresToBeRepeated(t *testing.T) {
	t.Parallel()
	down := errors.New("temporal is down")
	m, d := setup()
	m.fail = down
	for _, op := range []schemas.Operation{
		m.ofIntegration(schemas.OpUpdateDestination), m.ofExport(schemas.OpEditExport), m.ofExport(schemas.OpRunExport), m.ofExport(schemas.OpBackfillExport),
	} {
		require.ErrorIs(t, d.Dispatch(t.Context(), op), down)
		require.False(t, m.sent)
		require.Zero(t, m.applied)
		require.Equal(t, schemas.OperationPending, m.status)
	}
}

func TestDispatchRefusesAnOperationOnNothing(t *testing.T) {
	t.Parallel()
	m, d := setup()
	require.ErrorContains(t, d.Dispatch(t.Context(), schemas.Operation{Kind: schemas.OpPauseExport}), "names no export")
	require.Zero(t, m.applied)
}
