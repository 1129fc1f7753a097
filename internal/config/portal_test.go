package config_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/config"
)

var sessionKey = base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))

// api sets what an api with a portal needs, and the variables given.
func api(t *testing.T, over map[string]string) (config.API, error) {
	t.Helper()
	variables := map[string]string{
		"DATABASE_URL": "postgres://localhost/auditferry", "PUBLIC_URL": "https://auditferry.example",
		"OIDC_ISSUER": "https://login.acme.example", "OIDC_CLIENT_ID": "portal", "OIDC_CLIENT_SECRET": "secret", "SESSION_KEY": sessionKey,
	}
	for name, value := range over {
		variables[name] = value
	}
	for name, value := range variables {
		t.Setenv("AUDITFERRY_"+name, value)
	}
	return config.LoadAPI()
}

func TestPortal(t *testing.T) {
	cfg, err := api(t, nil)
	require.NoError(t, err)
	require.True(t, cfg.Portal.Served())
	require.Equal(t, []byte(strings.Repeat("k", 32)), cfg.Portal.SessionKey)
	require.False(t, cfg.Portal.Made)
	require.Equal(t, 8*time.Hour, cfg.Portal.Lifetime)
	require.Equal(t, []string{"profile", "email"}, cfg.Portal.Scopes)
	require.Equal(t, "orgs", cfg.Portal.OrgsClaim)
	// Programs that this one starts, and dumps of its environment, have none.
	for _, name := range []string{"OIDC_CLIENT_SECRET", "SESSION_KEY"} {
		_, set := os.LookupEnv("AUDITFERRY_" + name)
		require.False(t, set, name)
	}
	require.Empty(t, cfg.Portal.Key)
}

func TestNoPortal(t *testing.T) {
	cfg, err := api(t, map[string]string{"OIDC_ISSUER": "", "OIDC_CLIENT_ID": "", "SESSION_KEY": "nonsense", "SESSION_LIFETIME": "1ns"})
	require.NoError(t, err, "what nobody uses is not looked at")
	require.False(t, cfg.Portal.Served())
}

func TestPortalMakesASessionKey(t *testing.T) {
	first, err := api(t, map[string]string{"SESSION_KEY": ""})
	require.NoError(t, err)
	require.True(t, first.Portal.Made)
	require.Len(t, first.Portal.SessionKey, 32)
	second, err := api(t, map[string]string{"SESSION_KEY": ""})
	require.NoError(t, err)
	require.NotEqual(t, first.Portal.SessionKey, second.Portal.SessionKey)
}

func TestPortalReadsTheSessionKeyFromAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(file, []byte(sessionKey+"\n"), 0o600))
	cfg, err := api(t, map[string]string{"SESSION_KEY": "", "SESSION_KEY_FILE": file})
	require.NoError(t, err)
	require.Equal(t, []byte(strings.Repeat("k", 32)), cfg.Portal.SessionKey)
	require.False(t, cfg.Portal.Made)
}

func TestPortalRefuses(t *testing.T) {
	short := filepath.Join(t.TempDir(), "short")
	require.NoError(t, os.WriteFile(short, []byte("c2hvcnQ="), 0o600))
	for name, test := range map[string]struct {
		over  map[string]string
		names string
	}{
		"issuer without scheme": {map[string]string{"OIDC_ISSUER": "login.acme.example"}, "OIDC_ISSUER"},
		"issuer of a file":      {map[string]string{"OIDC_ISSUER": "file:///etc/passwd"}, "OIDC_ISSUER"},
		"no client":             {map[string]string{"OIDC_CLIENT_ID": ""}, "OIDC_CLIENT_ID"},
		"short session":         {map[string]string{"SESSION_LIFETIME": "59s"}, "SESSION_LIFETIME"},
		"long session":          {map[string]string{"SESSION_LIFETIME": "169h"}, "SESSION_LIFETIME"},
		"short key":             {map[string]string{"SESSION_KEY": "c2hvcnQ="}, "SESSION_KEY"},
		"key that is no base64": {map[string]string{"SESSION_KEY": strings.Repeat("!", 44)}, "SESSION_KEY"},
		"short key in a file":   {map[string]string{"SESSION_KEY": "", "SESSION_KEY_FILE": short}, "SESSION_KEY_FILE"},
		"no such file":          {map[string]string{"SESSION_KEY": "", "SESSION_KEY_FILE": short + "er"}, "SESSION_KEY_FILE"},
		"two keys":              {map[string]string{"SESSION_KEY_FILE": short}, "SESSION_KEY"},
		"proxy that is a name":  {map[string]string{"TRUSTED_PROXIES": "10.0.0.0/8,proxy.internal"}, "TRUSTED_PROXIES"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := api(t, test.over)
			require.ErrorContains(t, err, "AUDITFERRY_"+test.names)
			require.NotContains(t, err.Error(), sessionKey)
		})
	}
}

func TestTrustedProxies(t *testing.T) {
	cfg, err := api(t, map[string]string{"TRUSTED_PROXIES": "10.0.0.0/8,192.0.2.1"})
	require.NoError(t, err)
	require.Equal(t, []string{"10.0.0.0/8", "192.0.2.1"}, cfg.TrustedProxies)
}

// Behind https there is a proxy, because the program itself speaks http alone.
func TestHidesClients(t *testing.T) {
	for name, test := range map[string]struct {
		url, proxies string
		want         bool
	}{
		"https, no proxy trusted": {"HTTPS://auditferry.example", "", true},
		"https behind a proxy":    {"https://auditferry.example", "10.0.0.0/8", false},
		"http":                    {"http://127.0.0.1:8080", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := api(t, map[string]string{"PUBLIC_URL": test.url, "TRUSTED_PROXIES": test.proxies})
			require.NoError(t, err)
			require.Equal(t, test.want, cfg.HidesClients())
		})
	}
}
