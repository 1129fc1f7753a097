package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// No package of internal is without import rules.
func TestEveryInternalPackageHasImportRules(t *testing.T) {
	t.Parallel()
	rules, err := os.ReadFile("../.golangci.yml")
	require.NoError(t, err)
	packages, err := os.ReadDir("../internal")
	require.NoError(t, err)
	for _, p := range packages {
		require.Contains(t, string(rules), `"**/internal/`+p.Name()+`/**"`)
	}
}
