package activities_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

var compressions = []schemas.Compression{schemas.CompressionNone, schemas.CompressionGzip, schemas.CompressionZstd}

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

// requireDelivered checks that every event from first to last is found exactly
// once in the stored objects, and that the ledger tells the truth about them.
func (b *bundle) requireDelivered(place schemas.Destination, ledger []schemas.Object, first, last int64) {
	b.t.Helper()
	stored := b.cloud.Objects(place)
	require.Len(b.t, stored, len(ledger), "a listing shows what the ledger does, and nothing else")
	found := map[int64]int{}
	for _, object := range ledger {
		content, there := stored[object.Key]
		require.True(b.t, there, object.Key)
		require.Equal(b.t, int64(len(content)), object.Bytes)
		require.Equal(b.t, fmt.Sprintf("%x", sha256.Sum256(content)), object.SHA256)
		rows := lines(b.t, object.Key, content)
		require.Len(b.t, rows, int(object.Rows))
		for n, row := range rows {
			var event struct {
				Seq int64 `json:"seq"`
			}
			require.NoError(b.t, json.Unmarshal([]byte(row), &event))
			require.Equal(b.t, object.FirstSeq+int64(n), event.Seq)
			found[event.Seq]++
		}
	}
	for seq := first; seq <= last; seq++ {
		require.Equal(b.t, 1, found[seq], "event %d", seq)
	}
	require.Len(b.t, found, int(last-first+1))
}

// Invariants 1 and 3: every event of a window is in exactly one object, and
// the ledger lists the stored bytes.
func TestDeliveryHoldsEveryEventOnce(t *testing.T) {
	t.Parallel()
	for _, compression := range compressions {
		t.Run(string(compression), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			i := b.addIntegration("s3://acme-logs/audit/")
			e := b.addExport(i, "all", func(e *schemas.Export) { e.Compression = compression })
			b.append(200, 500)

			r := b.begin(b.exports(), e)
			objects := r.mustWrite()
			require.False(t, r.mustFinish(objects))

			require.Greater(t, len(objects), 3)
			require.Equal(t, objects, b.ledger(r.begun.RunID))
			b.requireDelivered(i.Destination, objects, 1, 200)
			require.EqualValues(t, 200, b.export(e.ID).DeliveredSeq)
			ended := b.runRow(r.begun.RunID)
			require.Equal(t, schemas.RunSucceeded, ended.Status)
			require.EqualValues(t, 200, ended.Rows)
			require.Len(t, objects, ended.Objects)
			require.NotNil(t, ended.EndedAt)
		})
	}
}

// Invariant 1 over several runs: windows join, and objects are the events' own
// bytes.
func TestDeliveriesJoin(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all")
	var ledger []schemas.Object
	for range 3 {
		b.append(25, 300)
		r := b.begin(b.exports(), e)
		objects := r.mustWrite()
		r.mustFinish(objects)
		ledger = append(ledger, objects...)
	}
	b.requireDelivered(i.Destination, ledger, 1, 75)

	recorded := read(b, func(ctx context.Context, tx *postgres.Tx) ([]schemas.RecordedEvent, error) {
		return tx.SearchEvents(ctx, schemas.EventQuery{Limit: 1})
	})
	newest := ledger[len(ledger)-1]
	rows := lines(t, newest.Key, b.cloud.Objects(i.Destination)[newest.Key])
	require.Equal(t, string(recorded[0].Body), rows[len(rows)-1], "verbatim")
}

// Invariant 2: whatever broke the first attempt, the second ends with the same
// keys and bytes as an undisturbed one.
func TestRetriesGiveTheSameObjects(t *testing.T) {
	t.Parallel()
	for name, disturb := range map[string]func(b *bundle) attempt{
		"lost response": func(b *bundle) attempt {
			b.cloud.After(onPut(3, func() error { return destination.Refusal(schemas.KindUnavailable, "RequestTimeout") }))
			return attempt{}
		},
		"refused put": func(b *bundle) attempt {
			b.cloud.Before(onPut(3, func() error { return destination.Refusal(schemas.KindThrottled, "SlowDown") }))
			return attempt{}
		},
		"cancelled": func(b *bundle) attempt {
			ctx, cancel := context.WithCancel(b.t.Context())
			b.cloud.After(onPut(3, func() error { cancel(); return nil }))
			return attempt{ctx: ctx}
		},
		"cancelled during a put": func(b *bundle) attempt {
			ctx, cancel := context.WithCancel(b.t.Context())
			b.cloud.Before(onPut(3, func() error { cancel(); return nil }))
			return attempt{ctx: ctx}
		},
	} {
		for _, compression := range compressions {
			t.Run(name+", "+string(compression), func(t *testing.T) {
				t.Parallel()
				b := setup(t)
				i := b.addIntegration("s3://acme-logs/audit/")
				e := b.addExport(i, "all", func(e *schemas.Export) { e.Compression = compression })
				b.append(150, 500)
				r := b.begin(b.exports(), e)

				_, err := r.write(disturb(b))
				var application *temporal.ApplicationError
				require.ErrorAs(t, err, &application)
				require.False(t, application.NonRetryable())
				b.cloud.Before(nil)
				b.cloud.After(nil)
				early := b.cloud.Objects(i.Destination)
				require.NotEmpty(t, early)

				objects := r.mustWrite()
				r.mustFinish(objects)
				b.requireDelivered(i.Destination, objects, 1, 150)
				for key, content := range early {
					require.Equal(t, content, b.cloud.Objects(i.Destination)[key], "not replaced")
				}
			})
		}
	}
}

