// Package manifesttest makes folders as the service delivers them, for tests
// that verify them or spoil them.
package manifesttest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/manifest"
)

// Store is a folder in memory, by key. It is a manifest.Source as long as
// nobody changes it.
type Store map[string][]byte

var _ manifest.Source = Store(nil)

// List implements manifest.Source.
func (s Store) List(_ context.Context, yield func(manifest.Entry) error) error {
	for _, key := range s.Keys() {
		if err := yield(manifest.Entry{Key: key, Size: int64(len(s[key]))}); err != nil {
			return err
		}
	}
	return nil
}

// Open implements manifest.Source.
func (s Store) Open(_ context.Context, key string) (io.ReadCloser, error) {
	content, found := s[key]
	if !found {
		return nil, fmt.Errorf("open %s: %w", key, fs.ErrNotExist)
	}
	return io.NopCloser(bytes.NewReader(content)), nil
}

// Keys are all keys, sorted.
func (s Store) Keys() []string { return slices.Sorted(maps.Keys(s)) }

// Clone is a copy that can be spoiled.
func (s Store) Clone() Store { return maps.Clone(s) }

// WriteTo writes the folder to a disk, below dir.
func (s Store) WriteTo(t testing.TB, dir string) {
	t.Helper()
	for key, content := range s {
		file := filepath.Join(dir, filepath.FromSlash(key))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o750))
		require.NoError(t, os.WriteFile(file, content, 0o600))
	}
}
