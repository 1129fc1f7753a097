package postgres_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// leave requests the closing of the place that an export writes to.
func (b bundle) leave(e schemas.Export) {
	b.t.Helper()
	b.in(func(tx *postgres.Tx) {
		require.NoError(b.t, tx.RequestClosing(b.t.Context(), e, schemas.ClosedByRetarget))
	})
}

func (b bundle) closings(i schemas.Integration) (open []postgres.Closing) {
	b.t.Helper()
	b.in(func(tx *postgres.Tx) {
		var err error
		open, err = tx.OpenClosings(b.t.Context(), i.ID)
		require.NoError(b.t, err)
	})
	return open
}

// finalOf is the final manifest of a chain that ends with that event.
func finalOf(e schemas.Export, last int64) schemas.SealedManifest {
	key := e.Destination.Key(schemas.FinalManifestName(e.ID, last, 0))
	return schemas.SealedManifest{Key: key, Content: []byte(key), SHA256: "sha of " + key, Signature: "signed " + key}
}

// closeChain carries out the one open closing of an integration.
func (b bundle) closeChain(i schemas.Integration, e schemas.Export, last int64, failure string) {
	b.t.Helper()
	open := b.closings(i)
	require.Len(b.t, open, 1)
	b.in(func(tx *postgres.Tx) {
		_, err := tx.SealClosing(b.t.Context(), open[0].ID, finalOf(e, last))
		require.NoError(b.t, err)
		require.NoError(b.t, tx.SettleClosing(b.t.Context(), open[0].ID, failure))
	})
}

// Invariant 3: a chain that exists is closed once for each time that it was
// left, and one that does not exist is not.
func TestAChainIsClosedOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://logs/")
	e := b.addExport(i, "daily")
	b.leave(e)
	require.Empty(t, b.closings(i), "nothing was delivered there")
	b.allocate(b.backfillWindow(e, b.addBackfill(e, 1, 3), 1, 3))
	b.leave(e)
	require.Empty(t, b.closings(i), "a backfill has a chain of its own")

	b.delivered(b.windowOf(e, 1, 10))
	elsewhere := e
	elsewhere.Destination = parse(t, "s3://logs/elsewhere/")
	b.leave(elsewhere)
	require.Empty(t, b.closings(i), "nothing was delivered there")
	b.leave(e)
	b.leave(e)
	open := b.closings(i)
	require.Len(t, open, 1)
	want := postgres.Closing{
		ID: open[0].ID, OrgID: b.org, ExportID: e.ID, IntegrationID: i.ID, Destination: e.Destination, Reason: schemas.ClosedByRetarget,
	}
	require.Equal(t, want, open[0])

	b.closeChain(i, e, 10, "")
	require.Empty(t, b.closings(i))
	b.leave(e)
	require.Empty(t, b.closings(i), "it has been closed, and nothing was delivered since")
	b.delivered(b.windowOf(e, 11, 20))
	b.leave(e)
	require.Len(t, b.closings(i), 1, "it went on, so it ends again")
	b.closeChain(i, e, 20, "the bucket is gone")
	b.leave(e)
	require.Len(t, b.closings(i), 1, "what could not be closed is tried when it is left once more")
}

// An export that comes back while its chain is being closed, and leaves again,
// has its last window closed as well.
func TestAWindowDeliveredDuringAClosing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.addIntegration("s3://logs/")
	e := b.addExport(i, "daily")
	b.delivered(b.windowOf(e, 1, 10))
	b.leave(e)
	b.delivered(b.windowOf(e, 11, 20))
	b.closeChain(i, e, 10, "") // as it was looked up before
	b.leave(e)
	require.Len(t, b.closings(i), 1)
	b.closeChain(i, e, 20, "")
	b.leave(e)
	require.Empty(t, b.closings(i))
}

// A run that is under way when its export leaves finishes where it began, and
// its chain is closed after it.
func TestAClosingWaitsForTheRunUnderWay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	i := b.addIntegration("s3://logs/")
	e := b.addExport(i, "daily")
	backfill := b.addBackfill(e, 1, 5)
	w := b.windowOf(e, 1, 10)
	r := b.allocate(w)
	b.leave(e)
	open := b.closings(i)
	require.Len(t, open, 1, "it may be the first of a chain")
	require.True(t, open[0].Busy)
	b.allocate(b.backfillWindow(e, backfill, 1, 5))

	b.endRun(r)
	require.False(t, b.closings(i)[0].Busy, "backfills do not count")
	b.in(func(tx *postgres.Tx) {
		_, err := tx.ChainEnd(ctx, open[0], true)
		require.ErrorIs(t, err, postgres.ErrNotFound, "it wrote nothing")
		require.NoError(t, tx.SettleClosing(ctx, open[0].ID, ""))
	})
	b.leave(e)
	require.Empty(t, b.closings(i))

	second := b.beginRun(w)
	b.leave(e)
	require.True(t, b.closings(i)[0].Busy)
	b.complete(w, second, wholeParts(w))
	require.False(t, b.closings(i)[0].Busy)
}

