package schemas_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/schemas"
)

const minimal = `{"occurred_at":"2026-01-02T03:04:05Z","action":"document.deleted","actor":{"id":"u1"}}`

func TestDecodeEventFillsIn(t *testing.T) {
	t.Parallel()
	e, err := schemas.DecodeEvent([]byte(" " + minimal + "\n"))
	require.NoError(t, err)
	require.Equal(t, schemas.OutcomeSuccess, e.Outcome)
	require.EqualValues(t, 7, e.ID.Version())

	given := uuid.New()
	e, err = schemas.DecodeEvent([]byte(strings.Replace(minimal, "{", `{"id":"`+given.String()+`",`, 1)))
	require.NoError(t, err)
	require.Equal(t, given, e.ID)
}

func TestDecodeEventRefuses(t *testing.T) {
	t.Parallel()
	with := func(member string) string { return strings.Replace(minimal, "{", "{"+member+",", 1) }
	for data, field := range map[string]string{
		"":                                 "event",
		"null":                             "occurred_at",
		"[]":                               "event",
		minimal + "}":                      "event",
		minimal + " x":                     "event",
		minimal + minimal:                  "event",
		with(`"color":"red"`):              "event",
		with(`"id":"7"`):                   "event",
		with(`"outcome":"maybe"`):          "outcome",
		with(`"metadata":"text"`):          "metadata",
		with(`"metadata":null`):            "metadata",
		with(`"targets":{"id":"a"}`):       "targets",
		with(`"targets":[{}]`):             "targets[0].id",
		with(`"reason":7`):                 "reason",
		with(`"reason":"` + "\xff" + `"`):  "event",
		with(`"context":{"country":"de"}`): "event",
		strings.Replace(minimal, "document.deleted", "", 1):                              "action",
		strings.Replace(minimal, "u1", "", 1):                                            "actor.id",
		strings.Replace(minimal, "2026-01-02T03:04:05Z", "yesterday", 1):                 "occurred_at",
		strings.Replace(minimal, "2026-01-02T03:04:05Z", "0001-01-01T00:00:00Z", 1):      "occurred_at",
		strings.Replace(minimal, "2026-01-02T03:04:05Z", "1969-12-31T23:59:59Z", 1):      "occurred_at",
		strings.Replace(minimal, "2026-01-02T03:04:05Z", "9999-12-31T23:59:59-01:00", 1): "occurred_at",
		with(`"reason":"` + strings.Repeat("x", schemas.MaxEventBytes) + `"`):            "event",
	} {
		_, err := schemas.DecodeEvent([]byte(data))
		requireField(t, field, err)
	}
}

func TestCanonical(t *testing.T) {
	t.Parallel()
	e, err := schemas.DecodeEvent([]byte(`{
		"id": "019b7c3a-5f00-7abc-8def-0123456789ab", "occurred_at": "2026-01-02T05:04:05.1+02:00", "action": "a<b>&c",
		"actor": {"id": "u1"}, "metadata": {"n": 1.50,  "big": 12345678901234567890, "s": "<&>"}}`))
	require.NoError(t, err)
	body, err := e.Canonical(42, time.Date(2026, 1, 2, 4, 0, 0, 123_456_000, time.FixedZone("east", 3600)))
	require.NoError(t, err)
	require.Equal(t, `{"seq":42,"recorded_at":"2026-01-02T03:00:00.123456Z","id":"019b7c3a-5f00-7abc-8def-0123456789ab",`+
		`"occurred_at":"2026-01-02T03:04:05.1Z","action":"a<b>&c","actor":{"id":"u1"},"outcome":"success",`+
		`"metadata":{"n":1.50,"big":12345678901234567890,"s":"<&>"}}`, string(body))
}

// FuzzDecodeEvent holds that whatever decodes also serializes, to one line of
// JSON that decodes to the same event.
func FuzzDecodeEvent(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add([]byte(strings.Replace(minimal, "{", `{"metadata":{"a":[1,"\u0000\ud800"]},`, 1)))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := schemas.DecodeEvent(data)
		if err != nil {
			return
		}
		body, err := e.Canonical(1, time.Unix(0, 0))
		require.NoError(t, err)
		require.True(t, json.Valid(body))
		require.NotContains(t, string(body), "\n")
		var back schemas.Event
		require.NoError(t, json.Unmarshal(body, &back))
		require.Equal(t, e.ID, back.ID)
		require.True(t, e.OccurredAt.Equal(back.OccurredAt))
	})
}
