package encode_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/encode"
	"github.com/auditferry/auditferry/schemas"
)

// noisyEvent has about so many bytes that hardly compress.
func noisyEvent(seq, size int) schemas.Event {
	noise := make([]byte, size)
	state := uint32(seq)*2654435761 + 1
	for i := range noise {
		state ^= state << 13
		state ^= state >> 17
		state ^= state << 5
		noise[i] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ."[state%64]
	}
	return schemas.Event{
		ID: uuid.UUID{1}, OccurredAt: time.Unix(1767323045, 0), Action: "a", Actor: schemas.Actor{ID: "u"},
		Outcome: schemas.OutcomeSuccess, Metadata: fmt.Appendf(nil, `{"noise":"%s"}`, noise),
	}
}

func noisy(tb testing.TB, seq, size int) []byte {
	tb.Helper()
	return body(tb, seq, noisyEvent(seq, size))
}

func TestWriterRefusesRowsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, c := range combinations {
		w, err := encode.NewWriter(io.Discard, c.format, c.compression)
		require.NoError(t, err)
		require.ErrorContains(t, w.WriteRow(nil), "empty")
		require.ErrorContains(t, w.WriteRow([]byte("{\n}")), "line break")
		require.NoError(t, w.WriteRow(noisy(t, 1, 10)), "neither spoils the object")
		require.NoError(t, w.Close())
	}
}

var errFull = errors.New("the disk is full")

// limited fails once more than left bytes have been written.
type limited struct{ left int }

func (l *limited) Write(p []byte) (int, error) {
	if len(p) > l.left {
		return 0, errFull
	}
	l.left -= len(p)
	return len(p), nil
}

// Invariant 3: an object whose bytes are not whole is never taken for whole.
func TestWriterReportsFailures(t *testing.T) {
	t.Parallel()
	for _, c := range combinations {
		for _, room := range []int{0, 300 << 10} {
			w, err := encode.NewWriter(&limited{left: room}, c.format, c.compression)
			require.NoError(t, err)
			for seq := range 100 { // incompressible enough to pass any room
				if err = w.WriteRow(noisy(t, seq, 64<<10)); err != nil {
					require.ErrorIs(t, err, errFull)
					break
				}
			}
			require.ErrorIs(t, w.Close(), errFull, "%s with room for %d", c, room)
			require.ErrorIs(t, w.Close(), errFull, "and again")
			require.Error(t, w.WriteRow([]byte("{}")))
			w.Abort()
		}
	}
}

// An object without rows, which no window has, is whole all the same.
func TestWriterWithoutRows(t *testing.T) {
	t.Parallel()
	for _, c := range combinations {
		object := encodeRows(t, c, nil)
		switch c.format {
		case schemas.FormatNDJSON:
			require.Empty(t, decompress(t, c.compression, object))
		case schemas.FormatCSV:
			require.Equal(t, 1, bytes.Count(decompress(t, c.compression, object), []byte("\r\n")))
		case schemas.FormatParquet:
			require.Zero(t, openParquet(t, object).NumRows())
		}
	}
}

func TestWriterAbort(t *testing.T) {
	t.Parallel()
	for _, c := range combinations {
		var out bytes.Buffer
		w, err := encode.NewWriter(&out, c.format, c.compression)
		require.NoError(t, err)
		require.NoError(t, w.WriteRow(noisy(t, 1, 10)))
		w.Abort()
		w.Abort()
		require.Error(t, w.Close(), "an object that was given up is not complete")
		require.Error(t, w.WriteRow(noisy(t, 2, 10)))
		require.Empty(t, out.Bytes(), c.String())
	}
}

// Every way of ending a writer ends its goroutine.
func TestWriterLeavesNoGoroutine(t *testing.T) {
	t.Parallel()
	row := noisy(t, 1, 10)
	for range 20 {
		for _, c := range combinations {
			for _, end := range []func(encode.Writer){
				func(w encode.Writer) { require.NoError(t, w.Close()) },
				func(w encode.Writer) { w.Abort() },
			} {
				w, err := encode.NewWriter(io.Discard, c.format, c.compression)
				require.NoError(t, err)
				require.NoError(t, w.WriteRow(row))
				end(w)
			}
		}
	}
	gone := func() bool {
		stacks := make([]byte, 1<<20)
		return !strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), "encode.(*pipeline).run")
	}
	require.Eventually(t, gone, 10*time.Second, 10*time.Millisecond)
}

// slow lets a test look at how much a writer has taken in meanwhile.
type slow struct {
	taken   atomic.Int64
	release chan struct{}
}

func (s *slow) Write(p []byte) (int, error) {
	<-s.release
	s.taken.Add(int64(len(p)))
	return len(p), nil
}

// Invariant 9: rows wait when the store is slower than the database; they do
// not pile up. Parquet holds a row group in addition.
func TestWriterBoundsMemory(t *testing.T) {
	t.Parallel()
	for _, format := range []schemas.Format{schemas.FormatNDJSON, schemas.FormatCSV, schemas.FormatParquet} {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			least, most, total := int64(2<<20), int64(5<<20), int64(32<<20)
			if format == schemas.FormatParquet {
				least, most, total = least+32<<20, most+33<<20, total+64<<20
			}
			out := &slow{release: make(chan struct{})}
			w, err := encode.NewWriter(out, format, schemas.CompressionNone)
			require.NoError(t, err)
			var accepted atomic.Int64
			done := make(chan error, 1)
			row := noisy(t, 1, 64<<10)
			go func() {
				for accepted.Load() < total {
					if err := w.WriteRow(row); err != nil {
						done <- err
						return
					}
					accepted.Add(int64(len(row)))
				}
				done <- w.Close()
			}()
			require.Eventually(t, func() bool { return accepted.Load() >= least }, 30*time.Second, time.Millisecond)
			require.Never(t, func() bool { return accepted.Load() > most }, 100*time.Millisecond, 10*time.Millisecond)
			close(out.release)
			require.NoError(t, <-done)
			require.Greater(t, out.taken.Load(), total*9/10, "nothing compresses this")
		})
	}
}

// Invariant 9: what a writer keeps does not grow with the number of rows, small
// ones or large ones. Not in parallel: it looks at the memory of the process.
func TestWriterKeepsMemoryFlat(t *testing.T) {
	large := make([][]byte, 200)
	for i := range large {
		large[i] = noisy(t, i, 64<<10)
	}
	for name, rows := range map[string][][]byte{"small": realistic(t, 20_000), "large": large} { // 13 MB each
		for _, format := range []schemas.Format{schemas.FormatNDJSON, schemas.FormatCSV, schemas.FormatParquet} {
			w, err := encode.NewWriter(io.Discard, format, schemas.CompressionNone)
			require.NoError(t, err)
			held := func(repeat int) int64 {
				for range repeat {
					for _, row := range rows {
						require.NoError(t, w.WriteRow(row))
					}
				}
				var memory runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&memory)
				return int64(memory.HeapAlloc)
			}
			spare := int64(8 << 20)
			if format == schemas.FormatParquet {
				spare = 40 << 20 // a row group may just have ended, or be about to
			}
			early := held(5)
			late := held(10) // 130 MB more
			require.LessOrEqual(t, late, early+spare, "%s rows in %s", name, format)
			require.NoError(t, w.Close())
		}
	}
}
