package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/auditferry/auditferry/schemas"
)

// Closing is a chain of manifests that is to be ended with a final one, in a
// place that its export has left.
type Closing struct {
	ID            uuid.UUID
	OrgID         uuid.UUID
	ExportID      uuid.UUID
	IntegrationID uuid.UUID // under which the place was written to
	Destination   schemas.Destination
	Reason        schemas.CloseReason
	Sealed        *schemas.SealedManifest // nil before SealClosing
	Busy          bool                    // a run is still delivering there, so the chain may go on
}

// RequestClosing notes that an export leaves the place that it writes to, so
// that the chain of its live windows is ended there. The export is given as it
// was before: with the integration and the destination that it leaves.
//
// Nothing is noted when there is no chain that could be ended: nothing with a
// manifest was delivered there, the chain has been ended since, or that is
// noted already. A run that is under way there may begin a chain. If it then
// delivers nothing, LastManifest is ErrNotFound, and the closing is to be
// settled as it is. The export stays locked until the transaction ends, so that
// no run begins there unseen; one that does not exist is ErrNotFound.
func (t *Tx) RequestClosing(ctx context.Context, e schemas.Export, reason schemas.CloseReason) error {
	const attempt = "request the closing of a chain"
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("%s: make an ID: %w", attempt, err)
	}
	if err := t.scan(ctx, attempt, []any{&e.ID}, `SELECT id FROM export WHERE id = $1 FOR UPDATE`, e.ID); err != nil {
		return err
	}
	last, _, err := t.LastManifest(ctx, e.ID, e.Destination)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("%s: %w", attempt, err)
	}
	delivered := err == nil
	// The final manifest's key tells which window it closes; by times alone, a
	// window that was delivered while a closing was under way could be missed.
	final := e.Destination.Key(schemas.FinalManifestName(e.ID, last.LastSeq))
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
		e.ID, id, e.IntegrationID, asURL(&e.Destination), reason, delivered, final)
	return err
}

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
		err = row.Scan(&c.ID, &c.OrgID, &c.ExportID, &c.IntegrationID, asURL(&c.Destination), &c.Reason,
			&sealed.key, &sealed.sha256, &sealed.content, &sealed.signature, &c.Busy)
		c.Sealed = sealed.manifest()
		return c, err
	}, `
		SELECT c.id, c.org_id, c.export_id, c.integration_id, c.destination, c.reason,
			c.manifest_key, c.manifest_sha256, c.manifest_content, c.manifest_signature, `+deliversTo("c.export_id", "c.destination")+`
		FROM export_closing AS c WHERE c.integration_id = $1 AND c.settled_at IS NULL ORDER BY c.id`, integration)
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

// LastManifest is the last live window that an export has delivered to a
// destination with a manifest, and that manifest, which lies in the same place.
// Before the first one it is ErrNotFound.
func (t *Tx) LastManifest(ctx context.Context, export uuid.UUID, at schemas.Destination) (schemas.Window, schemas.ManifestRef, error) {
	var id uuid.UUID
	var ref schemas.ManifestRef
	err := t.scan(ctx, "find the last manifest", []any{&id, &ref.Key, &ref.SHA256}, `
		SELECT w.id, w.manifest_key, w.manifest_sha256 FROM export_window AS w
		WHERE `+chain(nil)+` AND w.destination = $3 AND w.delivered_at IS NOT NULL AND w.manifest_key IS NOT NULL
		ORDER BY w.first_seq DESC LIMIT 1`, export, nil, asURL(&at))
	if err != nil {
		return schemas.Window{}, schemas.ManifestRef{}, err
	}
	ref.Key = at.Below(ref.Key)
	w, err := t.Window(ctx, id)
	return w, ref, err
}
