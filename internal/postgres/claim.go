package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/auditferry/auditferry/schemas"
)

// Claim is an integration's hold on a place, with what is known of it.
type Claim struct {
	Destination   schemas.Destination
	Owner         *string    // whose the bucket is; nil before the first grant
	VerifiedAt    *time.Time // when a probe with the present credentials was granted
	ProvenAt      *time.Time // when the org read the challenge back
	ChallengeKey  *string    // full key of the challenge; nil while there is none
	ChallengeHash []byte     // SHA-256 of its content
}

// ownership puts a claim on a destination in the contract's words.
func (c Claim) ownership(exclusive bool, at schemas.Destination) schemas.Ownership {
	switch {
	case exclusive:
		return schemas.Ownership{State: schemas.OwnershipImplied}
	case c.ProvenAt != nil:
		return schemas.Ownership{State: schemas.OwnershipProven}
	case c.ChallengeKey != nil:
		return schemas.Ownership{State: schemas.OwnershipWaiting, Challenge: locationOf(at).URL() + *c.ChallengeKey}
	default:
		return schemas.Ownership{State: schemas.OwnershipOpen}
	}
}

// locationOf is a destination's bucket or container.
func locationOf(d schemas.Destination) schemas.Destination {
	return schemas.Destination{Cloud: d.Cloud, Account: d.Account, Bucket: d.Bucket}
}

func scanClaim(row pgx.CollectableRow) (c Claim, err error) {
	err = row.Scan(asURL(&c.Destination), &c.Owner, &c.VerifiedAt, &c.ProvenAt, &c.ChallengeKey, &c.ChallengeHash)
	return c, err
}

// Claim reads an integration's claim on a place, or gives ErrNotFound.
func (t *Tx) Claim(ctx context.Context, integration uuid.UUID, d schemas.Destination) (Claim, error) {
	return queryOne(ctx, t, "read a claim", scanClaim, `
		SELECT destination, owner, verified_at, proven_at, challenge_key, challenge_hash
		FROM destination_claim WHERE integration_id = $1 AND destination = $2`, integration, asURL(&d))
}

