package schemas_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/schemas"
)

// Bad input is refused where it comes in, with a sentence that says where it
// is wrong and what would be right; it cannot surface in an export later.
func TestDecodeEventRefuses(t *testing.T) {
	t.Parallel()
	at := func(time string) string { return strings.Replace(minimal, "2026-01-02T03:04:05Z", time, 1) }
	deep := func(levels int) string { // inside of the event and its metadata
		return with(`"metadata":{"a":` + strings.Repeat("[", levels-2) + strings.Repeat("]", levels-2) + `}`)
	}
	for data, want := range map[string]string{
		"":                 "event must be a JSON object",
		" \t\r\n":          "event must be a JSON object",
		minimal[:40]:       "event ends before its JSON does; send it whole, and each event on one line",
		"null":             "event must be a JSON object",
		"[]":               "event must be a JSON object",
		`"text"`:           "event must be a JSON object",
		"\ufeff" + minimal: "event begins with a byte order mark; leave it out",
		minimal + "}":      "event is followed by more; put each event on a line of its own",
		minimal + " x":     "event is followed by more; put each event on a line of its own",
		minimal + minimal:  "event is followed by more; put each event on a line of its own",
		"{'a':1}":          `event is not JSON: invalid character '\'' at start of value, at byte 2`,
		with(`"reason":"` + strings.Repeat("x", schemas.MaxEventBytes) + `"`): "event is 65634 bytes long; at most 65536 are possible",

		with(`"color":"red"`):              "color is not a member that events have; put it into metadata",
		with(`"seq":1`):                    "seq is not a member that events have; put it into metadata",
		with(`"context":{"country":"de"}`): "context.country is not a member that events have; put it into metadata",
		with(`"Reason":"x"`):               "Reason must be written reason; names are case-sensitive",
		with(`"ACTION":"x"`):               "ACTION must be written action; names are case-sensitive",
		with(`"context":{"Ip":"x"}`):       "context.Ip must be written ip; names are case-sensitive",
		with(`"Email":"x"`):                "Email is not a member that events have; put it into metadata",

		with(`"action":"x"`):                             "action stands more than once; leave one of them",
		with(`"\u0061ction":"x"`):                        "action stands more than once; leave one of them",
		with(`"context":{"ip":"1","ip":"1"}`):            "context.ip stands more than once; leave one of them",
		with(`"targets":[{"id":"a"},{"id":"b","id":0}]`): "targets[1].id stands more than once; leave one of them",
		with(`"metadata":{"a":1,"b":2,"a":1}`):           "metadata.a stands more than once; leave one of them",
		with(`"metadata":{"x":[0,{"a":1,"\u0061":2}]}`):  "metadata.x[1].a stands more than once; leave one of them",

		with("\"reason\":\"\xff\""):               "reason is not UTF-8 at byte 12; send text in UTF-8",
		with("\"metadata\":{\"a\":\"\xc3(\"}"):    "metadata.a is not UTF-8 at byte 19; send text in UTF-8",
		with("\"metadata\":{\"\xed\xa0\x80\":1}"): "metadata is not UTF-8 at byte 15; send text in UTF-8",
		with(`"reason":"\ud800"`):                 `reason holds \ud800, half of a surrogate pair; send the whole character`,
		with(`"reason":"a\uDC00\ud800"`):          `reason holds \uDC00, half of a surrogate pair; send the whole character`,
		with(`"metadata":{"a":["\ud83dx"]}`):      `metadata.a[0] holds \ud83d, half of a surrogate pair; send the whole character`,
		with("\"reason\":\"a\x00b\""):             `reason is not JSON: invalid character '\x00' in string (expecting non-control character), at byte 13`,
		with("\"reason\":\"a\nb\""):               `reason is not JSON: invalid character '\n' in string (expecting non-control character), at byte 13`,
		with(`"metadata":{"a":01}`):               "metadata is not JSON: invalid character '1' after object value (expecting ',' or '}'), at byte 19",
		with(`"metadata":{"a":NaN}`):              "metadata.a is not JSON: invalid character 'N' at start of value, at byte 18",

		deep(schemas.MaxEventDepth + 1):                  "event is nested deeper than 32 levels; flatten its metadata, or put the deep part there as a string",
		deep(15_000):                                     "event is nested deeper than 32 levels; flatten its metadata, or put the deep part there as a string",
		with(`"reason":` + strings.Repeat("[", 60_000)):  "event is nested deeper than 32 levels; flatten its metadata, or put the deep part there as a string",
		with(`"metadata":` + strings.Repeat(`{"":`, 40)): "event is nested deeper than 32 levels; flatten its metadata, or put the deep part there as a string",

		with(`"id":"7"`): "id must be a UUID, such as 0198c7a4-5f00-7abc-8def-0123456789ab",
		with(`"id":7`):   "id must be a UUID, such as 0198c7a4-5f00-7abc-8def-0123456789ab",
		with(`"id":"x0198c7a4-5f00-7abc-8def-0123456789abx"`):              "id must be a UUID, such as 0198c7a4-5f00-7abc-8def-0123456789ab",
		with(`"id":"0198c7a45f007abc8def0123456789ab"`):                    "id must be a UUID, such as 0198c7a4-5f00-7abc-8def-0123456789ab",
		with(`"outcome":"maybe"`):                                          "outcome must be success or failure",
		with(`"outcome":true`):                                             "outcome must be a string",
		with(`"metadata":"text"`):                                          "metadata must be an object",
		with(`"metadata":null`):                                            "metadata must be an object",
		with(`"metadata":[]`):                                              "metadata must be an object",
		with(`"targets":{"id":"a"}`):                                       "targets must be an array of objects",
		with(`"targets":["a"]`):                                            "targets[0] must be an object",
		with(`"targets":[{"id":"a"},{}]`):                                  "targets[1].id is required",
		with(`"targets":[null]`):                                           "targets[0].id is required",
		with(`"reason":1e400`):                                             "reason must be a string",
		with(`"context":"x"`):                                              "context must be an object",
		`{"actor":null,"action":"a","occurred_at":"2026-01-02T03:04:05Z"}`: "actor.id is required",
		strings.Replace(minimal, "document.deleted", "", 1):                "action is required, for example document.deleted",
		strings.Replace(minimal, "u1", "", 1):                              "actor.id is required",

		"{}":                                "occurred_at is required, in RFC 3339 form",
		at("0001-01-01T00:00:00Z"):          "occurred_at is required, in RFC 3339 form",
		at("yesterday"):                     "occurred_at must be a time in RFC 3339 form, such as 2026-01-02T03:04:05Z",
		at("2026-01-02 03:04:05Z"):          "occurred_at must be a time in RFC 3339 form, such as 2026-01-02T03:04:05Z",
		at("2026-01-02T03:04:05"):           "occurred_at must be a time in RFC 3339 form, such as 2026-01-02T03:04:05Z",
		at("2026-01-02T3:04:05Z"):           "occurred_at must be a time in RFC 3339 form, such as 2026-01-02T03:04:05Z",
		at("2026-01-02T03:04:05,5Z"):        "occurred_at must be a time in RFC 3339 form, such as 2026-01-02T03:04:05Z",
		at("2026-02-30T03:04:05Z"):          "occurred_at must be a time in RFC 3339 form, such as 2026-01-02T03:04:05Z",
		at("2026-01-02T03:04:05+24:00"):     "occurred_at must be a time in RFC 3339 form, such as 2026-01-02T03:04:05Z",
		at("10000-01-01T00:00:00Z"):         "occurred_at must be a time in RFC 3339 form, such as 2026-01-02T03:04:05Z",
		with(`"x":1,"occurred_at":7`):       "x is not a member that events have; put it into metadata",
		at("1969-12-31T23:59:59Z"):          "occurred_at must lie between the years 1970 and 9999",
		at("1970-01-01T00:59:59+01:00"):     "occurred_at must lie between the years 1970 and 9999",
		at("9999-12-31T23:59:59-01:00"):     "occurred_at must lie between the years 1970 and 9999",
		at("0000-01-01T00:00:00Z"):          "occurred_at must lie between the years 1970 and 9999",
		at("-001-01-01T00:00:00Z"):          "occurred_at must be a time in RFC 3339 form, such as 2026-01-02T03:04:05Z",
		at("2016-12-31T23:59:60Z"):          "occurred_at must be a time in RFC 3339 form, such as 2026-01-02T03:04:05Z", // a leap second
		at("2026-01-02T03:04:05.Z"):         "occurred_at must be a time in RFC 3339 form, such as 2026-01-02T03:04:05Z",
		at("2026-01-02T03:04:05.1Z\\u0000"): "occurred_at must be a time in RFC 3339 form, such as 2026-01-02T03:04:05Z",
	} {
		_, err := schemas.DecodeEvent([]byte(data))
		var field *schemas.FieldError
		require.ErrorAs(t, err, &field, "%.200s", data)
		assert.Equal(t, want, field.Error(), "%.200s", data)
	}
}

