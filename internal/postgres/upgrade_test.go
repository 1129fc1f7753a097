package postgres_test

import (
	"database/sql"
	"io/fs"
	"testing"

	"github.com/google/uuid"
	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/internal/postgres/postgrestest"
	"github.com/auditferry/auditferry/schemas"
)

// upgraded is a database that had rows at a version of the schema, and was
// migrated to the newest one since.
func upgraded(t *testing.T, version int64, rows string, org uuid.UUID) bundle {
	t.Helper()
	_, ownerURL, appURL := postgrestest.NewEmpty(t)
	migrateTo(t, ownerURL, version)
	old := bundle{t: t, ownerURL: ownerURL}
	old.asOwner(rows)
	require.NoError(t, postgres.Migrate(t.Context(), ownerURL))
	store, err := postgres.Open(t.Context(), appURL)
	require.NoError(t, err)
	t.Cleanup(store.Close)
	return bundle{Store: store, t: t, ownerURL: ownerURL, appURL: appURL, org: org}
}

func migrateTo(t *testing.T, ownerURL string, version int64) {
	t.Helper()
	db, err := sql.Open("pgx", ownerURL)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	files, err := fs.Sub(schemas.Migrations, "migrations")
	require.NoError(t, err)
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files)
	require.NoError(t, err)
	_, err = provider.UpTo(t.Context(), version)
	require.NoError(t, err)
}

// Three integrations that were granted access before it was checked whose
// places are, and one that has been deleted since.
const beforeAccess = `
	INSERT INTO org (id, name) VALUES
		('01900000-0000-7000-8000-00000000000a', 'Acme'), ('01900000-0000-7000-8000-00000000000b', 'Other');
	INSERT INTO integration (id, org_id, name, cloud, destination, access_grant, provisioner, credentials, status, access)
	SELECT i::uuid, '01900000-0000-7000-8000-00000000000a', cloud, cloud, place, '{}', 'auto', credentials::jsonb, status, access
	FROM (VALUES
		('01900000-0000-7000-8000-000000000001', 'aws', 's3://acme/', 'active', 'granted',
			'{"aws": {"external_id": "acme-1", "iam_user_arn": "arn:aws:iam::210987654321:user/auditferry"}}'),
		('01900000-0000-7000-8000-000000000002', 'azure', 'azure://acme.blob.core.windows.net/logs/', 'active', 'granted',
			'{"azure": {"consent_url": "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/oauth2/authorize?x=y&client_id=0AF5e0a4-1111-4222-8333-0123456789ab&response_type=code", "multi_tenant_app_name": "Auditferry_1"}}'),
		('01900000-0000-7000-8000-000000000003', 'gcp', 'gs://acme/', 'awaiting_access', 'denied',
			'{"gcp": {"service_account": "exporter@auditferry-dev.iam.gserviceaccount.com"}}'),
		('01900000-0000-7000-8000-000000000004', 'aws', 's3://gone/', 'deleted', 'unknown', NULL)
	) AS old (i, cloud, place, status, access, credentials);
	INSERT INTO destination_claim (integration_id, org_id, destination, location)
	SELECT id, org_id, destination, destination FROM integration WHERE status <> 'deleted';
	INSERT INTO operation (id, org_id, kind, integration_id, params, status, requested_by, ended_at) VALUES
		('01900000-0000-7000-8000-0000000000f1', '01900000-0000-7000-8000-00000000000a', 'provision',
			'01900000-0000-7000-8000-000000000004', '{"credentials": {"aws": {"external_id": "gone-1", "iam_user_arn": "arn:aws:iam::210987654321:user/auditferry"}}}',
			'succeeded', 'ops', now())`

