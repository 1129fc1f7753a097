package manifest_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/internal/manifest/manifesttest"
	"github.com/auditferry/auditferry/schemas"
)

var errCut = errors.New("the connection was cut")

// flaky is a source whose objects break off in the middle, as often as told.
type flaky struct {
	manifesttest.Store
	mu    sync.Mutex
	cuts  map[string]int   // by key; below 0: always
	opens map[string]error // that Open returns
	reads map[string]int   // how often it was opened
}

func newFlaky(store manifesttest.Store) *flaky {
	return &flaky{Store: store, cuts: map[string]int{}, opens: map[string]error{}, reads: map[string]int{}}
}

func (f *flaky) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads[key]++
	if err := f.opens[key]; err != nil {
		return nil, err
	}
	body, err := f.Store.Open(ctx, key)
	if err != nil || f.cuts[key] == 0 {
		return body, err
	}
	f.cuts[key]--
	half := io.LimitReader(body, int64(len(f.Store[key])/2))
	return io.NopCloser(io.MultiReader(half, cut{})), nil
}

type cut struct{}

func (cut) Read([]byte) (int, error) { return 0, errCut }

// A download that breaks off says nothing about the object: it is read again.
func TestReadsAgainWhatBreaksOff(t *testing.T) {
	t.Parallel()
	for _, format := range []schemas.Format{schemas.FormatNDJSON, schemas.FormatParquet} {
		d := manifesttest.New(t, manifesttest.Store{})
		d.Format = format
		key := d.Window(t, parts...)
		source := newFlaky(d.Store)
		for _, object := range d.Store.Keys() {
			source.cuts[object] = 2
		}
		requireClean(t, verify(t, source))
		require.Equal(t, 3, source.reads[key])
	}
}

// hung is a source one of whose objects never comes.
type hung struct {
	manifesttest.Store
	key string
}

func (h hung) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	if key == h.key {
		return io.NopCloser(until{ctx}), nil
	}
	return h.Store.Open(ctx, key)
}

type until struct{ ctx context.Context }

func (u until) Read([]byte) (int, error) {
	<-u.ctx.Done()
	return 0, u.ctx.Err()
}

// A download that stands still does not keep a verification for ever.
func TestStalledDownloads(t *testing.T) {
	t.Parallel()
	d := deliver(t)
	soon := func(o *manifest.Options) { o.Stall = 10 * time.Millisecond }
	r := verify(t, hung{d.Store, d.objects[4]}, soon)
	require.Empty(t, errorsOf(r))
	require.Len(t, r.Unread, 1)
	require.Contains(t, r.Unread[0].Error, "standstill")

	keys, err := manifest.ParseJWKS(manifesttest.JWKS(t, d.Signer))
	require.NoError(t, err)
	_, err = manifest.Verify(t.Context(), hung{d.Store, d.manifests[0]}, manifest.Options{Keys: keys, Stall: 10 * time.Millisecond})
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// An object that cannot be read is no finding, and not passed over either; the
// others are verified all the same.
func TestUnreadObjects(t *testing.T) {
	t.Parallel()
	d := deliver(t)
	source := newFlaky(d.Store)
	source.cuts[d.objects[4]] = -1
	r := verify(t, source)
	require.Empty(t, errorsOf(r))
	require.Equal(t, manifest.Incomplete, r.Verdict)
	require.Equal(t, manifest.StatusIncomplete, r.Status())
	require.EqualValues(t, 11, r.Objects)
	require.Equal(t, []manifest.Unread{{Object: d.objects[4], Error: errCut.Error()}}, r.Unread)

	// What is wrong elsewhere counts more, and both are told.
	delete(d.Store, d.objects[0])
	r = verify(t, source)
	require.Equal(t, manifest.StatusObjects, r.Status())
	require.Equal(t, []int{manifest.StatusObjects, manifest.StatusIncomplete}, r.Statuses)
	require.Len(t, r.Unread, 1)
}

// An object that vanishes after it was listed is gone.
func TestObjectRemovedMeanwhile(t *testing.T) {
	t.Parallel()
	d := deliver(t)
	source := newFlaky(d.Store)
	source.opens[d.objects[4]] = fmt.Errorf("get object: %w", fs.ErrNotExist)
	require.Equal(t, []found{{manifest.ObjectMissing, d.objects[4], 36, 45}}, foundIn(errorsOf(verify(t, source))))
	require.Equal(t, 1, source.reads[d.objects[4]], "what is not there is not asked for again")
}

// Without its manifests a chain cannot be judged; that is an error and no
// verdict. Nor does it go on for hours where nothing can be read.
func TestVerifyGivesUp(t *testing.T) {
	t.Parallel()
	d := deliver(t)
	keys, err := manifest.ParseJWKS(manifesttest.JWKS(t, d.Signer))
	require.NoError(t, err)

	for _, key := range []string{d.manifests[1], d.manifests[1] + ".jws"} {
		source := newFlaky(d.Store)
		source.opens[key] = errors.New("access denied")
		_, err = manifest.Verify(t.Context(), source, manifest.Options{Keys: keys})
		require.ErrorContains(t, err, "access denied")
		require.ErrorContains(t, err, key)
	}

	many := manifesttest.New(t, manifesttest.Store{})
	source := newFlaky(many.Store)
	for range 60 {
		many.Window(t, manifesttest.Part{Rows: 1})
	}
	for key := range many.Store {
		if strings.HasPrefix(key, "date=") {
			source.opens[key] = fs.ErrPermission
		}
	}
	_, err = manifest.Verify(t.Context(), source, manifest.Options{Keys: keys, Parallel: 60})
	require.ErrorIs(t, err, fs.ErrPermission)
	require.ErrorContains(t, err, "gave up")

	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	source = newFlaky(d.Store)
	source.cuts[d.manifests[0]] = -1
	_, err = manifest.Verify(canceled, source, manifest.Options{Keys: keys})
	require.Error(t, err)
}

// quitter is a source whose reader gives up once an object has been read.
type quitter struct {
	manifesttest.Store
	last string
	quit context.CancelFunc
}

func (q quitter) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	body, err := q.Store.Open(ctx, key)
	if key == q.last {
		return closing{body, q.quit}, err
	}
	return body, err
}

