package activities_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// delivering is a run that is about to write ten events in one part to a new
// integration's place.
func (b *bundle) delivering(change ...func(*schemas.Integration)) (schemas.Integration, *run) {
	b.t.Helper()
	i := b.addIntegration("s3://acme-logs/audit/", change...)
	e := b.addExport(i, "all")
	b.append(10, 10)
	return i, b.begin(b.exports(), e)
}

const marker = "audit/_auditferry/access-check"

// requests notes what is asked of the cloud, and refuses some of it.
type requests struct {
	mu     sync.Mutex
	seen   []destination.Request
	refuse func(destination.Request) error
}

func (b *bundle) requests(refuse func(destination.Request) error) *requests {
	r := &requests{refuse: refuse}
	b.cloud.Before(r.before)
	return r
}

func (r *requests) before(request destination.Request) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, request)
	if r.refuse == nil {
		return nil
	}
	return r.refuse(request)
}

// keys lists those of one sort of request.
func (r *requests) keys(op string) (keys []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, request := range r.seen {
		if request.Op == op {
			keys = append(keys, request.Key)
		}
	}
	return keys
}

func denyOp(op string) func(destination.Request) error {
	return func(r destination.Request) error {
		if r.Op == op {
			return destination.Refusal(schemas.KindDenied, "AccessDenied")
		}
		return nil
	}
}

// Invariant 6: of a place that no probe was let into, an export writes nothing
// but the probe's marker; whose place it is may still come out.
func TestNothingIsWrittenBeforeAProbeWasLetIn(t *testing.T) {
	t.Parallel()
	for op, put := range map[string][]string{
		"authenticate": nil,
		"put":          {marker},
		"list":         {marker},
	} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			i, r := b.delivering(awaiting)
			asked := b.requests(denyOp(op))
			for range 2 {
				_, err := r.write(attempt{})
				requireError(t, err, schemas.ErrorDestinationDenied, true)
				require.ErrorContains(t, err, "AccessDenied")
			}
			for _, key := range asked.keys("put") {
				require.Contains(t, put, key)
			}
			for key := range b.cloud.Objects(i.Destination) {
				require.Equal(t, marker, key)
			}
			claim := b.claimed(i)
			require.Nil(t, claim.VerifiedAt)
			require.Nil(t, claim.Owner)
			require.Empty(t, b.watcher.looks())
		})
	}
}

// An export waits for nobody but the cloud: once it is let in it delivers by
// itself, and tells the workflow. From then on it asks no more.
func TestAnExportVerifiesItsPlace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i, r := b.delivering(awaiting)
	b.setCheck(i.ID, 4)
	objects := r.mustWrite()
	r.mustFinish()
	b.requireDelivered(i.Destination, objects, 1, 10)
	claim := b.claimed(i)
	require.NotNil(t, claim.VerifiedAt)
	require.Equal(t, bucketOwner, *claim.Owner)
	require.Equal(t, []asked{{ref(i), 4}}, b.watcher.looks())

	asked := b.requests(nil)
	b.append(10, 10)
	next := b.begin(r.a, b.export(r.in.ExportID))
	next.mustWrite()
	require.Empty(t, asked.keys("authenticate"))
	require.NotContains(t, asked.keys("put"), marker)
	require.Equal(t, *claim.VerifiedAt, *b.claimed(i).VerifiedAt)
	require.Empty(t, b.watcher.looks())
}

// What former credentials were let into says nothing of the new ones.
func TestNewCredentialsHaveToBeLetIn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i, r := b.delivering()
	require.NotNil(t, b.claimed(i).VerifiedAt)
	rotation := b.addOperation(i, schemas.OpProvision, schemas.OperationParams{})
	begins(t, (&activities.Integrations{Store: b.Store}).StoreCredentials, b.store(rotation, "second"))
	require.Nil(t, b.claimed(i).VerifiedAt)
	require.Equal(t, bucketOwner, *b.claimed(i).Owner, "the bucket is the same")

	b.requests(denyOp("authenticate"))
	_, err := r.write(attempt{})
	requireError(t, err, schemas.ErrorDestinationDenied, true)
	require.Empty(t, b.cloud.Objects(i.Destination))
	b.cloud.Before(nil)
	b.requireDelivered(i.Destination, r.mustWrite(), 1, 10)
}