// Invariant 6: what an org has granted to an identity before it was noted who
// has which still serves nobody else; and a place that was granted is probed
// once more, which pins whose it is, before anything is written to it.
func TestUpgradeNotesIdentitiesAndVerifiesAnew(t *testing.T) {
	t.Parallel()
	acme := uuid.MustParse("01900000-0000-7000-8000-00000000000a")
	b := upgraded(t, 5, beforeAccess, acme)
	of := func(n byte) uuid.UUID {
		id := uuid.MustParse("01900000-0000-7000-8000-000000000000")
		id[15] = n
		return id
	}
	var aws, azure, gcp schemas.Integration
	b.in(func(tx *postgres.Tx) {
		for n, i := range []*schemas.Integration{&aws, &azure, &gcp} {
			var err error
			*i, err = tx.Integration(t.Context(), of(byte(n+1)))
			require.NoError(t, err)
			claim, err := tx.Claim(t.Context(), i.ID, i.Destination)
			require.NoError(t, err)
			require.Nil(t, claim.VerifiedAt, "nobody has looked whose it is")
			require.Nil(t, claim.Owner)
		}
	})
	require.Equal(t, schemas.OwnershipImplied, aws.Ownership.State)
	require.Equal(t, schemas.OwnershipProven, azure.Ownership.State, "it was in use")
	require.Equal(t, schemas.OwnershipOpen, gcp.Ownership.State)

	other := b.withOrg(uuid.MustParse("01900000-0000-7000-8000-00000000000b"))
	rival := other.addIntegration("s3://rival/")
	for _, i := range []schemas.Integration{aws, azure, gcp} {
		requireConflict(t, other.try(func(tx *postgres.Tx) error {
			return tx.UseIdentity(t.Context(), rival.ID, *i.Credentials, true)
		}))
	}
	requireConflict(t, other.try(func(tx *postgres.Tx) error {
		return tx.UseIdentity(t.Context(), rival.ID, awsCredentials("gone-1"), true)
	}))
	b.in(func(tx *postgres.Tx) {
		require.NoError(t, tx.UseIdentity(t.Context(), azure.ID, *azure.Credentials, true))
	})
}

// An export with two delivered windows and one that is not, one that never
// delivered anything, and a run that failed.
const beforeManifests = `
	SET auditferry.scope = 'operator';
	INSERT INTO org (id, name, last_seq, total_bytes, last_recorded_at)
	VALUES ('01900000-0000-7000-8000-00000000000a', 'Acme', 40, 80, now());
	INSERT INTO audit_event (org_id, seq, recorded_at, occurred_at, action, actor_email, outcome, total_bytes, body)
	SELECT '01900000-0000-7000-8000-00000000000a', n, now(), now(), 'user.login', '', 'success', 2 * n, '{}'
	FROM generate_series(1, 40) AS n;
	INSERT INTO integration (id, org_id, name, cloud, destination, access_grant, provisioner, status, access)
	VALUES ('01900000-0000-7000-8000-000000000001', '01900000-0000-7000-8000-00000000000a', 'Archive', 'aws', 's3://acme/', '{}', 'auto', 'active', 'granted');
	INSERT INTO export (id, org_id, integration_id, name, slug, schedule, format, compression, path_template, destination, state, delivered_seq)
	SELECT e::uuid, '01900000-0000-7000-8000-00000000000a', '01900000-0000-7000-8000-000000000001', slug, slug, '{"kind": "interval", "every": "1h"}',
		'ndjson', 'gzip', 'x', 's3://acme/', 'active', delivered
	FROM (VALUES ('01900000-0000-7000-8000-0000000000e1', 'daily', 30), ('01900000-0000-7000-8000-0000000000e2', 'new', 40)) AS old (e, slug, delivered);
	DO $$
	DECLARE
		org uuid := '01900000-0000-7000-8000-00000000000a';
		daily uuid := '01900000-0000-7000-8000-0000000000e1';
		old record;
	BEGIN
		FOR old IN SELECT w::uuid, r::uuid, first, status, objects FROM (VALUES
			('01900000-0000-7000-8000-0000000000b1', '01900000-0000-7000-8000-0000000000c1', 11, 'succeeded', 2),
			('01900000-0000-7000-8000-0000000000b2', '01900000-0000-7000-8000-0000000000c2', 21, 'succeeded', 2),
			('01900000-0000-7000-8000-0000000000b3', '01900000-0000-7000-8000-0000000000c3', 31, 'failed', 0)
		) AS rows (w, r, first, status, objects) LOOP
			INSERT INTO export_window (id, org_id, export_id, slug, first_seq, last_seq, rows_per_part, format, compression, path_template, destination)
			VALUES (old.w, org, daily, 'daily', old.first, old.first + 9, 5, 'ndjson', 'gzip', 'x', 's3://acme/');
			INSERT INTO export_run (id, org_id, export_id, window_id, workflow_id, temporal_run_id, turn, status, objects, rows, bytes, ended_at)
			VALUES (old.r, org, daily, old.w, 'export', old.r, 0, old.status, old.objects, 5 * old.objects, 50 * old.objects, now());
			INSERT INTO export_object (org_id, window_id, run_id, part, key, first_seq, last_seq, rows, bytes, sha256)
			SELECT org, old.w, old.r, part, 'x/' || part, old.first + 5 * part, old.first + 5 * part + 4, 5, 50, '00'
			FROM generate_series(0, old.objects - 1) AS part;
			UPDATE export_window SET delivered_at = now(), delivered_by = old.r WHERE id = old.w AND old.status = 'succeeded';
		END LOOP;
	END
	$$`

