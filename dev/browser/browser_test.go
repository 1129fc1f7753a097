package browser_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/browser"
)

const pageBegin = `<!doctype html><html lang="en"><head><title>A page</title><link rel="icon" href="data:,"></head><body><main>`

const first = pageBegin + `<h1>First</h1>
<form method="post" action="/second">
<label for="name">Name <span>optional</span></label><input id="name" name="name" value="old">
<label><input type="radio" name="cloud" value="aws"> AWS</label>
<label><input type="radio" name="cloud" value="gcp"> GCP</label>
<label for="unit">Unit</label><select id="unit" name="unit"><option value="m">minutes</option><option value="h">hours</option></select>
<label><input type="checkbox" name="all" value="1"> All of them</label>
<button>Save</button></form>
<table><tr><td>One</td><td><a href="/one">Open</a></td></tr><tr><td>Two</td><td><a href="/two">Open</a></td></tr></table>
<p id="later"></p><script>setTimeout(() => { document.getElementById('later').textContent = 'Come by itself'; }, 300);</script>
`

const broken = pageBegin + `<h1>Broken</h1><img src="data:image/gif;base64,R0lGODlhAQABAAAAACw="><p style="color:#ccc;background:#fff">Pale</p>
<script>console.error('bad things'); throw new Error('thrown');</script><script src="/missing.js"></script>`

// A person does what they read, and sees what keeps others from it.
func TestPerson(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		switch r.URL.Path {
		case "/":
			_, _ = io.WriteString(w, first)
		case "/second":
			_, _ = fmt.Fprintf(w, pageBegin+"<h1>Second</h1><p>%s %s %s %s", r.FormValue("name"), r.FormValue("cloud"), r.FormValue("unit"), r.FormValue("all"))
		case "/broken":
			_, _ = io.WriteString(w, broken)
		case "/wide":
			_, _ = io.WriteString(w, pageBegin+`<meta name="viewport" content="width=device-width, initial-scale=1"><p style="margin:0;width:1500px">Wide`)
		case "/missing.js", "/nowhere":
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, "Nothing is here.")
		default:
			_, _ = fmt.Fprintf(w, pageBegin+"<h1>Page %s</h1>", r.URL.Path)
		}
	}))
	t.Cleanup(site.Close)
	chromium, err := browser.Start(t.Context(), io.Discard)
	require.NoError(t, err)
	t.Cleanup(chromium.Stop)

	for _, look := range []browser.Look{{}, {NoScripts: true}} {
		p, err := chromium.Open(site.URL, look)
		require.NoError(t, err)
		t.Cleanup(p.Close)
		require.NoError(t, p.Visit("/"))
		require.NoError(t, p.Fill("Name", "new"))
		require.NoError(t, p.Choose("GCP"))
		require.NoError(t, p.Select("Unit", "hour"))
		require.NoError(t, p.Tick("All of them"))
		if !look.NoScripts {
			require.NoError(t, p.WaitFor("Come by itself"))
		}
		require.NoError(t, p.Click("Save"))
		require.NoError(t, p.WaitFor("Second", "new gcp h 1"))
		require.NoError(t, p.Visit("/"))
		require.NoError(t, p.In("Two").Click("Open"))
		require.NoError(t, p.WaitFor("Page /two"))
		require.Empty(t, p.Complaints())
	}

	p, err := chromium.Open(site.URL, browser.Look{})
	require.NoError(t, err)
	t.Cleanup(p.Close)
	require.NoError(t, p.Visit("/broken"))
	complaints := p.Complaints()
	require.Len(t, complaints, 3)
	require.Contains(t, fmt.Sprint(complaints), "bad things")
	require.Contains(t, fmt.Sprint(complaints), "thrown")
	require.Contains(t, fmt.Sprint(complaints), "/missing.js")
	barriers, err := p.Barriers()
	require.NoError(t, err)
	require.Contains(t, fmt.Sprint(barriers), "image-alt (critical)")
	require.Contains(t, fmt.Sprint(barriers), "color-contrast (serious)")

	p.Expect(http.StatusNotFound)
	require.NoError(t, p.Visit("/nowhere"))
	require.Empty(t, p.Complaints(), "it was expected")

	for _, look := range []browser.Look{{}, {Phone: true}} {
		p, err := chromium.Open(site.URL, look)
		require.NoError(t, err)
		t.Cleanup(p.Close)
		require.NoError(t, p.Visit("/one"))
		wider, err := p.Overflow()
		require.NoError(t, err)
		require.Zero(t, wider)
		require.NoError(t, p.Visit("/wide"))
		wider, err = p.Overflow()
		require.NoError(t, err)
		require.Greater(t, wider, 200)
	}
}
