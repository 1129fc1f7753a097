package encode_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/tools"
	"github.com/auditferry/auditferry/schemas"
)

// duckDBFile is what DuckDB found in a file.
type duckDBFile struct {
	Types  [][2]string // name, type
	Groups [][3]any    // number, rows, codec
	Rows   [][]*string
	Found  [][]int
}

// readWithDuckDB reads with code that has nothing in common with ours.
func readWithDuckDB(t *testing.T, files ...string) []duckDBFile {
	t.Helper()
	paths, err := tools.Ensure(t.Context(), os.Stderr, tools.DuckDB)
	require.NoError(t, err)
	args := append([]string{filepath.Join("testdata", "duckdb.mjs"), paths[tools.DuckDB]}, files...)
	cmd := exec.CommandContext(t.Context(), "node", args...) // #nosec G204 -- our script
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	found := make([]duckDBFile, len(files))
	decoder := json.NewDecoder(bytes.NewReader(stdout))
	for i := range found {
		require.NoError(t, decoder.Decode(&found[i]))
	}
	return found
}

func (f duckDBFile) cells() []cells {
	rows := make([]cells, len(f.Rows))
	for i, row := range f.Rows {
		rows[i] = cells{}
		for j, text := range row {
			if text != nil {
				rows[i][columnNames[j]] = *text
			}
		}
	}
	return rows
}

// DuckDB finds in Parquet of every compression what went in: row by row, column
// by column, typed; and in a file of two row groups as well.
func TestDuckDBReadsParquet(t *testing.T) {
	t.Parallel()
	bodies, want := awkwardRows(t)
	awkward := len(bodies)
	for seq := awkward + 1; seq <= 800; seq++ { // more than 32 MiB
		event := noisyEvent(seq, 48<<10)
		bodies = append(bodies, body(t, seq, event))
		want = append(want, wanted(t, seq, event))
	}
	for i := range want {
		want[i] = want[i].inMicroseconds(t)
	}
	compressions := schemas.FormatParquet.Compressions()
	codecs := map[schemas.Compression]string{"none": "UNCOMPRESSED", "gzip": "GZIP", "zstd": "ZSTD", "snappy": "SNAPPY"}
	dir := t.TempDir()
	var files []string
	write := func(compression schemas.Compression, rows [][]byte) {
		file := filepath.Join(dir, strconv.Itoa(len(files))+".parquet")
		object := encodeRows(t, combination{schemas.FormatParquet, compression}, rows)
		require.NoError(t, os.WriteFile(file, object, 0o600))
		files = append(files, file)
	}
	for _, compression := range compressions {
		write(compression, bodies[:awkward])
	}
	write(schemas.CompressionZstd, bodies)

	found := readWithDuckDB(t, files...)
	for i, compression := range compressions {
		require.Equal(t, codecs[compression], found[i].Groups[0][2])
		found[i].holds(t, want[:awkward], 1)
	}
	found[len(compressions)].holds(t, want, 2)
}

func (f duckDBFile) holds(t *testing.T, want []cells, groups int) {
	t.Helper()
	types := map[string]string{"seq": "BIGINT", "recorded_at": "TIMESTAMP WITH TIME ZONE", "occurred_at": "TIMESTAMP WITH TIME ZONE"}
	require.Len(t, f.Types, len(columnNames))
	for i, column := range f.Types {
		require.Equal(t, [2]string{columnNames[i], cmp.Or(types[columnNames[i]], "VARCHAR")}, column)
	}
	require.Len(t, f.Groups, groups)
	require.Equal(t, [][]int{{len(want)}}, f.Found)
	sameRows(t, want, f.cells())
}
