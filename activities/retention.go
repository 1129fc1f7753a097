package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/auditferry/auditferry/internal/postgres"
)

// partitionDaysAhead lets the daily schedule fail for most of a week before an
// append would have to make its partition itself.
const partitionDaysAhead = 7

// Retention makes room for events to come and drops those that have been kept
// long enough.
type Retention struct {
	Store *postgres.Store
	Keep  time.Duration // how long events are kept
}

// PreparePartitions creates the days to come.
func (a *Retention) PreparePartitions(ctx context.Context) error {
	return toTemporal(ctx, a.Store.EnsurePartitions(ctx, partitionDaysAhead))
}

// DropExpired drops whole days of events that are older than the retention,
// and the answers to repeated requests that nobody repeats any more.
func (a *Retention) DropExpired(ctx context.Context) error {
	dropped, err := a.Store.DropPartitions(ctx, a.Keep)
	if err != nil {
		return toTemporal(ctx, err)
	}
	activity.GetLogger(ctx).Info("Dropped expired events", "partitions", dropped)
	return toTemporal(ctx, a.Store.PruneIdempotency(ctx, postgres.IdempotencyKept))
}