type closing struct {
	io.ReadCloser
	then context.CancelFunc
}

func (c closing) Close() error {
	c.then()
	return c.ReadCloser.Close()
}

// An interrupted verification has no verdict, wherever it was interrupted.
func TestVerifyInterrupted(t *testing.T) {
	t.Parallel()
	d := deliver(t)
	keys, err := manifest.ParseJWKS(manifesttest.JWKS(t, d.Signer))
	require.NoError(t, err)
	for _, last := range d.Store.Keys() {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := manifest.Verify(ctx, quitter{d.Store, last, cancel}, manifest.Options{Keys: keys, Parallel: 1})
		require.ErrorIs(t, err, context.Canceled, last)
	}
}

// Nothing to verify is not clean.
func TestVerifyNothing(t *testing.T) {
	t.Parallel()
	d := deliver(t)
	keys, err := manifest.ParseJWKS(manifesttest.JWKS(t, d.Signer))
	require.NoError(t, err)
	_, err = manifest.Verify(t.Context(), manifesttest.Store{}, manifest.Options{Keys: keys})
	require.ErrorIs(t, err, manifest.ErrNoManifests)
	_, err = manifest.Verify(t.Context(), manifesttest.Store{d.objects[0]: d.Store[d.objects[0]]}, manifest.Options{Keys: keys})
	require.ErrorIs(t, err, manifest.ErrNoManifests)
	_, err = manifest.Verify(t.Context(), d.Store, manifest.Options{Keys: keys, Export: orgID})
	require.ErrorIs(t, err, manifest.ErrNoExport)
	_, err = manifest.Verify(t.Context(), d.Store, manifest.Options{})
	require.ErrorContains(t, err, "key set is empty")

	// Signatures alone tell that something was to be delivered.
	for _, key := range d.manifests {
		delete(d.Store, key)
	}
	require.Equal(t, manifest.UnlistedObject, verify(t, d.Store).Findings[0].Class)
}

// Progress goes up to its totals, in every stage, also where reads are repeated.
func TestProgress(t *testing.T) {
	t.Parallel()
	d := deliver(t)
	source := newFlaky(d.Store)
	source.cuts[d.objects[3]] = 1
	d.Store[d.objects[5]] = flip(d.Store[d.objects[5]], 30)
	last := map[manifest.Stage]manifest.Progress{}
	r := verify(t, source, func(o *manifest.Options) {
		o.Progress = func(p manifest.Progress) { last[p.Stage] = p }
	})
	require.NotEmpty(t, errorsOf(r))
	require.EqualValues(t, 12+2*4, last[manifest.StageListing].Done)
	require.EqualValues(t, 4, last[manifest.StageManifests].Done)
	require.EqualValues(t, 4, last[manifest.StageManifests].Total)
	objects := last[manifest.StageObjects]
	require.EqualValues(t, 12, objects.Done)
	require.Equal(t, objects.Total, objects.Done)
	require.Equal(t, objects.TotalBytes, objects.Bytes)
	require.Positive(t, objects.Bytes)
}

