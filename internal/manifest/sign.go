package manifest

import (
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"

	"github.com/auditferry/auditferry/schemas"
)

// Signer signs with one key. It is safe for concurrent use.
type Signer struct {
	jws    jose.Signer
	public schemas.SigningKey
}

// NewSigner makes a signer of an Ed25519 key, such as ParseKey returns.
func NewSigner(key ed25519.PrivateKey) (*Signer, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("signing key has %d bytes; an Ed25519 key has %d", len(key), ed25519.PrivateKeySize)
	}
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("signing key has no Ed25519 public key")
	}
	jwk := jose.JSONWebKey{Key: public, Use: "sig", Algorithm: string(jose.EdDSA)}
	var err error
	if jwk.KeyID, err = thumbprint(jwk); err != nil {
		return nil, err
	}
	encoded, err := jwk.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	// With a key ID and without options, the header is alg and kid.
	signing := jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: key, KeyID: jwk.KeyID}}
	jws, err := jose.NewSigner(signing, nil)
	if err != nil {
		return nil, fmt.Errorf("prepare signing key: %w", err)
	}
	return &Signer{jws: jws, public: schemas.SigningKey{ID: jwk.KeyID, JWK: encoded}}, nil
}

// KeyID is the RFC 7638 thumbprint of the key, SHA-256 in base64url. It is the
// kid of every signature.
func (s *Signer) KeyID() string { return s.public.ID }

// PublicKey is what others need to verify. Its CreatedAt is zero: a key does
// not know when it was made.
func (s *Signer) PublicKey() schemas.SigningKey { return s.public }

// Sign returns a detached compact JWS (RFC 7515, appendix F) over the exact
// bytes of content. The same content gives the same signature.
func (s *Signer) Sign(content []byte) (string, error) {
	signed, err := s.jws.Sign(content)
	if err != nil {
		return "", fmt.Errorf("sign manifest: %w", err)
	}
	detached, err := signed.DetachedCompactSerialize()
	if err != nil {
		return "", fmt.Errorf("encode signature: %w", err)
	}
	return detached, nil
}

// JWKS is the JSON Web Key Set (RFC 7517, section 5) of the keys: what the
// service publishes, and ParseJWKS reads.
func JWKS(keys []schemas.SigningKey) ([]byte, error) {
	set := struct {
		Keys []json.RawMessage `json:"keys"`
	}{Keys: []json.RawMessage{}} // a set without keys is [], not null
	for _, key := range keys {
		set.Keys = append(set.Keys, key.JWK)
	}
	encoded, err := json.Marshal(set)
	if err != nil {
		return nil, fmt.Errorf("encode key set: %w", err)
	}
	return encoded, nil
}

func thumbprint(jwk jose.JSONWebKey) (string, error) {
	sum, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("compute key ID: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}
