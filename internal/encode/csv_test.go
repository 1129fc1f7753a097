package encode_test

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/schemas"
)

// readCSV reads with the standard library, which cannot tell an absent text
// from an empty one, and makes each CRLF inside of a text a line feed.
func readCSV(t require.TestingT, object []byte) []cells {
	records, err := csv.NewReader(bytes.NewReader(object)).ReadAll()
	require.NoError(t, err)
	require.Equal(t, columnNames, records[0])
	rows := make([]cells, len(records)-1)
	for i, record := range records[1:] {
		rows[i] = cells{}
		for j, text := range record {
			if text != "" {
				rows[i][columnNames[j]] = text
			}
		}
	}
	return rows
}

// withLineFeeds is what readCSV makes of it.
func (c cells) withLineFeeds() cells {
	row := cells{}
	for name, text := range c {
		row[name] = strings.ReplaceAll(text, "\r\n", "\n")
	}
	return row
}

// Every value of every event is in its row, and nothing else.
func TestCSVHoldsEveryValue(t *testing.T) {
	t.Parallel()
	bodies, want := awkwardRows(t)
	for i := range want {
		want[i] = want[i].withLineFeeds()
	}
	for _, compression := range schemas.FormatCSV.Compressions() {
		object := encodeRows(t, combination{schemas.FormatCSV, compression}, bodies)
		sameRows(t, want, readCSV(t, decompress(t, compression, object)))
	}
}

// The exact bytes: CRLF, quotes where they are needed and nowhere else, JSON as
// it stands in the body, absent as nothing.
func TestCSVIsWrittenAsRFC4180Says(t *testing.T) {
	t.Parallel()
	rows := [][]byte{
		[]byte(`{"seq":41,"recorded_at":"2026-01-02T03:04:05.678901Z","id":"018f0000-0000-7000-8000-000000000001",` +
			`"occurred_at":"2026-01-02T03:04:05.123456789Z","action":"a.b","actor":{"type":"user","id":"u 1","name":"Zoë, \"Z\"","email":"z@example.com"},` +
			`"targets":[{"id":"\u0000"}],"outcome":"success","reason":"one\r\ntwo","context":{"ip":"::1","session_id":"a\u0000b"},` +
			`"metadata":{"n":1e400,"a":"\u00e9"}}`),
		[]byte(`{"seq":42,"recorded_at":"2026-01-02T03:04:05Z","id":"018f0000-0000-7000-8000-000000000002",` +
			`"occurred_at":"2026-01-02T03:04:05Z","action":"a","actor":{"id":"u"},"outcome":"failure"}`),
	}
	want := strings.Join(columnNames, ",") + "\r\n" +
		`41,2026-01-02T03:04:05.678901Z,018f0000-0000-7000-8000-000000000001,2026-01-02T03:04:05.123456789Z,a.b,success,"one` + "\r\n" +
		`two",user,u 1,"Zoë, ""Z""",z@example.com,::1,,,a␀b,"[{""id"":""\u0000""}]","{""n"":1e400,""a"":""\u00e9""}"` + "\r\n" +
		`42,2026-01-02T03:04:05Z,018f0000-0000-7000-8000-000000000002,2026-01-02T03:04:05Z,a,failure,,,u,,,,,,,,` + "\r\n"
	require.Equal(t, want, string(encodeRows(t, combination{schemas.FormatCSV, schemas.CompressionNone}, rows)))
}
