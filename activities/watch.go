package activities

import (
	"context"
	"time"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// watchBatch bounds what one look finds; the next one comes within a minute.
const watchBatch = 100

// Watch finds out what the admins of exports have to be told.
type Watch struct {
	Store *postgres.Store
	Keep  time.Duration // how long events are kept
}

// DueNotices lists what has to be told: of exports that fail or have recovered,
// and of events that expire undelivered. It goes by the time it is given, and
// what it lists stays due until MarkTold.
func (a *Watch) DueNotices(ctx context.Context, in schemas.WatchInput) (result schemas.WatchResult, err error) {
	err = a.Store.AsOperator(ctx, func(tx *postgres.Tx) (err error) {
		if err := tx.ForgetStages(ctx, in.At, a.Keep); err != nil {
			return err
		}
		result.Due, err = tx.DueNotices(ctx, in.At, a.Keep, watchBatch)
		return err
	})
	return result, toTemporal(ctx, err)
}

// MarkTold notes that the notices have been started.
func (a *Watch) MarkTold(ctx context.Context, in schemas.MarkToldInput) error {
	err := a.Store.AsOperator(ctx, func(tx *postgres.Tx) error { return tx.MarkTold(ctx, in.At, in.Told) })
	return toTemporal(ctx, err)
}