// Invariant 1: what was delivered before there were manifests still counts, and
// the next window follows it, with the first manifest of the chain.
func TestUpgradeGoesOnWithTheLedger(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	b := upgraded(t, 6, beforeManifests, uuid.MustParse("01900000-0000-7000-8000-00000000000a"))
	of := func(last string) uuid.UUID { return uuid.MustParse("01900000-0000-7000-8000-0000000000" + last) }
	e := b.currentExport(of("e1"))
	require.EqualValues(t, 11, e.StartSeq)
	require.True(t, e.Filter.IsZero())
	require.EqualValues(t, 41, b.currentExport(of("e2")).StartSeq)

	b.leave(e)
	var w *schemas.Window
	b.in(func(tx *postgres.Tx) {
		none, err := tx.OpenClosings(ctx, e.IntegrationID)
		require.NoError(t, err)
		require.Empty(t, none, "there is no chain yet")
		runs, err := tx.Runs(ctx, e.ID, uuid.Nil, 10)
		require.NoError(t, err)
		require.Len(t, runs, 3)
		for _, r := range runs {
			require.Equal(t, r.Objects, r.Settled)
		}
		w, err = tx.UndeliveredWindow(ctx, e.ID, nil)
		require.NoError(t, err)
		require.Equal(t, of("b3"), w.ID)
		previous, err := tx.PreviousManifest(ctx, *w)
		require.NoError(t, err)
		require.Nil(t, previous)
	})
	requireConflict(t, b.try(func(tx *postgres.Tx) error { return tx.InsertWindow(ctx, b.windowOf(e, 41, 50)) }))
	_, err := operator(t, b).Exec(ctx, `UPDATE export_window SET delivered_at = now(), delivered_by = $2 WHERE id = $1`, w.ID, of("c3"))
	require.ErrorContains(t, err, "export_window_manifest", "as a worker would that knows of no manifests")
	require.Len(t, b.due(now(), 10), 0, "an upgrade is no occasion")

	b.complete(*w, b.beginRun(*w), wholeParts(*w))
	require.EqualValues(t, 40, b.currentExport(e.ID).DeliveredSeq)
	requireConflict(t, b.try(func(tx *postgres.Tx) error { return tx.InsertWindow(ctx, b.windowOf(e, 11, 50)) }))
	all := b.allObjects(e)
	require.Len(t, all, 6)
	for n, o := range all {
		require.EqualValues(t, 11+5*n, o.FirstSeq)
		require.Equal(t, n >= 4, o.Manifest != "")
	}
	days := b.ledgerDays(e, now().Add(-day), now())
	require.Len(t, days, 1)
	require.EqualValues(t, 40, days[0].Recorded)
	require.EqualValues(t, 30, days[0].Delivered)
	require.EqualValues(t, 10, days[0].Before)
	require.EqualValues(t, 400, days[0].Bytes)
	b.leave(e)
	b.in(func(tx *postgres.Tx) {
		one, err := tx.OpenClosings(ctx, e.IntegrationID)
		require.NoError(t, err)
		require.Len(t, one, 1)
	})
}
