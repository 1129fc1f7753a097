package main

import (
	"context"

	"go.uber.org/zap"

	"github.com/auditferry/auditferry/internal/config"
	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/internal/postgres"
)

// prepareSigner makes the signer of manifests, and publishes its public key
// before anything is signed: the API serves it, beside all that went before. In
// development a key is made when none is configured, for this process only.
func prepareSigner(ctx context.Context, cfg config.Worker, log *zap.Logger, store *postgres.Store) (*manifest.Signer, error) {
	encoded := cfg.Signing.PEM
	if encoded == nil {
		made, err := manifest.GenerateKey()
		if err != nil {
			return nil, err
		}
		log.Warn("Manifests are signed with a key that was made for this process; configure one with AUDITFERRY_SIGNING_KEY_FILE")
		encoded = made
	}
	key, err := manifest.ParseKey(encoded)
	if err != nil {
		return nil, err
	}
	signer, err := manifest.NewSigner(key)
	if err != nil {
		return nil, err
	}
	return signer, store.PublishSigningKey(ctx, signer.PublicKey())
}
