package activities_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// puts notes the keys that are put from now on.
func (b *bundle) puts() func() []string {
	var mu sync.Mutex
	var keys []string
	b.cloud.Before(func(r destination.Request) error {
		mu.Lock()
		defer mu.Unlock()
		if r.Op == "put" {
			keys = append(keys, r.Key)
		}
		return nil
	})
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		noted := keys
		keys = nil
		return noted
	}
}

// stopAt lets so many parts of a run be stored, and no more.
func (r *run) stopAt(parts int) []schemas.Object {
	r.b.t.Helper()
	r.b.cloud.Before(onPut(parts+1, func() error { return destination.Refusal(schemas.KindUnavailable, "InternalError") }))
	_, err := r.write(attempt{})
	requireError(r.b.t, err, schemas.ErrorDestinationUnavailable, true)
	settled := r.parts()
	require.Len(r.b.t, settled, parts)
	return settled
}

// Invariant 2: a part is noted as soon as it is stored, and never written again:
// neither by the next attempt nor by the next run.
func TestPartsAreWrittenOnce(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]func(b *bundle, r *run, e schemas.Export) *run{
		"next attempt": func(_ *bundle, r *run, _ schemas.Export) *run { return r },
		"next run": func(b *bundle, r *run, e schemas.Export) *run {
			r.fail()
			return b.begin(b.exports(oneByOne), e)
		},
		"a run that takes over": func(b *bundle, _ *run, e schemas.Export) *run { return b.begin(b.exports(oneByOne), e) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			i := b.addIntegration("s3://acme-logs/")
			e := b.addExport(i, "all")
			b.append(100, 500)
			r := b.begin(b.exports(oneByOne), e)
			require.Greater(t, r.window().Parts(), 5)
			early := r.stopAt(3)
			half := b.runRow(r.begun.RunID)
			require.Equal(t, 3, half.Settled)
			require.Equal(t, 3, half.Objects)
			require.Equal(t, schemas.KindUnavailable, half.ErrorKind, "why the attempt broke off")

			puts := b.puts()
			later := next(b, r, e)
			require.Equal(t, r.window(), later.window())
			objects := later.mustWrite()
			require.Equal(t, early, objects[:3])
			written := puts()
			require.Len(t, written, r.window().Parts()-3)
			for _, part := range early {
				require.NotContains(t, written, part.Key)
			}
			later.mustFinish()
			b.requireDelivered(i.Destination, objects, 1, 100)
			done := b.runRow(later.begun.RunID)
			require.Equal(t, r.window().Parts(), done.Settled)
			require.EqualValues(t, 100, done.Rows)
			require.Empty(t, done.Error)
			require.Empty(t, done.ErrorKind)
		})
	}
}

// A worker with another version of a compressor writes other bytes. Parts that
// are noted are none of its business, so the window is finished all the same.
func TestAnotherCompressorGoesOn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all", func(e *schemas.Export) { e.Compression = schemas.CompressionGzip })
	b.append(100, 500)
	r := b.begin(b.exports(oneByOne), e)
	early := r.stopAt(2)
	// As if the former worker had come to other bytes for the same rows.
	others := []byte("bytes of the former version")
	for _, part := range early {
		b.cloud.Store(i.Destination, part.Key, others)
	}
	b.cloud.Before(nil)
	r.fail()
	next := b.begin(b.exports(oneByOne), e)
	objects := next.mustWrite()
	next.mustFinish()
	require.Equal(t, early, objects[:2])
	for _, part := range early {
		require.Equal(t, others, b.cloud.Objects(i.Destination)[part.Key])
	}
	require.EqualValues(t, 100, b.export(e.ID).DeliveredSeq)
}

// An object that was stored without being noted is found to be the same.
func TestAPartThatWasStoredButNotNoted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all")
	b.append(10, 10)
	r := b.begin(b.exports(), e)
	objects := r.mustWrite()
	b.asOwner(`DELETE FROM export_object WHERE window_id = $1`, r.window().ID)
	require.Equal(t, objects, r.mustWrite())
	r.mustFinish()
	b.requireDelivered(i.Destination, objects, 1, 10)
}

