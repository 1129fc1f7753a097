package portal

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

// rendered is a page as it is sent, without a server.
func rendered(t *testing.T, f frame) string {
	t.Helper()
	files, err := loadFiles()
	require.NoError(t, err)
	templates, err := loadTemplates(files)
	require.NoError(t, err)
	var html strings.Builder
	require.NoError(t, templates[f.Template].ExecuteTemplate(&html, "layout.html", f))
	return html.String()
}

func runPage(run schemas.Run, objects ...schemas.Object) frame {
	body := runBody{Run: runRow{RunView: service.RunView{Run: run}}, Objects: objects}
	body.Run.Trouble = troubleOf(body.Run.RunView, body.Export, time.Now())
	return frame{page: &page{Template: "run", Title: "Run", Body: body}, Base: "/orgs/1", Zone: zone{time.UTC}}
}

// The workflow's ID holds slashes, and is one element of the link all the same.
func TestRunsLinkOperatorsToTheWorkflow(t *testing.T) {
	t.Parallel()
	f := runPage(schemas.Run{ID: uuid.New(), Status: schemas.RunSucceeded, WorkflowID: "export-run/1-2026-01-02T03:04:05Z"})
	require.NotContains(t, rendered(t, f), "/workflows/")
	f.Temporal = "https://temporal.example/namespaces/auditferry"
	require.Contains(t, rendered(t, f), `href="https://temporal.example/namespaces/auditferry/workflows/export-run%2F1-2026-01-02T03:04:05Z"`)
}

func TestRunsShowHowFarTheyAre(t *testing.T) {
	t.Parallel()
	running := schemas.Run{Status: schemas.RunRunning, Parts: 7, Settled: 3, WorkflowID: "w"}
	object := schemas.Object{Key: "logs/a.ndjson", SHA256: strings.Repeat("ab", 32), FirstSeq: 1, LastSeq: 9000, Rows: 8999, Excluded: 1, Bytes: 2048}
	html := rendered(t, runPage(running, object))
	require.Contains(t, html, `max="7" value="3"`)
	require.Contains(t, html, "3 of 7 parts")
	require.Contains(t, html, `data-copy="`+object.SHA256+`"`)
	require.Contains(t, html, "1 excluded")
	require.Contains(t, html, "1 to 9,000")
	require.Contains(t, html, "8,999")
	require.Contains(t, html, "do not count yet", "there is no manifest")

	running.Status = schemas.RunSucceeded
	html = rendered(t, runPage(running, object))
	require.NotContains(t, html, "<progress")
}

// What a cloud answers is text, whatever it holds.
func TestMessagesAreEscaped(t *testing.T) {
	t.Parallel()
	html := rendered(t, runPage(schemas.Run{Status: schemas.RunFailed, Error: `<script>alert("x")</script>`}))
	require.NotContains(t, html, "<script>alert")
	require.Contains(t, html, "&lt;script&gt;")
}

func TestHowLongARunTook(t *testing.T) {
	t.Parallel()
	for seconds, want := range map[float64]string{0: "under 0.1 s", 0.235: "0.2 s", 9.96: "10.0 s", 12.9: "12 s", 75: "1 min 15 s", 3600: "1 h 0 min", 90061: "25 h 1 min"} {
		require.Equal(t, want, runRow{RunView: service.RunView{DurationSeconds: seconds}}.Took())
	}
}
