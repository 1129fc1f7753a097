package activities_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// addBackfill begins a backfill of an export, and the operation that asked for
// it.
func (b *bundle) addBackfill(e schemas.Export, first, last int64, change ...func(*schemas.Backfill)) schemas.Backfill {
	b.t.Helper()
	id := newID(b.t)
	again := schemas.Backfill{
		ID: id, OrgID: b.org, ExportID: e.ID, Folder: schemas.BackfillFolder + "/" + id.String(), Destination: e.Destination,
		FirstSeq: first, LastSeq: last, Format: e.Format, Compression: e.Compression, PathTemplate: e.PathTemplate,
		Filter: e.Filter, RequestedBy: "tests",
	}
	for _, c := range change {
		c(&again)
	}
	b.in(func(ctx context.Context, tx *postgres.Tx) error {
		if err := tx.InsertBackfill(ctx, again); err != nil {
			return err
		}
		return tx.InsertOperation(ctx, schemas.Operation{
			ID: id, OrgID: b.org, Kind: schemas.OpBackfillExport, ExportID: &e.ID, BackfillID: &id,
			Status: schemas.OperationPending, RequestedBy: "tests",
		})
	})
	return b.backfill(again)
}

func (b *bundle) backfill(of schemas.Backfill) schemas.Backfill {
	b.t.Helper()
	return read(b, func(ctx context.Context, tx *postgres.Tx) (schemas.Backfill, error) { return tx.Backfill(ctx, of.ID) })
}

// cancelBackfill does what an admin's command does.
func (b *bundle) cancelBackfill(of schemas.Backfill) {
	b.t.Helper()
	b.in(func(ctx context.Context, tx *postgres.Tx) error {
		if err := tx.EndBackfill(ctx, of.ID, schemas.BackfillCancelled, "cancelled by tests"); err != nil {
			return err
		}
		return tx.CancelBackfillRuns(ctx, of.ID, "cancelled by tests")
	})
}

// beginBackfill starts a run of a backfill, which may find nothing to deliver.
func (b *bundle) beginBackfill(a *activities.Exports, of schemas.Backfill) *run {
	b.t.Helper()
	r := &run{b: b, a: a, in: schemas.ExportInput{OrgID: of.OrgID, ExportID: of.ExportID, BackfillID: &of.ID}}
	r.begin()
	return r
}

// place is the folder that a backfill's objects are in.
func placeOf(of schemas.Backfill) schemas.Destination {
	return schemas.Window{Destination: of.Destination, Folder: of.Folder}.Place()
}

// Invariant 1: a backfill delivers its range once more into its own folder, in
// windows and manifests of its own, and the live deliveries beside it are as if
// it was not there.
func TestABackfillRunsBesideLiveDeliveries(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/audit/")
	e := b.addExport(i, "all")
	a := b.exports(func(l *activities.Limits) { l.WindowRows = 10 })
	b.append(25, 300)
	b.deliver(a, e)
	again := b.addBackfill(e, 3, 22, func(again *schemas.Backfill) { again.Compression = schemas.CompressionGzip })

	live := b.begin(a, e)
	first := b.beginBackfill(a, again)
	require.Equal(t, []int64{3, 12, 22}, []int64{first.window().FirstSeq, first.window().LastSeq, first.begun.UpTo})
	require.Equal(t, schemas.CompressionGzip, first.window().Compression)
	live.mustWrite()
	first.mustWrite()
	require.True(t, first.mustFinish())
	require.True(t, live.mustFinish(), "not superseded")
	second := b.beginBackfill(a, again)
	rest := b.begin(a, e)
	require.EqualValues(t, 21, rest.window().FirstSeq)
	second.mustWrite()
	require.EqualValues(t, 12, b.backfill(again).DeliveredSeq)
	require.False(t, second.mustFinish())
	rest.mustWrite()
	require.False(t, rest.mustFinish())
	require.EqualValues(t, 25, b.export(e.ID).DeliveredSeq)

	done := b.backfill(again)
	require.Equal(t, schemas.BackfillSucceeded, done.Status)
	require.EqualValues(t, 22, done.DeliveredSeq)
	require.NotNil(t, done.EndedAt)
	require.Equal(t, schemas.OperationSucceeded, b.operation(again.ID).Status)
	require.Equal(t, "the backfill has ended: it is succeeded", b.beginBackfill(a, again).begun.Reason)

	require.Len(t, b.manifests(i.Destination), 3)
	own := b.manifests(placeOf(again))
	require.Len(t, own, 2)
	all := &schemas.BackfillRange{ID: again.ID, FirstSeq: 3, LastSeq: 22}
	require.Equal(t, []*schemas.BackfillRange{all, all}, []*schemas.BackfillRange{own[0].Backfill, own[1].Backfill})
	require.Nil(t, own[0].Previous)
	require.Equal(t, b.ref(own[0]), own[1].Previous)
	report := b.verify([]schemas.Destination{i.Destination})
	require.Len(t, report.Chains, 2)
	require.Equal(t, []int64{25, 20}, []int64{report.Chains[0].Rows, report.Chains[1].Rows})
}

