package manifest

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
)

const pemPrivateKey = "PRIVATE KEY" // PKCS#8, RFC 5208

// GenerateKey makes a new signing key, as the PKCS#8 PEM that ParseKey reads.
// Who has it can sign manifests: it belongs into a file that only the worker
// can read.
func GenerateKey() ([]byte, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make signing key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode signing key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemPrivateKey, Bytes: der}), nil
}

// ParseKey reads a signing key: an Ed25519 private key as PKCS#8 PEM, or its
// 32-byte seed in base64, which fits into an environment variable. Errors say
// what is wrong, and never hold what was given.
func ParseKey(text []byte) (ed25519.PrivateKey, error) {
	text = bytes.TrimSpace(text)
	switch {
	case len(text) == 0:
		return nil, errors.New("signing key is empty; make one with: auditferry keys new")
	case bytes.HasPrefix(text, []byte("-----BEGIN ")):
		return parsePEM(text)
	default:
		return parseSeed(text)
	}
}

func parsePEM(text []byte) (ed25519.PrivateKey, error) {
	block, rest := pem.Decode(text)
	if block == nil {
		return nil, errors.New("signing key is not whole: it begins like PEM, but cannot be read as such; check that its line breaks were kept")
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("signing key has something after its first PEM block; give one key alone")
	}
	switch block.Type {
	case pemPrivateKey:
	case "ENCRYPTED PRIVATE KEY":
		return nil, errors.New("signing key is encrypted with a passphrase; give it unencrypted, in a file that only the worker can read")
	case "PUBLIC KEY":
		return nil, errors.New("signing key is a public key; the private key is needed")
	default:
		return nil, fmt.Errorf("signing key is a PEM block of type %q; an Ed25519 key in a block of type %q is needed", block.Type, pemPrivateKey)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("signing key cannot be read as PKCS#8: %w", err)
	}
	signing, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("signing key is of type %T; an Ed25519 key is needed", key)
	}
	return signing, nil
}

func parseSeed(text []byte) (ed25519.PrivateKey, error) {
	seed := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Strict().Decode(seed, text)
	if err != nil {
		return nil, errors.New("signing key is neither PEM nor base64; make one with: auditferry keys new")
	}
	if n != ed25519.SeedSize {
		return nil, fmt.Errorf("signing key has %d bytes; the seed of an Ed25519 key has %d, in base64", n, ed25519.SeedSize)
	}
	return ed25519.NewKeyFromSeed(seed[:n]), nil
}
