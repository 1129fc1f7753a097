package manifest_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/internal/manifest/manifesttest"
	"github.com/auditferry/auditferry/schemas"
)

// signedAs is a delivery of one object for seq 1 to 3, of which two were
// excluded, whose content is as given and properly signed.
func signedAs(t testing.TB, format schemas.Format, compression schemas.Compression, content []byte) manifesttest.Store {
	t.Helper()
	d := manifesttest.New(t, manifesttest.Store{})
	sum := sha256.Sum256(content)
	o := schemas.ManifestObject{Key: "object", FirstSeq: 1, LastSeq: 5, Rows: 3, Excluded: 2, Bytes: int64(len(content)), SHA256: hex.EncodeToString(sum[:])}
	sealed, err := manifest.Seal(d.Signer, schemas.Manifest{
		Version: 1, Kind: schemas.ManifestWindow, OrgID: orgID, IntegrationID: integrationID, ExportID: d.ExportID,
		Destination: d.Destination, FirstSeq: 1, LastSeq: 5, Format: format, Compression: compression,
		Filter: &schemas.Filter{Outcome: schemas.OutcomeFailure}, Rows: 3, Excluded: 2, Bytes: o.Bytes, Objects: []schemas.ManifestObject{o},
	})
	require.NoError(t, err)
	key := schemas.ManifestName(d.ExportID, 1, 5)
	return manifesttest.Store{"object": content, key: sealed.Content, key + ".jws": []byte(sealed.Signature)}
}

type seqRow struct {
	Seq int64 `parquet:"seq"`
}

func parquetOf(t testing.TB, seqs ...int64) []byte {
	t.Helper()
	var out bytes.Buffer
	var rows []seqRow
	for _, seq := range seqs {
		rows = append(rows, seqRow{seq})
	}
	require.NoError(t, parquet.Write(&out, rows))
	return out.Bytes()
}

func parquetWithout(t testing.TB) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, parquet.Write(&out, []struct{ Name string }{{"a"}, {"b"}, {"c"}}))
	return out.Bytes()
}

func optionalParquet(t testing.TB) []byte {
	t.Helper()
	var out bytes.Buffer
	one, three := int64(1), int64(3)
	require.NoError(t, parquet.Write(&out, []struct {
		Seq *int64 `parquet:"seq,optional"`
	}{{&one}, {nil}, {&three}}))
	return out.Bytes()
}

