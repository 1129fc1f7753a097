package portal

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

func TestTroubleOfRuns(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
	expires, backfill := now.Add(49*time.Hour), uuid.New()
	behind := service.ExportView{
		Export:      schemas.Export{State: schemas.ExportActive, DeliveredSeq: 10},
		Undelivered: &service.Undelivered{OldestSeq: 11, ExpiresAt: &expires},
	}
	paused, caughtUp := behind, behind
	paused.State = schemas.ExportPaused
	caughtUp.DeliveredSeq, caughtUp.Undelivered = 20, nil
	failed := schemas.Run{Status: schemas.RunFailed, ErrorKind: schemas.KindDenied, Error: "AccessDenied", FirstSeq: 11, LastSeq: 20}
	running, superseded, cancelled, again := failed, failed, failed, failed
	running.Status = schemas.RunRunning
	superseded.ErrorKind, superseded.Error = "", "superseded by a newer run"
	cancelled.Status, cancelled.ErrorKind = schemas.RunCancelled, ""
	again.BackfillID = &backfill
	for _, test := range []struct {
		name             string
		run              schemas.Run
		export           service.ExportView
		tone, what, next string
	}{
		{"failed", failed, behind, "bad", "Access denied", "The next run begins with these events, and no event is skipped. The oldest is kept for another 2 days 1 hour."},
		{"failed, paused", failed, paused, "bad", "Access denied", "When it is resumed"},
		{"failed, delivered later", failed, caughtUp, "bad", "Access denied", "a later run has delivered these events"},
		{"running", running, behind, "warn", "Access denied", "for 75 minutes"},
		{"superseded", superseded, caughtUp, "quiet", "Taken over", "Nothing is missing"},
		{"cancelled", cancelled, paused, "quiet", "Cancelled", "When it is resumed"},
		{"backfill", again, caughtUp, "bad", "Access denied", "Begin another one"},
	} {
		got := troubleOf(service.RunView{Run: test.run}, test.export, now)
		require.NotNil(t, got, test.name)
		require.Equal(t, test.tone, got.Tone, test.name)
		require.Equal(t, test.what, got.What, test.name)
		require.Contains(t, got.Next, test.next, test.name)
		if test.run.Status != schemas.RunCancelled {
			require.Equal(t, test.run.Error, got.Message)
		}
	}
	require.Nil(t, troubleOf(service.RunView{Run: schemas.Run{Status: schemas.RunSucceeded}}, behind, now))
	require.Nil(t, troubleOf(service.RunView{Run: schemas.Run{Status: schemas.RunRunning}}, behind, now))
}

func TestEveryKindOfErrorIsExplained(t *testing.T) {
	t.Parallel()
	for _, kind := range []schemas.ErrorKind{
		schemas.KindDenied, schemas.KindNotFound, schemas.KindThrottled, schemas.KindUnavailable, schemas.KindInvalid, schemas.KindConflict,
	} {
		require.NotEmpty(t, causes[kind].what, kind)
		require.NotEmpty(t, causes[kind].why, kind)
	}
	require.Len(t, causes, 6)
}
