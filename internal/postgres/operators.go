package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/auditferry/auditferry/schemas"
)

// Streak is the place of an export in the list of those that fail. The zero
// value is before all of them.
type Streak struct {
	Since    time.Time
	ExportID uuid.UUID
}

// FailingExports lists at most limit active exports whose last run has failed,
// the longest failing first, beginning behind after.
func (t *Tx) FailingExports(ctx context.Context, after Streak, limit int) ([]schemas.Export, error) {
	return queryAll(ctx, t, "list failing exports", scanExport, selectExport+`
		WHERE `+t.ours()+` AND failing_since IS NOT NULL AND state = 'active' AND (failing_since, id) > ($2, $3)
		ORDER BY failing_since, id LIMIT $4`, t.org, after.Since, after.ExportID, limit)
}

// LastFailures is LastFailure for many, in one query. Exports none of whose runs
// has failed are left out.
func (t *Tx) LastFailures(ctx context.Context, exports []uuid.UUID) ([]schemas.Run, error) {
	return queryAll(ctx, t, "find the last failed runs", scanRun, `
		SELECT last.* FROM unnest($1::uuid[]) AS wanted(id) CROSS JOIN LATERAL (`+selectRun+`
			WHERE r.export_id = wanted.id AND r.status = 'failed' AND w.backfill_id IS NULL ORDER BY r.id DESC LIMIT 1
		) AS last`, exports)
}

// Pile is what waits for the same thing.
type Pile struct {
	Count  int
	Oldest *time.Time // since when the first has waited; nil: there is none
}

// Backlog is all that waits for somebody or something.
type Backlog struct {
	Provisioning Pile // integrations that wait for credentials from outside
	Failing      Pile // active exports whose last run has failed
	Operations   Pile // those that have not ended, without what waits for credentials
	Unapplied    Pile // exports whose Temporal schedule does not equal their row yet
}

// waits is of the operations that have not ended, and do not wait for credentials
// from outside. Its first parameter is the kind of those that may.
const waits = `ended_at IS NULL AND NOT (o.kind = $1 AND EXISTS (SELECT FROM integration AS i
	WHERE i.id = o.integration_id AND i.status = 'provisioning' AND i.provisioner = 'external'))`

// LongestOpen is the operation that has waited longest of those that Backlog
// counts; ErrNotFound when none waits.
func (t *Tx) LongestOpen(ctx context.Context) (schemas.Operation, error) {
	return queryOne(ctx, t, "find the operation that waits longest", scanOperation,
		selectOperation+`AS o WHERE `+waits+` ORDER BY created_at, id LIMIT 1`, schemas.OpCreateIntegration)
}

// Backlog counts what waits, as far as the transaction sees it.
func (t *Tx) Backlog(ctx context.Context) (Backlog, error) {
	var b Backlog
	err := t.scan(ctx, "count what waits", []any{
		&b.Provisioning.Count, &b.Provisioning.Oldest, &b.Failing.Count, &b.Failing.Oldest,
		&b.Operations.Count, &b.Operations.Oldest, &b.Unapplied.Count, &b.Unapplied.Oldest,
	}, `
		SELECT p.n, p.oldest, f.n, f.oldest, o.n, o.oldest, u.n, u.oldest FROM
			(SELECT count(*) AS n, min(created_at) AS oldest FROM integration
				WHERE status = 'provisioning' AND provisioner = 'external') AS p,
			(SELECT count(*) AS n, min(failing_since) AS oldest FROM export
				WHERE failing_since IS NOT NULL AND state = 'active') AS f,
			(SELECT count(*) AS n, min(created_at) AS oldest FROM operation AS o WHERE `+waits+`) AS o,
			(SELECT count(*) AS n, min(updated_at) AS oldest FROM export
				WHERE applied_version < spec_version) AS u`, schemas.OpCreateIntegration)
	return b, err
}

// IntegrationCounts gives, for each of these orgs that has any, how many
// integrations are not deleted, as far as the transaction sees them.
func (t *Tx) IntegrationCounts(ctx context.Context, orgs []uuid.UUID) (map[uuid.UUID]int, error) {
	type counted struct {
		Org   uuid.UUID
		Count int
	}
	found, err := queryAll(ctx, t, "count integrations", pgx.RowToStructByPos[counted], `
		SELECT org_id, count(*) FROM integration WHERE org_id = ANY($1) AND status <> 'deleted' GROUP BY org_id`, orgs)
	counts := make(map[uuid.UUID]int, len(found))
	for _, org := range found {
		counts[org.Org] = org.Count
	}
	return counts, err
}