// Temporary files are gone afterwards, also where reading fails.
func TestTemporaryFilesAreRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := manifesttest.New(t, manifesttest.Store{})
	d.Format, d.Compression = schemas.FormatParquet, schemas.CompressionSnappy
	d.Window(t, parts...)
	source := newFlaky(d.Store)
	for i, key := range d.Store.Keys() {
		source.cuts[key] = i % 2
	}
	requireClean(t, verify(t, source, func(o *manifest.Options) { o.TempDir = dir }))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)

	// A disk that takes no file says nothing about the object.
	r := verify(t, d.Store, func(o *manifest.Options) { o.TempDir = dir + "/none" })
	require.Equal(t, manifest.StatusIncomplete, r.Status())
	require.Len(t, r.Unread, 3)
}

// The promise of the whole: a million events verify.
func TestVerifyAMillionEvents(t *testing.T) {
	t.Parallel()
	d := manifesttest.New(t, manifesttest.Store{})
	for range 10 {
		d.Window(t, []manifesttest.Part{{Rows: 25_000}, {Rows: 25_000}, {Rows: 25_000}, {Rows: 25_000}}...)
	}
	r := verify(t, d.Store, func(o *manifest.Options) { o.Through = 1_000_000 })
	requireClean(t, r)
	require.EqualValues(t, 1_000_000, r.Chains[0].Rows)
	require.EqualValues(t, 40, r.Objects)
}

// endless makes the same rows up each time it is opened, and keeps none.
type endless struct {
	manifesttest.Store
	rows, size int64
}

const endlessKey = "endless.ndjson"

func (e endless) List(ctx context.Context, yield func(manifest.Entry) error) error {
	if err := yield(manifest.Entry{Key: endlessKey, Size: e.size}); err != nil {
		return err
	}
	return e.Store.List(ctx, yield)
}

func (e endless) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	if key != endlessKey {
		return e.Store.Open(ctx, key)
	}
	return io.NopCloser(&rowReader{rows: e.rows}), nil
}

type rowReader struct {
	rows, seq int64
	left      []byte
}

var filler = strings.Repeat("f", 580)

func (r *rowReader) Read(p []byte) (int, error) {
	if len(r.left) == 0 {
		if r.seq == r.rows {
			return 0, io.EOF
		}
		r.seq++
		r.left = fmt.Appendf(r.left[:0], "{\"seq\":%d,\"filler\":\"%s\"}\n", r.seq, filler)
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

// Invariant 9, for the reader: memory does not grow with the size of what is
// verified. Alone, because the memory of other tests would count.
func TestVerifyBoundsMemory(t *testing.T) {
	const rows = 500_000
	sum := sha256.New()
	size, err := io.Copy(sum, &rowReader{rows: rows})
	require.NoError(t, err)
	require.Greater(t, size, int64(280<<20))
	d := manifesttest.New(t, manifesttest.Store{})
	sealed, err := manifest.Seal(d.Signer, schemas.Manifest{
		Version: 1, Kind: schemas.ManifestWindow, OrgID: orgID, IntegrationID: integrationID, ExportID: d.ExportID,
		Destination: d.Destination, FirstSeq: 1, LastSeq: rows, Format: schemas.FormatNDJSON, Compression: schemas.CompressionNone, Rows: rows, Bytes: size,
		Objects: []schemas.ManifestObject{{Key: endlessKey, FirstSeq: 1, LastSeq: rows, Rows: rows, Bytes: size, SHA256: hex.EncodeToString(sum.Sum(nil))}},
	})
	require.NoError(t, err)
	key := schemas.ManifestName(d.ExportID, 1, rows)
	d.Store[key], d.Store[key+".jws"] = sealed.Content, []byte(sealed.Signature)

	inUse := func() uint64 {
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapInuse
	}
	runtime.GC()
	before, peak, next := inUse(), uint64(0), int64(0)
	r := verify(t, endless{d.Store, rows, size}, func(o *manifest.Options) {
		o.Progress = func(p manifest.Progress) {
			if p.Bytes >= next {
				peak, next = max(peak, inUse()), p.Bytes+4<<20
			}
		}
	})
	requireClean(t, r)
	require.EqualValues(t, rows, r.Chains[0].Rows)
	t.Logf("peak of %d KiB for %d MiB", (max(peak, before)-before)>>10, size>>20)
	require.Less(t, peak, before+24<<20)
}
