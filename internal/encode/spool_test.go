package encode_test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/auditferry/auditferry/internal/encode"
)

// Invariant 3: sums and size are those of the bytes that are read back,
// wherever the spool keeps them.
func TestSpoolKeepsWhatItHashes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(0, 100).Draw(t, "limit")
		pieces := rapid.SliceOf(rapid.SliceOfN(rapid.Byte(), 0, 60)).Draw(t, "pieces")
		spool := encode.NewSpool(dir, limit)
		var all []byte
		for _, piece := range pieces {
			n, err := spool.Write(piece)
			require.NoError(t, err)
			require.Equal(t, len(piece), n)
			all = append(all, piece...)
		}
		require.EqualValues(t, len(all), spool.Size())
		require.Equal(t, encode.Sums{MD5: md5.Sum(all), SHA256: sha256.Sum256(all)}, spool.Sums())
		for range 2 {
			reader, err := spool.Reader()
			require.NoError(t, err)
			read, err := io.ReadAll(reader)
			require.NoError(t, err)
			require.True(t, bytes.Equal(all, read))
			_, err = reader.Seek(int64(len(all)/2), io.SeekStart)
			require.NoError(t, err)
			rest, err := io.ReadAll(reader)
			require.NoError(t, err)
			require.True(t, bytes.Equal(all[len(all)/2:], rest))
		}
		require.NoError(t, spool.Close())
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, left)
	})
}

// Up to and with the limit no file is needed; a byte more needs one.
func TestSpoolSpillsAboveItsLimit(t *testing.T) {
	t.Parallel()
	nowhere := filepath.Join(t.TempDir(), "missing")
	spool := encode.NewSpool(nowhere, 10)
	_, err := spool.Write(make([]byte, 10))
	require.NoError(t, err)
	_, err = spool.Write([]byte{0})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, spool.Close())
}

// The file has no name: a worker that is killed leaves nothing on the disk.
func TestSpoolFileHasNoName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	spool := encode.NewSpool(dir, 0)
	_, err := spool.Write([]byte("content"))
	require.NoError(t, err)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
	reader, err := spool.Reader()
	require.NoError(t, err)
	read, err := io.ReadAll(reader)
	require.NoError(t, err)
	require.Equal(t, "content", string(read))
	require.NoError(t, spool.Close())
}

func TestSpoolAfterClose(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{0, 100} {
		spool := encode.NewSpool(t.TempDir(), limit)
		_, err := spool.Write([]byte("content"))
		require.NoError(t, err)
		require.NoError(t, spool.Close())
		require.NoError(t, spool.Close())
		_, err = spool.Write([]byte("more"))
		require.Error(t, err)
		_, err = spool.Reader()
		require.Error(t, err)
	}
}
