package encode_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/schemas"
)

// FuzzColumns holds that any event that is let in comes back equal from CSV and
// from Parquet, and that no event spoils the row after it.
func FuzzColumns(f *testing.F) {
	for _, event := range awkward(f) {
		source, err := event.AppendMembers([]byte{'{'})
		require.NoError(f, err)
		f.Add(source)
	}
	f.Fuzz(func(t *testing.T, source []byte) {
		event, err := schemas.DecodeEvent(source)
		if err != nil {
			return
		}
		bodies := [][]byte{body(t, 1, event), []byte(canonical), body(t, 3, event)}
		first, third := wanted(t, 1, event), wanted(t, 3, event)

		rows := readCSV(t, encodeRows(t, combination{schemas.FormatCSV, schemas.CompressionNone}, bodies))
		require.Len(t, rows, 3)
		sameRows(t, []cells{first.withLineFeeds(), third.withLineFeeds()}, []cells{rows[0], rows[2]})

		rows = readParquet(t, encodeRows(t, combination{schemas.FormatParquet, schemas.CompressionSnappy}, bodies))
		require.Len(t, rows, 3)
		sameRows(t, []cells{first.inMicroseconds(t), third.inMicroseconds(t)}, []cells{rows[0], rows[2]})
	})
}
