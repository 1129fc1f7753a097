package manifest_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/schemas"
)

// testKey is a key of its own for each name.
func testKey(name string) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, name)
	return ed25519.NewKeyFromSeed(seed)
}

func newSigner(t require.TestingT, name string) *manifest.Signer {
	s, err := manifest.NewSigner(testKey(name))
	require.NoError(t, err)
	return s
}

func keySet(t require.TestingT, signers ...*manifest.Signer) manifest.KeySet {
	var keys []schemas.SigningKey
	for _, s := range signers {
		keys = append(keys, s.PublicKey())
	}
	encoded, err := manifest.JWKS(keys)
	require.NoError(t, err)
	set, err := manifest.ParseJWKS(encoded)
	require.NoError(t, err)
	return set
}

// A signature is bare: it names the algorithm and the key, and carries neither
// content nor key.
func TestSignatureForm(t *testing.T) {
	t.Parallel()
	s := newSigner(t, "a")
	signature, err := s.Sign([]byte("content"))
	require.NoError(t, err)
	parts := strings.Split(signature, ".")
	require.Len(t, parts, 3)
	require.Empty(t, parts[1], "detached")
	header, err := base64.RawURLEncoding.DecodeString(parts[0])
	require.NoError(t, err)
	require.JSONEq(t, `{"alg":"EdDSA","kid":"`+s.KeyID()+`"}`, string(header))

	// By the standard library alone: the signature is what RFC 7515 says.
	raw, err := base64.RawURLEncoding.DecodeString(parts[2])
	require.NoError(t, err)
	signed := parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte("content"))
	public := testKey("a").Public().(ed25519.PublicKey)
	require.True(t, ed25519.Verify(public, []byte(signed), raw))
}

// RFC 8037, appendix A.3 has the thumbprint of this key, and A.2 its form.
func TestPublicKey(t *testing.T) {
	t.Parallel()
	seed, err := base64.RawURLEncoding.DecodeString("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
	require.NoError(t, err)
	s, err := manifest.NewSigner(ed25519.NewKeyFromSeed(seed))
	require.NoError(t, err)
	require.Equal(t, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", s.KeyID())
	require.Equal(t, s.KeyID(), s.PublicKey().ID)
	require.JSONEq(t, `{"kty":"OKP","crv":"Ed25519","use":"sig","alg":"EdDSA",
		"kid":"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
		"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`, string(s.PublicKey().JWK))
}

func TestNewSignerRefusesWhatIsNoKey(t *testing.T) {
	t.Parallel()
	_, err := manifest.NewSigner(nil)
	require.ErrorContains(t, err, "0 bytes")
}

// What was signed verifies with the signer's key among others, twice the same;
// any other bytes do not.
func TestVerifySignature(t *testing.T) {
	t.Parallel()
	s, retired := newSigner(t, "now"), newSigner(t, "retired")
	keys := keySet(t, retired, s)
	rapid.Check(t, func(t *rapid.T) {
		content := rapid.SliceOf(rapid.Byte()).Draw(t, "content")
		signature, err := s.Sign(content)
		require.NoError(t, err)
		again, err := s.Sign(content)
		require.NoError(t, err)
		require.Equal(t, signature, again)
		id, err := keys.Verify(content, signature)
		require.NoError(t, err)
		require.Equal(t, s.KeyID(), id)

		other := append([]byte{}, content...)
		if at := rapid.IntRange(0, len(content)).Draw(t, "at"); at < len(content) {
			other[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "flip"))
		} else {
			other = append(other, rapid.Byte().Draw(t, "added"))
		}
		_, err = keys.Verify(other, signature)
		require.ErrorIs(t, err, manifest.ErrSignature)
	})
}

// compact is a detached JWS with any header, signed with the key.
func compact(t *testing.T, key ed25519.PrivateKey, header map[string]any, content []byte) string {
	t.Helper()
	encoded, err := json.Marshal(header)
	require.NoError(t, err)
	protected := base64.RawURLEncoding.EncodeToString(encoded)
	signed := protected + "." + base64.RawURLEncoding.EncodeToString(content)
	return protected + ".." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(key, []byte(signed)))
}

