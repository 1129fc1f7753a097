package httpapi_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/auditferry/auditferry/schemas"
)

// exchange sends bytes that no HTTP library would, all of them before it reads
// the answer.
func (s *server) exchange(t *testing.T, sent string) response {
	t.Helper()
	connection, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	require.NoError(t, err)
	defer connection.Close() //nolint:errcheck // read only by then
	require.NoError(t, connection.SetDeadline(time.Now().Add(patience)))
	_, err = io.WriteString(connection, sent)
	require.NoError(t, err)
	answer, err := http.ReadResponse(bufio.NewReader(connection), nil)
	require.NoError(t, err)
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	return response{answer.StatusCode, answer.Header, body}
}

// head begins a POST request with JSON.
func head(path, key string, more ...string) string {
	lines := append([]string{
		"POST " + path + " HTTP/1.1", "Host: auditferry", "Authorization: Bearer " + key, "Content-Type: application/json",
	}, more...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// Clients that do not read before they have sent everything learn what is wrong
// as well.
func TestTooLargeBodyIsAnswered(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	size := schemas.MaxAppendBytes + 1
	s.exchange(t, head("/v1/events", o.admin(), fmt.Sprintf("Content-Length: %d", size))+strings.Repeat(" ", size)).
		problem(t, http.StatusRequestEntityTooLarge)
}

func TestBrokenBodyIsNoFaultOfOurs(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	for _, path := range []string{"/v1/exports", "/v1/events"} {
		s.exchange(t, head(path, o.admin(), "Transfer-Encoding: chunked")+"no chunk\r\n").problem(t, http.StatusBadRequest)
	}
	require.Zero(t, s.log.FilterLevelExact(zap.ErrorLevel).Len())
}

// Some clients announce a body of unknown length for every POST.
func TestEmptyStreamIsNoBody(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	path := "/v1/exports/" + s.newExport(t, o, "hourly", s.newAWS(t, o, "s3://acme-audit/")).ID.String() + "/pause"
	s.exchange(t, head(path, o.admin(), "Transfer-Encoding: chunked")+"0\r\n\r\n").is(t, http.StatusAccepted, nil)
	s.exchange(t, head(path, o.admin(), "Transfer-Encoding: chunked")+"2\r\n{}\r\n0\r\n\r\n").problem(t, http.StatusBadRequest)
}

// A client may make up methods, and the program must not keep them all.
func TestMadeUpMethodsAreCountedTogether(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for i := range 3 {
		s.do(t, request{method: fmt.Sprintf("METHOD%d", i), path: "/v1/org"}).problem(t, http.StatusMethodNotAllowed)
	}
	require.Eventually(t, func() bool {
		metrics := string(s.get(t, "", "/metrics").body)
		return strings.Contains(metrics, `auditferry_http_requests_total{method="other",route="",status="405"} 3`) &&
			!strings.Contains(metrics, "METHOD")
	}, patience, time.Millisecond)
}

// The service's own audit events keep the limit that it sets to others.
func TestLongUserAgentIsCut(t *testing.T) {
	t.Parallel()
	s := setup(t)
	o := s.newTenant(t, "Acme")
	path := "/v1/exports/" + s.newExport(t, o, "hourly", s.newAWS(t, o, "s3://acme-audit/")).ID.String() + "/pause"
	s.exchange(t, head(path, o.admin(), "Content-Length: 0", "User-Agent: "+strings.Repeat("ü", 100_000))).
		is(t, http.StatusAccepted, nil)
	var events struct{ Items []schemas.Event }
	s.get(t, o.admin(), "/v1/events?limit=1").is(t, http.StatusOK, &events)
	require.Equal(t, "auditferry.export.paused", events.Items[0].Action)
	require.Equal(t, strings.Repeat("ü", 256), events.Items[0].Context.UserAgent)
}
