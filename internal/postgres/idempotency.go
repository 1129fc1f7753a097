package postgres

import (
	"bytes"
	"context"
	"encoding/json"
	"time"
)

// IdempotencyKept is how long an Idempotency-Key is remembered before
// PruneIdempotency may forget it: well above the day that clients may count on,
// so that a queue that was stuck over a weekend may still be sent again.
const IdempotencyKept = 7 * 24 * time.Hour

// Remember takes an Idempotency-Key for the transaction's org, or for
// operators. When a committed transaction has saved an answer under it, found
// is true and answer is that one. Otherwise the key is locked until the
// transaction ends: another one that brings it waits, and gets the answer that
// SaveAnswer stores here, or the lock after a rollback.
//
// The fingerprint is a digest of the request. The same key with another one is
// a *ConflictError.
func (t *Tx) Remember(ctx context.Context, key string, fingerprint []byte) (answer json.RawMessage, found bool, err error) {
	const attempt = "remember an idempotency key"
	inserted, err := t.exec(ctx, attempt, `
		INSERT INTO idempotency_key (org_id, key, fingerprint) VALUES ($1, $2, $3)
		ON CONFLICT DO NOTHING`, t.org, key, fingerprint)
	if err != nil || inserted == 1 {
		return nil, false, err
	}
	var first []byte
	err = t.scan(ctx, attempt, []any{&first, &answer}, `
		SELECT fingerprint, answer FROM idempotency_key WHERE org_id = $1 AND key = $2 FOR UPDATE`, t.org, key)
	if err != nil {
		return nil, false, err
	}
	if !bytes.Equal(first, fingerprint) {
		return nil, false, &ConflictError{"This Idempotency-Key was used for another request; send a new key."}
	}
	return answer, answer != nil, nil
}

// SaveAnswer stores what Remember gives from now on. The key must have been
// taken by Remember in this transaction.
func (t *Tx) SaveAnswer(ctx context.Context, key string, answer json.RawMessage) error {
	return t.execOne(ctx, "save an answer under its idempotency key", `
		UPDATE idempotency_key SET answer = $3 WHERE org_id = $1 AND key = $2`, t.org, key, answer)
}

// PruneIdempotency forgets the keys of every org that were first used longer
// than olderThan ago.
func (s *Store) PruneIdempotency(ctx context.Context, olderThan time.Duration) error {
	return s.AsOperator(ctx, func(t *Tx) error {
		_, err := t.exec(ctx, "forget old idempotency keys", `
			DELETE FROM idempotency_key WHERE created_at < now() - $1::interval`, olderThan)
		return err
	})
}
