package postgres

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/auditferry/auditferry/schemas"
)

const selectOrg = `SELECT id, name, notice_emails, created_at FROM org `

func scanOrg(row pgx.CollectableRow) (o schemas.Org, err error) {
	err = row.Scan(&o.ID, &o.Name, &o.NoticeEmails, &o.CreatedAt)
	return o, err
}

// InsertOrg adds an org. A zero CreatedAt is now.
func (t *Tx) InsertOrg(ctx context.Context, o schemas.Org) error {
	_, err := t.exec(ctx, "insert an org", `
		INSERT INTO org (id, name, notice_emails, created_at)
		VALUES ($1, $2, coalesce($3, '{}'::text[]), coalesce($4, now()))`,
		o.ID, o.Name, o.NoticeEmails, orNow(o.CreatedAt))
	return err
}

// Org reads an org, or gives ErrNotFound.
func (t *Tx) Org(ctx context.Context, id uuid.UUID) (schemas.Org, error) {
	return queryOne(ctx, t, "read an org", scanOrg, selectOrg+`WHERE id = $1`, id)
}

// LockOrg reads an org and keeps others from changing it until the transaction
// ends.
func (t *Tx) LockOrg(ctx context.Context, id uuid.UUID) (schemas.Org, error) {
	return queryOne(ctx, t, "lock an org", scanOrg, selectOrg+`WHERE id = $1 FOR NO KEY UPDATE`, id)
}

// Orgs lists at most limit orgs by ID, beginning behind after.
func (t *Tx) Orgs(ctx context.Context, after uuid.UUID, limit int) ([]schemas.Org, error) {
	return queryAll(ctx, t, "list orgs", scanOrg, selectOrg+`WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
}

// SetNoticeEmails replaces the addresses that an org's mails go to.
func (t *Tx) SetNoticeEmails(ctx context.Context, id uuid.UUID, emails []string) error {
	return t.execOne(ctx, "set an org's notice emails", `
		UPDATE org SET notice_emails = coalesce($2, '{}'::text[]) WHERE id = $1`, id, emails)
}

const selectKey = `SELECT id, org_id, role, name, created_at, created_by, last_used_at, revoked_at FROM api_key `

func scanAPIKey(row pgx.CollectableRow) (k schemas.APIKey, err error) {
	err = row.Scan(&k.ID, &k.OrgID, &k.Role, &k.Name, &k.CreatedAt, &k.CreatedBy, &k.LastUsedAt, &k.RevokedAt)
	return k, err
}

// InsertAPIKey adds a key of which only the hash is kept. In an org's
// transaction the key is that org's; in an operator's it belongs to k.OrgID, or
// to the operators when that is nil. A zero CreatedAt is now. A hash that
// exists is a *ConflictError.
func (t *Tx) InsertAPIKey(ctx context.Context, k schemas.APIKey, hash []byte) error {
	const attempt = "insert an API key"
	org := k.OrgID
	if t.org != uuid.Nil {
		owner, err := t.owner(deref(k.OrgID))
		if err != nil {
			return fmt.Errorf("%s: %w", attempt, err)
		}
		org = &owner
	}
	_, err := t.exec(ctx, attempt, `
		INSERT INTO api_key (id, org_id, role, name, hash, created_at, created_by)
		VALUES ($1, $2, $3, $4, $5, coalesce($6, now()), $7)`,
		k.ID, org, k.Role, k.Name, hash, orNow(k.CreatedAt), k.CreatedBy)
	return err
}

// UpsertOperatorKey makes sure that the operator key with this hash exists. One
// that exists is left as it is, revoked or not. It needs an operator's
// transaction.
func (t *Tx) UpsertOperatorKey(ctx context.Context, name string, hash []byte) error {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make an ID for the operator key: %w", err)
	}
	_, err = t.exec(ctx, "make sure of the operator key", `
		INSERT INTO api_key (id, role, name, hash) VALUES ($1, 'operator', $2, $3)
		ON CONFLICT (hash) DO NOTHING`, id, name, hash)
	return err
}

// APIKeys lists the org's keys by age, revoked ones too. In an operator's
// transaction these are all orgs' and the operators' own.
func (t *Tx) APIKeys(ctx context.Context) ([]schemas.APIKey, error) {
	return queryAll(ctx, t, "list API keys", scanAPIKey,
		selectKey+`WHERE `+t.ours()+` ORDER BY id`, t.org)
}

// RevokeAPIKey makes a key useless from now on. A key that is revoked already
// keeps its date; one that does not exist is ErrNotFound.
func (t *Tx) RevokeAPIKey(ctx context.Context, id uuid.UUID) error {
	return t.execOne(ctx, "revoke an API key", `
		UPDATE api_key SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1`, id)
}

// APIKeyByHash finds the key of a caller whose org is not known yet, and notes
// its use at most once a minute. A revoked key is given with its RevokedAt; an
// unknown one is ErrNotFound.
func (s *Store) APIKeyByHash(ctx context.Context, hash []byte) (key schemas.APIKey, err error) {
	err = s.AsOperator(ctx, func(t *Tx) error {
		key, err = queryOne(ctx, t, "find an API key", scanAPIKey, `
			WITH used AS (
				UPDATE api_key SET last_used_at = now()
				WHERE hash = $1 AND revoked_at IS NULL
				  AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
			)
			`+selectKey+`WHERE hash = $1`, hash)
		return err
	})
	return key, err
}
