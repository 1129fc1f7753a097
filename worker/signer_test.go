package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/auditferry/auditferry/internal/config"
	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Run(m)) }

// A worker publishes its key before it signs, and whoever configures another
// key retires the first one without unpublishing it.
func TestSigningKeysStayPublished(t *testing.T) {
	t.Parallel()
	store, _, _ := postgrestest.New(t)
	var cfg config.Worker
	var published []string
	for range 2 {
		encoded, err := manifest.GenerateKey()
		require.NoError(t, err)
		cfg.Signing.PEM = encoded
		for range 2 { // as a worker that starts again
			signer, err := prepareSigner(t.Context(), cfg, zap.NewNop(), store)
			require.NoError(t, err)
			if len(published) == 0 || published[len(published)-1] != signer.KeyID() {
				published = append(published, signer.KeyID())
			}
		}
	}
	keys, err := store.SigningKeys(t.Context())
	require.NoError(t, err)
	require.Len(t, keys, 2)
	for i, key := range keys {
		require.Equal(t, published[i], key.ID)
	}
}

// In development a worker makes a key for itself, and says so. A key that is
// configured and useless is refused.
func TestSigningKeyInDevelopment(t *testing.T) {
	t.Parallel()
	store, _, _ := postgrestest.New(t)
	core, logs := observer.New(zapcore.WarnLevel)
	signer, err := prepareSigner(t.Context(), config.Worker{}, zap.New(core), store)
	require.NoError(t, err)
	require.NotEmpty(t, signer.KeyID())
	require.Equal(t, 1, logs.FilterMessageSnippet("AUDITFERRY_SIGNING_KEY_FILE").Len())

	var cfg config.Worker
	cfg.Signing.PEM = []byte("not a key")
	_, err = prepareSigner(t.Context(), cfg, zap.NewNop(), store)
	require.Error(t, err)
}
