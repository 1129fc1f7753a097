package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/auditferry/auditferry/schemas"
)

// PublishSigningKey adds a public key to those that manifests are verified
// with. A key that is there already stays as it is. A zero CreatedAt is now.
func (s *Store) PublishSigningKey(ctx context.Context, k schemas.SigningKey) error {
	_, err := s.pool.Exec(ctx, `
		INSERT INTO signing_key (id, jwk, created_at) VALUES ($1, $2, coalesce($3, now()))
		ON CONFLICT (id) DO NOTHING`, k.ID, k.JWK, orNow(k.CreatedAt))
	return wrap("publish a signing key", err)
}

// SigningKeys lists every public key that manifests are, or were, signed with,
// by age.
func (s *Store) SigningKeys(ctx context.Context) ([]schemas.SigningKey, error) {
	rows, _ := s.pool.Query(ctx, `SELECT id, jwk, created_at FROM signing_key ORDER BY created_at, id`)
	keys, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (k schemas.SigningKey, err error) {
		err = row.Scan(&k.ID, &k.JWK, &k.CreatedAt)
		return k, err
	})
	return keys, wrap("list signing keys", err)
}