// What is just within the limits is taken.
func TestDecodeEventTakesUpToTheLimits(t *testing.T) {
	t.Parallel()
	brackets := schemas.MaxEventDepth - 2
	padding := schemas.MaxEventBytes - len(with(`"reason":""`))
	for _, data := range []string{
		with(`"reason":"` + strings.Repeat("x", padding) + `"`),
		with(`"metadata":{"a":` + strings.Repeat("[", brackets) + strings.Repeat("]", brackets) + `}`),
		with(`"metadata":{"a":[` + strings.Repeat("{},", 1000) + `{}]}`),
		with(`"reason":"` + strings.Repeat(`[{\"\\`, 100) + `"`), // brackets in text are no nesting
		with(`"metadata":{"a\\":"` + strings.Repeat(`[`, 100) + `"}`),
		with(`"reason":"\u0000 \ud83d\ude00"`),
	} {
		e, err := schemas.DecodeEvent([]byte(data))
		require.NoError(t, err, "%.200s", data)
		requireComesBack(t, e)
	}
}

// An answer names twenty wrong events at most, and none may repeat a whole
// event.
func TestRefusalsAreShort(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("漢", 10_000)
	for _, data := range []string{
		with(`"` + long + `":1`),
		with(`"metadata":{"` + long + `":{"a":1,"a":1}}`),
		with(`"metadata":{"` + long + `":\u}`),
		long,
		with(`"reason":"\q` + long + `"`),
		with(`"reason":"\ud800` + long + `"`),
		with(`"id":"` + long + `"`),
		with(`"occurred_at":"` + long + `"`),
	} {
		_, err := schemas.DecodeEvent([]byte(data))
		require.Error(t, err)
		require.Less(t, len(err.Error()), 500)
	}
}
