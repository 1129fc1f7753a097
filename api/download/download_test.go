package download

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var errBroken = errors.New("broken")

// A file that cannot be begun can still become another answer; one that breaks
// off cannot, and must not look whole.
func TestSend(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 3*blockSize)
	for _, test := range []struct {
		name, content string
		broken        error
		begun         bool
		want          string
	}{
		{"whole", "a file", nil, true, "a file"},
		{"long", long, nil, true, long},
		{"empty", "", nil, true, ""},
		{"broken at once", "", errBroken, false, "page"},
		{"broken before a block is full", "a file", errBroken, false, "page"},
		{"broken later", long, errBroken, true, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			file := File{"events.ndjson", "application/x-ndjson", func(to io.Writer) error {
				if _, err := io.WriteString(to, test.content); err != nil {
					return err
				}
				return test.broken
			}}
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				begun, err := file.Send(w)
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
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
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
			if test.want == "page" {
				require.Empty(t, answer.Header.Get("Content-Disposition"))
				return
			}
			require.Equal(t, `attachment; filename="events.ndjson"`, answer.Header.Get("Content-Disposition"))
			require.Equal(t, "application/x-ndjson", answer.Header.Get("Content-Type"))
		})
	}
}

// Whoever stops reading a file does not keep what it is read from.
func TestStalledClients(t *testing.T) {
	t.Parallel()
	endless := File{"events.ndjson", "application/x-ndjson", func(to io.Writer) error {
		block := make([]byte, blockSize)
		for {
			if _, err := to.Write(block); err != nil {
				return err
			}
		}
	}}
	ended := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, err := endless.send(w, 100*time.Millisecond)
		ended <- err
	}))
	defer server.Close()
	client, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer client.Close() //nolint:errcheck // nothing is read of it
	_, err = io.WriteString(client, "GET / HTTP/1.1\r\nHost: test\r\n\r\n")
	require.NoError(t, err)
	select {
	case err := <-ended:
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	case <-time.After(30 * time.Second):
		t.Fatal("the download does not end")
	}
}
