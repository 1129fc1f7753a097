package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/auditferry/auditferry/schemas"
)

// Closing is a chain of manifests that is to be ended with a final one: in a
// place that its export has left, or of a backfill that has ended early.
type Closing struct {
	ID            uuid.UUID
	OrgID         uuid.UUID
	ExportID      uuid.UUID
	BackfillID    *uuid.UUID // nil: the export's live deliveries
	IntegrationID uuid.UUID  // under which the place was written to
	Destination   schemas.Destination
	Folder        string // of the backfill, below the destination's
	Reason        schemas.CloseReason
	Sealed        *schemas.SealedManifest // nil before SealClosing
	Busy          bool                    // a run is still delivering there, so the chain may go on
}

// Place is the folder that the chain is in.
func (c Closing) Place() schemas.Destination {
	return schemas.Window{Destination: c.Destination, Folder: c.Folder}.Place()
}

// RequestClosing notes that an export leaves the place that it writes to, so
// that the chain of its live windows is ended there. The export is given as it
// was before: with the integration and the destination that it leaves.
//
// Nothing is noted when there is nothing that a final manifest could tell:
// nothing was delivered there with a manifest, nor begun and given up, or that
// has been told since, or is noted already. A run that is under way there may
// begin a chain. If it then writes nothing, ChainEnd is ErrNotFound, and the
// closing is to be settled as it is. The export stays locked until the
// transaction ends, so that no run begins there unseen; one that does not exist
// is ErrNotFound.
func (t *Tx) RequestClosing(ctx context.Context, e schemas.Export, reason schemas.CloseReason) error {
	const attempt = "request the closing of a chain"
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("%s: make an ID: %w", attempt, err)
	}
	if err := t.scan(ctx, attempt, []any{&e.ID}, `SELECT id FROM export WHERE id = $1 FOR UPDATE`, e.ID); err != nil {
		return err
	}
	end, err := t.ChainEnd(ctx, Closing{ExportID: e.ID, IntegrationID: e.IntegrationID, Destination: e.Destination}, true)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("%s: %w", attempt, err)
	}
	begun := err == nil
	// The final manifest's key tells which windows it tells of; by times alone, one
	// that was delivered, or given up, while a closing was under way could be missed.
	final := e.Destination.Key(schemas.FinalManifestName(e.ID, end.LastSeq, schemas.GivenUpTo(end.GivenUp, end.LastSeq)))
	_, err = t.exec(ctx, attempt, `
		INSERT INTO export_closing (id, org_id, export_id, integration_id, destination, reason)
		SELECT $2, e.org_id, e.id, $3, $4, $5 FROM export AS e
		WHERE e.id = $1 AND (
			$6 AND NOT EXISTS (
				SELECT FROM export_closing AS c
				WHERE c.export_id = e.id AND c.destination = $4 AND c.settled_at IS NOT NULL AND c.error = ''
				  AND c.manifest_key = $7)
			OR `+deliversTo("e.id", "$4")+`)
		ON CONFLICT (export_id, destination) WHERE settled_at IS NULL DO NOTHING`,
		e.ID, id, e.IntegrationID, asURL(&e.Destination), reason, begun, final)
	return err
}

// closeBackfill notes that a backfill has ended before its end, so that its
// chain is ended, too. Nothing is noted unless a run of it has begun to write,
// nor when its integration is gone and nobody could end it. A closing of a
// backfill is told from one of live deliveries by its place, which is the
// backfill's own.
func (t *Tx) closeBackfill(ctx context.Context, backfill uuid.UUID) error {
	const attempt = "request the closing of a backfill"
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("%s: make an ID: %w", attempt, err)
	}
	_, err = t.exec(ctx, attempt, `
		INSERT INTO export_closing (id, org_id, export_id, integration_id, destination, reason)
		SELECT $2, b.org_id, b.export_id, i.id, `+placeOfBackfill+`, $3
		FROM export_backfill AS b JOIN export AS e ON e.id = b.export_id JOIN integration AS i ON i.id = e.integration_id
		WHERE b.id = $1 AND i.status <> 'deleted' AND EXISTS (
			SELECT FROM export_run AS r JOIN export_window AS w ON w.id = r.window_id
			WHERE r.export_id = b.export_id AND w.backfill_id = b.id AND (r.attempts > 0 OR r.status = 'running'))
		ON CONFLICT (export_id, destination) WHERE settled_at IS NULL DO NOTHING`, backfill, id, schemas.ClosedByBackfillEnd)
	return err
}

// placeOfBackfill is the URL of the folder that a backfill b delivers to.
const placeOfBackfill = `b.destination || b.folder || '/'`

