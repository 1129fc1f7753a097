package encode_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/tools"
	"github.com/auditferry/auditferry/internal/postgres/postgrestest"
	"github.com/auditferry/auditferry/schemas"
)

// Times are compared as text in one column, where no digit is lost, and have to
// be times for Postgres in another. JSON goes into json, which keeps its text.
const createTable = `
	CREATE TABLE event (
		seq bigint, recorded_at text, id uuid, occurred_at text, action text, outcome text, reason text,
		actor_type text, actor_id text, actor_name text, actor_email text,
		context_ip text, context_user_agent text, context_request_id text, context_session_id text,
		targets json, metadata json,
		CHECK (recorded_at::timestamptz IS NOT NULL AND occurred_at::timestamptz IS NOT NULL)
	)`

// psql runs statements as the superuser and gives what went wrong.
func psql(t *testing.T, url string, statements ...string) (output string, err error) {
	t.Helper()
	paths, err := tools.Ensure(t.Context(), os.Stderr, tools.Postgres)
	require.NoError(t, err)
	args := []string{url, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"}
	for _, statement := range statements {
		args = append(args, "--command="+statement)
	}
	combined, err := exec.CommandContext(t.Context(), filepath.Join(paths[tools.Postgres], "psql"), args...).CombinedOutput() // #nosec G204 -- ours
	return string(combined), err
}

// inTable is what Postgres has, a null as absent.
func inTable(t *testing.T, url string) []cells {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	found, err := conn.Query(t.Context(), "SELECT "+strings.Join(columnNames, "::text, ")+"::text FROM event ORDER BY event.seq")
	require.NoError(t, err)
	rows, err := pgx.CollectRows(found, func(row pgx.CollectableRow) (cells, error) {
		texts := make([]*string, len(columnNames))
		into := make([]any, len(texts))
		for i := range texts {
			into[i] = &texts[i]
		}
		read := cells{}
		err := row.Scan(into...)
		for i, text := range texts {
			if text != nil {
				read[columnNames[i]] = *text
			}
		}
		return read, err
	})
	require.NoError(t, err)
	return rows
}

// Postgres has after psql's \copy and after the server's COPY FROM what went in:
// row by row, column by column. The server takes any event.
func TestPostgresReadsCSV(t *testing.T) {
	t.Parallel()
	bodies, want := awkwardRows(t)
	csv := combination{schemas.FormatCSV, schemas.CompressionNone}

	t.Run("COPY FROM", func(t *testing.T) {
		t.Parallel()
		superuser, _, _ := postgrestest.NewEmpty(t)
		output, err := psql(t, superuser, createTable)
		require.NoError(t, err, output)
		conn, err := pgx.Connect(t.Context(), superuser)
		require.NoError(t, err)
		defer func() { require.NoError(t, conn.Close(t.Context())) }()
		// What psql, before version 18, takes for the end of the file.
		event := schemas.Event{Action: "a", Actor: schemas.Actor{ID: "u"}, OccurredAt: recordedAt, Outcome: schemas.OutcomeSuccess, Reason: "one\n\\.\ntwo"}
		want := append(slices.Clip(want), wanted(t, len(want)+1, event))
		object := encodeRows(t, csv, append(slices.Clip(bodies), body(t, len(want), event)))
		_, err = conn.PgConn().CopyFrom(t.Context(), strings.NewReader(string(object)), `COPY event FROM STDIN WITH (FORMAT csv, HEADER match)`)
		require.NoError(t, err)
		sameRows(t, want, inTable(t, superuser))
	})
	t.Run(`\copy`, func(t *testing.T) {
		t.Parallel()
		superuser, _, _ := postgrestest.NewEmpty(t)
		file := filepath.Join(t.TempDir(), "events.csv")
		require.NoError(t, os.WriteFile(file, encodeRows(t, csv, bodies), 0o600))
		output, err := psql(t, superuser, createTable, `\copy event FROM '`+file+`' WITH (FORMAT csv, HEADER match)`)
		require.NoError(t, err, output)
		sameRows(t, want, inTable(t, superuser))
	})
}
