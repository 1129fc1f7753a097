package mail_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/mail"
	"github.com/auditferry/auditferry/schemas"
)

const exportLink = "https://audit.example.com/exports/0192f0c0-0000-7000-8000-000000000003"

var failedAt = time.Date(2025, 3, 1, 9, 30, 0, 0, time.UTC)

func daily(t *testing.T) schemas.Export {
	t.Helper()
	d, err := schemas.ParseDestination(onAWS)
	require.NoError(t, err)
	return schemas.Export{
		ID: uuid.MustParse("0192f0c0-0000-7000-8000-000000000003"), OrgID: acme().ID, Name: "Daily archive",
		Destination: d, State: schemas.ExportActive, DeliveredSeq: 1041,
	}
}

func failing(t *testing.T) schemas.Export {
	t.Helper()
	export := daily(t)
	export.FailingSince = &failedAt
	return export
}

func paused(t *testing.T, reason schemas.PauseReason) schemas.Export {
	t.Helper()
	export := daily(t)
	export.State, export.PauseReason = schemas.ExportPaused, reason
	return export
}

var clock = schemas.LossClock{Seq: 1042, RecordedAt: failedAt, ExpiresAt: failedAt.AddDate(0, 0, 30)}

func failure() mail.Failure {
	return mail.Failure{Since: failedAt, Clock: &clock, Last: schemas.Run{
		ErrorKind: schemas.KindDenied,
		Error:     "write to s3://acme-logs/audit/: The role may not write objects into the folder audit/. Give it s3:PutObject.",
	}}
}

// Every mail about exports, as it is in testdata; see TestMessages.
func TestExportMessages(t *testing.T) {
	t.Parallel()
	expiring := func(export schemas.Export, days int) func() (mail.Message, error) {
		return func() (mail.Message, error) { return mail.EventsExpiring(acme(), export, clock, days, exportLink) }
	}
	for name, build := range map[string]func() (mail.Message, error){
		"export-failing": func() (mail.Message, error) {
			return mail.ExportFailing(acme(), failing(t), failure(), exportLink)
		},
		"export-failing-unexplained": func() (mail.Message, error) {
			return mail.ExportFailing(acme(), failing(t), mail.Failure{Since: failedAt}, exportLink)
		},
		"export-still-failing": func() (mail.Message, error) {
			return mail.ExportStillFailing(acme(), failing(t), failure(), failedAt.AddDate(0, 0, 3), exportLink)
		},
		"export-recovered": func() (mail.Message, error) {
			return mail.ExportRecovered(acme(), daily(t), failedAt, exportLink)
		},
		"events-expiring-failing":   expiring(failing(t), 7),
		"events-expiring-paused":    expiring(paused(t, schemas.PausedByAdmin), 3),
		"events-expiring-moved":     expiring(paused(t, schemas.PausedByDestinationUpdate), 1),
		"events-expiring-abandoned": expiring(paused(t, schemas.PausedByIntegrationDeleted), 1),
		"events-expiring-slow":      expiring(daily(t), 7),
		"events-expired": func() (mail.Message, error) {
			return mail.EventsExpired(acme(), paused(t, schemas.PausedByAdmin), exportLink)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			message, err := build()
			require.NoError(t, err)
			require.Less(t, len(message.Subject), 70, "subjects are read in lists")
			requireGolden(t, name+".txt", "Subject: "+message.Subject+"\n\n"+message.Text)
			requireGolden(t, name+".html", message.HTML)
		})
	}
}

// What a run's error quotes of somebody else's answer is no markup, and not of
// any length.
func TestFailuresQuoteLittle(t *testing.T) {
	t.Parallel()
	f := failure()
	f.Last.Error = "<script>alert(1)</script>\n" + strings.Repeat("x", 10_000)
	message, err := mail.ExportFailing(acme(), failing(t), f, exportLink)
	require.NoError(t, err)
	require.NotContains(t, message.HTML, "<script>")
	require.Less(t, len(message.Text), 2_500)
}

// Whatever kind of error it is, the mail says what can be done about it, and no
// two kinds are mixed up.
func TestFailuresSayWhatToDo(t *testing.T) {
	t.Parallel()
	for kind, want := range map[schemas.ErrorKind]string{
		schemas.KindDenied:      "Grant access again",
		schemas.KindNotFound:    "Make the bucket or container again",
		schemas.KindConflict:    "Move that object to another place",
		schemas.KindThrottled:   "the next run tries again",
		schemas.KindUnavailable: "the next run tries again",
		schemas.KindInvalid:     "Do what the explanation says",
		"":                      "Do what the explanation says",
	} {
		f := failure()
		f.Last.ErrorKind = kind
		begun, err := mail.ExportFailing(acme(), failing(t), f, exportLink)
		require.NoError(t, err)
		require.Contains(t, begun.Text, want, "kind %q", kind)
		again, err := mail.ExportStillFailing(acme(), failing(t), f, failedAt.AddDate(0, 0, 3), exportLink)
		require.NoError(t, err)
		require.Contains(t, again.Text, want, "kind %q", kind)
	}
}
