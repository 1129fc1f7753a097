package postgres

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// stream is a one-column binary COPY of the values; nil is null.
func stream(values [][]byte) []byte {
	all := append([]byte(copySignature), make([]byte, 8)...)
	for _, value := range values {
		all = binary.BigEndian.AppendUint16(all, 1)
		if value == nil {
			all = binary.BigEndian.AppendUint32(all, 0xffffffff)
			continue
		}
		all = binary.BigEndian.AppendUint32(all, uint32(len(value)))
		all = append(all, value...)
	}
	return binary.BigEndian.AppendUint16(all, copyEnd)
}

// Invariant 1: rows come out whole, wherever the stream is cut, and each that a
// filter has made null is counted instead.
func TestCopyParserTakesAnyChunks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(rapid.SliceOfN(rapid.Byte(), 0, 40), rapid.Just([]byte(nil)))
		values := rapid.SliceOfN(value, 0, 10).Draw(t, "values")
		excluded := func(value []byte) bool { return value == nil }
		passed := slices.DeleteFunc(slices.Clone(values), excluded)
		var got [][]byte
		parser := &copyParser{each: func(body []byte) error {
			got = append(got, append([]byte{}, body...))
			return nil
		}}
		for rest := stream(values); len(rest) > 0; {
			n := rapid.IntRange(1, min(len(rest), 50)).Draw(t, "chunk")
			chunk := append([]byte{}, rest[:n]...)
			written, err := parser.Write(chunk)
			require.NoError(t, err)
			require.Equal(t, n, written)
			clear(chunk) // the connection uses its buffer again
			rest = rest[n:]
		}
		require.NoError(t, parser.end())
		require.Equal(t, Copied{Rows: int64(len(passed)), Excluded: int64(len(values) - len(passed))}, parser.copied)
		require.Equal(t, len(passed), len(got))
		for i := range passed {
			require.Equal(t, passed[i], got[i])
		}
	})
}

func TestCopyParserRefuses(t *testing.T) {
	t.Parallel()
	whole := stream([][]byte{[]byte("{}")})
	change := func(at int, to ...byte) []byte {
		changed := append([]byte{}, whole...)
		copy(changed[at:], to)
		return changed
	}
	failure := errors.New("no more room")
	for name, test := range map[string]struct {
		stream []byte
		each   error
		want   string
	}{
		"another format":    {stream: change(0, 'X'), want: "not in the binary format"},
		"extension":         {stream: change(18, 9), want: "header extension"},
		"two columns":       {stream: change(20, 2), want: "2 columns"},
		"a failing reader":  {stream: whole, each: failure, want: failure.Error()},
		"cut off":           {stream: whole[:len(whole)-2], want: "ended in the middle"},
		"cut off in a row":  {stream: whole[:len(whole)-3], want: "ended in the middle"},
		"cut off in header": {stream: whole[:5], want: "ended in the middle"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parser := &copyParser{each: func([]byte) error { return test.each }}
			_, err := parser.Write(test.stream)
			require.ErrorContains(t, errors.Join(err, parser.end()), test.want)
		})
	}
}
