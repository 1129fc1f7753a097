package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/auditferry/auditferry/schemas"
)

const selectExport = `
	SELECT id, org_id, integration_id, name, slug, schedule, format, compression, path_template, filter, destination, state,
		pause_reason, start_seq, delivered_seq, failing_since, spec_version, applied_version, created_at, updated_at
	FROM export `

func scanExport(row pgx.CollectableRow) (e schemas.Export, err error) {
	err = row.Scan(&e.ID, &e.OrgID, &e.IntegrationID, &e.Name, &e.Slug, &e.Schedule, &e.Format, &e.Compression,
		&e.PathTemplate, &e.Filter, asURL(&e.Destination), &e.State, &e.PauseReason, &e.StartSeq, &e.DeliveredSeq,
		&e.FailingSince, &e.SpecVersion, &e.AppliedVersion, &e.CreatedAt, &e.UpdatedAt)
	return e, err
}

// InsertExport adds an export, with spec version 1 and nothing applied; it
// begins with the event after DeliveredSeq. A zero CreatedAt is now. A slug that any export of the org has or had, or the name
// of a live one, is a *ConflictError; another org's integration is ErrNotFound.
func (t *Tx) InsertExport(ctx context.Context, e schemas.Export) error {
	const attempt = "insert an export"
	org, err := t.owner(e.OrgID)
	if err != nil {
		return fmt.Errorf("%s: %w", attempt, err)
	}
	_, err = t.exec(ctx, attempt, `
		INSERT INTO export (id, org_id, integration_id, name, slug, schedule, format, compression, path_template, filter,
			destination, state, pause_reason, delivered_seq, start_seq, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14::bigint + 1, coalesce($15, now()), coalesce($15, now()))`,
		e.ID, org, e.IntegrationID, e.Name, e.Slug, e.Schedule, e.Format, e.Compression, e.PathTemplate, e.Filter,
		asURL(&e.Destination), e.State, e.PauseReason, e.DeliveredSeq, orNow(e.CreatedAt))
	return err
}

// Export reads an export, or gives ErrNotFound.
func (t *Tx) Export(ctx context.Context, id uuid.UUID) (schemas.Export, error) {
	return queryOne(ctx, t, "read an export", scanExport, selectExport+`WHERE id = $1`, id)
}

// LockExport reads an export and keeps others from changing it until the
// transaction ends.
func (t *Tx) LockExport(ctx context.Context, id uuid.UUID) (schemas.Export, error) {
	return queryOne(ctx, t, "lock an export", scanExport, selectExport+`WHERE id = $1 FOR UPDATE`, id)
}

// Exports lists at most limit exports by ID, beginning behind after.
func (t *Tx) Exports(ctx context.Context, after uuid.UUID, limit int, includeDeleted bool) ([]schemas.Export, error) {
	return queryAll(ctx, t, "list exports", scanExport, selectExport+`
		WHERE `+t.ours()+` AND id > $2 AND ($4 OR state <> 'deleted') ORDER BY id LIMIT $3`,
		t.org, after, limit, includeDeleted)
}

// LinkedExports lists the exports of an integration by ID.
func (t *Tx) LinkedExports(ctx context.Context, integration uuid.UUID, includeDeleted bool) ([]schemas.Export, error) {
	return queryAll(ctx, t, "list linked exports", scanExport, selectExport+`
		WHERE integration_id = $1 AND ($2 OR state <> 'deleted') ORDER BY id`, integration, includeDeleted)
}

const updateExport = `
	UPDATE export SET integration_id = $2, name = $3, schedule = $4, format = $5, compression = $6,
		path_template = $7, filter = $8, destination = $9, state = $10, pause_reason = $11,
		spec_version = spec_version + 1, updated_at = now()
	WHERE id = $1 RETURNING spec_version`

func updateExportArgs(e schemas.Export) []any {
	return []any{
		e.ID, e.IntegrationID, e.Name, e.Schedule, e.Format, e.Compression,
		e.PathTemplate, e.Filter, asURL(&e.Destination), e.State, e.PauseReason,
	}
}

// UpdateExport makes an export's specification equal the value given, raises
// its spec version and returns that. The slug, the ledger (DeliveredSeq) and
// AppliedVersion are not part of the specification and stay. A name that
// another live export of the org has is a *ConflictError.
func (t *Tx) UpdateExport(ctx context.Context, e schemas.Export) (specVersion int, err error) {
	err = t.scan(ctx, "update an export", []any{&specVersion}, updateExport, updateExportArgs(e)...)
	return specVersion, err
}

// UpdateExports is UpdateExport for many, in one round trip: an integration may
// have thousands.
func (t *Tx) UpdateExports(ctx context.Context, exports []schemas.Export) error {
	var batch pgx.Batch
	for _, e := range exports {
		batch.Queue(updateExport, updateExportArgs(e)...)
	}
	return wrap("update exports", t.tx.SendBatch(ctx, &batch).Close())
}

// LockSchedule makes this transaction, until it ends, the only one that brings
// an export's Temporal schedule up to date.
func (t *Tx) LockSchedule(ctx context.Context, export uuid.UUID) error {
	return t.lockName(ctx, "lock an export's schedule", "auditferry/"+schemas.ExportScheduleID(export))
}

// MarkApplied notes that an export's Temporal schedule equals this version of
// its row or a newer one, and ends the operations that asked for no more than
// that. Asking for a run or a backfill is not asking for a version, so those stay
// open. An older version than the one noted changes nothing.
func (t *Tx) MarkApplied(ctx context.Context, export uuid.UUID, specVersion int) error {
	const attempt = "mark an export's specification as applied"
	err := t.execOne(ctx, attempt, `
		UPDATE export SET applied_version = greatest(applied_version, $2) WHERE id = $1`, export, specVersion)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, attempt, `
		UPDATE operation SET status = 'succeeded', ended_at = now()
		WHERE export_id = $1 AND ended_at IS NULL AND spec_version <= $2 AND kind NOT IN ($3, $4)`,
		export, specVersion, schemas.OpRunExport, schemas.OpBackfillExport)
	return err
}

// UnappliedExports lists at most limit exports whose specification was changed
// at least olderThan ago and is not applied yet, the longest waiting first.
func (t *Tx) UnappliedExports(ctx context.Context, olderThan time.Duration, limit int) ([]schemas.Export, error) {
	return queryAll(ctx, t, "list unapplied exports", scanExport, selectExport+`
		WHERE applied_version < spec_version AND updated_at <= now() - $1::interval
		ORDER BY updated_at LIMIT $2`, olderThan, limit)
}

// UnappliedLinked lists the exports of an integration whose specification is
// not applied yet, deleted ones too.
func (t *Tx) UnappliedLinked(ctx context.Context, integration uuid.UUID) ([]schemas.Export, error) {
	return queryAll(ctx, t, "list unapplied linked exports", scanExport, selectExport+`
		WHERE integration_id = $1 AND applied_version < spec_version ORDER BY id`, integration)
}

// lockName takes a lock that is known by its name, until the transaction ends.
// Names that hash alike only wait for each other.
func (t *Tx) lockName(ctx context.Context, attempt, name string) error {
	_, err := t.exec(ctx, attempt, `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, name)
	return err
}

// MarkFailing notes that a run of an export has failed, if none had failed
// since the last one that delivered.
func (t *Tx) MarkFailing(ctx context.Context, export uuid.UUID, at time.Time) error {
	return t.execOne(ctx, "note that an export is failing", `
		UPDATE export SET failing_since = coalesce(failing_since, $2) WHERE id = $1`, export, at)
}
