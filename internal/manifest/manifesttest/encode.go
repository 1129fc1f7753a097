package manifesttest

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/schemas"
)

// Row is one event's canonical JSON.
func Row(seq int64) []byte {
	return fmt.Appendf(nil, `{"seq":%d,"recorded_at":%q,"action":"document.read","actor":{"id":"u-%02d"},"outcome":"success"}`,
		seq, at(seq).Format(time.RFC3339), seq%97)
}

// Encode is an object with the events from first to last.
func Encode(t testing.TB, format schemas.Format, compression schemas.Compression, first, last int64) []byte {
	t.Helper()
	var out bytes.Buffer
	switch format {
	case schemas.FormatNDJSON:
		compressed(t, &out, compression, func(w io.Writer) {
			for seq := first; seq <= last; seq++ {
				if _, err := w.Write(append(Row(seq), '\n')); err != nil {
					require.NoError(t, err) // costs more than the row, a million times
				}
			}
		})
	case schemas.FormatCSV:
		compressed(t, &out, compression, func(w io.Writer) {
			records := csv.NewWriter(w)
			records.UseCRLF = true
			require.NoError(t, records.Write([]string{"recorded_at", "seq", "note"}))
			for seq := first; seq <= last; seq++ {
				require.NoError(t, records.Write([]string{at(seq).Format(time.RFC3339), strconv.FormatInt(seq, 10), "a \"quoted\",\r\nnote"}))
			}
			records.Flush()
			require.NoError(t, records.Error())
		})
	case schemas.FormatParquet:
		encodeParquet(t, &out, compression, first, last)
	default:
		require.Fail(t, "unknown format", format)
	}
	return out.Bytes()
}

func compressed(t testing.TB, out io.Writer, compression schemas.Compression, write func(io.Writer)) {
	t.Helper()
	switch compression {
	case schemas.CompressionNone:
		write(out)
	case schemas.CompressionGzip:
		z, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
		require.NoError(t, err)
		write(z)
		require.NoError(t, z.Close())
	case schemas.CompressionZstd:
		z, err := zstd.NewWriter(out, zstd.WithEncoderConcurrency(1))
		require.NoError(t, err)
		write(z)
		require.NoError(t, z.Close())
	default:
		require.Fail(t, "unknown compression", compression)
	}
}

type parquetRow struct {
	RecordedAt time.Time `parquet:"recorded_at,timestamp(microsecond)"`
	Seq        int64     `parquet:"seq"`
	Action     string    `parquet:"action"`
}

func encodeParquet(t testing.TB, out io.Writer, compression schemas.Compression, first, last int64) {
	t.Helper()
	codec := map[schemas.Compression]parquet.WriterOption{
		schemas.CompressionNone:   parquet.Compression(&parquet.Uncompressed),
		schemas.CompressionGzip:   parquet.Compression(&parquet.Gzip),
		schemas.CompressionZstd:   parquet.Compression(&parquet.Zstd),
		schemas.CompressionSnappy: parquet.Compression(&parquet.Snappy),
	}[compression]
	require.NotNil(t, codec)
	w := parquet.NewGenericWriter[parquetRow](out, codec, parquet.MaxRowsPerRowGroup(1000), parquet.PageBufferSize(512))
	for seq := first; seq <= last; seq++ {
		_, err := w.Write([]parquetRow{{RecordedAt: at(seq), Seq: seq, Action: "document.read"}})
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
}
