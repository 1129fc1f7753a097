package postgres

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/schemas"
)

// How an identity is in use beside an integration, as auditferry_identity_use
// says it.
const (
	identityExclusive = "exclusive"
	identityShared    = "shared"
)

// UseIdentity notes that an integration writes with the identity of these
// credentials from now on; exclusive says that no other org may, now or later.
// It is a *ConflictError when another org has the identity for itself, or uses
// it although it is to be exclusive, and for an external ID that any other
// integration has, or ever had.
func (t *Tx) UseIdentity(ctx context.Context, integration uuid.UUID, c schemas.Credentials, exclusive bool) error {
	const attempt = "use an identity"
	identity := c.Identity()
	if err := t.lockName(ctx, attempt, "auditferry/identity/"+identity); err != nil {
		return err
	}
	var used string
	err := t.scan(ctx, attempt, []any{&used}, `
		SELECT auditferry_identity_use($2, id, org_id) FROM integration WHERE id = $1`, integration, identity)
	switch {
	case err != nil:
		return err
	case c.AWS != nil && used != "":
		return &ConflictError{"Another integration has, or had, this external ID. Make a new one: each integration needs its own."}
	case used == identityExclusive:
		return &ConflictError{"This identity is another organization's alone. Make another one."}
	case used == identityShared && exclusive:
		return &ConflictError{"Another organization uses, or used, this identity, so it cannot be exclusive. Make another one, or hand it in as shared."}
	}
	_, err = t.exec(ctx, attempt, `
		INSERT INTO cloud_identity (identity, integration_id, org_id, exclusive)
		SELECT $2, id, org_id, $3 FROM integration WHERE id = $1
		ON CONFLICT (identity, integration_id) DO UPDATE SET exclusive = excluded.exclusive`, integration, identity, exclusive)
	return err
}

// DrawIdentity chooses the first of the candidates that no other org uses or
// ever used, and notes it as this integration's org's own. An org's own
// candidates come before unused ones, and the integration's present one before
// all. It gives ErrNotFound when none is left.
func (t *Tx) DrawIdentity(ctx context.Context, integration uuid.UUID, candidates []schemas.Credentials) (schemas.Credentials, error) {
	names := make([]string, len(candidates))
	for i, c := range candidates {
		names[i] = c.Identity()
	}
	for {
		var drawn int
		err := t.scan(ctx, "draw an identity", []any{&drawn}, `
			SELECT (n - 1)::int FROM (
				SELECT n, auditferry_identity_use(candidate.identity, i.id, i.org_id) AS used, mine.identity IS NOT NULL AS mine
				FROM integration AS i
				CROSS JOIN unnest($2::text[]) WITH ORDINALITY AS candidate (identity, n)
				LEFT JOIN cloud_identity AS mine ON mine.identity = candidate.identity AND mine.integration_id = i.id
				WHERE i.id = $1
			) AS candidates
			WHERE used IN ('', 'own') ORDER BY mine DESC, used = 'own' DESC, n LIMIT 1`, integration, names)
		if err != nil {
			return schemas.Credentials{}, err
		}
		var conflict *ConflictError
		if err = t.UseIdentity(ctx, integration, candidates[drawn], true); !errors.As(err, &conflict) {
			return candidates[drawn], err
		}
		// Another org has got it since the look; the next look knows.
	}
}