// deliversTo is the condition that a run of an export is delivering new events
// to a destination.
func deliversTo(export, destination string) string {
	return `EXISTS (
		SELECT FROM export_run AS r JOIN export_window AS w ON w.id = r.window_id
		WHERE r.export_id = ` + export + ` AND r.status = 'running' AND w.backfill_id IS NULL AND w.destination = ` + destination + `)`
}

// OpenClosings lists the chains of an integration's places that are still to be
// ended, oldest first.
func (t *Tx) OpenClosings(ctx context.Context, integration uuid.UUID) ([]Closing, error) {
	return queryAll(ctx, t, "list open closings", func(row pgx.CollectableRow) (c Closing, err error) {
		var sealed sealedColumns
		err = row.Scan(&c.ID, &c.OrgID, &c.ExportID, &c.BackfillID, &c.IntegrationID, asURL(&c.Destination), &c.Folder, &c.Reason,
			&sealed.key, &sealed.sha256, &sealed.content, &sealed.signature, &c.Busy)
		c.Sealed = sealed.manifest()
		return c, err
	}, `
		SELECT c.id, c.org_id, c.export_id, b.id, c.integration_id, coalesce(b.destination, c.destination), coalesce(b.folder, ''), c.reason,
			c.manifest_key, c.manifest_sha256, c.manifest_content, c.manifest_signature,
			`+deliversTo("c.export_id", "c.destination")+` OR EXISTS (
				SELECT FROM export_run AS r JOIN export_window AS w ON w.id = r.window_id
				WHERE r.export_id = c.export_id AND r.status = 'running' AND w.backfill_id = b.id)
		FROM export_closing AS c
		LEFT JOIN export_backfill AS b ON b.export_id = c.export_id AND `+placeOfBackfill+` = c.destination
		WHERE c.integration_id = $1 AND c.settled_at IS NULL ORDER BY c.id`, integration)
}

// closingHead is how long a closing is left to whoever asked for it.
const closingHead = "10 seconds"

// IntegrationsToClose lists at most limit live integrations with chains that
// were to be ended a while ago, those that wait longest first. It needs an
// operator's transaction.
func (t *Tx) IntegrationsToClose(ctx context.Context, limit int) ([]schemas.IntegrationRef, error) {
	return queryAll(ctx, t, "list integrations with open closings", func(row pgx.CollectableRow) (i schemas.IntegrationRef, err error) {
		err = row.Scan(&i.OrgID, &i.IntegrationID)
		return i, err
	}, `
		SELECT i.org_id, i.id FROM export_closing AS c JOIN integration AS i ON i.id = c.integration_id
		WHERE c.settled_at IS NULL AND c.requested_at <= now() - interval '`+closingHead+`'
		  AND i.status NOT IN ('deleting', 'deleted')
		GROUP BY i.org_id, i.id ORDER BY min(c.requested_at), i.id LIMIT $1`, limit)
}

// SealClosing stores the final manifest of an open closing, unless it has one,
// and gives the one that it has now: written again, it has to be the same. A
// closing that is settled is ErrNotFound.
func (t *Tx) SealClosing(ctx context.Context, id uuid.UUID, sealed schemas.SealedManifest) (schemas.SealedManifest, error) {
	var kept schemas.SealedManifest
	err := t.scan(ctx, "seal a closing", []any{&kept.Key, &kept.SHA256, &kept.Content, &kept.Signature}, `
		UPDATE export_closing SET manifest_key = coalesce(manifest_key, $2), manifest_sha256 = coalesce(manifest_sha256, $3),
			manifest_content = coalesce(manifest_content, $4), manifest_signature = coalesce(manifest_signature, $5)
		WHERE id = $1 AND settled_at IS NULL
		RETURNING manifest_key, manifest_sha256, manifest_content, manifest_signature`,
		id, sealed.Key, sealed.SHA256, sealed.Content, sealed.Signature)
	return kept, err
}

// SettleClosing notes that a chain has been ended, or for which failure it
// never will be; "" is none. Key and hash of the final manifest stay on record.
// One that is settled already stays as it is.
func (t *Tx) SettleClosing(ctx context.Context, id uuid.UUID, failure string) error {
	const attempt = "settle a closing"
	rows, err := t.exec(ctx, attempt, settleClosings+`id = $1`, id, failure)
	if err != nil || rows == 1 {
		return err
	}
	return t.scan(ctx, attempt, []any{&id}, `SELECT id FROM export_closing WHERE id = $1`, id)
}

// AbandonClosings settles every open closing of an integration, for a failure
// that the admin can read.
func (t *Tx) AbandonClosings(ctx context.Context, integration uuid.UUID, failure string) error {
	_, err := t.exec(ctx, "abandon closings", settleClosings+`integration_id = $1`, integration, failure)
	return err
}

const settleClosings = `
	UPDATE export_closing SET settled_at = now(), error = $2, manifest_content = NULL, manifest_signature = NULL
	WHERE settled_at IS NULL AND `
