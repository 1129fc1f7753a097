package activities_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// hanging is a cloud whose puts hang from the n-th on until nobody waits for
// them any more.
type hanging struct {
	activities.Opener
	n    int
	then func() // when a put hangs
	mu   sync.Mutex
}

// attendDeadline bounds tests whose activity is not stopped although it should.
const attendDeadline = 30 * time.Second

var errNotStopped = errors.New("the writer was not stopped")

func (h *hanging) Open(ctx context.Context, target destination.Target) (destination.Destination, error) {
	place, err := h.Opener.Open(ctx, target)
	return &hangingPlace{place, h}, err
}

type hangingPlace struct {
	destination.Destination
	cloud *hanging
}

func (p *hangingPlace) Put(ctx context.Context, key string, object destination.Object) error {
	p.cloud.mu.Lock()
	p.cloud.n--
	hangs := p.cloud.n <= 0
	p.cloud.mu.Unlock()
	if !hangs {
		return p.Destination.Put(ctx, key, object)
	}
	p.cloud.then()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(attendDeadline):
		return errNotStopped
	}
}

func (b *bundle) hangingExports(n int, then func()) *activities.Exports {
	a := b.exports(oneByOne)
	a.Places.Destinations = &hanging{Opener: b.cloud, n: n, then: then}
	return a
}

// Invariant 5: a writer whose run has ended meanwhile is stopped where it is,
// and does not go on for as long as its cloud lets it hang.
func TestAWriterOfAnEndedRunIsStopped(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(b *bundle, r *run, e schemas.Export){
		"superseded": func(b *bundle, _ *run, e schemas.Export) { b.begin(b.exports(), e) },
		"integration deleted": func(b *bundle, _ *run, e schemas.Export) {
			b.in(func(ctx context.Context, tx *postgres.Tx) error { return tx.CancelLinkedRuns(ctx, e.IntegrationID) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			i := b.addIntegration("s3://acme-logs/")
			e := b.addExport(i, "all")
			b.append(50, 500)
			var r *run
			r = b.begin(b.hangingExports(3, func() { end(b, r, e) }), e)
			_, err := r.write(attempt{})
			requireError(t, err, schemas.ErrorRunSuperseded, false)
			require.Len(t, b.cloud.Objects(i.Destination), 2)
			require.Len(t, r.parts(), 2)
		})
	}
}

// Invariant 5: a backfill that is cancelled stops writing.
func TestAWriterOfACancelledBackfillIsStopped(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all")
	b.append(50, 500)
	again := b.addBackfill(e, 1, 50)
	r := b.beginBackfill(b.hangingExports(1, func() { b.cancelBackfill(again) }), again)
	_, err := r.write(attempt{})
	requireError(t, err, schemas.ErrorRunSuperseded, false)
	require.Empty(t, b.cloud.Objects(i.Destination))
	require.Equal(t, schemas.RunCancelled, b.runRow(r.begun.RunID).Status)
	r.fail(func(in *schemas.RecordFailureInput) { in.BackfillID = &again.ID })
	require.Equal(t, schemas.BackfillCancelled, b.backfill(again).Status, "not failed")
}

// Invariant 5: a run that is superseded while it writes its manifest settles
// nothing; its successor writes the same one.
func TestAPublisherOfAnEndedRunIsStopped(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all")
	b.append(5, 10)
	var next *run
	r := b.begin(b.hangingExports(2, func() { next = b.begin(b.exports(), e) }), e)
	r.mustWrite()
	_, err := r.finish(attempt{})
	requireError(t, err, schemas.ErrorRunSuperseded, false)
	require.Empty(t, b.manifests(i.Destination))
	next.mustWrite()
	next.mustFinish()
	require.Len(t, b.manifests(i.Destination), 1)
	b.verify([]schemas.Destination{i.Destination})
}

// Heartbeats begin before the cloud is asked, and tell how far the writer is.
func TestProgressIsReported(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.addExport(b.addIntegration("s3://acme-logs/"), "all")
	b.append(30, 500)
	r := b.begin(b.exports(oneByOne), e)
	r.stopAt(2)
	told := make(chan schemas.Progress, 1)
	b.cloud.Before(onPut(1, func() error {
		select {
		case p := <-told:
			told <- p
			return nil
		case <-time.After(attendDeadline):
			return errNotStopped
		}
	}))
	_, err := r.write(attempt{heartbeat: func(p schemas.Progress) {
		select {
		case told <- p:
		default: // later ones may be held back
		}
	}})
	require.NoError(t, err)
	require.Equal(t, schemas.Progress{Settled: 2, Parts: r.window().Parts()}, <-told)
}
