package encode_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/encode"
	"github.com/auditferry/auditferry/schemas"
)

// realistic makes n events' bodies of about 600 bytes, as a busy product sends
// them: few actions, some thousand people, IDs that never repeat. The same
// bodies each time.
func realistic(tb testing.TB, n int) [][]byte {
	tb.Helper()
	random := rand.New(rand.NewPCG(1, 2)) // #nosec G404 -- has to be the same each time
	actions := []string{"document.read", "document.edited", "document.shared", "user.signed_in", "token.created", "project.archived"}
	agents := []string{"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X)", "acme-cli/3.2.1"}
	newID := func() uuid.UUID {
		var id uuid.UUID
		for i := range id {
			id[i] = byte(random.Uint32())
		}
		return id
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	bodies := make([][]byte, n)
	for i := range bodies {
		at = at.Add(time.Duration(random.IntN(2_000_000)) * time.Microsecond)
		person := random.IntN(5000)
		title := fmt.Sprintf("Quarterly report %d, draft %d", random.IntN(900), random.IntN(9))
		event := schemas.Event{
			ID:         newID(),
			OccurredAt: at.Truncate(time.Millisecond),
			Action:     actions[random.IntN(len(actions))],
			Actor: schemas.Actor{
				Type: "user", ID: fmt.Sprintf("u-%06d", person), Name: fmt.Sprintf("Zoë Example %d", person),
				Email: fmt.Sprintf("zoe.%d@example.com", person),
			},
			Targets: []schemas.Target{{Type: "document", ID: newID().String(), Name: title}},
			Outcome: schemas.OutcomeSuccess,
			Context: &schemas.EventContext{
				IP: fmt.Sprintf("192.0.%d.%d", random.IntN(9), random.IntN(255)), UserAgent: agents[random.IntN(len(agents))],
				RequestID: newID().String(),
			},
			Metadata: fmt.Appendf(nil, `{"before":{"title":%q,"version":%d},"after":{"title":%q,"version":%d}}`,
				title, i%7, title+", final", i%7+1),
		}
		body, err := event.Canonical(int64(i+1), at.Add(50*time.Millisecond))
		require.NoError(tb, err)
		bodies[i] = body
	}
	return bodies
}

// BenchmarkWriter encodes 100,000 realistic events into a spool. MB/s are those
// of the bodies, "bytes" are those of the object.
func BenchmarkWriter(b *testing.B) {
	bodies := realistic(b, 100_000)
	var size int64
	for _, body := range bodies {
		size += int64(len(body))
	}
	for _, c := range combinations {
		b.Run(c.String(), func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			var object int64
			for b.Loop() {
				spool := encode.NewSpool(b.TempDir(), 8<<20)
				w, err := encode.NewWriter(spool, c.format, c.compression)
				require.NoError(b, err)
				for _, body := range bodies {
					if err := w.WriteRow(body); err != nil {
						b.Fatal(err)
					}
				}
				require.NoError(b, w.Close())
				object = spool.Size()
				require.NoError(b, spool.Close())
			}
			b.ReportMetric(float64(object), "bytes")
			b.ReportMetric(float64(len(bodies)*b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