// An event in the middle that is not there is noticed by counting. Its part is
// not written, and may be complete by the next attempt.
func TestMissingEventsAreNoticed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all")
	b.append(10, 10)
	r := b.begin(b.exports(), e)
	b.asOwner(`DELETE FROM audit_event WHERE org_id = $1 AND seq = 5`, b.org)

	_, err := r.write(attempt{})
	requireError(t, err, schemas.ErrorUnexpected, true)
	require.ErrorContains(t, err, "of the 10 events 1 to 10 only 9 were read")
	require.Empty(t, b.cloud.Objects(i.Destination))
	require.Empty(t, r.parts())
}

// Invariant 6: what a filter's words are made of cannot reach another org's
// events, and every format keeps back the same ones and counts them.
func TestFilters(t *testing.T) {
	t.Parallel()
	actions := []string{
		"document.read", "documents.read", "document.deleted", `it's`, `back\slash`, "100%", "größe.geändert", "100x", "document.read", "user.login",
	}
	filter := schemas.Filter{
		Actions:       []string{"document.*", `it's`, `back\*`, "100%", "größe.*"},
		ExceptActions: []string{"document.deleted"},
	}
	want := []int64{1, 4, 5, 6, 7, 9}
	for _, format := range []schemas.Format{schemas.FormatNDJSON, schemas.FormatCSV, schemas.FormatParquet} {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			i := b.addIntegration("s3://acme-logs/")
			other := b.otherOrg()
			other.appendActions(actions...)
			b.appendActions(actions...)
			e := b.addExport(i, "some", func(e *schemas.Export) { e.Filter, e.Format = filter, format })
			r, objects := b.deliver(b.exports(), e)
			require.Len(t, objects, 1)
			require.Equal(t, []int64{6, 4}, []int64{objects[0].Rows, objects[0].Excluded})
			done := b.runRow(r.begun.RunID)
			require.Equal(t, []int64{6, 4, 0}, []int64{done.Rows, done.Excluded, done.Expired})
			manifests := b.manifests(i.Destination)
			require.Len(t, manifests, 1)
			require.Equal(t, []int64{6, 4, 0}, []int64{manifests[0].Rows, manifests[0].Excluded, manifests[0].Expired})
			require.Equal(t, &filter, manifests[0].Filter)
			chains := b.verify([]schemas.Destination{i.Destination}).Chains // reads the rows back
			require.Equal(t, []int64{6, 4}, []int64{chains[0].Rows, chains[0].Excluded})
			if format == schemas.FormatNDJSON {
				require.Equal(t, want, seqs(t, lines(t, objects[0].Key, b.cloud.Objects(i.Destination)[objects[0].Key])))
			}
		})
	}
}

func (b *bundle) appendActions(actions ...string) {
	b.t.Helper()
	all := b.events(len(actions), 10)
	for n, action := range actions {
		all[n].Action = action
	}
	b.in(func(ctx context.Context, tx *postgres.Tx) error {
		_, err := tx.AppendEvents(ctx, all)
		return err
	})
}

// Invariant 3: a part of which nothing passes has no object, and is accounted
// for all the same; so is a window.
func TestPartsThatAreExcludedHaveNoObject(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "logins", func(e *schemas.Export) { e.Filter.Actions = []string{"user.login"} })
	a := b.exports(smallParts)
	b.appendActions(strings.Split(strings.Repeat("document.read ", 9)+"user.login", " ")...)
	r, objects := b.deliver(a, e)
	require.Len(t, objects, 1)
	require.EqualValues(t, 10, objects[0].LastSeq)
	require.Greater(t, len(r.parts()), 1)
	m := b.manifests(i.Destination)[0]
	require.Len(t, m.Objects, len(r.parts()))
	require.Empty(t, m.Objects[0].Key)
	require.Equal(t, []int64{1, 9}, []int64{m.Rows, m.Excluded})

	b.appendActions("document.read", "document.read")
	puts := b.puts()
	_, none := b.deliver(a, e)
	require.Empty(t, none)
	require.Len(t, puts(), 2, "the manifest and its signature")
	require.EqualValues(t, 12, b.export(e.ID).DeliveredSeq)
	report := b.verify([]schemas.Destination{i.Destination})
	require.EqualValues(t, 11, report.Chains[0].Excluded, fmt.Sprint(report))
}
