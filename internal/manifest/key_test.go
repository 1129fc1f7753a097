package manifest_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/manifest"
)

// A key that was made can be read, and is another each time.
func TestGenerateKey(t *testing.T) {
	t.Parallel()
	first, err := manifest.GenerateKey()
	require.NoError(t, err)
	second, err := manifest.GenerateKey()
	require.NoError(t, err)
	require.NotEqual(t, first, second)
	key, err := manifest.ParseKey(first)
	require.NoError(t, err)
	require.Len(t, key, ed25519.PrivateKeySize)
}

// A key is the same key as PEM and as a seed.
func TestParseKeyForms(t *testing.T) {
	t.Parallel()
	text, err := manifest.GenerateKey()
	require.NoError(t, err)
	fromPEM, err := manifest.ParseKey(text)
	require.NoError(t, err)
	seed := base64.StdEncoding.EncodeToString(fromPEM.Seed())
	fromSeed, err := manifest.ParseKey([]byte("  " + seed + "\n"))
	require.NoError(t, err)
	require.True(t, fromPEM.Equal(fromSeed))
}

// What is no signing key is refused with the reason, and the reason does not
// hold the key.
func TestParseKeyRefuses(t *testing.T) {
	t.Parallel()
	good, err := manifest.GenerateKey()
	require.NoError(t, err)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(curve)
	require.NoError(t, err)
	block := func(kind string, content []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content})
	}
	short := base64.StdEncoding.EncodeToString([]byte("short-and-secret"))
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"empty":         {nil, "empty"},
		"blank":         {[]byte(" \n"), "empty"},
		"other curve":   {block("PRIVATE KEY", der), "Ed25519 key is needed"},
		"encrypted":     {block("ENCRYPTED PRIVATE KEY", []byte{1}), "encrypted"},
		"public":        {block("PUBLIC KEY", []byte{1}), "private key is needed"},
		"openssh":       {block("OPENSSH PRIVATE KEY", []byte{1}), "OPENSSH PRIVATE KEY"},
		"broken der":    {block("PRIVATE KEY", []byte{1}), "PKCS#8"},
		"two keys":      {append(append([]byte{}, good...), good...), "one key alone"},
		"cut off":       {good[:len(good)/2], "not whole"},
		"one line":      {[]byte("-----BEGIN PRIVATE KEY----- MC4CAQAwBQ -----END PRIVATE KEY-----"), "line breaks"},
		"short seed":    {[]byte(short), "has 16 bytes"},
		"not base64":    {[]byte("this is no key!"), "neither PEM nor base64"},
		"broken base64": {[]byte("c2hvcnQ"), "neither PEM nor base64"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := manifest.ParseKey(c.text)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), short)
			require.NotContains(t, err.Error(), "this is no key!")
		})
	}
}