// Nor can a run begin there unseen while its export leaves.
func TestAClosingSeesTheRunThatIsJustBegun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	i := b.addIntegration("s3://logs/")
	e := b.addExport(i, "daily")
	w := b.windowOf(e, 1, 10)
	began, left := meanwhile(t, b, func(tx *postgres.Tx) error {
		if _, err := tx.LockExport(ctx, e.ID); err != nil {
			return err
		}
		if err := tx.InsertWindow(ctx, w); err != nil {
			return err
		}
		return tx.InsertRun(ctx, schemas.Run{ID: newID(t), ExportID: e.ID, WindowID: w.ID}, "workflow", 0)
	}, b, func(tx *postgres.Tx) error { return tx.RequestClosing(ctx, e, schemas.ClosedByRetarget) })
	require.NoError(t, began)
	require.NoError(t, left)
	require.Len(t, b.closings(i), 1)
}

// Invariant 2: the final manifest that was signed first is the one that is
// written, however often that takes.
func TestAClosingIsSealedOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	i := b.addIntegration("s3://logs/")
	e := b.addExport(i, "daily")
	b.delivered(b.windowOf(e, 1, 10))
	b.leave(e)
	id := b.closings(i)[0].ID
	first, second := finalOf(e, 10), finalOf(e, 10)
	second.Content, second.SHA256, second.Signature = []byte("other"), "other", "other"
	seal := func(m schemas.SealedManifest) (kept schemas.SealedManifest, err error) {
		err = b.try(func(tx *postgres.Tx) (err error) {
			kept, err = tx.SealClosing(ctx, id, m)
			return err
		})
		return kept, err
	}
	for _, m := range []schemas.SealedManifest{first, second, first} {
		kept, err := seal(m)
		require.NoError(t, err)
		require.Equal(t, first, kept)
	}
	require.Equal(t, &first, b.closings(i)[0].Sealed)

	settle := func(failure string) {
		b.in(func(tx *postgres.Tx) { require.NoError(t, tx.SettleClosing(ctx, id, failure)) })
	}
	settle("")
	settle("too late")
	_, err := seal(second)
	require.ErrorIs(t, err, postgres.ErrNotFound)
	var row struct {
		key, sha256, failure string
		content, signature   *string
	}
	conn := connect(t, b.ownerURL)
	begin(t, conn, "SET LOCAL auditferry.scope = 'operator'")
	require.NoError(t, conn.QueryRow(ctx, `
		SELECT manifest_key, manifest_sha256, manifest_content::text, manifest_signature, error FROM export_closing WHERE id = $1`, id).
		Scan(&row.key, &row.sha256, &row.content, &row.signature, &row.failure))
	require.Equal(t, first.Key, row.key)
	require.Equal(t, first.SHA256, row.sha256)
	require.Nil(t, row.content, "it lies in the bucket")
	require.Nil(t, row.signature)
	require.Empty(t, row.failure, "the first outcome counts")
	require.ErrorIs(t, b.try(func(tx *postgres.Tx) error { return tx.SettleClosing(ctx, newID(t), "") }), postgres.ErrNotFound)
}

// What nobody carried out is found, except where nothing can be written any
// more; those that wait longest come first.
func TestIntegrationsToClose(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	other := b.withOrg(b.addOrg("Umbrella"))
	var refs []schemas.IntegrationRef
	add := func(b bundle, place string, waits time.Duration) schemas.Integration {
		i := b.addIntegration(place)
		e := b.addExport(i, "of-"+i.ID.String())
		b.delivered(b.windowOf(e, 1, 10))
		b.leave(e)
		b.asOwner(`UPDATE export_closing SET requested_at = now() - $2::interval WHERE integration_id = $1`, i.ID, waits)
		refs = append(refs, schemas.IntegrationRef{OrgID: b.org, IntegrationID: i.ID})
		return i
	}
	add(b, "s3://fresh/", 0)
	add(b, "s3://waiting/", time.Minute)
	longest := add(other, "s3://waiting-longest/", time.Hour)
	deleting := add(b, "s3://deleting/", time.Hour)
	settled := add(b, "s3://settled/", time.Hour)
	b.in(func(tx *postgres.Tx) {
		require.NoError(t, tx.SetIntegrationStatus(ctx, deleting.ID, schemas.IntegrationDeleting))
		require.NoError(t, tx.AbandonClosings(ctx, settled.ID, "the integration has been deleted"))
	})
	require.Empty(t, b.closings(settled))
	require.Len(t, b.closings(deleting), 1)

	waiting := func(limit int) (found []schemas.IntegrationRef) {
		b.asOperator(func(tx *postgres.Tx) {
			var err error
			found, err = tx.IntegrationsToClose(ctx, limit)
			require.NoError(t, err)
		})
		return found
	}
	require.Equal(t, []schemas.IntegrationRef{refs[2], refs[1]}, waiting(10))
	require.Equal(t, []schemas.IntegrationRef{{OrgID: other.org, IntegrationID: longest.ID}}, waiting(1))
}
