package config

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/auditferry/auditferry/schemas"
)

// Portal is the configuration of the pages. Without an issuer there are none.
type Portal struct {
	Issuer       string   `env:"OIDC_ISSUER"`              // URL of the identity provider; empty: no portal
	ClientID     string   `env:"OIDC_CLIENT_ID"`           // as registered there, with <PUBLIC_URL>/login/callback
	ClientSecret string   `env:"OIDC_CLIENT_SECRET,unset"` // empty for a public client
	Scopes       []string `env:"OIDC_SCOPES" envDefault:"profile,email"`
	OrgsClaim    string   `env:"OIDC_ORGS_CLAIM" envDefault:"orgs"` // of the ID token: who is what in which organization

	Key      string        `env:"SESSION_KEY,unset"`                // 32 random bytes in base64; the same for all api programs. Empty: made anew at each start
	KeyFile  string        `env:"SESSION_KEY_FILE"`                 // the same in a file
	Lifetime time.Duration `env:"SESSION_LIFETIME" envDefault:"8h"` // after which a person signs in again
	Temporal string        `env:"TEMPORAL_UI_URL"`                  // of the namespace, such as https://temporal.example/namespaces/auditferry; operators get links to it

	// SessionKey is what the key is, given or made.
	SessionKey []byte `env:"-"`
	Made       bool   `env:"-"` // the key was made: sessions end with the program
}

// Served tells whether there is a portal.
func (p *Portal) Served() bool { return p.Issuer != "" }

const sessionKeyBytes = 32

// minSession is the shortest in which somebody gets to do anything.
const minSession = time.Minute

func (p *Portal) read() error {
	if !p.Served() {
		return nil
	}
	switch u, err := url.Parse(p.Issuer); {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return wrong("OIDC_ISSUER", "must be the URL of an OpenID Connect provider")
	case p.ClientID == "":
		return wrong("OIDC_CLIENT_ID", "is missing: register the portal with the identity provider")
	case p.OrgsClaim == "":
		return wrong("OIDC_ORGS_CLAIM", "must be the name of a claim")
	case p.Lifetime < minSession || p.Lifetime > schemas.MaxSession:
		return wrong("SESSION_LIFETIME", fmt.Sprintf("must be from %s to %s", minSession, schemas.MaxSession))
	}
	return p.readKey()
}

func (p *Portal) readKey() error {
	name, text := "SESSION_KEY", p.Key
	p.Key = ""
	switch {
	case text != "" && p.KeyFile != "":
		return wrong("SESSION_KEY", "is set beside "+prefix+"SESSION_KEY_FILE; keep one of them")
	case p.KeyFile != "":
		content, err := os.ReadFile(p.KeyFile)
		if err != nil {
			return wrong("SESSION_KEY_FILE", "cannot be read: "+err.Error())
		}
		name, text = "SESSION_KEY_FILE", string(content)
	case text == "":
		p.SessionKey, p.Made = make([]byte, sessionKeyBytes), true
		_, _ = rand.Read(p.SessionKey) // cannot fail: it ends the program
		return nil
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(key) != sessionKeyBytes {
		return wrong(name, fmt.Sprintf("must be %d random bytes in base64; make them with: openssl rand -base64 %d", sessionKeyBytes, sessionKeyBytes))
	}
	p.SessionKey = key
	return nil
}

// Secure tells whether clients come by https.
func (a API) Secure() bool { return isHTTPS(a.PublicURL) }

// HidesClients tells whether every client seems to have the same address. The
// program speaks no https itself, so where clients come by it there is a proxy
// before it, and that proxy's address is all that is known of them unless it is
// trusted.
func (a API) HidesClients() bool { return a.Secure() && len(a.TrustedProxies) == 0 }

func (a API) validateProxies() error {
	for _, network := range a.TrustedProxies {
		if _, err := netip.ParsePrefix(network); err == nil {
			continue
		}
		if _, err := netip.ParseAddr(network); err != nil {
			return wrong("TRUSTED_PROXIES", "must be networks such as 10.0.0.0/8 or addresses, separated by commas")
		}
	}
	return nil
}
