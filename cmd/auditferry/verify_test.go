package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/internal/manifest/manifesttest"
	"github.com/auditferry/auditferry/schemas"
)

var parts = []manifesttest.Part{{Rows: 10}, {Rows: 10}, {Rows: 5}}

// deliver makes a folder with two places, a third one that nothing was delivered
// to, a backfill, a filter and finals, in bytes that no version of a compressor changes.
func deliver(t testing.TB) manifesttest.Store {
	t.Helper()
	store := manifesttest.Store{}
	logs := manifesttest.New(t, store)
	logs.Folder, logs.Compression = "logs/", schemas.CompressionNone
	logs.Filter = &schemas.Filter{Actions: []string{"document.*"}}
	logs.Window(t, parts...)
	logs.Window(t, manifesttest.Part{Rows: 3, Excluded: 22})
	logs.GiveUp(t, parts...)
	logs.Final(t, schemas.ClosedByRetarget)
	between := logs.Place(schemas.Destination{Cloud: schemas.AWS, Bucket: "acme-between"}, "between/")
	between.GiveUp(t, parts[0])
	between.Final(t, schemas.ClosedByRetarget)
	moved := logs.Place(schemas.Destination{Cloud: schemas.GCP, Bucket: "acme-archive"}, "archive/")
	moved.Window(t, parts...)
	backfill := logs.BackfillOf(uuid.MustParse("0190f5b0-0000-7000-8000-0000000000f1"), 11, 25)
	backfill.Window(t, manifesttest.Part{Rows: 10}, manifesttest.Part{Rows: 5})
	return store
}

// onDisk writes the store and the service's key set, and returns their paths.
func onDisk(t testing.TB, store manifesttest.Store) (folder, keys string) {
	t.Helper()
	folder = filepath.Join(t.TempDir(), "copy")
	store.WriteTo(t, folder)
	keys = filepath.Join(t.TempDir(), "jwks.json")
	require.NoError(t, os.WriteFile(keys, manifesttest.JWKS(t, manifesttest.NewSigner(t, "service")), 0o600))
	return folder, keys
}

// requireGolden compares with a file of testdata; the folder's own path is
// FOLDER there.
func requireGolden(t *testing.T, name, folder, got string) {
	t.Helper()
	got = strings.ReplaceAll(got, folder, "FOLDER")
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o750))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "run go test ./cmd/auditferry -update, and read the difference")
	require.Equal(t, string(want), got)
}

// What people and programs read of a clean folder, and of one that is not.
func TestVerifyReports(t *testing.T) {
	t.Parallel()
	clean, spoiled := deliver(t), deliver(t)
	spoiled["logs/added\x1b[2K\nClean: forged"] = []byte("x")
	var truncated bool
	for _, key := range spoiled.Keys() {
		if strings.HasSuffix(key, "-000000000010.ndjson") {
			spoiled[key], truncated = spoiled[key][:100], true
		}
	}
	require.True(t, truncated)
	for name, c := range map[string]struct {
		store  manifesttest.Store
		status int
	}{"clean": {clean, 0}, "spoiled": {spoiled, 4}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder, keys := onDisk(t, c.store)
			o := auditferry(t, nil, "verify", "--keys", keys, folder)
			require.Equal(t, c.status, o.status, o.err)
			require.Empty(t, o.err, "no progress where nobody watches")
			require.NotContains(t, o.out, "\x1b")
			requireGolden(t, name+".txt", folder, o.out)

			o = auditferry(t, nil, "verify", folder, "--json", "--keys", keys)
			require.Equal(t, c.status, o.status)
			requireGolden(t, name+".json", folder, o.out)
			var report struct {
				ExitStatus int `json:"exit_status"`
				manifest.Report
			}
			require.NoError(t, json.Unmarshal([]byte(o.out), &report))
			require.Equal(t, c.status, report.ExitStatus)
		})
	}
}

