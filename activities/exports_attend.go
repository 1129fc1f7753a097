package activities

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// heartbeatEvery keeps well inside the workflow's heartbeat timeout of 30 s. It
// is a variable for tests.
var heartbeatEvery = 5 * time.Second

// lookTimeout bounds a look at the run. A database that does not answer must not
// keep heartbeats back.
const lookTimeout = 5 * time.Second

// attend sends heartbeats until stop is called, and ends the context when the
// run has ended meanwhile: it was superseded, or its backfill cancelled, and
// what it goes on to write would be of no use.
func (a *Exports) attend(ctx context.Context, org, run uuid.UUID, details func() any) (attended context.Context, stop func()) {
	attended, cancel := context.WithCancelCause(ctx)
	over := everyBeat(ctx, func(ctx context.Context) {
		activity.RecordHeartbeat(ctx, details())
		if status, over := a.look(ctx, org, run); over {
			cancel(ended(status))
		}
	})
	return attended, func() { over(); cancel(nil) }
}

// beat sends heartbeats until stop is called.
func beat(ctx context.Context) (stop func()) {
	return everyBeat(ctx, func(ctx context.Context) { activity.RecordHeartbeat(ctx) })
}

func everyBeat(ctx context.Context, do func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		ticker := time.NewTicker(heartbeatEvery)
		defer ticker.Stop()
		for {
			do(ctx)
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return func() { cancel(); running.Wait() }
}

// look tells whether the run is not running any more. If that cannot be known
// now, it is taken to be running.
func (a *Exports) look(ctx context.Context, org, run uuid.UUID) (status schemas.RunStatus, over bool) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	err := a.Store.InOrg(ctx, org, func(tx *postgres.Tx) error {
		found, err := tx.Run(ctx, run)
		status = found.Status
		return err
	})
	return status, err == nil && status != schemas.RunRunning
}

// noteAttempt keeps the reason of a failed attempt for those who watch the run.
// It is a courtesy: what counts is recorded when the run ends.
func (a *Exports) noteAttempt(ctx context.Context, in schemas.ExportInput, run uuid.UUID, failure error) {
	if failure == nil || temporal.IsCanceledError(failure) || ctx.Err() != nil {
		return
	}
	var application *temporal.ApplicationError
	var kind schemas.ErrorKind
	message := failure.Error()
	if errors.As(failure, &application) {
		kind, message = schemas.KindOfErrorType(application.Type()), application.Message()
	}
	err := a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) error { return tx.NoteAttempt(ctx, run, kind, message) })
	if err != nil {
		activity.GetLogger(ctx).Warn("The reason of a failed attempt is not shown", "error", err)
	}
}
