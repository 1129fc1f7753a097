package portal

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

func TestEventFilter(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	filter, err := eventFilter(newForm(url.Values{
		"from": {"2026-07-01T09:30"}, "to": {"2026-12-01T09:30:15"},
		"action": {" user.login "}, "actor_email": {"ada@acme.example"}, "outcome": {"failure"},
	}), berlin)
	require.NoError(t, err)
	require.Equal(t, time.Date(2026, 7, 1, 7, 30, 0, 0, time.UTC), filter.From.UTC(), "in the person's zone")
	require.Equal(t, time.Date(2026, 12, 1, 8, 30, 15, 0, time.UTC), filter.To.UTC())
	require.Equal(t, "user.login", filter.Action)
	require.Equal(t, "ada@acme.example", filter.ActorEmail)
	require.Equal(t, schemas.OutcomeFailure, filter.Outcome)

	none, err := eventFilter(newForm(nil), berlin)
	require.NoError(t, err)
	require.Equal(t, service.EventFilter{}, none)

	_, err = eventFilter(newForm(url.Values{"from": {"yesterday"}, "to": {"2026-13-01T00:00"}, "outcome": {"both"}}), berlin)
	var known *service.Error
	require.True(t, errors.As(err, &known))
	require.Len(t, known.Fields, 3)
}

func TestIndentedKeepsWhatWasRecorded(t *testing.T) {
	t.Parallel()
	require.Equal(t, "{\n  \"b\": 1e400,\n  \"a\": \"<&> \\u0000 \\\" { [\",\n  \"a\": []\n}", indented(json.RawMessage(`{"b":1e400,"a":"<&> \u0000 \" { [","a":[]}`)))
}

// An event may be nested as deep as its size lets it; laid out, it would be
// thousands of times as long.
func TestIndentedIsBounded(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	require.Equal(t, deep, indented(json.RawMessage(deep)))
	require.Equal(t, 5000, depthOf([]byte(deep)))
	require.Equal(t, 1, depthOf([]byte(`["[[[\"[[",1]`)))
	require.Equal(t, 2, depthOf([]byte(`[[],{"a":"\\"},[]]`)))
	require.Zero(t, depthOf([]byte(`"["`)))
}
