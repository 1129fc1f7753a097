package httpapi_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/manifest"
)

// Everybody may verify, with keys that have retired since, too.
func TestKeySet(t *testing.T) {
	t.Parallel()
	s := setup(t)
	const path = "/.well-known/jwks.json"
	empty := s.get(t, "", path)
	require.JSONEq(t, `{"keys": []}`, string(empty.body), "before the first worker has started")

	var ids []string
	var retired string
	for n := range 2 {
		encoded, err := manifest.GenerateKey()
		require.NoError(t, err)
		key, err := manifest.ParseKey(encoded)
		require.NoError(t, err)
		signer, err := manifest.NewSigner(key)
		require.NoError(t, err)
		public := signer.PublicKey()
		public.CreatedAt = time.Now().AddDate(n-2, 0, 0)
		require.NoError(t, s.store.PublishSigningKey(t.Context(), public))
		ids = append(ids, public.ID)
		if retired == "" {
			retired, err = signer.Sign([]byte("a manifest from long ago"))
			require.NoError(t, err)
		}
	}
	answer := s.get(t, "", path)
	answer.is(t, http.StatusOK, nil)
	require.Equal(t, "application/jwk-set+json", answer.header.Get("Content-Type"))
	require.Equal(t, "public, max-age=300", answer.header.Get("Cache-Control"))
	set, err := manifest.ParseJWKS(answer.body)
	require.NoError(t, err)
	require.ElementsMatch(t, ids, set.IDs())
	require.NotContains(t, string(answer.body), `"d"`, "no private part")
	_, err = set.Verify([]byte("a manifest from long ago"), retired)
	require.NoError(t, err)

	s.store.Close()
	s.get(t, "", path).problem(t, http.StatusInternalServerError)
}