// A backfill is not begun again by a schedule, so it ends with the first run
// that cannot deliver. The export is not failing because of it.
func TestABackfillEndsWithAFailedRun(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change    func(*schemas.RecordFailureInput)
		status    schemas.BackfillStatus
		runStatus schemas.RunStatus
	}{
		"failed":    {func(*schemas.RecordFailureInput) {}, schemas.BackfillFailed, schemas.RunFailed},
		"cancelled": {func(in *schemas.RecordFailureInput) { in.Cancelled = true }, schemas.BackfillCancelled, schemas.RunCancelled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			e := b.addExport(b.addIntegration("s3://acme-logs/"), "all")
			b.append(5, 10)
			again := b.addBackfill(e, 1, 5)
			r := b.beginBackfill(b.exports(), again)
			for range 2 {
				r.fail(test.change)
			}
			ended := b.backfill(again)
			require.Equal(t, test.status, ended.Status)
			require.Equal(t, "the cloud is down", ended.Error)
			require.Equal(t, test.runStatus, b.runRow(r.begun.RunID).Status)
			require.Equal(t, schemas.OperationFailed, b.operation(again.ID).Status)
			require.Equal(t, "the cloud is down", b.operation(again.ID).Error)
			require.Nil(t, b.export(e.ID).FailingSince)
			require.Zero(t, b.audited("auditferry.export.run_failed"))
			require.Nil(t, b.beginBackfill(r.a, again).begun.Window)
		})
	}
}

// Invariant 5: a backfill writes where it was asked to, and nowhere else. One
// that may not any more fails, and says how far it has come.
func TestABackfillThatMayNotGoOn(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*schemas.Export)
		reason string // "": it goes on
	}{
		"export paused by an admin": {pausedBy(schemas.PausedByAdmin), ""},
		"export deleted":            {func(e *schemas.Export) { e.State = schemas.ExportDeleted }, "the export has been deleted"},
		"integration deleted":       {pausedBy(schemas.PausedByIntegrationDeleted), "the integration has been deleted"},
		"integration moved":         {pausedBy(schemas.PausedByDestinationUpdate), "up to event 10"},
		"export retargeted":         {func(e *schemas.Export) { e.Destination.Prefix = "elsewhere" }, "up to event 10"},
	} {
		for again, repeated := range map[string]bool{"next turn": false, "answer lost": true} {
			t.Run(name+", "+again, func(t *testing.T) {
				t.Parallel()
				b := setup(t)
				e := b.addExport(b.addIntegration("s3://acme-logs/"), "all")
				b.append(20, 10)
				again := b.addBackfill(e, 1, 20)
				a := b.exports(func(l *activities.Limits) { l.WindowRows = 10 })
				first := b.beginBackfill(a, again)
				first.mustWrite()
				first.mustFinish()
				in := schemas.BeginRunInput{ExportInput: first.in, WorkflowID: "w", RunID: "r"}
				if repeated {
					require.NotNil(t, must[schemas.BeginRunResult](t, a.BeginRun, in).Window)
				}
				b.changeExport(e.ID, test.change)
				begun := must[schemas.BeginRunResult](t, a.BeginRun, in)
				if test.reason == "" {
					require.EqualValues(t, 11, begun.Window.FirstSeq)
					return
				}
				require.Nil(t, begun.Window)
				require.Contains(t, begun.Reason, test.reason)
				ended := b.backfill(again)
				require.Equal(t, schemas.BackfillFailed, ended.Status)
				require.Equal(t, begun.Reason, ended.Error)
				require.EqualValues(t, 10, ended.DeliveredSeq)
				for _, r := range b.runs(e) {
					require.NotEqual(t, schemas.RunRunning, r.Status)
				}
				require.Equal(t, schemas.OperationFailed, b.operation(again.ID).Status)
			})
		}
	}
}

// A backfill that is cancelled between two windows leaves a chain that ends
// early, which its final manifest says.
func TestACancelledBackfill(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://acme-logs/")
	e := b.addExport(i, "all")
	b.append(20, 10)
	again := b.addBackfill(e, 1, 20)
	a := b.exports(func(l *activities.Limits) { l.WindowRows = 10 })
	first := b.beginBackfill(a, again)
	first.mustWrite()
	first.mustFinish()
	b.cancelBackfill(again)
	require.Equal(t, "the backfill has ended: it is cancelled", b.beginBackfill(a, again).begun.Reason)
	require.Equal(t, schemas.BackfillCancelled, b.backfill(again).Status)
	b.verify([]schemas.Destination{i.Destination}, manifest.BackfillIncomplete)
	mustDo(t, a.CloseChains, ref(i))
	report := b.verify([]schemas.Destination{i.Destination})
	require.Equal(t, schemas.ClosedByBackfillEnd, report.Chains[0].Closed)
	require.Zero(t, report.LeftOver)
}
