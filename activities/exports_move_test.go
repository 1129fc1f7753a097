package activities_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/schemas"
)

// retarget moves an export as an admin's command does, to a place that its
// integration has claimed.
func (b *bundle) retarget(i schemas.Integration, e schemas.Export, to string) schemas.Destination {
	b.t.Helper()
	place := parse(b.t, to)
	b.claim(i, place)
	b.changeExport(e.ID, func(e *schemas.Export) { e.Destination = place })
	return place
}

// sealed writes a window whose manifest is sealed, and perhaps written, while
// the window is not delivered.
func (r *run) sealed(written bool) {
	r.b.t.Helper()
	refuse := func(request destination.Request) error {
		if request.Op == "put" && strings.HasSuffix(request.Key, ".json") == written && isManifest(request.Key) {
			return destination.Refusal(schemas.KindUnavailable, "InternalError")
		}
		return nil
	}
	if written {
		r.b.cloud.After(refuse)
	} else {
		r.b.cloud.Before(refuse)
	}
	r.mustWrite()
	_, err := r.finish(attempt{})
	requireError(r.b.t, err, schemas.ErrorDestinationUnavailable, true)
	r.b.cloud.Before(nil)
	r.b.cloud.After(nil)
	r.fail()
}

// A retarget between two runs moves the window; one during a run counts from
// the next window on. The chain goes on from one place to the other.
func TestRetarget(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/old/")
	e := b.addExport(i, "all")
	a := b.exports()
	b.append(10, 10)

	inFlight := b.begin(a, e)
	to := b.retarget(i, e, "s3://acme-new/x/")
	objects := inFlight.mustWrite()
	inFlight.mustFinish()
	b.requireDelivered(i.Destination, objects, 1, 10)
	require.Empty(t, b.cloud.Objects(to))

	b.append(10, 10)
	failed := b.begin(a, e)
	require.Equal(t, to, failed.window().Destination)
	failed.mustWrite()
	failed.fail() // which is event 21
	third := b.retarget(i, e, "s3://acme-third/")
	next := b.begin(a, e)
	moved := failed.window()
	require.NotEqual(t, moved.ID, next.window().ID)
	moved.ID, moved.Destination = next.window().ID, third
	require.Equal(t, moved, next.window(), "the same but for the place")
	objects = next.mustWrite()
	next.mustFinish()
	b.requireDelivered(third, objects, 11, 20)
	require.Empty(t, b.manifests(to), "what was written there is in no delivery")

	first := b.manifests(i.Destination)[0]
	previous := b.ref(first)
	previous.Destination = i.Destination
	second := b.manifests(third)[0]
	require.Equal(t, previous, second.Previous)
	require.Nil(t, second.Replaces, "nothing was sealed")
	_, objects = b.deliver(a, e)
	require.EqualValues(t, 21, objects[0].FirstSeq)
	require.Equal(t, b.ref(second), b.manifests(third)[1].Previous)
	report := b.verify([]schemas.Destination{i.Destination, third})
	require.Contains(t, notes(report), manifest.Continued)
}

// Invariant 1: a window that was sealed, and perhaps published, before it moved
// is void where it was: the new manifest says so.
func TestAMovedWindowReplacesItsManifest(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ written, twice bool }{
		"not written":    {false, false},
		"written":        {true, false},
		"moved on again": {true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			i := b.addIntegration("s3://acme-logs/old/")
			e := b.addExport(i, "all")
			a := b.exports()
			b.append(10, 10)
			b.deliver(a, e)
			b.append(10, 10)
			b.begin(a, e).sealed(test.written)
			if test.twice {
				b.leaveFor(i, e, "s3://acme-between/")
				b.begin(a, e).fail()
			}
			to := b.leaveFor(i, e, "s3://acme-new/")
			_, objects := b.deliver(a, e)
			b.requireDelivered(to, objects, 11, 20)
			m := b.manifests(to)[0]
			require.Equal(t, schemas.ManifestName(e.ID, 11, 20), m.Replaces.Key)
			require.Equal(t, i.Destination, m.Replaces.Destination)
			require.Equal(t, i.Destination, m.Previous.Destination)
			if test.written {
				require.Len(t, b.manifests(i.Destination), 2, "before it is closed")
				void := b.ref(b.manifests(i.Destination)[1])
				require.Equal(t, void.SHA256, m.Replaces.SHA256)
			}
			mustDo(t, a.CloseChains, ref(i))
			report := b.verify([]schemas.Destination{i.Destination, to})
			require.EqualValues(t, 1, report.LeftOver, "the part that was left behind")
			if test.written {
				require.Contains(t, notes(report), manifest.Replaced)
			}
		})
	}
}

// A window whose manifest was written, and not recorded before its export was
// deleted, counts for nothing: nobody will record it, so the final manifest says
// that it is void.
func TestADeletedExportVoidsWhatWasNotRecorded(t *testing.T) {
	t.Parallel()
	for name, written := range map[string]bool{"not written": false, "written": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			i := b.addIntegration("s3://acme-logs/")
			e := b.addExport(i, "all")
			a := b.exports()
			b.append(10, 10)
			b.deliver(a, e)
			b.append(10, 10)
			b.begin(a, e).sealed(written)
			b.leave(b.changeExport(e.ID, func(e *schemas.Export) { e.State = schemas.ExportDeleted }), schemas.ClosedByExportDeleted)
			mustDo(t, a.CloseChains, ref(i))
			finals := b.finals(i.Destination)
			require.Len(t, finals, 1)
			require.Equal(t, schemas.ManifestName(e.ID, 11, 20), finals[0].Replaces.Key)
			report := b.verify([]schemas.Destination{i.Destination})
			require.EqualValues(t, 1, report.LeftOver, "the part that was not recorded as delivered")
			require.EqualValues(t, 10, report.Chains[0].LastSeq)
			require.Equal(t, written, slices.Contains(notes(report), manifest.Replaced))
		})
	}
}

// An export that comes back before the window was delivered elsewhere goes on
// with what it has in the first place. A new manifest there would be refused for
// good, since the former one lies there under the same name.
func TestAWindowThatComesBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all")
	a := b.exports()
	b.append(20, 300)
	first := b.begin(a, e)
	first.sealed(true)
	b.retarget(i, e, "s3://acme-elsewhere/")
	away := b.begin(a, e)
	away.mustWrite()
	away.fail()

	a.Signer = b.newSigner
	b.changeExport(e.ID, func(e *schemas.Export) { e.Destination = i.Destination })
	back := b.begin(a, e)
	require.Equal(t, first.window(), back.window())
	puts := b.puts()
	objects := back.mustWrite()
	require.Empty(t, puts())
	back.mustFinish()
	b.requireDelivered(i.Destination, objects, 1, 20)
	require.Len(t, b.manifests(i.Destination), 1)
	b.verify([]schemas.Destination{i.Destination})
	_, objects = b.deliver(a, e) // the two failures
	require.EqualValues(t, 21, objects[0].FirstSeq)
}
