package activities_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// leave notes that an export leaves its place, as every command does that takes
// it from there.
func (b *bundle) leave(e schemas.Export, reason schemas.CloseReason) {
	b.t.Helper()
	b.in(func(ctx context.Context, tx *postgres.Tx) error { return tx.RequestClosing(ctx, e, reason) })
}

func (b *bundle) openClosings(i schemas.Integration) []postgres.Closing {
	b.t.Helper()
	return read(b, func(ctx context.Context, tx *postgres.Tx) ([]postgres.Closing, error) {
		return tx.OpenClosings(ctx, i.ID)
	})
}

// finals gives the final manifests of a place.
func (b *bundle) finals(place schemas.Destination) (finals []schemas.Manifest) {
	b.t.Helper()
	for _, m := range b.manifests(place) {
		if m.Kind == schemas.ManifestFinal {
			finals = append(finals, m)
		}
	}
	return finals
}

// Whatever takes an export from its place ends the chain there, with a manifest
// that names the last one, once.
func TestChainsAreClosed(t *testing.T) {
	t.Parallel()
	command := func(kind schemas.OperationKind, params schemas.OperationParams, begin func(*activities.Integrations) any) func(*bundle, schemas.Integration, schemas.Export) {
		return func(b *bundle, i schemas.Integration, _ schemas.Export) {
			if kind == schemas.OpUpdateDestination {
				b.claim(i, *params.Destination)
			}
			begins(b.t, begin(&activities.Integrations{Store: b.Store}), b.addOperation(i, kind, params))
		}
	}
	to := parse(t, "s3://acme-new/")
	update := func(a *activities.Integrations) any { return a.UpdateDestination }
	remove := func(a *activities.Integrations) any { return a.BeginDelete }
	for name, test := range map[string]struct {
		leave  func(*bundle, schemas.Integration, schemas.Export)
		reason schemas.CloseReason
	}{
		"retargeted":                    {command(schemas.OpUpdateDestination, schemas.OperationParams{Destination: &to, Retarget: true}, update), schemas.ClosedByRetarget},
		"paused as its place moved":     {command(schemas.OpUpdateDestination, schemas.OperationParams{Destination: &to}, update), schemas.ClosedByRetarget},
		"integration deleted":           {command(schemas.OpDeleteIntegration, schemas.OperationParams{}, remove), schemas.ClosedByIntegrationDeleted},
		"integration and it deleted":    {command(schemas.OpDeleteIntegration, schemas.OperationParams{DeleteLinks: true}, remove), schemas.ClosedByIntegrationDeleted},
		"deleted (as the API does)":     {func(b *bundle, _ schemas.Integration, e schemas.Export) { b.leave(e, schemas.ClosedByExportDeleted) }, schemas.ClosedByExportDeleted},
		"relinked (as the API does it)": {func(b *bundle, _ schemas.Integration, e schemas.Export) { b.leave(e, schemas.ClosedByRelink) }, schemas.ClosedByRelink},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			i := b.addIntegration("s3://acme-logs/audit/")
			e := b.addExport(i, "all")
			b.addExport(i, "idle", func(e *schemas.Export) { e.DeliveredSeq = 1000 })
			b.append(20, 10)
			a := b.exports(func(l *activities.Limits) { l.WindowRows = 10 })
			b.deliver(a, e)
			b.deliver(a, e)
			test.leave(b, i, e)
			require.Len(t, b.openClosings(i), 1, "the idle one has nothing to be closed")
			for range 2 {
				mustDo(t, a.CloseChains, ref(i))
			}
			require.Empty(t, b.openClosings(i))
			finals := b.finals(i.Destination)
			require.Equal(t, []schemas.Manifest{{
				Version: 1, Kind: schemas.ManifestFinal, OrgID: b.org, IntegrationID: i.ID, ExportID: e.ID, Destination: i.Destination,
				LastSeq: 20, Previous: b.ref(b.manifests(i.Destination)[1]), Reason: test.reason,
			}}, finals)
			report := b.verify([]schemas.Destination{i.Destination})
			require.Equal(t, test.reason, report.Chains[0].Closed)

			b.leave(e, schemas.ClosedByExportDeleted)
			require.Empty(t, b.openClosings(i), "it has been closed, and nothing came since")
		})
	}
}

