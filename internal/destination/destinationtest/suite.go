// Package destinationtest holds what every destination must do, whatever cloud
// it is in. Each implementation runs the same suite.
package destinationtest

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // what object stores compare
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/schemas"
)

// Place is one empty bucket in which a test is alone. Its functions fail the
// test on their own.
type Place struct {
	Destination schemas.Destination // with a prefix
	// Owner is whose the bucket is: what reports say. Empty where the cloud
	// tells none.
	Owner string

	// Open opens Destination with exactly what the reference document grants.
	Open func(t *testing.T) destination.Destination
	// Denied opens Destination for somebody who was granted nothing.
	Denied func(t *testing.T) destination.Destination
	// Missing opens a destination whose bucket does not exist.
	Missing func(t *testing.T) destination.Destination
	// Undeletable opens Destination with everything granted but deletion.
	Undeletable func(t *testing.T) destination.Destination
	// Changed opens Destination with everything granted, for somebody who has
	// pinned another owner than Owner. Nil where the cloud tells none.
	Changed func(t *testing.T) destination.Destination
	// LoseResponse makes what Open opened lose the answer to the next upload,
	// once the store has carried it out.
	LoseResponse func(t *testing.T)

	// Read, Keys and Store reach the bucket by other ways than this project's
	// code. Keys are full keys, those outside of the prefix included.
	Read  func(t *testing.T, key string) []byte
	Keys  func(t *testing.T) []string
	Store func(t *testing.T, key string, content []byte)
}

// Run runs the suite, each test in a place of its own.
func Run(t *testing.T, newPlace func(t *testing.T) Place) {
	tests := map[string]func(*testing.T, Place){
		"PutStoresTheBytes":           putStoresTheBytes,
		"PutAgainChangesNothing":      putAgainChangesNothing,
		"PutNeverReplaces":            putNeverReplaces,
		"PutRefusesOtherFolders":      putRefusesOtherFolders,
		"PutSurvivesALostResponse":    putSurvivesALostResponse,
		"PutCancelledStoresNothing":   putCancelledStoresNothing,
		"PutOfBrokenBodyStoresNone":   putOfBrokenBodyStoresNone,
		"PutRefusesWrongChecksums":    putRefusesWrongChecksums,
		"PutTakesOddKeys":             putTakesOddKeys,
		"PutConcurrentSame":           putConcurrentSame,
		"PutConcurrentDifferent":      putConcurrentDifferent,
		"PutTellsWhatIsMissing":       putTellsWhatIsMissing,
		"PutRefusesOtherOwners":       putRefusesOtherOwners,
		"ProbeGranted":                probeGranted,
		"ProbeDenied":                 probeDenied,
		"ProbeWithoutBucket":          probeWithoutBucket,
		"ProbeWarnsOfRefusedDeletion": probeWarnsOfRefusedDeletion,
		"ProbeCancelled":              probeCancelled,
		"ProbeRefusesOtherOwners":     probeRefusesOtherOwners,
		"ProbeWritesOnlyTheChallenge": probeWritesOnlyTheChallenge,
		"ProbeFindsTheChallenge":      probeFindsTheChallenge,
		"ProbeReplacesNoChallenge":    probeReplacesNoChallenge,
		"ProbeChallengesInTheFolder":  probeChallengesInTheFolder,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newPlace(t))
		})
	}
}

// NewObject is an object of the content, with its true checksums.
func NewObject(content []byte) destination.Object {
	return destination.Object{
		Body:        bytes.NewReader(content),
		Size:        int64(len(content)),
		MD5:         md5.Sum(content), //nolint:gosec // see the import
		SHA256:      sha256.Sum256(content),
		ContentType: "application/x-ndjson",
	}
}

// randomBytes cannot be compressed, and are the same in every run.
func randomBytes(seed byte, size int) []byte {
	content := make([]byte, size)
	// It never fails.
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(content)
	return content
}

