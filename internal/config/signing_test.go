package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A worker in production never signs with a key that nobody has chosen: after
// the next start it would be another one.
func TestSigningKeyIsRequiredInProduction(t *testing.T) {
	_, err := worker(t, map[string]string{"SIGNING_KEY": ""})
	require.ErrorContains(t, err, "AUDITFERRY_SIGNING_KEY_FILE")
	require.ErrorContains(t, err, "auditferry keys new")

	cfg, err := worker(t, map[string]string{"SIGNING_KEY": "", "ENVIRONMENT": "development"})
	require.NoError(t, err)
	require.Nil(t, cfg.Signing.PEM)
}

func TestSigningKey(t *testing.T) {
	cfg, err := worker(t, nil)
	require.NoError(t, err)
	require.Equal(t, "a key", string(cfg.Signing.PEM))
	require.Empty(t, cfg.Signing.Key, "it is kept in one place")
	require.Empty(t, os.Getenv("AUDITFERRY_SIGNING_KEY"), "what the process starts does not inherit it")

	file := filepath.Join(t.TempDir(), "key.pem")
	require.NoError(t, os.WriteFile(file, []byte("a key in a file"), 0o600))
	cfg, err = worker(t, map[string]string{"SIGNING_KEY": "", "SIGNING_KEY_FILE": file})
	require.NoError(t, err)
	require.Equal(t, "a key in a file", string(cfg.Signing.PEM))
}

func TestSigningKeyMistakes(t *testing.T) {
	for name, over := range map[string]map[string]string{
		"AUDITFERRY_SIGNING_KEY is set beside": {"SIGNING_KEY_FILE": "/also/a/file"},
		"AUDITFERRY_SIGNING_KEY_FILE cannot":   {"SIGNING_KEY": "", "SIGNING_KEY_FILE": filepath.Join(t.TempDir(), "absent")},
		"AUDITFERRY_ENVIRONMENT must be":       {"ENVIRONMENT": "staging"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := worker(t, over)
			require.ErrorContains(t, err, name)
		})
	}
}
