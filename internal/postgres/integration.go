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
		created_at, updated_at, deleted_at
	FROM integration `

func scanIntegration(row pgx.CollectableRow) (i schemas.Integration, err error) {
	err = row.Scan(&i.ID, &i.OrgID, &i.Name, &i.Cloud, asURL(&i.Destination), &i.Grant, &i.Provisioner, &i.Credentials,
		&i.Status, &i.Access, &i.Report, &i.CreatedAt, &i.UpdatedAt, &i.DeletedAt)
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
			access, access_report, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, coalesce($12, now()), coalesce($12, now()))`,
		i.ID, org, i.Name, i.Cloud, asURL(&i.Destination), i.Grant, i.Provisioner, i.Credentials, i.Status,
		i.Access, i.Report, orNow(i.CreatedAt))
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

// SetCredentials stores what the admin needs to grant access.
func (t *Tx) SetCredentials(ctx context.Context, id uuid.UUID, c schemas.Credentials) error {
	return t.execOne(ctx, "set an integration's credentials", `
		UPDATE integration SET credentials = $2, updated_at = now() WHERE id = $1`, id, c)
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

// SetAccessReport stores the report of an access check, if no newer check has
// begun: current is false then, as it is for an unknown integration.
func (t *Tx) SetAccessReport(ctx context.Context, id uuid.UUID, check int, r schemas.AccessReport) (current bool, err error) {
	rows, err := t.exec(ctx, "store an access report", `
		UPDATE integration SET access_report = $3, updated_at = now() WHERE id = $1 AND access_check = $2`, id, check, r)
	return rows == 1, err
}

// SetDestination stores where an integration writes to. It claims nothing; see
// ClaimDestination.
func (t *Tx) SetDestination(ctx context.Context, id uuid.UUID, d schemas.Destination) error {
	return t.execOne(ctx, "set an integration's destination", `
		UPDATE integration SET destination = $2, updated_at = now() WHERE id = $1`, id, asURL(&d))
}

// SetIntegrationStatus stores where an integration stands in its life. The
// first time it is deleted dates its end.
func (t *Tx) SetIntegrationStatus(ctx context.Context, id uuid.UUID, status schemas.IntegrationStatus) error {
	return t.execOne(ctx, "set an integration's status", `
		UPDATE integration SET status = $2, updated_at = now(),
			deleted_at = CASE WHEN $2 = 'deleted' THEN coalesce(deleted_at, now()) END
		WHERE id = $1`, id, status)
}

// ClaimDestination reserves a place for an integration, which may hold several:
// the one it writes to and the one it is about to move to. A place that holds
// or lies in one that another integration claims, of this org or any other, is
// a *ConflictError. Claiming twice is one claim. Claims within one bucket or
// container take turns, so that two transactions cannot both win.
func (t *Tx) ClaimDestination(ctx context.Context, integration uuid.UUID, d schemas.Destination) error {
	const attempt = "claim a destination"
	location := schemas.Destination{Cloud: d.Cloud, Account: d.Account, Bucket: d.Bucket}
	if err := t.lockName(ctx, attempt, "auditferry/destination/"+location.URL()); err != nil {
		return err
	}
	var name *string
	var taken bool
	err := t.scan(ctx, attempt, []any{&taken, &name}, `
		SELECT auditferry_claimed_elsewhere(i.id, $2, $3), (
			SELECT other.name FROM destination_claim AS c JOIN integration AS other ON other.id = c.integration_id
			WHERE c.location = $2 AND c.org_id = i.org_id AND c.integration_id <> i.id
			  AND (starts_with(c.destination, $3) OR starts_with($3, c.destination))
			LIMIT 1)
		FROM integration AS i WHERE i.id = $1`, integration, asURL(&location), asURL(&d))
	switch {
	case err != nil:
		return err
	case name != nil:
		return &ConflictError{fmt.Sprintf("Your integration %q uses %s, or a folder above or below it; choose another folder, or delete that integration first.", *name, d.URL())}
	case taken:
		return &ConflictError{fmt.Sprintf("%s, or a folder above or below it, belongs to an integration of another organization; choose another bucket or folder.", d.URL())}
	}
	_, err = t.exec(ctx, attempt, `
		INSERT INTO destination_claim (integration_id, org_id, destination, location)
		SELECT id, org_id, $2, $3 FROM integration WHERE id = $1
		ON CONFLICT DO NOTHING`, integration, asURL(&d), asURL(&location))
	return err
}

// ReleaseDestinations gives up all places that an integration claims but keep.
func (t *Tx) ReleaseDestinations(ctx context.Context, integration uuid.UUID, keep *schemas.Destination) error {
	kept := ""
	if keep != nil {
		kept = keep.URL()
	}
	_, err := t.exec(ctx, "release destinations", `
		DELETE FROM destination_claim WHERE integration_id = $1 AND destination <> $2`, integration, kept)
	return err
}