func open(t *testing.T, opener func(*testing.T) destination.Destination) destination.Destination {
	t.Helper()
	d := opener(t)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

// Invariant 3: the bytes that are stored are those that were hashed.
func putStoresTheBytes(t *testing.T, p Place) {
	d := open(t, p.Open)
	for name, size := range map[string]int{"empty": 0, "small": 100, "large": 6 << 20} {
		content := randomBytes(1, size)
		require.NoError(t, d.Put(t.Context(), p.Destination.Key(name), NewObject(content)))
		require.True(t, bytes.Equal(content, p.Read(t, p.Destination.Key(name))), "%s object differs", name)
	}
	require.Len(t, p.Keys(t), 3)
}

// Invariant 2: a retry changes neither keys nor bytes.
func putAgainChangesNothing(t *testing.T, p Place) {
	d := open(t, p.Open)
	key := p.Destination.Key("part.ndjson")
	content := randomBytes(2, 1000)
	// A longer key with the same beginning must not be taken for it.
	require.NoError(t, d.Put(t.Context(), key+".jws", NewObject([]byte("signature"))))
	for range 3 {
		require.NoError(t, d.Put(t.Context(), key, NewObject(content)))
	}
	require.Equal(t, content, p.Read(t, key))
	require.ElementsMatch(t, []string{key, key + ".jws"}, p.Keys(t))
}

func putNeverReplaces(t *testing.T, p Place) {
	d := open(t, p.Open)
	key := p.Destination.Key("part.ndjson")
	theirs := randomBytes(3, 1000)
	p.Store(t, key, theirs)
	for _, size := range []int{1000, 999, 0} {
		err := d.Put(t.Context(), key, NewObject(randomBytes(4, size)))
		require.Equal(t, schemas.KindConflict, destination.KindOf(err), "%v", err)
	}
	require.Equal(t, theirs, p.Read(t, key))
	require.Equal(t, []string{key}, p.Keys(t), "markers must be removed")
}

// Invariant 6: no request of one org can touch another's folder.
func putRefusesOtherFolders(t *testing.T, p Place) {
	d := open(t, p.Open)
	prefix := p.Destination.Prefix
	for _, key := range []string{
		"", "part", prefix, prefix + "/", prefix + "-other/part", "/" + prefix + "/part",
		prefix + "/../part", prefix + "/./part", prefix + "//part", prefix + "/part/",
		prefix + "/line\nbreak", prefix + "/\xff", prefix + "/" + string(bytes.Repeat([]byte("k"), 1024)),
	} {
		err := d.Put(t.Context(), key, NewObject([]byte("content")))
		require.Equal(t, schemas.KindInvalid, destination.KindOf(err), "key %q: %v", key, err)
	}
	tooLarge := NewObject(nil)
	tooLarge.Size = destination.MaxObjectBytes + 1
	require.Equal(t, schemas.KindInvalid, destination.KindOf(d.Put(t.Context(), p.Destination.Key("part"), tooLarge)))
	require.Empty(t, p.Keys(t))
}

// Invariant 2: an attempt that stored the object and never heard of it is
// followed by one that succeeds.
func putSurvivesALostResponse(t *testing.T, p Place) {
	d := open(t, p.Open)
	key := p.Destination.Key("part.ndjson")
	content := randomBytes(5, 1000)
	p.LoseResponse(t)
	if err := d.Put(t.Context(), key, NewObject(content)); err != nil {
		require.Equal(t, schemas.KindUnavailable, destination.KindOf(err), "%v", err)
		require.NoError(t, d.Put(t.Context(), key, NewObject(content)))
	}
	require.Equal(t, content, p.Read(t, key))
	require.Equal(t, []string{key}, p.Keys(t))
}

// Invariant 3: no manifest can list half an object, since none is ever stored.
func putCancelledStoresNothing(t *testing.T, p Place) {
	d := open(t, p.Open)
	key := p.Destination.Key("part.ndjson")
	content := randomBytes(6, 3<<20)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, d.Put(ended, key, NewObject(content)), context.Canceled)

	halfway, cancel := context.WithCancel(t.Context())
	defer cancel()
	object := NewObject(content)
	object.Body = &interrupted{ReadSeeker: object.Body, after: len(content) / 2, with: func() error { cancel(); return nil }}
	require.ErrorIs(t, d.Put(halfway, key, object), context.Canceled)

	require.NoError(t, d.Put(t.Context(), p.Destination.Key("next"), NewObject(nil)))
	require.Equal(t, []string{p.Destination.Key("next")}, p.Keys(t))
}

var errBroken = errors.New("the disk is broken")

func putOfBrokenBodyStoresNone(t *testing.T, p Place) {
	d := open(t, p.Open)
	key := p.Destination.Key("part.ndjson")
	content := randomBytes(7, 3<<20)
	object := NewObject(content)
	object.Body = &interrupted{ReadSeeker: object.Body, after: len(content) / 2, with: func() error { return errBroken }}
	err := d.Put(t.Context(), key, object)
	require.ErrorIs(t, err, errBroken)
	require.Empty(t, destination.KindOf(err), "no cloud is to blame")
	require.Empty(t, p.Keys(t))

	require.NoError(t, d.Put(t.Context(), key, NewObject(content)))
	require.True(t, bytes.Equal(content, p.Read(t, key)))
}

// interrupted calls with once after bytes have been read, and goes on unless
// that returns an error. Every later read fails like it.
type interrupted struct {
	io.ReadSeeker
	after  int
	with   func() error
	once   sync.Once
	failed error
}

func (i *interrupted) Read(p []byte) (int, error) {
	if i.after <= 0 {
		i.once.Do(func() { i.failed = i.with() })
	}
	if i.failed != nil {
		return 0, i.failed
	}
	// In small steps, so that the upload is on its way when it happens.
	n, err := i.ReadSeeker.Read(p[:min(len(p), 64<<10)])
	i.after -= n
	return n, err
}

