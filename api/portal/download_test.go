package portal

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var errBroken = errors.New("broken")

// A file that cannot be begun can still become a page; one that breaks off
// cannot, and must not look whole.
func TestDownloads(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 3*downloadBlock)
	for _, test := range []struct {
		name, method, content string
		broken                error
		begun                 bool
		want                  string
	}{
		{"whole", http.MethodGet, "a file", nil, true, "a file"},
		{"long", http.MethodGet, long, nil, true, long},
		{"empty", http.MethodGet, "", nil, true, ""},
		{"only asked about", http.MethodHead, "a file", errBroken, false, ""},
		{"broken at once", http.MethodGet, "", errBroken, false, "page"},
		{"broken before a block is full", http.MethodGet, "a file", errBroken, false, "page"},
		{"broken later", http.MethodGet, long, errBroken, true, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			file := download{"events.ndjson", "application/x-ndjson", func(_ context.Context, to io.Writer) error {
				if _, err := io.WriteString(to, test.content); err != nil {
					return err
				}
				return test.broken
			}}
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				begun, err := file.send(r.Context(), r.Method, w)
				if begun != test.begun {
					t.Errorf("begun is %t", begun)
				}
				switch {
				case err != nil && begun:
					panic(http.ErrAbortHandler)
				case err != nil:
					_, _ = io.WriteString(w, "page")
				}
			}))
			defer server.Close()
			request, err := http.NewRequestWithContext(t.Context(), test.method, server.URL, nil)
			require.NoError(t, err)
			answer, err := server.Client().Do(request)
			require.NoError(t, err)
			defer answer.Body.Close() //nolint:errcheck // read to its end below
			body, err := io.ReadAll(answer.Body)
			if test.begun && test.broken != nil {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.want, string(body))
			if test.want != "page" {
				require.Equal(t, `attachment; filename="events.ndjson"`, answer.Header.Get("Content-Disposition"))
				require.Equal(t, "application/x-ndjson", answer.Header.Get("Content-Type"))
			} else {
				require.Empty(t, answer.Header.Get("Content-Disposition"))
			}
		})
	}
}