// Each class of findings has its exit status, and the gravest decides.
func TestVerifyExitStatuses(t *testing.T) {
	t.Parallel()
	object := func(s manifesttest.Store) string { return withSuffix(s, "-000000000010.ndjson.gz") }
	second := func(s manifesttest.Store) string { return withSuffix(s, "000000000026-000000000050.json") }
	for name, c := range map[string]struct {
		spoil  func(manifesttest.Store)
		args   []string
		status int
		says   string
	}{
		"clean":    {func(manifesttest.Store) {}, nil, 0, "Clean:"},
		"manifest": {func(s manifesttest.Store) { s[second(s)] = append(s[second(s)], ' ') }, nil, 3, "signature_invalid"},
		"deleted":  {func(s manifesttest.Store) { delete(s, second(s)) }, nil, 3, "manifest_missing"},
		"object":   {func(s manifesttest.Store) { delete(s, object(s)) }, nil, 4, "object_missing"},
		"flipped":  {func(s manifesttest.Store) { s[object(s)] = flipped(s[object(s)]) }, nil, 4, "object_changed"},
		"through":  {func(manifesttest.Store) {}, []string{"--through", "101"}, 5, "through_not_reached"},
		"reached":  {func(manifesttest.Store) {}, []string{"--through", "100"}, 0, "Clean:"},
		"unlisted": {func(s manifesttest.Store) { s["added"] = []byte("x") }, nil, 6, "unlisted_object"},
		"several": {func(s manifesttest.Store) {
			s["added"] = []byte("x")
			delete(s, object(s))
		}, nil, 4, "exit statuses that apply: 4, 6"},
		"many": {func(s manifesttest.Store) {
			for i := range 25 {
				s["added"+strconv.Itoa(i)] = []byte("x")
			}
		}, nil, 6, "and 15 more"},
		"other export": {func(manifesttest.Store) {}, []string{"--export", "0190f5b0-0000-7000-8000-0000000000e2"}, 1, ""},
		"one export":   {func(manifesttest.Store) {}, []string{"--export", "0190f5b0-0000-7000-8000-0000000000e1", "--parallel=1", "--no-progress"}, 0, "Clean:"},
		"nothing":      {func(s manifesttest.Store) { clear(s); s["file"] = []byte("x") }, nil, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := manifesttest.New(t, manifesttest.Store{})
			for range 4 {
				d.Window(t, parts...)
			}
			c.spoil(d.Store)
			folder, keys := onDisk(t, d.Store)
			o := auditferry(t, nil, append([]string{"verify", "--keys", keys, folder}, c.args...)...)
			require.Equal(t, c.status, o.status, o.err)
			require.Contains(t, o.out, c.says)
			if c.status == 1 {
				require.Empty(t, o.out, "nothing that could be taken for a verdict")
				require.Contains(t, o.err, "no manifest")
			}
		})
	}
}

// Lost events have a status of their own: they are proven, not tampered with.
func TestVerifyExpiredStatus(t *testing.T) {
	t.Parallel()
	d := manifesttest.New(t, manifesttest.Store{})
	d.Window(t, manifesttest.Part{Rows: 5}, manifesttest.Part{Expired: 10})
	folder, keys := onDisk(t, d.Store)
	o := auditferry(t, nil, "verify", "--keys", keys, folder)
	require.Equal(t, 7, o.status, o.err)
	require.Contains(t, o.out, "10 events between seq 6 and 15 had expired")
}

