package manifest

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// Why a signature does not hold. ErrForeignKey is the graver: somebody else
// has signed.
var (
	ErrForeignKey = errors.New("signed with a key that is not in the key set")
	ErrSignature  = errors.New("signature is not valid")
)

// maxSignatureBytes is far above the about 180 bytes of a signature.
const maxSignatureBytes = 4 << 10

// KeySet holds public keys, present and retired, by their key ID.
type KeySet struct {
	keys map[string]ed25519.PublicKey
}

// ParseJWKS reads a JSON Web Key Set (RFC 7517). Keys that are not for EdDSA
// signatures are left out; without any other it is an error. A key's ID must be
// its RFC 7638 thumbprint, so that a set cannot pass one key off as another.
func ParseJWKS(text []byte) (KeySet, error) {
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return KeySet{}, fmt.Errorf("key set is not a JSON Web Key Set: %w", err)
	}
	set := KeySet{keys: map[string]ed25519.PublicKey{}}
	for i, encoded := range raw.Keys {
		var kind struct {
			Type  string `json:"kty"`
			Curve string `json:"crv"`
			Use   string `json:"use"`
		}
		if err := json.Unmarshal(encoded, &kind); err != nil {
			return KeySet{}, fmt.Errorf("key %d of the key set is not a JSON Web Key: %w", i+1, err)
		}
		if kind.Type != "OKP" || kind.Curve != "Ed25519" || kind.Use != "sig" && kind.Use != "" {
			continue
		}
		var jwk jose.JSONWebKey
		if err := jwk.UnmarshalJSON(encoded); err != nil {
			return KeySet{}, fmt.Errorf("key %d of the key set cannot be read: %w", i+1, err)
		}
		public, ok := jwk.Key.(ed25519.PublicKey)
		if !ok {
			return KeySet{}, fmt.Errorf("key %d of the key set is a private key; key sets hold public keys only, so treat this key as stolen", i+1)
		}
		id, err := thumbprint(jwk)
		if err != nil {
			return KeySet{}, err
		}
		if jwk.KeyID != id {
			return KeySet{}, fmt.Errorf("key %d of the key set has the kid %q; it must be the key's thumbprint, %q", i+1, jwk.KeyID, id)
		}
		set.keys[id] = public
	}
	if len(set.keys) == 0 {
		return KeySet{}, errors.New("key set holds no Ed25519 key for signatures; check that it is the file from /.well-known/jwks.json")
	}
	return set, nil
}

// IDs are the IDs of all keys, sorted.
func (k KeySet) IDs() []string { return slices.Sorted(maps.Keys(k.keys)) }

// Verify checks a detached compact JWS over the exact bytes of content. Only
// EdDSA counts, only with a key of the set, and only with a header of alg and
// kid and nothing else: a signature brings no key, no certificate and no rule
// of its own. It returns the key's ID, also beside an error if the signature
// names one. Errors are ErrForeignKey or ErrSignature, with the reason.
func (k KeySet) Verify(content []byte, signature string) (keyID string, err error) {
	if len(signature) > maxSignatureBytes {
		return "", fmt.Errorf("%w: it is longer than any signature", ErrSignature)
	}
	if content == nil {
		content = []byte{}
	}
	if !isExact(signature) {
		return "", fmt.Errorf("%w: it is not base64url in its only form", ErrSignature)
	}
	jws, err := jose.ParseDetached(signature, content, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrSignature, err)
	}
	header := jws.Signatures[0].Protected
	if header.JSONWebKey != nil {
		return header.KeyID, fmt.Errorf("%w: it brings its own key along", ErrForeignKey)
	}
	for _, member := range []jose.HeaderKey{"x5c", "x5u", "jku", "x5t", "x5t#S256"} {
		if _, has := header.ExtraHeaders[member]; has {
			return header.KeyID, fmt.Errorf("%w: it points to a key of its own with %q", ErrForeignKey, member)
		}
	}
	if len(header.ExtraHeaders) > 0 {
		names := slices.Sorted(maps.Keys(header.ExtraHeaders))
		return header.KeyID, fmt.Errorf("%w: its header has %q; alg and kid are all that is allowed", ErrSignature, names)
	}
	public, known := k.keys[header.KeyID]
	if !known {
		return header.KeyID, fmt.Errorf("%w: its kid is %q", ErrForeignKey, header.KeyID)
	}
	if err := jws.DetachedVerify(content, public); err != nil {
		return header.KeyID, fmt.Errorf("%w: it was not made with key %s over these bytes", ErrSignature, header.KeyID)
	}
	return header.KeyID, nil
}

// isExact tells whether no other text stands for the same signature: decoders
// pass over white space and over bits at the end.
func isExact(signature string) bool {
	if strings.ContainsAny(signature, " \t\r\n") {
		return false
	}
	for part := range strings.SplitSeq(signature, ".") {
		if _, err := base64.RawURLEncoding.Strict().DecodeString(part); err != nil {
			return false
		}
	}
	return true
}
