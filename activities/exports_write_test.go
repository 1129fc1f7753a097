package activities_test

import (
	"context"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

var compressions = []schemas.Compression{schemas.CompressionNone, schemas.CompressionGzip, schemas.CompressionZstd}

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
			require.False(t, r.mustFinish())

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
		r.mustFinish()
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
				r.mustFinish()
				b.requireDelivered(i.Destination, objects, 1, 150)
				b.verify([]schemas.Destination{i.Destination})
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

func TestAForeignObjectInTheWayIsNotReplaced(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all")
	b.append(10, 10)
	r := b.begin(b.exports(), e)
	key := r.mustWrite()[0].Key
	b.asOwner(`DELETE FROM export_object WHERE window_id = $1`, r.window().ID)
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
	r.mustWrite()

	other := b.otherOrg()
	other.append(10, 10)
	foreign := schemas.ExportInput{OrgID: other.org, ExportID: e.ID}
	_, err := try[schemas.BeginRunResult](t, attempt{}, r.a.BeginRun, schemas.BeginRunInput{ExportInput: foreign, RunID: uuid.NewString()})
	requireError(t, err, schemas.ErrorNotFound, false)
	r.in = foreign
	_, err = r.write(attempt{})
	requireError(t, err, schemas.ErrorNotFound, false)
	_, err = r.finish(attempt{})
	requireError(t, err, schemas.ErrorNotFound, false)
	_, err = attempt{}.perform(t, r.a.RecordFailure, schemas.RecordFailureInput{ExportInput: foreign, RunID: r.begun.RunID})
	requireError(t, err, schemas.ErrorNotFound, false)
	require.Equal(t, schemas.RunRunning, b.runRow(r.begun.RunID).Status)
}
