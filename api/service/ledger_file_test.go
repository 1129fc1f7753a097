package service_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

// addRuns makes an export with that many runs.
func (b bundle) addRuns(t *testing.T, runs int) uuid.UUID {
	t.Helper()
	integration, err := b.create(t.Context(), "gs://acme-audit/")
	require.NoError(t, err)
	op, err := b.CreateExport(t.Context(), b.call(), service.CreateExport{
		Name: "hourly", IntegrationID: *integration.IntegrationID, Schedule: schemas.Schedule{Kind: schemas.ScheduleInterval, Every: "1h"},
	})
	require.NoError(t, err)
	conn, err := pgx.Connect(t.Context(), b.ownerURL)
	require.NoError(t, err)
	defer conn.Close(t.Context()) //nolint:errcheck // what counts has been answered
	for _, sql := range []string{
		`SET auditferry.scope = 'operator'`,
		`INSERT INTO export_window (id, org_id, export_id, slug, first_seq, last_seq, rows_per_part, format, compression, path_template, destination)
			SELECT gen_random_uuid(), org_id, id, slug, 1, 1, 1, format, compression, path_template, destination FROM export`,
	} {
		_, err = conn.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	_, err = conn.Exec(t.Context(), `
		INSERT INTO export_run (id, org_id, export_id, window_id, workflow_id, temporal_run_id, turn, status, error, ended_at)
		SELECT gen_random_uuid(), org_id, export_id, id, 'export-run/test', 'test', n, 'failed', repeat('no ', 100), now()
		FROM export_window, generate_series(1, $1) AS n`, runs)
	require.NoError(t, err)
	return *op.ExportID
}

func (b bundle) runsFile(t *testing.T, export uuid.UUID) service.LedgerFile {
	t.Helper()
	file, err := b.LedgerFile(t.Context(), b.admin, export, service.LedgerRuns, service.Period{})
	require.NoError(t, err)
	return file
}

// blockingWriter waits with the first bytes that it is given.
type blockingWriter struct {
	begun, goOn chan struct{}
	buffer      bytes.Buffer
}

func (w *blockingWriter) Write(p []byte) (int, error) {
	if w.buffer.Len() == 0 {
		close(w.begun)
		<-w.goOn
	}
	return w.buffer.Write(p)
}

// So few files are written at a time that commands still find connections, and
// of one organization so few that others get a turn. Whoever waits too long for
// one is told what to do.
func TestFewFilesAreWrittenAtATime(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	b.SetDownloadTurn(100 * time.Millisecond)
	export := b.addRuns(t, 100)
	globex, initech := b.member(t, "Globex"), b.member(t, "Initech")
	goOn := make(chan struct{})
	done := make(chan error, 4)
	begin := func(write func(context.Context, io.Writer) error) *blockingWriter {
		w := &blockingWriter{begun: make(chan struct{}), goOn: goOn}
		go func() { done <- write(context.WithoutCancel(t.Context()), w) }()
		<-w.begun
		return w
	}
	writers := []*blockingWriter{begin(b.runsFile(t, export).Write), begin(b.runsFile(t, export).Write)}
	err := b.runsFile(t, export).Write(t.Context(), &bytes.Buffer{})
	requireKind(t, service.Busy, err)
	require.ErrorContains(t, err, "Your organization")

	begin(b.eventFile(t, globex).Write)
	begin(b.eventFile(t, globex).Write)
	err = b.eventFile(t, initech).Write(t.Context(), &bytes.Buffer{})
	requireKind(t, service.Busy, err)
	require.ErrorContains(t, err, "Too many files")

	_, err = b.PauseExport(t.Context(), b.call(), service.PauseExport{ExportID: export})
	require.NoError(t, err)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, b.runsFile(t, export).Write(cancelled, &bytes.Buffer{}), context.Canceled)
	require.NoError(t, b.runsFile(t, export).Write(service.HeadersOnly(t.Context()), brokenWriter{}), "nothing is written, and nobody waits")

	close(goOn)
	for range 4 {
		require.NoError(t, <-done)
	}
	var whole bytes.Buffer
	require.NoError(t, b.runsFile(t, export).Write(t.Context(), &whole), "the turns are free again")
	require.Equal(t, 101, strings.Count(whole.String(), "\r\n"))
	for _, w := range writers {
		require.Equal(t, whole.String(), w.buffer.String())
	}
}

// What a file holds is never in memory as a whole: rows are read as they are
// written, so Postgres has to wait for a slow reader.
func TestFilesAreWrittenAsTheyAreRead(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	file := b.runsFile(t, b.addRuns(t, 20_000)) // about 9 MiB
	writer := &blockingWriter{begun: make(chan struct{}), goOn: make(chan struct{})}
	done := make(chan error, 1)
	go func() { done <- file.Write(context.WithoutCancel(t.Context()), writer) }()
	<-writer.begun
	conn, err := pgx.Connect(t.Context(), b.appURL) // other roles' sessions are not shown
	require.NoError(t, err)
	defer conn.Close(t.Context()) //nolint:errcheck // read only
	require.Eventually(t, func() bool {
		var waiting int
		err := conn.QueryRow(t.Context(), `
			SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'ClientWrite'`).Scan(&waiting)
		return err == nil && waiting == 1
	}, 30*time.Second, 5*time.Millisecond)
	close(writer.goOn)
	require.NoError(t, <-done)
	require.Equal(t, 20_001, bytes.Count(writer.buffer.Bytes(), []byte("\r\n")))
}

type brokenWriter struct{}

var errHungUp = errors.New("hung up")

func (brokenWriter) Write([]byte) (int, error) { return 0, errHungUp }

// Who hangs up is no longer written for, and learns nothing else.
func TestFilesForNobody(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	export := b.addRuns(t, 2_000)
	for range 6 { // more than there are turns
		require.ErrorIs(t, b.runsFile(t, export).Write(t.Context(), brokenWriter{}), errHungUp)
	}
}