// A probe with credentials that are replaced meanwhile lets no writer in.
func TestCredentialsReplacedDuringTheProbe(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i, r := b.delivering(awaiting)
	b.cloud.After(onPut(1, func() error {
		b.in(func(ctx context.Context, tx *postgres.Tx) error {
			return tx.SetCredentials(ctx, i.ID, *awsCredentials("second"), true)
		})
		return nil
	}))
	_, err := r.write(attempt{})
	requireError(t, err, schemas.ErrorUnexpected, true)
	require.ErrorContains(t, err, "replaced")
	require.Empty(t, b.cloud.Objects(i.Destination))
	require.Nil(t, b.claimed(i).VerifiedAt)
	b.requireDelivered(i.Destination, r.mustWrite(), 1, 10)
}

// Invariant 6: whoever makes a bucket anew under a name that is in use gets no
// events, unless an admin of the org says so.
func TestABucketOfAnotherOwner(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i, r := b.delivering()
	b.setCheck(i.ID, 1)
	a := &activities.Access{Store: b.Store, Places: b.places()}
	probe := schemas.ProbeInput{IntegrationRef: ref(i), Check: 1, Attempt: 1}
	b.cloud.SetOwner(i.Destination, "999999999999")

	_, err := r.write(attempt{})
	requireError(t, err, schemas.ErrorDestinationDenied, true)
	require.ErrorContains(t, err, schemas.CodeOwnerChanged)
	require.False(t, must[schemas.ProbeResult](t, a.Probe, probe).Granted)
	failure, _ := b.integration(i.ID).Report.Failure()
	require.Equal(t, schemas.StepOwner, failure.Name)
	require.Equal(t, schemas.CodeOwnerChanged, failure.Code)
	require.Empty(t, b.cloud.Objects(i.Destination))

	integrations := &activities.Integrations{Store: b.Store}
	begins(t, integrations.BeginAccessCheck, b.addOperation(i, schemas.OpCheckAccess, schemas.OperationParams{}))
	require.Equal(t, bucketOwner, *b.claimed(i).Owner, "nobody has said anything of the owner")
	accept := b.addOperation(i, schemas.OpCheckAccess, schemas.OperationParams{AcceptOwner: true})
	begins(t, integrations.BeginAccessCheck, accept)
	require.Nil(t, b.claimed(i).Owner)
	require.Nil(t, b.claimed(i).VerifiedAt)
	require.True(t, must[schemas.ProbeResult](t, a.Probe, probe).Granted)
	require.Equal(t, "999999999999", *b.claimed(i).Owner)
	begins(t, integrations.BeginAccessCheck, accept)
	require.Equal(t, "999999999999", *b.claimed(i).Owner, "it was said of this one, not of all that follow")
	b.requireDelivered(i.Destination, r.mustWrite(), 1, 10)
}

// The pinned owner goes with every request, and not only the probes'.
func TestThePinnedOwnerGoesToTheOpener(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i, r := b.delivering(awaiting)
	opener := &recordingOpener{Memory: b.cloud}
	r.a.Places.Destinations = opener
	r.mustWrite()
	require.Equal(t, bucketOwner, opener.target.Owner, "pinned by the probe just before")
	require.Equal(t, i.Destination, opener.target.Destination)

	a := &activities.Access{Store: b.Store, Places: r.a.Places}
	b.setCheck(i.ID, 1)
	opener.target = destination.Target{}
	must[schemas.ProbeResult](t, a.Probe, schemas.ProbeInput{IntegrationRef: ref(i), Check: 1})
	require.Equal(t, bucketOwner, opener.target.Owner)
}