// Rows are counted and read, not believed: even what is signed is checked to be
// what the manifest says.
func TestRowsAreRead(t *testing.T) {
	t.Parallel()
	lines := func(seqs ...int) []byte {
		var out []byte
		for _, seq := range seqs {
			out = append(append(out, manifesttest.Row(int64(seq))...), '\n')
		}
		return out
	}
	long := fmt.Sprintf(`{"seq":1,"x":%q}`, strings.Repeat("x", 5<<20))
	for name, c := range map[string]struct {
		format      schemas.Format
		compression schemas.Compression
		content     []byte
		class       manifest.Class // "": clean
		reason      string
	}{
		"all there":             {"ndjson", "none", lines(1, 3, 5), "", ""},
		"no line feed at last":  {"ndjson", "none", bytes.TrimSpace(lines(1, 3, 5)), "", ""},
		"seq in another place":  {"ndjson", "none", []byte(`{"a":{"seq":9},"seq":1}` + "\n" + `{ "seq": 2}` + "\n" + `{"seq":3}`), "", ""},
		"one too few":           {"ndjson", "none", lines(1, 3), manifest.RowsWrong, "2 rows, and 3 were signed"},
		"one too many":          {"ndjson", "none", lines(1, 2, 3, 4), manifest.RowsWrong, "more than the 3 rows"},
		"doubled":               {"ndjson", "none", lines(1, 1, 2), manifest.RowsWrong, "doubled or not in order"},
		"out of order":          {"ndjson", "none", lines(2, 1, 3), manifest.RowsWrong, "doubled or not in order"},
		"from before":           {"ndjson", "none", lines(0, 1, 2), manifest.RowOutside, "row 1 has seq 0"},
		"from after":            {"ndjson", "none", lines(1, 2, 6), manifest.RowOutside, "row 3 has seq 6"},
		"no JSON":               {"ndjson", "none", []byte("1,2,3\n"), manifest.RowsWrong, "not an event's JSON"},
		"no seq":                {"ndjson", "none", []byte("{}\n"), manifest.RowsWrong, "no seq"},
		"empty line":            {"ndjson", "none", append(lines(1, 2), '\n'), manifest.RowsWrong, "row 3"},
		"absurd row":            {"ndjson", "none", []byte(long), manifest.RowsWrong, "too long"},
		"not compressed":        {"ndjson", "gzip", lines(1, 2, 3), manifest.RowsWrong, "not gzip"},
		"other compression":     {"ndjson", "zstd", compressed(t, lines(1, 2, 3)), manifest.RowsWrong, "magic number"},
		"cut off":               {"ndjson", "gzip", compressed(t, lines(1, 2, 3))[:30], manifest.RowsWrong, "unexpected EOF"},
		"garbage after":         {"ndjson", "gzip", append(compressed(t, lines(1, 2, 3)), 7), manifest.RowsWrong, ""},
		"two gzip members":      {"ndjson", "gzip", append(compressed(t, lines(1, 2)), compressed(t, lines(3))...), "", ""},
		"CSV":                   {"csv", "none", []byte("seq,b\r\n1,\"x\r\n\"\r\n2,\r\n3,\r\n"), "", ""},
		"CSV, seq not first":    {"csv", "gzip", compressed(t, []byte("a,seq\r\n,1\r\n,2\r\n,3\r\n")), "", ""},
		"CSV, one too few":      {"csv", "none", []byte("seq\r\n1\r\n2\r\n"), manifest.RowsWrong, "2 rows"},
		"CSV, no header":        {"csv", "none", []byte("1,a\r\n2,a\r\n3,a\r\n"), manifest.RowsWrong, "no column seq"},
		"CSV, empty":            {"csv", "none", []byte("\r\n"), manifest.RowsWrong, "header"},
		"CSV, no number":        {"csv", "none", []byte("seq\r\none\r\n"), manifest.RowsWrong, "no number"},
		"CSV, columns missing":  {"csv", "none", []byte("seq,a\r\n1\r\n"), manifest.RowsWrong, "row 1"},
		"CSV, quote left open":  {"csv", "none", []byte("seq,a\r\n1,\"" + strings.Repeat("x", 5<<20)), manifest.RowsWrong, "longer than"},
		"Parquet":               {"parquet", "none", parquetOf(t, 1, 2, 4), "", ""},
		"Parquet, one too few":  {"parquet", "none", parquetOf(t, 1, 2), manifest.RowsWrong, "2 rows"},
		"Parquet, doubled":      {"parquet", "none", parquetOf(t, 1, 2, 2), manifest.RowsWrong, "doubled"},
		"Parquet, from after":   {"parquet", "none", parquetOf(t, 1, 2, 7), manifest.RowOutside, "row 3 has seq 7"},
		"Parquet, no seq":       {"parquet", "none", parquetWithout(t), manifest.RowsWrong, "no column seq"},
		"Parquet, seq is null":  {"parquet", "none", optionalParquet(t), manifest.RowsWrong, "row 2 has no seq"},
		"Parquet, something":    {"parquet", "none", lines(1, 2, 3), manifest.RowsWrong, "not Parquet"},
		"Parquet, end cut off":  {"parquet", "none", parquetOf(t, 1, 2, 4)[:40], manifest.RowsWrong, "not Parquet"},
		"Parquet, tiny":         {"parquet", "none", []byte("PAR1"), manifest.RowsWrong, "not Parquet"},
		"Parquet, pages broken": {"parquet", "none", brokenPages(t), manifest.RowsWrong, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := verify(t, signedAs(t, c.format, c.compression, c.content))
			if c.class == "" {
				requireClean(t, r)
				return
			}
			require.Equal(t, []found{{c.class, "object", 1, 5}}, foundIn(errorsOf(r)))
			require.Contains(t, r.Findings[0].Message, c.reason)
		})
	}
}

// brokenPages is a Parquet file whose footer can be read, and whose content
// cannot.
func brokenPages(t testing.TB) []byte {
	t.Helper()
	content := parquetOf(t, 1, 2, 4)
	for i := 4; i < 30; i++ {
		content[i] = 0xff
	}
	return content
}