// Invariant 3: bytes that changed on the way to the store are refused by it.
func putRefusesWrongChecksums(t *testing.T, p Place) {
	d := open(t, p.Open)
	object := NewObject(randomBytes(8, 1000))
	object.Body = bytes.NewReader(randomBytes(9, 1000))
	require.Error(t, d.Put(t.Context(), p.Destination.Key("part.ndjson"), object))
	require.Empty(t, p.Keys(t))
}

func putTakesOddKeys(t *testing.T, p Place) {
	d := open(t, p.Open)
	var keys []string
	for _, name := range []string{
		"date=2026-03-01/hour=09/daily-000000000001-000000000002.ndjson.gz",
		"with space/and  two.ndjson",
		"plus+and&equals=.ndjson",
		"percent%20%2F.ndjson",
		"quote'(1)!$,;:@-_.ndjson",
		"größe/日本語/🚢.ndjson",
	} {
		key := p.Destination.Key(name)
		keys = append(keys, key)
		require.NoError(t, d.Put(t.Context(), key, NewObject([]byte(name))), "key %q", key)
		require.NoError(t, d.Put(t.Context(), key, NewObject([]byte(name))), "key %q again", key)
		require.Equal(t, name, string(p.Read(t, key)))
	}
	require.ElementsMatch(t, keys, p.Keys(t))
}

const writers = 6

// put repeats what a caller repeats: failures that may be over by now.
func put(ctx context.Context, d destination.Destination, key string, content []byte) error {
	var err error
	for range 20 {
		err = d.Put(ctx, key, NewObject(content))
		if kind := destination.KindOf(err); kind != schemas.KindUnavailable && kind != schemas.KindThrottled {
			return err
		}
	}
	return err
}

// Invariant 2: two attempts at once end like one.
func putConcurrentSame(t *testing.T, p Place) {
	d := open(t, p.Open)
	key := p.Destination.Key("part.ndjson")
	content := randomBytes(10, 100<<10)
	var group sync.WaitGroup
	failures := make([]error, writers)
	for i := range writers {
		group.Go(func() { failures[i] = put(t.Context(), d, key, content) })
	}
	group.Wait()
	for _, err := range failures {
		require.NoError(t, err)
	}
	require.True(t, bytes.Equal(content, p.Read(t, key)))
	require.Equal(t, []string{key}, p.Keys(t))
}

func putConcurrentDifferent(t *testing.T, p Place) {
	d := open(t, p.Open)
	key := p.Destination.Key("part.ndjson")
	var group sync.WaitGroup
	failures := make([]error, writers)
	contents := make([][]byte, writers)
	for i := range writers {
		contents[i] = randomBytes(byte(20+i), 100<<10)
		group.Go(func() { failures[i] = put(t.Context(), d, key, contents[i]) })
	}
	group.Wait()
	var winners []int
	for i, err := range failures {
		if err == nil {
			winners = append(winners, i)
			continue
		}
		require.Equal(t, schemas.KindConflict, destination.KindOf(err), "%v", err)
	}
	require.Len(t, winners, 1)
	require.True(t, bytes.Equal(contents[winners[0]], p.Read(t, key)))
	require.Equal(t, []string{key}, p.Keys(t))
}

func putTellsWhatIsMissing(t *testing.T, p Place) {
	key := p.Destination.Key("part.ndjson")
	err := open(t, p.Denied).Put(t.Context(), key, NewObject([]byte("content")))
	require.Equal(t, schemas.KindDenied, destination.KindOf(err), "%v", err)
	require.NotEmpty(t, destination.CodeOf(err))
	err = open(t, p.Missing).Put(t.Context(), key, NewObject([]byte("content")))
	require.Equal(t, schemas.KindNotFound, destination.KindOf(err), "%v", err)
	require.Empty(t, p.Keys(t))
}

// Invariant 6: a bucket that has come into other hands gets nothing, not even
// from a writer that knows the access of yesterday.
func putRefusesOtherOwners(t *testing.T, p Place) {
	if p.Changed == nil {
		t.Skip("nobody else can come to own a bucket of this cloud: Place.Changed is nil")
	}
	d := open(t, p.Changed)
	for range 2 {
		err := d.Put(t.Context(), p.Destination.Key("part.ndjson"), NewObject([]byte("content")))
		require.Equal(t, schemas.KindDenied, destination.KindOf(err), "%v", err)
		require.Equal(t, schemas.CodeOwnerChanged, destination.CodeOf(err), "%v", err)
	}
	var group sync.WaitGroup
	for range writers {
		group.Go(func() { _ = d.Put(t.Context(), p.Destination.Key("part.ndjson"), NewObject(nil)) })
	}
	group.Wait()
	require.Empty(t, p.Keys(t))
}
