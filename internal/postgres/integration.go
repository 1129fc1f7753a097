package postgres

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/auditferry/auditferry/schemas"
)

const selectIntegration = `
	SELECT id, org_id, name, cloud, destination, access_grant, provisioner, credentials, status, access, access_report,
		created_at, updated_at, deleted_at, exclusive,
		(SELECT challenge_key FROM destination_claim AS c WHERE c.integration_id = integration.id AND c.destination = integration.destination),
		(SELECT proven_at FROM destination_claim AS c WHERE c.integration_id = integration.id AND c.destination = integration.destination)
	FROM integration `

func scanIntegration(row pgx.CollectableRow) (i schemas.Integration, err error) {
	var exclusive bool
	var claim Claim
	err = row.Scan(&i.ID, &i.OrgID, &i.Name, &i.Cloud, asURL(&i.Destination), &i.Grant, &i.Provisioner, &i.Credentials,
		&i.Status, &i.Access, &i.Report, &i.CreatedAt, &i.UpdatedAt, &i.DeletedAt, &exclusive, &claim.ChallengeKey, &claim.ProvenAt)
	i.Ownership = claim.ownership(exclusive, i.Destination)
	return i, err
}

// InsertIntegration adds an integration. A zero CreatedAt is now.
func (t *Tx) InsertIntegration(ctx context.Context, i schemas.Integration) error {
	const attempt = "insert an integration"
	org, err := t.owner(i.OrgID)
	if err != nil {
		return fmt.Errorf("%s: %w", attempt, err)
	}
	_, err = t.exec(ctx, attempt, `
		INSERT INTO integration (id, org_id, name, cloud, destination, access_grant, provisioner, credentials, status,
			access, access_report, created_at, updated_at, exclusive)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, coalesce($12, now()), coalesce($12, now()), $13)`,
		i.ID, org, i.Name, i.Cloud, asURL(&i.Destination), i.Grant, i.Provisioner, i.Credentials, i.Status,
		i.Access, i.Report, orNow(i.CreatedAt), i.Ownership.State == schemas.OwnershipImplied)
	return err
}

// Integration reads an integration, or gives ErrNotFound.
func (t *Tx) Integration(ctx context.Context, id uuid.UUID) (schemas.Integration, error) {
	return queryOne(ctx, t, "read an integration", scanIntegration, selectIntegration+`WHERE id = $1`, id)
}

// LockIntegration reads an integration and keeps others from changing it until
// the transaction ends.
func (t *Tx) LockIntegration(ctx context.Context, id uuid.UUID) (schemas.Integration, error) {
	return queryOne(ctx, t, "lock an integration", scanIntegration, selectIntegration+`WHERE id = $1 FOR UPDATE`, id)
}

// Integrations lists at most limit integrations by ID, beginning behind after.
func (t *Tx) Integrations(ctx context.Context, after uuid.UUID, limit int, includeDeleted bool) ([]schemas.Integration, error) {
	return queryAll(ctx, t, "list integrations", scanIntegration, selectIntegration+`
		WHERE `+t.ours()+` AND id > $2 AND ($4 OR status <> 'deleted') ORDER BY id LIMIT $3`,
		t.org, after, limit, includeDeleted)
}

// WaitingIntegrations lists at most limit integrations that wait for their
// credentials from outside, by ID, beginning behind after.
func (t *Tx) WaitingIntegrations(ctx context.Context, after uuid.UUID, limit int) ([]schemas.Integration, error) {
	return queryAll(ctx, t, "list waiting integrations", scanIntegration, selectIntegration+`
		WHERE `+t.ours()+` AND id > $2 AND status = 'provisioning' AND provisioner = 'external' ORDER BY id LIMIT $3`, t.org, after, limit)
}

// SetCredentials stores what the admin needs to grant access, and whether the
// identity behind it serves this org alone. What former credentials have been
// found to be let into has to be found out again.
func (t *Tx) SetCredentials(ctx context.Context, id uuid.UUID, c schemas.Credentials, exclusive bool) error {
	const attempt = "set an integration's credentials"
	err := t.execOne(ctx, attempt, `
		UPDATE integration SET credentials = $2, exclusive = $3, updated_at = now() WHERE id = $1`, id, c, exclusive)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, attempt, `UPDATE destination_claim SET verified_at = NULL WHERE integration_id = $1`, id)
	return err
}

// ClearCredentials forgets an integration's credentials, so that nothing can be
// written with them any more.
func (t *Tx) ClearCredentials(ctx context.Context, id uuid.UUID) error {
	return t.execOne(ctx, "clear an integration's credentials", `
		UPDATE integration SET credentials = NULL, updated_at = now() WHERE id = $1`, id)
}

// SetAccess stores where an integration stands, and the number of the newest
// access check: reports of checks with another number are void from now on. It
// changes nothing when it comes too late: from an older check, to begin one
// that is known already, or after the integration has begun to go away.
func (t *Tx) SetAccess(ctx context.Context, id uuid.UUID, status schemas.IntegrationStatus, access schemas.Access, check int) error {
	const attempt = "set an integration's access"
	rows, err := t.exec(ctx, attempt, `
		UPDATE integration SET status = $2, access = $3, access_check = $4, updated_at = now()
		WHERE id = $1 AND status NOT IN ('deleting', 'deleted')
		  AND (access_check < $4 OR access_check = $4 AND $3 <> 'checking')`,
		id, status, access, check)
	if err != nil || rows == 1 {
		return err
	}
	return t.scan(ctx, attempt, []any{&id}, `SELECT id FROM integration WHERE id = $1`, id)
}

// AccessCheck is the number of an integration's newest access check; 0 before
// the first.
func (t *Tx) AccessCheck(ctx context.Context, id uuid.UUID) (check int, err error) {
	err = t.scan(ctx, "read the number of the access check", []any{&check}, `
		SELECT access_check FROM integration WHERE id = $1`, id)
	return check, err
}

// SetDestination stores where an integration writes to, and what its admin says
// of it. It claims nothing; see ClaimDestination.
func (t *Tx) SetDestination(ctx context.Context, id uuid.UUID, d schemas.Destination, grant schemas.Grant) error {
	return t.execOne(ctx, "set an integration's destination", `
		UPDATE integration SET destination = $2, access_grant = $3, updated_at = now() WHERE id = $1`, id, asURL(&d), grant)
}

// SetIntegrationStatus stores where an integration stands in its life. The
// first time it is deleted dates its end; what was found of its access is
// history then.
func (t *Tx) SetIntegrationStatus(ctx context.Context, id uuid.UUID, status schemas.IntegrationStatus) error {
	return t.execOne(ctx, "set an integration's status", `
		UPDATE integration SET status = $2, updated_at = now(),
			deleted_at = CASE WHEN $2 = 'deleted' THEN coalesce(deleted_at, now()) END,
			access = CASE WHEN $2 = 'deleted' THEN 'unknown' ELSE access END,
			access_report = CASE WHEN $2 = 'deleted' THEN NULL ELSE access_report END
		WHERE id = $1`, id, status)
}
