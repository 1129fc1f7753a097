package service_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

// recordEvents appends n events, every third of which tells of a failure.
func (b bundle) recordEvents(t *testing.T, n int) {
	t.Helper()
	batch := make([]service.RawEvent, n)
	for i := range batch {
		outcome := schemas.OutcomeSuccess
		if i%3 == 0 {
			outcome = schemas.OutcomeFailure
		}
		batch[i] = service.RawEvent{Place: service.Place{Line: i + 1}, JSON: fmt.Appendf(nil,
			`{"occurred_at":"2026-01-02T03:04:05Z","action":"document.opened","actor":{"id":"u%d"},"outcome":"%s","metadata":{"text":"%0200d"}}`, i, outcome, i)}
	}
	_, err := b.AppendEvents(t.Context(), b.call(), batch)
	require.NoError(t, err)
}

// A file holds what a search finds, page by page.
func TestAnEventFileHoldsTheSelection(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	b.recordEvents(t, 500)
	for _, filter := range []service.EventFilter{
		{},
		{Outcome: schemas.OutcomeFailure, Action: "document.opened"},
		{Action: "nobody.did"},
	} {
		var want bytes.Buffer
		page := service.Page{Limit: 200}
		for more := true; more; {
			list, err := b.SearchEvents(t.Context(), b.admin, filter, page)
			require.NoError(t, err)
			for _, event := range list.Items {
				want.Write(event.Body)
				want.WriteByte('\n')
			}
			page.Cursor, more = list.NextCursor, list.NextCursor != ""
		}
		file, err := b.EventFile(t.Context(), b.admin, filter)
		require.NoError(t, err)
		require.Regexp(t, `^auditferry-events-\d{8}T\d{6}Z\.ndjson$`, file.Name)
		var got bytes.Buffer
		require.NoError(t, file.Write(t.Context(), &got))
		require.Equal(t, want.String(), got.String())
	}
}

// Events are for those who may read them, in their own organization.
func TestWhoMayReadEvents(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	b.recordEvents(t, 1)
	list, err := b.SearchEvents(t.Context(), b.admin, service.EventFilter{Action: "document.opened"}, service.Page{})
	require.NoError(t, err)
	seq := list.Items[0].Seq

	viewer := b.admin
	viewer.Role = schemas.RoleViewer
	found, err := b.Event(t.Context(), viewer, seq)
	require.NoError(t, err)
	require.Equal(t, list.Items[0], found)
	_, err = b.Event(t.Context(), viewer, seq+1000)
	requireKind(t, service.NotFound, err)

	ingest := b.admin
	ingest.Role = schemas.RoleIngest
	_, err = b.Event(t.Context(), ingest, seq)
	requireKind(t, service.Forbidden, err)
	_, err = b.EventFile(t.Context(), ingest, service.EventFilter{})
	requireKind(t, service.Forbidden, err)

	unknown := uuid.New()
	stranger := viewer
	stranger.OrgID = &unknown
	_, err = b.Event(t.Context(), stranger, seq)
	requireKind(t, service.NotFound, err)
	file, err := b.EventFile(t.Context(), stranger, service.EventFilter{})
	require.NoError(t, err)
	var got bytes.Buffer
	require.NoError(t, file.Write(t.Context(), &got))
	require.Empty(t, got.Bytes())

	from, to := time.Now(), time.Now().Add(-time.Hour)
	_, err = b.EventFile(t.Context(), viewer, service.EventFilter{From: &from, To: &to})
	requireKind(t, service.Invalid, err, "from")
}

// member makes another organization with an event, and a viewer of it.
func (b bundle) member(t *testing.T, name string) service.Caller {
	t.Helper()
	operator := service.Call{Caller: service.Caller{Role: schemas.RoleOperator, Actor: schemas.Actor{Name: "operator"}}}
	org, err := b.CreateOrg(t.Context(), operator, service.CreateOrg{Name: name})
	require.NoError(t, err)
	other := b
	other.admin.OrgID = &org.ID
	other.recordEvents(t, 10)
	return service.Caller{OrgID: &org.ID, Role: schemas.RoleViewer, Actor: schemas.Actor{ID: "vic"}}
}

func (b bundle) eventFile(t *testing.T, caller service.Caller) service.EventFile {
	t.Helper()
	file, err := b.EventFile(t.Context(), caller, service.EventFilter{})
	require.NoError(t, err)
	return file
}

// A search that takes too long ends, and says what to do; so does the trial of a
// filter. Whoever gives up is not told that it is busy.
func TestSearchesTakeTheirTime(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	b.recordEvents(t, 10)
	held, err := pgx.Connect(t.Context(), b.ownerURL)
	require.NoError(t, err)
	defer held.Close(context.WithoutCancel(t.Context())) //nolint:errcheck // what counts has been answered
	_, err = held.Exec(t.Context(), `BEGIN; LOCK TABLE audit_event IN ACCESS EXCLUSIVE MODE`)
	require.NoError(t, err)

	b.SetSearchTimeout(20 * time.Millisecond)
	_, err = b.SearchEvents(t.Context(), b.admin, service.EventFilter{}, service.Page{})
	requireKind(t, service.Busy, err)
	require.ErrorContains(t, err, "from a later time on")
	_, err = b.PreviewExport(t.Context(), b.admin, service.PreviewExport{Destination: "gs://acme-audit/"})
	requireKind(t, service.Busy, err)

	b.SetSearchTimeout(time.Minute)
	impatient, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = b.SearchEvents(impatient, b.admin, service.EventFilter{}, service.Page{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = held.Exec(t.Context(), `ROLLBACK`)
	require.NoError(t, err)
	list, err := b.SearchEvents(t.Context(), b.admin, service.EventFilter{Actor: "u3"}, service.Page{})
	require.NoError(t, err)
	require.Len(t, list.Items, 1)
}
