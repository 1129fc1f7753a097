package activities_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/schemas"
)

// lines unpacks an object by its name.
func lines(t testing.TB, key string, content []byte) []string {
	t.Helper()
	var r io.Reader = bytes.NewReader(content)
	var err error
	switch path.Ext(key) {
	case ".gz":
		r, err = gzip.NewReader(r)
	case ".zst":
		r, err = zstd.NewReader(r)
	}
	require.NoError(t, err)
	text, err := io.ReadAll(r)
	require.NoError(t, err)
	require.True(t, bytes.HasSuffix(text, []byte("\n")), "the last line is whole")
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

func isManifest(key string) bool { return strings.Contains(key, schemas.ManifestFolder+"/") }

// stored gives a bucket's objects but the manifests.
func (b *bundle) stored(place schemas.Destination) map[string][]byte {
	objects := b.cloud.Objects(place)
	maps.DeleteFunc(objects, func(key string, _ []byte) bool { return isManifest(key) })
	return objects
}

// requireDelivered checks that every event from first to last is found exactly
// once in the stored objects, and that the ledger tells the truth about them.
func (b *bundle) requireDelivered(place schemas.Destination, ledger []schemas.Object, first, last int64) {
	b.t.Helper()
	stored := b.stored(place)
	require.Len(b.t, stored, len(ledger), "a listing shows what the ledger does, and nothing else")
	found := map[int64]int{}
	for _, object := range ledger {
		content, there := stored[object.Key]
		require.True(b.t, there, object.Key)
		require.Equal(b.t, int64(len(content)), object.Bytes)
		require.Equal(b.t, fmt.Sprintf("%x", sha256.Sum256(content)), object.SHA256)
		rows := lines(b.t, object.Key, content)
		require.Len(b.t, rows, int(object.Rows))
		for n, seq := range seqs(b.t, rows) {
			require.Equal(b.t, object.FirstSeq+int64(n), seq)
			found[seq]++
		}
	}
	for seq := first; seq <= last; seq++ {
		require.Equal(b.t, 1, found[seq], "event %d", seq)
	}
	require.Len(b.t, found, int(last-first+1))
}

// seqs are the numbers of NDJSON rows.
func seqs(t testing.TB, rows []string) []int64 {
	t.Helper()
	all := make([]int64, len(rows))
	for n, row := range rows {
		var event struct {
			Seq int64 `json:"seq"`
		}
		require.NoError(t, json.Unmarshal([]byte(row), &event))
		all[n] = event.Seq
	}
	return all
}

// manifests gives those of a place by their keys' order. Each adds up and has
// its signature beside it.
func (b *bundle) manifests(place schemas.Destination) []schemas.Manifest {
	b.t.Helper()
	objects := b.cloud.Objects(place)
	var all []schemas.Manifest
	for _, key := range slices.Sorted(maps.Keys(objects)) {
		if !strings.HasPrefix(key, place.Key(schemas.ManifestFolder)+"/") || path.Ext(key) != ".json" {
			continue
		}
		var m schemas.Manifest
		require.NoError(b.t, json.Unmarshal(objects[key], &m))
		require.NoError(b.t, manifest.Check(m))
		require.Equal(b.t, place, m.Destination)
		_, err := b.keySet().Verify(objects[key], string(objects[key+schemas.SignatureSuffix]))
		require.NoError(b.t, err, key)
		all = append(all, m)
	}
	return all
}

// ref is how the next manifest names this one, from the same place.
func (b *bundle) ref(m schemas.Manifest) *schemas.ManifestRef {
	b.t.Helper()
	key := schemas.ManifestName(m.ExportID, m.FirstSeq, m.LastSeq)
	content, there := b.cloud.Objects(m.Destination)[m.Destination.Key(key)]
	require.True(b.t, there, key)
	return &schemas.ManifestRef{Key: key, SHA256: fmt.Sprintf("%x", sha256.Sum256(content))}
}

func (b *bundle) keySet() manifest.KeySet {
	b.t.Helper()
	encoded, err := manifest.JWKS([]schemas.SigningKey{b.signer.PublicKey(), b.newSigner.PublicKey()})
	require.NoError(b.t, err)
	keys, err := manifest.ParseJWKS(encoded)
	require.NoError(b.t, err)
	return keys
}

// verify looks at the buckets of these places as an auditor does, and wants to
// find no more wrong than these classes.
func (b *bundle) verify(places []schemas.Destination, wrong ...manifest.Class) manifest.Report {
	b.t.Helper()
	all := buckets{}
	for _, place := range places {
		for key, content := range b.cloud.Objects(place) {
			all[place.Bucket+"/"+key] = content
		}
	}
	report, err := manifest.Verify(b.t.Context(), all, manifest.Options{Keys: b.keySet(), TempDir: b.t.TempDir()})
	require.NoError(b.t, err)
	found := []manifest.Class{}
	for _, finding := range report.Findings {
		if finding.Severity == manifest.Error {
			found = append(found, finding.Class)
		}
	}
	require.ElementsMatch(b.t, wrong, found, report.Findings)
	require.Empty(b.t, report.Unread)
	return report
}

// notes are the classes of a report's findings that are no errors.
func notes(report manifest.Report) (classes []manifest.Class) {
	for _, finding := range report.Findings {
		if finding.Severity == manifest.Note {
			classes = append(classes, finding.Class)
		}
	}
	return classes
}

// buckets is a source of objects by their keys, each below its bucket's name.
type buckets map[string][]byte

func (all buckets) List(_ context.Context, yield func(manifest.Entry) error) error {
	for key, content := range all {
		if err := yield(manifest.Entry{Key: key, Size: int64(len(content))}); err != nil {
			return err
		}
	}
	return nil
}

func (all buckets) Open(_ context.Context, key string) (io.ReadCloser, error) {
	content, there := all[key]
	if !there {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(content)), nil
}
