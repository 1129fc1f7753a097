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
