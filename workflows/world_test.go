package workflows_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/auditferry/auditferry/schemas"
)

// world stands for everything the activities touch. Its methods have the
// activities' names and keep their promises: whatever is repeated acts once,
// and an operation that is unknown or has ended is refused.
type world struct {
	mu          sync.Mutex
	calls       []string // activities and children, in order
	operations  map[uuid.UUID]schemas.OperationStatus
	status      schemas.IntegrationStatus
	access      schemas.Access
	check       int
	credentials *schemas.Credentials
	running     int // runs of linked exports still under way

	before map[string]func()       // called when the activity is, before it does anything
	fail   map[string]func() error // what the activity returns instead of doing anything
}

func newWorld() *world {
	return &world{
		operations: map[uuid.UUID]schemas.OperationStatus{},
		status:     schemas.IntegrationProvisioning,
		access:     schemas.AccessUnknown,
		before:     map[string]func(){},
		fail:       map[string]func() error{},
	}
}

// enter records a call and lets the test interfere.
func (w *world) enter(name string) error {
	w.mu.Lock()
	w.calls = append(w.calls, name)
	before, fail := w.before[name], w.fail[name]
	w.mu.Unlock()
	if before != nil {
		before()
	}
	if fail != nil {
		return fail()
	}
	return nil
}

func (w *world) count(name string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, call := range w.calls {
		if call == name {
			n++
		}
	}
	return n
}

// order says where in the calls each name stands first.
func (w *world) order(t *testing.T, names ...string) []int {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	at := make([]int, len(names))
	for i, name := range names {
		at[i] = slices.Index(w.calls, name)
		require.NotEqual(t, -1, at[i], "%s was never called", name)
	}
	return at
}

func (w *world) operation() schemas.Command {
	id := uuid.New()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.operations[id] = schemas.OperationPending
	return schemas.Command{OperationID: id}
}

func (w *world) outcome(command schemas.Command) schemas.OperationStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.operations[command.OperationID]
}

func (w *world) begin(op schemas.OperationRef) schemas.BeginCommandResult {
	w.mu.Lock()
	defer w.mu.Unlock()
	status, known := w.operations[op.OperationID]
	if !known || status.Ended() {
		return schemas.BeginCommandResult{Reason: "unknown or ended"}
	}
	w.operations[op.OperationID] = schemas.OperationRunning
	return schemas.BeginCommandResult{Proceed: true}
}

func (w *world) end(id uuid.UUID, status schemas.OperationStatus) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.operations[id].Ended() {
		w.operations[id] = status
	}
}

func (w *world) LoadIntegration(context.Context, schemas.IntegrationRef) (schemas.LoadIntegrationResult, error) {
	if err := w.enter("LoadIntegration"); err != nil {
		return schemas.LoadIntegrationResult{}, err
	}
	return schemas.LoadIntegrationResult{Cloud: schemas.AWS, Status: w.status, Access: w.access, Check: w.check}, nil
}

func (w *world) RequestProvisioning(ctx context.Context, _ schemas.IntegrationRef) error {
	return w.enter("RequestProvisioning")
}

func (w *world) StoreCredentials(_ context.Context, in schemas.StoreCredentialsInput) (schemas.BeginCommandResult, error) {
	if err := w.enter("StoreCredentials"); err != nil {
		return schemas.BeginCommandResult{}, err
	}
	begun := w.begin(in.OperationRef)
	if begun.Proceed {
		w.credentials, w.status = &in.Credentials, schemas.IntegrationAwaitingAccess
	}
	return begun, nil
}

func (w *world) UpdateDestination(_ context.Context, op schemas.OperationRef) (schemas.BeginCommandResult, error) {
	if err := w.enter("UpdateDestination"); err != nil {
		return schemas.BeginCommandResult{}, err
	}
	return w.begin(op), nil
}

func (w *world) BeginAccessCheck(_ context.Context, op schemas.OperationRef) (schemas.BeginCommandResult, error) {
	if err := w.enter("BeginAccessCheck"); err != nil {
		return schemas.BeginCommandResult{}, err
	}
	return w.begin(op), nil
}

func (w *world) BeginDelete(_ context.Context, op schemas.OperationRef) (schemas.BeginCommandResult, error) {
	if err := w.enter("BeginDelete"); err != nil {
		return schemas.BeginCommandResult{}, err
	}
	return w.begin(op), nil
}

func (w *world) FinishDelete(_ context.Context, op schemas.OperationRef) error {
	if err := w.enter("FinishDelete"); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, status := range w.operations {
		if id != op.OperationID && !status.Ended() {
			w.operations[id] = schemas.OperationFailed
		}
	}
	w.status = schemas.IntegrationDeleted
	return nil
}

func (w *world) FinishOperation(_ context.Context, op schemas.OperationRef) error {
	if err := w.enter("FinishOperation"); err != nil {
		return err
	}
	w.end(op.OperationID, schemas.OperationSucceeded)
	return nil
}

func (w *world) FailOperation(_ context.Context, in schemas.FailOperationInput) error {
	if err := w.enter("FailOperation"); err != nil {
		return err
	}
	w.end(in.OperationID, schemas.OperationFailed)
	return nil
}

func (w *world) RecordAccess(_ context.Context, in schemas.RecordAccessInput) error {
	if err := w.enter("RecordAccess"); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status, w.access, w.check = in.Status, in.Access, in.Check
	return nil
}

func (w *world) ApplyLinked(context.Context, schemas.IntegrationRef) error {
	return w.enter("ApplyLinked")
}

func (w *world) StopRuns(context.Context, schemas.IntegrationRef) error {
	if err := w.enter("StopRuns"); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running > 0 {
		w.running--
		return temporal.NewApplicationError("not yet", schemas.ErrorStillRunning)
	}
	return nil
}

func (w *world) CloseChains(context.Context, schemas.IntegrationRef) error {
	return w.enter("CloseChains")
}

func (w *world) RevokeCredentials(context.Context, schemas.IntegrationRef) error {
	return w.enter("RevokeCredentials")
}
