package service

import (
	"context"

	"github.com/auditferry/auditferry/internal/manifest"
)

// KeySet is the JSON Web Key Set of every public key that manifests are, or
// were, signed with. Everybody may see it.
func (s *Service) KeySet(ctx context.Context) ([]byte, error) {
	keys, err := s.store.SigningKeys(ctx)
	if err != nil {
		return nil, err
	}
	return manifest.JWKS(keys)
}