// No header talks a verifier into another key or algorithm, even where the
// bytes are signed as it says.
func TestVerifyRefusesOtherHeaders(t *testing.T) {
	t.Parallel()
	ours, theirs := newSigner(t, "ours"), newSigner(t, "theirs")
	keys := keySet(t, ours)
	content := []byte(`{"rows":1}`)
	foreignJWK := theirs.PublicKey().JWK
	id := ours.KeyID()
	for name, c := range map[string]struct {
		signer string
		header map[string]any
		want   error
	}{
		"unknown key":           {"theirs", map[string]any{"alg": "EdDSA", "kid": theirs.KeyID()}, manifest.ErrForeignKey},
		"no key named":          {"ours", map[string]any{"alg": "EdDSA"}, manifest.ErrForeignKey},
		"brings a key":          {"theirs", map[string]any{"alg": "EdDSA", "kid": theirs.KeyID(), "jwk": foreignJWK}, manifest.ErrForeignKey},
		"brings a key as ours":  {"theirs", map[string]any{"alg": "EdDSA", "kid": id, "jwk": foreignJWK}, manifest.ErrForeignKey},
		"points to a key set":   {"theirs", map[string]any{"alg": "EdDSA", "kid": id, "jku": "https://evil.example/jwks.json"}, manifest.ErrForeignKey},
		"points to a chain":     {"theirs", map[string]any{"alg": "EdDSA", "kid": id, "x5u": "https://evil.example/chain.pem"}, manifest.ErrForeignKey},
		"another key as ours":   {"theirs", map[string]any{"alg": "EdDSA", "kid": id}, manifest.ErrSignature},
		"unknown member":        {"ours", map[string]any{"alg": "EdDSA", "kid": id, "exp": 1}, manifest.ErrSignature},
		"critical extension":    {"ours", map[string]any{"alg": "EdDSA", "kid": id, "crit": []string{"exp"}, "exp": 1}, manifest.ErrSignature},
		"unencoded payload":     {"ours", map[string]any{"alg": "EdDSA", "kid": id, "crit": []string{"b64"}, "b64": false}, manifest.ErrSignature},
		"no algorithm":          {"ours", map[string]any{"kid": id}, manifest.ErrSignature},
		"algorithm none":        {"ours", map[string]any{"alg": "none", "kid": id}, manifest.ErrSignature},
		"algorithm none, plain": {"ours", map[string]any{"alg": "None", "kid": id}, manifest.ErrSignature},
		"another algorithm":     {"ours", map[string]any{"alg": "Ed25519", "kid": id}, manifest.ErrSignature},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := keys.Verify(content, compact(t, testKey(c.signer), c.header, content))
			require.ErrorIs(t, err, c.want)
		})
	}
	// The same helper makes one that passes, so the headers are what is refused.
	_, err := keys.Verify(content, compact(t, testKey("ours"), map[string]any{"alg": "EdDSA", "kid": id}, content))
	require.NoError(t, err)
}

// The oldest trick: the public key as the secret of a symmetric algorithm.
func TestVerifyRefusesHMAC(t *testing.T) {
	t.Parallel()
	ours := newSigner(t, "ours")
	secret := testKey("ours").Public().(ed25519.PublicKey)
	hmac, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: []byte(secret), KeyID: ours.KeyID()}}, nil)
	require.NoError(t, err)
	signed, err := hmac.Sign([]byte("content"))
	require.NoError(t, err)
	forged, err := signed.DetachedCompactSerialize()
	require.NoError(t, err)
	_, err = keySet(t, ours).Verify([]byte("content"), forged)
	require.ErrorIs(t, err, manifest.ErrSignature)
}

func TestVerifyRefusesWhatIsNoDetachedSignature(t *testing.T) {
	t.Parallel()
	s := newSigner(t, "a")
	keys := keySet(t, s)
	good, err := s.Sign([]byte("content"))
	require.NoError(t, err)
	parts := strings.Split(good, ".")
	attached := parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte("content")) + "." + parts[2]
	noise := make([]byte, 64)
	_, err = rand.Read(noise)
	require.NoError(t, err)
	for name, signature := range map[string]string{
		"empty":         "",
		"attached":      attached,
		"no signature":  parts[0] + "..",
		"no header":     ".." + parts[2],
		"noise":         parts[0] + ".." + base64.RawURLEncoding.EncodeToString(noise),
		"cut off":       good[:len(good)-4],
		"two parts":     parts[0] + "." + parts[2],
		"four parts":    good + ".",
		"JSON":          `{"payload":"","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"line feed":     good + "\n",
		"spare bits":    good[:len(good)-1] + string(good[len(good)-1]+1),
		"absurdly long": good + strings.Repeat("A", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := keys.Verify([]byte("content"), signature)
			require.ErrorIs(t, err, manifest.ErrSignature)
		})
	}
}

func TestParseJWKS(t *testing.T) {
	t.Parallel()
	s, other := newSigner(t, "a"), newSigner(t, "b")
	private, err := jose.JSONWebKey{Key: testKey("a"), KeyID: s.KeyID()}.MarshalJSON()
	require.NoError(t, err)
	set := func(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }
	a, b := string(s.PublicKey().JWK), string(other.PublicKey().JWK)

	keys, err := manifest.ParseJWKS([]byte(set(a, b, `{"kty":"RSA","use":"enc","n":"AQAB","e":"AQAB"}`)))
	require.NoError(t, err, "keys for something else are left out")
	require.ElementsMatch(t, []string{s.KeyID(), other.KeyID()}, keys.IDs())

	for name, c := range map[string]struct{ text, want string }{
		"empty":         {"", "not a JSON Web Key Set"},
		"page":          {"<html>", "not a JSON Web Key Set"},
		"no keys":       {`{}`, "no Ed25519 key"},
		"no key fits":   {set(`{"kty":"RSA","n":"AQAB","e":"AQAB"}`), "no Ed25519 key"},
		"private key":   {set(string(private)), "stolen"},
		"wrong kid":     {set(strings.Replace(a, s.KeyID(), other.KeyID(), 1)), "thumbprint"},
		"no kid":        {set(strings.Replace(a, `"kid"`, `"was"`, 1)), "thumbprint"},
		"broken key":    {set(`{"kty":"OKP","crv":"Ed25519","x":"AA"}`), "cannot be read"},
		"not an object": {set(`7`), "not a JSON Web Key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := manifest.ParseJWKS([]byte(c.text))
			require.ErrorContains(t, err, c.want)
		})
	}
}

// A service that has not signed anything publishes an empty set, which is one.
func TestJWKSOfNoKeys(t *testing.T) {
	t.Parallel()
	encoded, err := manifest.JWKS(nil)
	require.NoError(t, err)
	require.JSONEq(t, `{"keys":[]}`, string(encoded))
}