// A chain is not closed while a run may still add to it. What the run has begun
// and not delivered is given up, and what it stored is left over.
func TestClosingsWaitForRuns(t *testing.T) {
	t.Parallel()
	for name, delivers := range map[string]bool{"the run delivers": true, "the run fails": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			i := b.addIntegration("s3://acme-logs/")
			e := b.addExport(i, "all")
			b.append(10, 10)
			r := b.begin(b.exports(), e)
			b.leave(e, schemas.ClosedByRetarget)
			r.mustWrite()
			_, err := attempt{}.perform(t, r.a.CloseChains, ref(i))
			requireError(t, err, schemas.ErrorStillRunning, true)
			require.Empty(t, b.manifests(i.Destination))
			if delivers {
				r.mustFinish()
			} else {
				r.fail()
			}
			b.changeExport(e.ID, func(e *schemas.Export) { e.Destination.Prefix = "elsewhere" })
			mustDo(t, r.a.CloseChains, ref(i))
			require.Empty(t, b.openClosings(i))
			report := b.verify([]schemas.Destination{i.Destination})
			final := b.finals(i.Destination)[0]
			if delivers {
				require.EqualValues(t, 10, final.LastSeq)
				require.Empty(t, final.GivenUp)
				require.Zero(t, report.LeftOver)
				return
			}
			require.Zero(t, final.LastSeq)
			require.Nil(t, final.Previous)
			require.Equal(t, givenUp(e, 1, 10), final.GivenUp)
			require.EqualValues(t, 1, report.LeftOver)
			require.Equal(t, schemas.ClosedByRetarget, report.Chains[0].Closed)
		})
	}
}

// A run that has not begun to write has left nothing, and there is nothing to be
// told.
func TestARunThatWroteNothingIsNotClosed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all")
	b.append(10, 10)
	r := b.begin(b.exports(), e)
	b.leave(e, schemas.ClosedByRetarget)
	require.Len(t, b.openClosings(i), 1)
	b.changeExport(e.ID, func(e *schemas.Export) { e.Destination.Prefix = "elsewhere" })
	r.fail()
	mustDo(t, r.a.CloseChains, ref(i))
	require.Empty(t, b.openClosings(i))
	require.Empty(t, b.cloud.Objects(i.Destination))
}

// A final manifest is sealed once, whoever writes it and however often.
func TestAFinalManifestIsSealedOnce(t *testing.T) {
	t.Parallel()
	for name, crash := range map[string]func(*bundle, func(destination.Request) error){
		"before it is written": func(b *bundle, f func(destination.Request) error) { b.cloud.Before(f) },
		"after it was written": func(b *bundle, f func(destination.Request) error) { b.cloud.After(f) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			i := b.addIntegration("s3://acme-logs/")
			e := b.addExport(i, "all")
			b.append(10, 10)
			a := b.exports()
			b.deliver(a, e)
			b.leave(e, schemas.ClosedByRelink)
			crash(b, func(r destination.Request) error {
				if r.Op == "put" && strings.Contains(r.Key, "-final.json") {
					return destination.Refusal(schemas.KindUnavailable, "InternalError")
				}
				return nil
			})
			_, err := attempt{}.perform(t, a.CloseChains, ref(i))
			requireError(t, err, schemas.ErrorDestinationUnavailable, true)
			require.ErrorContains(t, err, e.ID.String())
			b.cloud.Before(nil)
			b.cloud.After(nil)
			a.Signer = b.newSigner
			mustDo(t, a.CloseChains, ref(i))
			stored := b.cloud.Objects(i.Destination)
			key := schemas.FinalManifestName(e.ID, 10, 0)
			kid, err := b.keySet().Verify(stored[key], string(stored[key+".jws"]))
			require.NoError(t, err)
			require.Equal(t, b.signer.KeyID(), kid)
			b.verify([]schemas.Destination{i.Destination})
		})
	}
}

// An export that comes back while its final manifest cannot be written, and
// leaves again, has its chain ended at its end, too.
func TestAnExportThatLeavesTwice(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all")
	a := b.exports()
	b.append(10, 10)
	b.deliver(a, e)
	move := func(to schemas.Destination) {
		b.leave(b.export(e.ID), schemas.ClosedByRetarget)
		b.changeExport(e.ID, func(e *schemas.Export) { e.Destination = to })
	}
	elsewhere := parse(t, "s3://acme-elsewhere/")
	move(elsewhere)
	b.cloud.Before(func(destination.Request) error { return destination.Refusal(schemas.KindUnavailable, "InternalError") })
	_, err := attempt{}.perform(t, a.CloseChains, ref(i))
	requireError(t, err, schemas.ErrorDestinationUnavailable, true)
	b.cloud.Before(nil)
	move(i.Destination)
	b.append(10, 10)
	b.deliver(a, e)
	move(elsewhere)
	require.Len(t, b.openClosings(i), 1)

	mustDo(t, a.CloseChains, ref(i))
	require.Empty(t, b.openClosings(i), "the next one followed at once: a delete would not come back for it")
	finals := b.finals(i.Destination)
	require.Len(t, finals, 2)
	require.Equal(t, []int64{10, 20}, []int64{finals[0].LastSeq, finals[1].LastSeq})
	require.Equal(t, schemas.ClosedByRetarget, b.verify([]schemas.Destination{i.Destination}).Chains[0].Closed)
}