// Invariant 6: a place that the integration does not claim is not its own, and
// nothing is asked there.
func TestOnlyClaimedPlacesAreWrittenTo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/audit/")
	others := b.otherOrg().addIntegration("s3://other-logs/").Destination
	b.append(10, 10)
	for name, place := range map[string]schemas.Destination{
		"nobody's":      parse(t, "s3://acme-logs/elsewhere/"),
		"above its own": parse(t, "s3://acme-logs/"),
		"another org's": others,
	} {
		t.Run(name, func(t *testing.T) {
			e := b.addExport(i, newID(t).String(), func(e *schemas.Export) { e.Destination = place })
			asked := b.requests(nil)
			_, err := b.begin(b.exports(), e).write(attempt{})
			requireError(t, err, schemas.ErrorRunSuperseded, false)
			require.Empty(t, asked.seen)
		})
	}
}

// A run in flight finishes where it began, and until then nobody else may have
// the place.
func TestAMoveWaitsForTheRunInFlight(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other := b.otherOrg()
	sweep, _ := b.reconcile()
	m := b.moving(true)
	b.append(10, 10)
	inFlight := b.begin(b.exports(), m.active)
	begins(t, (&activities.Integrations{Store: b.Store}).UpdateDestination, m.op)

	held := func() bool { return !b.isFree(m.integration.Destination) && !other.isFree(m.integration.Destination) }
	require.True(t, held())
	must[schemas.ReconcileResult](t, sweep.Sweep)
	require.True(t, held(), "the run is still under way")
	objects := inFlight.mustWrite()
	inFlight.mustFinish()
	b.requireDelivered(m.integration.Destination, objects, 1, 10)

	must[schemas.ReconcileResult](t, sweep.Sweep)
	require.True(t, held(), "the chain is still to be ended there")
	mustDo(t, inFlight.a.CloseChains, ref(m.integration))
	require.True(t, held())
	must[schemas.ReconcileResult](t, sweep.Sweep)
	require.True(t, other.isFree(m.integration.Destination))
	require.False(t, other.isFree(m.to))
}

// A run that begins at the same moment as the move has the old place as long as
// it needs it.
func TestAMoveWaitsForTheRunThatIsJustBeginning(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.moving(true)
	b.append(10, 10)
	a := &activities.Integrations{Store: b.Store}
	moved := make(chan error, 1)
	b.in(func(ctx context.Context, tx *postgres.Tx) error {
		e, err := tx.LockExport(ctx, m.active.ID) // as BeginRun does
		if err != nil {
			return err
		}
		go func() {
			_, err := try[schemas.BeginCommandResult](t, attempt{}, a.UpdateDestination, m.op)
			moved <- err
		}()
		b.awaitBlocked()
		return b.openRun(ctx, tx, e)
	})
	require.NoError(t, <-moved)
	require.Equal(t, m.to, b.export(m.active.ID).Destination)
	require.False(t, b.isFree(m.integration.Destination), "a run has begun to write there")
}

// awaitBlocked returns when a transaction waits for another's lock.
func (b *bundle) awaitBlocked() {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		return len(b.names(`SELECT l.pid::text FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid) WHERE a.datname = current_database() AND NOT l.granted`)) > 0
	}, 10*time.Second, 5*time.Millisecond)
}

// openRun begins to deliver the first ten events, as BeginRun does.
func (b *bundle) openRun(ctx context.Context, tx *postgres.Tx, e schemas.Export) error {
	w := schemas.Window{
		ID: newID(b.t), ExportID: e.ID, Slug: e.Slug, FirstSeq: 1, LastSeq: 10, RowsPerPart: 10,
		Format: e.Format, Compression: e.Compression, PathTemplate: e.PathTemplate, Destination: e.Destination,
	}
	if err := tx.InsertWindow(ctx, w); err != nil {
		return err
	}
	return tx.InsertRun(ctx, schemas.Run{
		ID: newID(b.t), ExportID: e.ID, WindowID: w.ID, WorkflowID: schemas.ExportWorkflowID(e.ID),
		Status: schemas.RunRunning, FirstSeq: w.FirstSeq, LastSeq: w.LastSeq, StartedAt: time.Now(),
	}, w.ID.String(), 0)
}
