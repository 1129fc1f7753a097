package encode_test

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/encode"
	"github.com/auditferry/auditferry/schemas"
)

const canonical = `{"seq":1,"recorded_at":"2026-01-02T03:04:05Z","id":"018f0000-0000-7000-8000-000000000001","occurred_at":"2026-01-02T03:04:05Z",` +
	`"action":"a","actor":{"type":"t","id":"u","name":"n"},"targets":[{"type":"t","id":"1"}],"outcome":"success","reason":"r","context":{"ip":"::1"},"metadata":{"m":1}}`

// A body that is not as Canonical writes it is refused: one that was misread
// would be a row that says something else than the event.
func TestColumnsRefuseWhatIsNotCanonical(t *testing.T) {
	t.Parallel()
	replace := func(old, with string) string {
		require.Contains(t, canonical, old)
		return strings.Replace(canonical, old, with, 1)
	}
	bodies := map[string]string{
		"no JSON":                 `hello`,
		"cut off":                 canonical[:len(canonical)-1],
		"followed by more":        canonical + `}`,
		"followed by a space":     canonical + ` `,
		"unknown member":          replace(`,"metadata"`, `,"severity":"high","metadata"`),
		"unknown actor member":    replace(`"name":"n"}`, `"name":"n","phone":"1"}`),
		"unknown target member":   replace(`"id":"1"}`, `"id":"1","url":"x"}`),
		"unknown context member":  replace(`"ip":"::1"}`, `"ip":"::1","asn":"1"}`),
		"member twice":            replace(`,"reason":"r"`, `,"reason":"r","reason":"s"`),
		"other order":             replace(`"outcome":"success","reason":"r"`, `"reason":"r","outcome":"success"`),
		"other case":              replace(`"reason"`, `"Reason"`),
		"missing member":          replace(`"action":"a",`, ``),
		"space":                   replace(`"action":"a"`, `"action": "a"`),
		"null":                    replace(`"reason":"r"`, `"reason":null`),
		"empty instead of absent": replace(`"reason":"r"`, `"reason":""`),
		"wrong type":              replace(`"id":"u"`, `"id":7`),
		"no number":               replace(`"seq":1`, `"seq":"1"`),
		"leading zero":            replace(`"seq":1`, `"seq":01`),
		"fraction":                replace(`"seq":1`, `"seq":1.0`),
		"beyond 64 bits":          replace(`"seq":1`, `"seq":9223372036854775808`),
		"no time":                 replace(`"2026-01-02T03:04:05Z"`, `"yesterday"`),
		"day that is none":        replace(`"2026-01-02T03:04:05Z"`, `"2026-02-30T03:04:05Z"`),
		"not in UTC":              replace(`"2026-01-02T03:04:05Z"`, `"2026-01-02T03:04:05+01:00"`),
		"no escape":               replace(`"reason":"r"`, `"reason":"\q"`),
		"half an escape":          replace(`"reason":"r"`, `"reason":"\u12"`),
		"half a surrogate pair":   replace(`"reason":"r"`, `"reason":"\ud800"`),
		"control character":       replace(`"reason":"r"`, "\"reason\":\"\t\""),
		"NUL":                     replace(`"reason":"r"`, "\"reason\":\"\x00\""),
		"invalid UTF-8":           replace(`"reason":"r"`, "\"reason\":\"\xff\""),
		"string without end":      canonical[:strings.Index(canonical, `r","context"`)],
		"ends with a backslash":   canonical[:strings.Index(canonical, `r","context"`)] + `\`,
		"metadata is no object":   replace(`{"m":1}`, `[1]`),
		"metadata is no JSON":     replace(`{"m":1}`, `{"m":01}`),
		"metadata ends early":     replace(`{"m":1}`, `{"m":1}}`),
		"metadata is two values":  replace(`{"m":1}`, `{"m":1},{}`),
		"member after metadata":   replace(`{"m":1}`, `{"m":1},"x":{}`),
		"no targets":              replace(`[{"type":"t","id":"1"}]`, `[]`),
		"target is no object":     replace(`[{"type":"t","id":"1"}]`, `["1"]`),
	}
	for _, format := range []schemas.Format{schemas.FormatCSV, schemas.FormatParquet} {
		c := combination{format, schemas.CompressionNone}
		encodeRows(t, c, [][]byte{[]byte(canonical)})
		for name, body := range bodies {
			w, err := encode.NewWriter(io.Discard, c.format, c.compression)
			require.NoError(t, err)
			require.NoError(t, w.WriteRow([]byte(canonical)))
			require.NoError(t, w.WriteRow([]byte(body)), "it is looked at later")
			require.ErrorContains(t, w.Close(), "the event is not", "%s: %s", format, name)
		}
	}
}