// ClaimDestination reserves a place for an integration, which may hold several:
// the one it writes to and the one it is about to move to. A place that holds
// or lies in one that another integration claims, of this org or any other, is
// a *ConflictError. Claiming twice is one claim. Claims within one bucket or
// container take turns, so that two transactions cannot both win.
func (t *Tx) ClaimDestination(ctx context.Context, integration uuid.UUID, d schemas.Destination) error {
	const attempt = "claim a destination"
	location := locationOf(d)
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
		ON CONFLICT (integration_id, destination) DO UPDATE SET released_at = NULL`,
		integration, asURL(&d), asURL(&location))
	return err
}

// ReleaseDestinations gives up all places that an integration claims but keep.
// One to which a run or a backfill is writing is held until that has ended, and
// one where a chain is to be ended until that is settled; see
// DropReleasedClaims.
func (t *Tx) ReleaseDestinations(ctx context.Context, integration uuid.UUID, keep *schemas.Destination) error {
	kept := ""
	if keep != nil {
		kept = keep.URL()
	}
	const attempt = "release destinations"
	_, err := t.exec(ctx, attempt, `
		UPDATE destination_claim SET released_at = now()
		WHERE integration_id = $1 AND destination <> $2 AND released_at IS NULL`, integration, kept)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, attempt, dropReleased+` AND integration_id = $1`, integration)
	return err
}

const dropReleased = `
	DELETE FROM destination_claim AS c WHERE released_at IS NOT NULL AND NOT EXISTS (
		SELECT FROM export_run AS r JOIN export_window AS w ON w.id = r.window_id
		WHERE r.org_id = c.org_id AND r.status = 'running' AND w.destination = c.destination)
	AND NOT EXISTS (
		SELECT FROM export_backfill AS b
		WHERE b.org_id = c.org_id AND b.status = 'running' AND b.destination = c.destination)
	AND NOT EXISTS (
		SELECT FROM export_closing AS d
		WHERE d.integration_id = c.integration_id AND d.settled_at IS NULL AND starts_with(d.destination, c.destination))` // a backfill's is below

// DropReleasedClaims frees the places that were given up while something was
// still to be written there, once that has ended.
func (t *Tx) DropReleasedClaims(ctx context.Context) error {
	_, err := t.exec(ctx, "drop released claims", dropReleased)
	return err
}

// VerifyClaim notes that a probe with these credentials has been granted, and
// pins the bucket's owner unless one is pinned already. Credentials that have
// been replaced meanwhile verify nothing: verified is false then. It is an
// error when another owner has been pinned since the probe looked: the next
// probe will know that one.
func (t *Tx) VerifyClaim(ctx context.Context, integration uuid.UUID, d schemas.Destination, owner string, c schemas.Credentials) (verified bool, err error) {
	const attempt = "verify a claim"
	var pinned *string
	// The lock lets credentials that are just being replaced be seen; a
	// condition on the row alone would go by those that the statement began with.
	err = t.scan(ctx, attempt, []any{&pinned}, `
		WITH i AS (SELECT id FROM integration WHERE id = $1 AND credentials = $4 FOR SHARE)
		UPDATE destination_claim AS c SET verified_at = now(), owner = coalesce(c.owner, nullif($3, ''))
		FROM i WHERE c.integration_id = i.id AND c.destination = $2 RETURNING c.owner`,
		integration, asURL(&d), owner, c)
	switch {
	case errors.Is(err, ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	case owner != "" && *pinned != owner:
		return false, fmt.Errorf("%s: the probe found the bucket to be of %s, and another one has pinned %s meanwhile", attempt, owner, *pinned)
	}
	return true, nil
}

// UnverifyClaim has a place probed again before anything is written to it.
func (t *Tx) UnverifyClaim(ctx context.Context, integration uuid.UUID, d schemas.Destination) error {
	return t.execOne(ctx, "unverify a claim", `
		UPDATE destination_claim SET verified_at = NULL WHERE integration_id = $1 AND destination = $2`,
		integration, asURL(&d))
}

// ForgetOwner unpins the owner of a place's bucket, so that the next grant pins
// whoever owns it then. A proof of ownership was about the former owner's
// bucket, and is forgotten with it.
func (t *Tx) ForgetOwner(ctx context.Context, integration uuid.UUID, d schemas.Destination) error {
	return t.execOne(ctx, "forget a bucket's owner", `
		UPDATE destination_claim SET owner = NULL, verified_at = NULL, proven_at = NULL, challenge_key = NULL, challenge_hash = NULL
		WHERE integration_id = $1 AND destination = $2`,
		integration, asURL(&d))
}

// SetChallenge notes the challenge that lies in a place. A place has one: set
// is false when another one has been noted before.
func (t *Tx) SetChallenge(ctx context.Context, integration uuid.UUID, d schemas.Destination, key string, hash []byte) (set bool, err error) {
	rows, err := t.exec(ctx, "note a challenge", `
		UPDATE destination_claim SET challenge_key = $3, challenge_hash = $4
		WHERE integration_id = $1 AND destination = $2 AND challenge_key IS NULL`,
		integration, asURL(&d), key, hash)
	return rows == 1, err
}

// ForgetChallenge forgets a challenge that is not in its place any more, so that
// another can be noted. One that was noted since, or read back, stays.
func (t *Tx) ForgetChallenge(ctx context.Context, integration uuid.UUID, d schemas.Destination, key string) error {
	_, err := t.exec(ctx, "forget a challenge", `
		UPDATE destination_claim SET challenge_key = NULL, challenge_hash = NULL
		WHERE integration_id = $1 AND destination = $2 AND challenge_key = $3 AND proven_at IS NULL`,
		integration, asURL(&d), key)
	return err
}

// ProveClaim notes that the org has read the challenge back.
func (t *Tx) ProveClaim(ctx context.Context, integration uuid.UUID, d schemas.Destination) error {
	return t.execOne(ctx, "prove a claim", `
		UPDATE destination_claim SET proven_at = coalesce(proven_at, now()) WHERE integration_id = $1 AND destination = $2`,
		integration, asURL(&d))
}