// A file that cannot be read leaves the verdict open.
func TestVerifyUnreadableFile(t *testing.T) {
	t.Parallel()
	d := manifesttest.New(t, manifesttest.Store{})
	d.Window(t, parts...)
	folder, keys := onDisk(t, d.Store)
	// A folder in which everything is a link out of it: nothing outside is read.
	outside := filepath.Join(t.TempDir(), "outside")
	require.NoError(t, os.Rename(folder, outside))
	require.NoError(t, os.Mkdir(folder, 0o750))
	for _, name := range []string{"_manifests", "date=2026-03-01"} {
		require.NoError(t, os.Symlink(filepath.Join(outside, name), filepath.Join(folder, name)))
	}
	o := auditferry(t, nil, "verify", "--keys", keys, folder)
	require.Equal(t, 1, o.status)
	require.Empty(t, o.out)

	o = auditferry(t, nil, "verify", "--keys", keys, folder+"-none")
	require.Equal(t, 1, o.status)
	require.Contains(t, o.err, "open the folder")
	o = auditferry(t, nil, "verify", "--keys", keys, "https://acme.example/logs/")
	require.Equal(t, 2, o.status)
	require.Contains(t, o.err, "s3://")
	o = auditferry(t, nil, "verify", "--keys", keys, "file://"+outside)
	require.Zero(t, o.status, o.err)
}

// Keys come from a server over a connection that nobody can tamper with, or
// from this machine.
func TestVerifyFetchesKeys(t *testing.T) {
	t.Parallel()
	d := manifesttest.New(t, manifesttest.Store{})
	d.Window(t, parts...)
	folder, _ := onDisk(t, d.Store)
	jwks := manifesttest.JWKS(t, d.Signer)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/.well-known/jwks.json":
			_, _ = w.Write(jwks)
		case "/moved":
			http.Redirect(w, r, "/.well-known/jwks.json", http.StatusFound)
		case "/insecure":
			http.Redirect(w, r, "http://audit.example.com/jwks.json", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/page":
			_, _ = w.Write([]byte("<html>"))
		case "/foreign":
			_, _ = w.Write(manifesttest.JWKS(t, manifesttest.NewSigner(t, "foreign")))
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	for path, c := range map[string]struct {
		status int
		says   string
	}{
		"/.well-known/jwks.json": {0, ""},
		"/moved":                 {0, ""},
		"/insecure":              {1, "use https"},
		"/loop":                  {1, "too many redirects"},
		"/page":                  {1, "not a JSON Web Key Set"},
		"/none":                  {1, "404"},
		"/foreign":               {3, ""},
	} {
		o := auditferry(t, nil, "verify", "--keys", server.URL+path, folder)
		require.Equal(t, c.status, o.status, "%s: %s", path, o.err)
		require.Contains(t, o.err, c.says, path)
	}
}

// The bar counts what is done, and leaves nothing behind.
func TestBars(t *testing.T) {
	t.Parallel()
	var terminal bytes.Buffer
	b := &bars{to: &terminal}
	b.show(manifest.Progress{Stage: manifest.StageListing, Done: 7})
	b.show(manifest.Progress{Stage: manifest.StageManifests, Done: 1, Total: 2})
	for i := range 3 {
		b.show(manifest.Progress{Stage: manifest.StageObjects, Done: int64(i), Total: 2, Bytes: int64(i) << 20, TotalBytes: 2 << 20})
	}
	b.show(manifest.Progress{Stage: manifest.StageObjects, TotalBytes: 2 << 20}) // a download began anew
	b.end()
	b.end()
	require.Contains(t, terminal.String(), "Manifests")
	require.Contains(t, terminal.String(), "Objects")
	require.Contains(t, terminal.String(), "MB")
	lines := strings.Split(terminal.String(), "\r")
	require.Empty(t, strings.TrimSpace(lines[len(lines)-1]))
	(&bars{to: &terminal}).end()
	stacks := make([]byte, 1<<20)
	require.NotContains(t, string(stacks[:runtime.Stack(stacks, true)]), "progressbar.", "nothing goes on drawing over the report")
}

func withSuffix(s manifesttest.Store, suffix string) string {
	for _, key := range s.Keys() {
		if strings.HasSuffix(key, suffix) {
			return key
		}
	}
	panic("no key ends in " + suffix)
}

func flipped(content []byte) []byte {
	other := bytes.Clone(content)
	other[len(other)/2] ^= 1
	return other
}