// One place that refuses for good keeps no other chain from being closed, not
// even one that is waited for. What is given up says why.
func TestAClosingThatIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	a := b.exports()
	b.append(10, 10)
	refusedExport, busy, open := b.addExport(i, "refused"), b.addExport(i, "busy"), b.addExport(i, "open")
	for _, e := range []schemas.Export{refusedExport, open} {
		b.deliver(a, e)
	}
	inFlight := b.begin(a, busy)
	for _, e := range []schemas.Export{refusedExport, busy, open} {
		b.leave(e, schemas.ClosedByRetarget)
	}
	b.cloud.Before(func(r destination.Request) error {
		if strings.Contains(r.Key, refusedExport.ID.String()) {
			return destination.Refusal(schemas.KindDenied, "AccessDenied")
		}
		return nil
	})
	_, err := attempt{scheduledFor: 2 * time.Hour}.perform(t, a.CloseChains, ref(i))
	requireError(t, err, schemas.ErrorStillRunning, true)
	require.Len(t, b.finals(i.Destination), 1)
	inFlight.mustWrite()
	inFlight.mustFinish()
	_, err = attempt{scheduledFor: time.Hour}.perform(t, a.CloseChains, ref(i))
	requireError(t, err, schemas.ErrorDestinationDenied, true)
	require.Len(t, b.finals(i.Destination), 2)
	_, err = attempt{scheduledFor: 2 * time.Hour}.perform(t, a.CloseChains, ref(i))
	requireError(t, err, schemas.ErrorDestinationDenied, false)

	for range 2 {
		mustDo(t, a.AbandonClosings, schemas.AbandonClosingsInput{IntegrationRef: ref(i), Message: "access was denied"})
	}
	require.Empty(t, b.openClosings(i))
	require.Equal(t, []string{"access was denied"}, b.names(`SELECT error FROM export_closing WHERE error <> ''`))
	b.cloud.Before(nil)
	b.verify([]schemas.Destination{i.Destination})
}

// A deleted integration's chains that could not be closed in time are given up
// with it, since nobody is let in there any more.
func TestADeletedIntegrationGivesUpItsClosings(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all")
	b.append(10, 10)
	b.deliver(b.exports(), e)
	integrations := &activities.Integrations{Store: b.Store}
	op := b.addOperation(i, schemas.OpDeleteIntegration, schemas.OperationParams{})
	begins(t, integrations.BeginDelete, op)
	mustDo(t, integrations.FinishDelete, op)
	require.Equal(t, []string{"the integration has been deleted"}, b.names(`SELECT error FROM export_closing`))
	mustDo(t, b.exports().CloseChains, ref(i))
	require.Empty(t, b.finals(i.Destination))
}

// A final manifest that is written after the delete has stopped waiting for it
// leaves nothing open: nobody would ever come to end it.
func TestAClosingThatOutlivesItsIntegration(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all")
	b.append(10, 10)
	b.deliver(b.exports(), e)
	integrations := &activities.Integrations{Store: b.Store}
	op := b.addOperation(i, schemas.OpDeleteIntegration, schemas.OperationParams{})
	begins(t, integrations.BeginDelete, op)
	b.cloud.After(func(r destination.Request) error {
		if r.Op == "put" && strings.HasSuffix(r.Key, "-final.json") {
			mustDo(t, integrations.FinishDelete, op)
		}
		return nil
	})
	mustDo(t, b.exports().CloseChains, ref(i))
	require.Len(t, b.finals(i.Destination), 1)
	require.Empty(t, b.openClosings(i))
	require.Equal(t, []string{"the integration has been deleted"}, b.names(`SELECT error FROM export_closing`))
}

// Invariant 5: what a crash left open is taken up by the reconcile schedule, but
// not of integrations that go away, which do it themselves.
func TestSweepHasChainsClosed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, f := b.reconcile()
	b.append(10, 10)
	var left []schemas.Integration
	for _, bucket := range []string{"acme-logs", "acme-broken", "acme-going"} {
		i := b.addIntegration("s3://" + bucket + "/")
		e := b.addExport(i, bucket)
		b.deliver(b.exports(), e)
		b.leave(e, schemas.ClosedByRetarget)
		left = append(left, i)
	}
	require.Zero(t, must[schemas.ReconcileResult](t, a.Sweep), "whoever asked for it has its time")
	b.asOwner(`UPDATE export_closing SET requested_at = requested_at - interval '1 minute'`)
	b.in(func(ctx context.Context, tx *postgres.Tx) error {
		return tx.SetIntegrationStatus(ctx, left[2].ID, schemas.IntegrationDeleting)
	})
	f.broken = map[uuid.UUID]error{left[1].ID: errBroken}
	_, err := try[schemas.ReconcileResult](t, attempt{}, a.Sweep)
	requireError(t, err, schemas.ErrorUnexpected, true)
	require.Equal(t, []schemas.IntegrationRef{ref(left[0])}, f.closing)
	clear(f.broken)
	require.Equal(t, schemas.ReconcileResult{Closings: 2}, must[schemas.ReconcileResult](t, a.Sweep), "asked again until it is done")
}
