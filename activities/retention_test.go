package activities_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// names reads one column as the tables' owner.
func (b *bundle) names(sql string) []string {
	b.t.Helper()
	ctx := b.t.Context()
	conn, err := pgx.Connect(ctx, b.ownerURL)
	require.NoError(b.t, err)
	defer func() { require.NoError(b.t, conn.Close(ctx)) }()
	_, err = conn.Exec(ctx, `SET auditferry.scope = 'operator'`)
	require.NoError(b.t, err)
	rows, err := conn.Query(ctx, sql)
	require.NoError(b.t, err)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(b.t, err)
	return names
}

func (b *bundle) partitions() []string {
	b.t.Helper()
	return b.names(`SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'audit_event'::regclass ORDER BY 1`)
}

func partition(daysFromNow int) string {
	return "audit_event_" + time.Now().UTC().AddDate(0, 0, daysFromNow).Format("20060102")
}

func TestPreparePartitions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := &activities.Retention{Store: b.Store, Keep: 30 * 24 * time.Hour}
	b.asOwner(`DROP TABLE ` + partition(5))
	for range 2 {
		mustDo(t, a.PreparePartitions)
	}
	require.Subset(t, b.partitions(), []string{partition(0), partition(1), partition(5), partition(7)})
}

// What has been kept long enough goes, and nothing else does.
func TestDropExpired(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := &activities.Retention{Store: b.Store, Keep: 30 * 24 * time.Hour}
	b.asOwner(`SELECT auditferry_ensure_partitions(current_date - 40, current_date)`)
	b.append(5, 10)
	b.in(func(ctx context.Context, tx *postgres.Tx) error {
		for _, key := range []string{"old", "recent"} {
			if _, _, err := tx.Remember(ctx, key, []byte{1}); err != nil {
				return err
			}
		}
		return nil
	})
	b.asOwner(`UPDATE idempotency_key SET created_at = now() - interval '8 days' WHERE key = 'old'`)
	b.asOwner(`UPDATE idempotency_key SET created_at = now() - interval '6 days' WHERE key = 'recent'`)

	for range 2 {
		mustDo(t, a.DropExpired)
	}
	kept := b.partitions()
	require.NotContains(t, kept, partition(-32))
	require.NotContains(t, kept, partition(-40))
	require.Subset(t, kept, []string{partition(-29), partition(-1), partition(0)})
	require.Equal(t, []string{"recent"}, b.names(`SELECT key FROM idempotency_key`))
	require.Len(t, read(b, func(ctx context.Context, tx *postgres.Tx) ([]schemas.RecordedEvent, error) {
		return tx.SearchEvents(ctx, schemas.EventQuery{Limit: 10})
	}), 5)
}
