package encode_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/schemas"
)

func openParquet(t require.TestingT, object []byte) *parquet.File {
	file, err := parquet.OpenFile(bytes.NewReader(object), int64(len(object)))
	require.NoError(t, err)
	return file
}

// readParquet reads with the library that also wrote; DuckDB reads as well, in
// another test. Times are microseconds.
func readParquet(t require.TestingT, object []byte) (rows []cells) {
	file := openParquet(t, object)
	for i, path := range file.Schema().Columns() {
		require.Equal(t, []string{columnNames[i]}, path)
	}
	for _, group := range file.RowGroups() {
		reader := group.Rows()
		buffer := make([]parquet.Row, 100)
		for {
			n, err := reader.ReadRows(buffer)
			for _, row := range buffer[:n] {
				rows = append(rows, parquetCells(t, row))
			}
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
		}
		require.NoError(t, reader.Close())
	}
	return rows
}

func parquetCells(t require.TestingT, row parquet.Row) cells {
	require.Len(t, row, len(columnNames))
	found := cells{}
	for i, value := range row {
		if value.IsNull() {
			continue
		}
		text := value.String()
		require.NotEmpty(t, text, "absent is null, not empty")
		found[columnNames[i]] = text
	}
	return found
}

// Every value of every event is in its row, and nothing else.
func TestParquetHoldsEveryValue(t *testing.T) {
	t.Parallel()
	bodies, want := awkwardRows(t)
	for i := range want {
		want[i] = want[i].inMicroseconds(t)
	}
	for _, compression := range schemas.FormatParquet.Compressions() {
		sameRows(t, want, readParquet(t, encodeRows(t, combination{schemas.FormatParquet, compression}, bodies)))
	}
}

// The schema is a promise to readers: names, types, and what may be null.
func TestParquetSchema(t *testing.T) {
	t.Parallel()
	file := openParquet(t, encodeRows(t, combination{schemas.FormatParquet, schemas.CompressionZstd}, nil))
	require.Equal(t, `message audit_event {
	required int64 seq (INT(64,true));
	required int64 recorded_at (TIMESTAMP(isAdjustedToUTC=true,unit=MICROS));
	required binary id (STRING);
	required int64 occurred_at (TIMESTAMP(isAdjustedToUTC=true,unit=MICROS));
	required binary action (STRING);
	required binary outcome (STRING);
	optional binary reason (STRING);
	optional binary actor_type (STRING);
	required binary actor_id (STRING);
	optional binary actor_name (STRING);
	optional binary actor_email (STRING);
	optional binary context_ip (STRING);
	optional binary context_user_agent (STRING);
	optional binary context_request_id (STRING);
	optional binary context_session_id (STRING);
	optional binary targets (STRING);
	optional binary metadata (STRING);
}`, file.Schema().String())
	require.Equal(t, "auditferry version 1.0.0(build 1)", file.Metadata().CreatedBy)
}

// Row groups end after 100,000 rows or 32 MiB of bodies. Both are looked at
// between batches of 128 KiB.
func TestParquetRowGroups(t *testing.T) {
	t.Parallel()
	const slack = 128<<10 + 64<<10
	t.Run("by rows", func(t *testing.T) {
		t.Parallel()
		row := noisy(t, 1, 10)
		rows := make([][]byte, 100_000+slack/len(row)+1)
		for i := range rows {
			rows[i] = row
		}
		groups := openParquet(t, encodeRows(t, combination{schemas.FormatParquet, schemas.CompressionSnappy}, rows)).RowGroups()
		require.Len(t, groups, 2)
		require.GreaterOrEqual(t, groups[0].NumRows(), int64(100_000))
		require.EqualValues(t, len(rows), groups[0].NumRows()+groups[1].NumRows())
	})
	t.Run("by bytes", func(t *testing.T) {
		t.Parallel()
		row := noisy(t, 1, 64<<10)
		rows := make([][]byte, 36<<20/len(row))
		for i := range rows {
			rows[i] = row
		}
		object := encodeRows(t, combination{schemas.FormatParquet, schemas.CompressionNone}, rows)
		require.Less(t, len(object), len(rows)*len(row)*102/100, "values are not there again as bounds of pages")
		groups := openParquet(t, object).RowGroups()
		require.Len(t, groups, 2)
		require.InDelta(t, 32<<20, groups[0].NumRows()*int64(len(row)), slack)
	})
}

// A reader leaves out the pages whose bounds say that it needs none of their
// values.
func TestParquetBoundsHold(t *testing.T) {
	t.Parallel()
	bodies, _ := awkwardRows(t)
	bodies = append(realistic(t, 5000), bodies...)
	file := openParquet(t, encodeRows(t, combination{schemas.FormatParquet, schemas.CompressionNone}, bodies))
	seen := 0
	for _, chunk := range file.RowGroups()[0].ColumnChunks() {
		index, err := chunk.ColumnIndex()
		require.NoError(t, err)
		pages := chunk.Pages()
		for n := 0; ; n++ {
			page, err := pages.ReadPage()
			if errors.Is(err, io.EOF) {
				require.Equal(t, index.NumPages(), n)
				break
			}
			require.NoError(t, err)
			values := make([]parquet.Value, page.NumValues())
			_, err = page.Values().ReadValues(values)
			require.True(t, err == nil || errors.Is(err, io.EOF))
			for _, value := range values {
				if value.IsNull() {
					continue
				}
				require.LessOrEqual(t, chunk.Type().Compare(index.MinValue(n), value), 0)
				require.GreaterOrEqual(t, chunk.Type().Compare(index.MaxValue(n), value), 0)
				seen++
			}
		}
		require.NoError(t, pages.Close())
	}
	require.Greater(t, seen, 12*len(bodies))
}

// What readers of any age understand, and what is the same on every processor:
// no delta encodings, no dictionaries, no pages of version 2.
func TestParquetUsesOldEncodings(t *testing.T) {
	t.Parallel()
	file := openParquet(t, encodeRows(t, combination{schemas.FormatParquet, schemas.CompressionGzip}, realistic(t, 1000)))
	for _, group := range file.Metadata().RowGroups {
		for i, column := range group.Columns {
			for _, encoding := range column.MetaData.Encoding {
				require.Contains(t, []string{"PLAIN", "RLE"}, encoding.String(), columnNames[i])
			}
			for _, page := range column.MetaData.EncodingStats {
				require.NotContains(t, fmt.Sprint(page.PageType), "V2", columnNames[i])
			}
		}
	}
}
