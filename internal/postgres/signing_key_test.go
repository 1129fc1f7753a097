package postgres_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/schemas"
)

// A manifest from years ago must still be verifiable: what has been published
// stays as it was, and nobody who serves orgs can change or delete it.
func TestSigningKeysStay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	none, err := b.SigningKeys(ctx)
	require.NoError(t, err)
	require.Empty(t, none)

	retired := schemas.SigningKey{ID: "z-retired", JWK: json.RawMessage(`{"kty": "OKP",  "x": "1"}`), CreatedAt: now().Add(-time.Hour)}
	current := schemas.SigningKey{ID: "a-current", JWK: json.RawMessage(`{"kty":"OKP","x":"2"}`)}
	for range 2 { // every worker publishes its key when it starts
		require.NoError(t, b.PublishSigningKey(ctx, current))
		require.NoError(t, b.PublishSigningKey(ctx, retired))
	}
	again := current
	again.CreatedAt = now().Add(-24 * time.Hour)
	require.NoError(t, b.PublishSigningKey(ctx, again))

	keys, err := b.SigningKeys(ctx)
	require.NoError(t, err)
	require.Len(t, keys, 2)
	require.Equal(t, retired, keys[0], "by age, byte by byte")
	require.Equal(t, current.JWK, keys[1].JWK)
	require.WithinDuration(t, now(), keys[1].CreatedAt, time.Hour)

	conn := connect(t, b.appURL)
	for _, sql := range []string{`UPDATE signing_key SET jwk = '{}'`, `DELETE FROM signing_key`, `TRUNCATE signing_key`} {
		_, err := conn.Exec(ctx, sql)
		requireRefused(t, err)
	}
}
