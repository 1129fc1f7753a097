package postgres_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/internal/postgres/postgrestest"
	"github.com/auditferry/auditferry/schemas"
)

func TestMigrationsAreNumberedWithoutGaps(t *testing.T) {
	t.Parallel()
	files, err := fs.Glob(schemas.Migrations, "migrations/*")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for i, file := range files {
		require.True(t, strings.HasPrefix(file, fmt.Sprintf("migrations/%04d_", i+1)), file)
	}
}

func TestProgramsMayMigrateAtOnce(t *testing.T) {
	t.Parallel()
	_, ownerURL, appURL := postgrestest.NewEmpty(t)

	const programs = 4
	done := make(chan error, programs)
	for range programs {
		go func() { done <- postgres.Migrate(t.Context(), ownerURL) }()
	}
	for range programs {
		require.NoError(t, <-done)
	}

	store, err := postgres.Open(t.Context(), appURL)
	require.NoError(t, err)
	defer store.Close()
	require.NoError(t, store.Ping(t.Context()))
}

// Invariant 6: a role that could see past the policies does not get to run.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	superuserURL, ownerURL, appURL := postgrestest.NewEmpty(t)

	_, err := postgres.Open(t.Context(), appURL)
	require.ErrorContains(t, err, "run the migrations first")

	require.NoError(t, postgres.Migrate(t.Context(), ownerURL))
	_, err = postgres.Open(t.Context(), superuserURL)
	require.ErrorContains(t, err, "not bound by row level security")
	_, err = postgres.Open(t.Context(), ownerURL)
	require.ErrorContains(t, err, "owns the tables")

	// Roles belong to the server, so this one needs a name of its own.
	const stranger = "stranger_to_open"
	superuser := connect(t, superuserURL)
	_, err = superuser.Exec(t.Context(), "CREATE ROLE "+stranger+" LOGIN")
	require.NoError(t, err)
	defer func() {
		_, err := superuser.Exec(t.Context(), "DROP ROLE "+stranger)
		require.NoError(t, err)
	}()
	_, err = postgres.Open(t.Context(), strings.Replace(appURL, "//auditferry@", "//"+stranger+"@", 1))
	require.ErrorContains(t, err, "GRANT auditferry_app TO")

	_, err = superuser.Exec(t.Context(), "DELETE FROM goose_db_version WHERE version_id > 1")
	require.NoError(t, err)
	_, err = postgres.Open(t.Context(), appURL)
	require.ErrorContains(t, err, "the database has schema version 1")
}

// Invariant 2: a machine that vanishes in the middle of a transaction keeps its
// locks, such as the one that an org's appends wait for, for minutes only.
func TestTransactionsOfTheVanishedEnd(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.in(func(tx *postgres.Tx) {
		limit, err := tx.Setting(t.Context(), "idle_in_transaction_session_timeout")
		require.NoError(t, err)
		require.Equal(t, "3min", limit)
	})
}