// onPut calls do on the n-th put, and never again.
func onPut(n int, do func() error) func(destination.Request) error {
	var mu sync.Mutex
	return func(r destination.Request) error {
		if r.Op != "put" {
			return nil
		}
		mu.Lock()
		n--
		now := n == 0
		mu.Unlock()
		if now {
			return do()
		}
		return nil
	}
}

// Invariant 2: an attempt that follows a crash goes on, it does not start over.
func TestHeartbeatsResumeTheWindow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all")
	b.append(100, 500)
	r := b.begin(b.exports(oneByOne), e)
	require.Greater(t, r.window().Parts(), 5)

	b.cloud.Before(onPut(4, func() error { return destination.Refusal(schemas.KindUnavailable, "") }))
	var mu sync.Mutex
	var progress []schemas.Object
	_, err := r.write(attempt{heartbeat: func(objects []schemas.Object) {
		mu.Lock()
		defer mu.Unlock()
		progress = objects
	}})
	requireError(t, err, schemas.ErrorDestinationUnavailable, true)
	mu.Lock()
	defer mu.Unlock()
	require.Len(t, progress, 3)

	var puts []string
	b.cloud.Before(func(r destination.Request) error {
		if r.Op == "put" {
			puts = append(puts, r.Key)
		}
		return nil
	})
	objects, err := r.write(attempt{progress: progress})
	require.NoError(t, err)
	require.Len(t, puts, r.window().Parts()-3)
	for _, done := range progress {
		require.NotContains(t, puts, done.Key)
	}
	r.mustFinish(objects)
	b.requireDelivered(i.Destination, objects, 1, 100)
}

// Invariant 1: an object that cannot be whole is not written at all, and no
// retry is tried.
func TestExpiredEventsAreAnError(t *testing.T) {
	t.Parallel()
	for name, upTo := range map[string]int64{"all": 10, "some": 4} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			i := b.addIntegration("s3://acme-logs/")
			e := b.addExport(i, "all")
			b.append(10, 10)
			r := b.begin(b.exports(), e)
			require.Equal(t, 1, r.window().Parts())
			b.expire(upTo)

			_, err := r.write(attempt{})
			requireError(t, err, schemas.ErrorEventsExpired, false)
			require.Empty(t, b.cloud.Objects(i.Destination))
		})
	}
}

// An event in the middle that is not there is noticed by counting.
func TestMissingEventsAreAnError(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all")
	b.append(10, 10)
	r := b.begin(b.exports(), e)
	b.asOwner(`DELETE FROM audit_event WHERE org_id = $1 AND seq = 5`, b.org)

	_, err := r.write(attempt{})
	requireError(t, err, schemas.ErrorEventsExpired, false)
	require.ErrorContains(t, err, "of the 10 events 1 to 10 only 9 are retained")
	require.Empty(t, b.cloud.Objects(i.Destination))
}

func TestAForeignObjectInTheWayIsNotReplaced(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all")
	b.append(10, 10)
	r := b.begin(b.exports(), e)
	key := r.mustWrite()[0].Key
	b.cloud.Store(i.Destination, key, []byte("somebody else's"))

	_, err := r.write(attempt{})
	requireError(t, err, schemas.ErrorDestinationConflict, false)
	require.Equal(t, "somebody else's", string(b.cloud.Objects(i.Destination)[key]))
}

func TestWritingWithoutCredentialsIsDenied(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/", unprovisioned)
	e := b.addExport(i, "all")
	b.append(10, 10)
	r := b.begin(b.exports(), e)

	_, err := r.write(attempt{})
	requireError(t, err, schemas.ErrorDestinationDenied, true)
}

// Invariant 5: a run that can record nothing any more does not go on trying,
// which would keep the next one from starting for as long as a day.
func TestASupersededRunStopsWriting(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all")
	b.append(10, 10)
	a := b.exports()
	old := b.begin(a, e)
	b.begin(a, e)

	_, err := old.write(attempt{})
	requireError(t, err, schemas.ErrorRunSuperseded, false)
	require.Empty(t, b.cloud.Objects(i.Destination))
}

// Invariant 6: a run of one org cannot reach another's export.
func TestRunsDoNotCrossOrgs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all")
	b.append(10, 10)
	r := b.begin(b.exports(), e)
	objects := r.mustWrite()

	other := b.otherOrg()
	other.append(10, 10)
	foreign := schemas.ExportInput{OrgID: other.org, ExportID: e.ID}
	_, err := try[schemas.BeginRunResult](t, attempt{}, r.a.BeginRun, schemas.BeginRunInput{ExportInput: foreign, RunID: uuid.NewString()})
	requireError(t, err, schemas.ErrorNotFound, false)
	r.in = foreign
	_, err = r.write(attempt{})
	requireError(t, err, schemas.ErrorNotFound, false)
	_, err = r.finish(objects)
	requireError(t, err, schemas.ErrorNotFound, false)
	_, err = attempt{}.perform(t, r.a.RecordFailure, schemas.RecordFailureInput{ExportInput: foreign, RunID: r.begun.RunID})
	requireError(t, err, schemas.ErrorNotFound, false)
	require.Equal(t, schemas.RunRunning, b.runRow(r.begun.RunID).Status)
}
