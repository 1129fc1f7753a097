package manifest_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/encode"
	"github.com/auditferry/auditferry/internal/manifest/manifesttest"
	"github.com/auditferry/auditferry/schemas"
)

// encoded is an object as a worker writes it.
func encoded(t testing.TB, format schemas.Format, compression schemas.Compression, first, last int64) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := encode.NewWriter(&out, format, compression)
	require.NoError(t, err)
	defer w.Abort()
	for seq := first; seq <= last; seq++ {
		at := manifesttest.Begin.Add(time.Duration(seq) * time.Second)
		event := schemas.Event{
			ID: uuid.NewSHA1(exportOf, []byte(at.String())), OccurredAt: at, Action: "document.read", Outcome: schemas.OutcomeSuccess,
			Actor:    schemas.Actor{Type: "user", ID: "u-1", Name: "Ada, \"the\" first\r\n", Email: "ada@acme.example"},
			Targets:  []schemas.Target{{ID: "d-1"}, {ID: "d-2", Name: "ü"}},
			Metadata: []byte(`{"seq":0,"n":1e400}`),
		}
		body, err := event.Canonical(seq, at)
		require.NoError(t, err)
		require.NoError(t, w.WriteRow(body))
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

// What workers write, in every format and compression that there is, is what
// verify reads.
func TestVerifyWhatWorkersWrite(t *testing.T) {
	t.Parallel()
	for _, format := range []schemas.Format{schemas.FormatNDJSON, schemas.FormatCSV, schemas.FormatParquet} {
		for _, compression := range format.Compressions() {
			t.Run(string(format)+" "+string(compression), func(t *testing.T) {
				t.Parallel()
				d := manifesttest.New(t, manifesttest.Store{})
				d.Format, d.Compression, d.Encode = format, compression, encoded
				d.Filter = &schemas.Filter{Outcome: schemas.OutcomeSuccess}
				d.Window(t, manifesttest.Part{Rows: 5000}, manifesttest.Part{Excluded: 3, Rows: 1})
				d.Window(t, manifesttest.Part{Rows: 1})
				r := verify(t, d.Store)
				requireClean(t, r)
				require.EqualValues(t, 5002, r.Chains[0].Rows)
			})
		}
	}
}
