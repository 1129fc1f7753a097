package encode

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/stretchr/testify/require"
)

// FuzzSnappy holds that what is compressed here is what a decoder of others
// gives back.
func FuzzSnappy(f *testing.F) {
	f.Add([]byte(nil), 1)
	f.Add([]byte("abc"), 1)
	f.Add([]byte("abcd"), 70_000)
	f.Add([]byte("0123456789abcdefghijklmnopqrstuvwxyz"), 5000)
	f.Fuzz(func(t *testing.T, data []byte, repeat int) {
		if repeat < 1 || repeat > 100_000 || len(data)*repeat > 1<<20 {
			t.Skip("too long to be worth it")
		}
		snappyComesBack(t, bytes.Repeat(data, repeat))
	})
}

// Every length of literals and copies, near and far, over the ends of blocks.
func TestSnappyComesBack(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2)) // #nosec G404 -- has to be the same each time
	for range 300 {
		var data []byte
		for len(data) < 1+random.IntN(200_000) {
			piece := make([]byte, 1+random.IntN(1<<random.IntN(12)))
			for i := range piece {
				piece[i] = byte(random.Uint32())
			}
			data = append(data, piece...)
			from := random.IntN(len(data))
			data = append(data, data[from:from+random.IntN(min(len(data)-from, 300)+1)]...)
		}
		snappyComesBack(t, data)
	}
	noise := make([]byte, 3*snappyBlock)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	encoded := snappyComesBack(t, noise)
	require.Less(t, len(encoded), len(noise)+100, "what does not compress hardly grows")
	encoded = snappyComesBack(t, make([]byte, 3*snappyBlock))
	require.Less(t, len(encoded), 3*snappyBlock/20, "what repeats shrinks as far as the format can")
}

func snappyComesBack(t *testing.T, data []byte) []byte {
	t.Helper()
	encoded, err := new(snappyCodec).Encode([]byte("overwritten"), data)
	require.NoError(t, err)
	decoded, err := s2.Decode(nil, encoded)
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, decoded))
	return encoded
}
