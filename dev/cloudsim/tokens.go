package cloudsim

import (
	"crypto"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// tokenLifetime is that of Entra's and Google's access tokens.
const tokenLifetime = time.Hour

// claims are what the simulator puts into its access tokens.
type claims struct {
	jwt.Claims
	TenantID string `json:"tid,omitempty"`
	AppID    string `json:"appid,omitempty"`
	Email    string `json:"email,omitempty"`
	Scope    string `json:"scope,omitempty"`
}

// tokens signs access tokens and reads them back. The clouds' own are opaque
// to clients too, whatever they look like.
type tokens struct {
	key     crypto.Signer
	signer  jose.Signer
	issuer  string
	purpose string // the audience; a token for one cloud is nothing in another
}

func newTokens(key crypto.Signer, issuer, audience string) (*tokens, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key},
		(&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", "cloudsim"))
	if err != nil {
		return nil, err
	}
	return &tokens{key: key, signer: signer, issuer: issuer, purpose: audience}, nil
}

func (t *tokens) issue(c claims, lifetime time.Duration) (string, error) {
	now := time.Now()
	c.Issuer, c.Audience = t.issuer, jwt.Audience{t.purpose}
	c.IssuedAt, c.NotBefore, c.Expiry = jwt.NewNumericDate(now), jwt.NewNumericDate(now), jwt.NewNumericDate(now.Add(lifetime))
	return jwt.Signed(t.signer).Claims(c).Serialize()
}

func (t *tokens) read(raw string) (claims, error) {
	c, err := readJWT(raw, t.key.Public())
	if err != nil {
		return claims{}, err
	}
	return c, c.Validate(jwt.Expected{Issuer: t.issuer, AnyAudience: jwt.Audience{t.purpose}})
}

// readJWT checks an RS256 signature; the claims are the caller's to judge.
func readJWT(raw string, key crypto.PublicKey) (claims, error) {
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return claims{}, fmt.Errorf("not a JWT: %w", err)
	}
	var c claims
	if err := token.Claims(key, &c); err != nil {
		return claims{}, fmt.Errorf("signature: %w", err)
	}
	return c, nil
}

// bearer is the request's bearer token, or empty.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}
