package encode

import (
	"encoding/binary"
	"math/bits"

	"github.com/parquet-go/parquet-go/compress/snappy"
)

// snappyCodec compresses in code of its own: the encoders of the library give
// other bytes on other processors, but for one that takes longer than gzip. What
// it writes is the raw format of github.com/google/snappy, format_description.txt.
type snappyCodec struct{ snappy.Codec }

// Encode implements compress.Codec.
func (*snappyCodec) Encode(dst, src []byte) ([]byte, error) {
	dst = binary.AppendUvarint(dst[:0], uint64(len(src)))
	for len(src) > 0 {
		block := src[:min(len(src), snappyBlock)]
		dst = appendSnappyBlock(dst, block)
		src = src[len(block):]
	}
	return dst, nil
}

const (
	// snappyBlock is as far as a copy of two bytes' offset reaches.
	snappyBlock    = 1 << 16
	snappyHashBits = 14

	snappyLiteral = 0
	snappyCopy1   = 1 // four to eleven bytes, from less than 2048 bytes before
	snappyCopy2   = 2 // up to 64 bytes, from anywhere in the block
)

func appendSnappyBlock(dst, block []byte) []byte {
	var seen [1 << snappyHashBits]uint16 // where in the block four bytes of that hash stood last
	literal := 0                         // the bytes from here on are not written yet
	for at := 0; at+4 <= len(block); {
		four := binary.LittleEndian.Uint32(block[at:])
		hash := four * 2654435769 >> (32 - snappyHashBits)
		before := int(seen[hash])
		seen[hash] = uint16(at) // #nosec G115 -- within a block of 64 KiB
		if before >= at || binary.LittleEndian.Uint32(block[before:]) != four {
			at += 1 + (at-literal)>>5 // the longer nothing repeats, the fewer looks
			continue
		}
		length := 4 + common(block[before+4:], block[at+4:])
		dst = appendSnappyLiteral(dst, block[literal:at])
		dst = appendSnappyCopy(dst, at-before, length)
		at += length
		literal = at
	}
	return appendSnappyLiteral(dst, block[literal:])
}

// common is how many bytes two texts begin with in common. The second is the
// shorter one.
func common(a, b []byte) (n int) {
	for ; n+8 <= len(b); n += 8 {
		if x := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); x != 0 {
			return n + bits.TrailingZeros64(x)/8
		}
	}
	for n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func appendSnappyLiteral(dst, literal []byte) []byte {
	switch n := len(literal) - 1; {
	case n < 0:
		return dst
	case n < 60:
		dst = append(dst, byte(n)<<2|snappyLiteral)
	case n < 1<<8:
		dst = append(dst, 60<<2|snappyLiteral, byte(n))
	default:
		dst = append(dst, 61<<2|snappyLiteral, byte(n), byte(n>>8)) // #nosec G115 -- cut into bytes
	}
	return append(dst, literal...)
}

func appendSnappyCopy(dst []byte, offset, length int) []byte {
	for length > 0 {
		n := min(length, 64)
		length -= n
		if 4 <= n && n < 12 && offset < 1<<11 {
			dst = append(dst, byte(offset>>8)<<5|byte(n-4)<<2|snappyCopy1, byte(offset)) // #nosec G115 -- cut into bytes
			continue
		}
		dst = append(dst, byte(n-1)<<2|snappyCopy2, byte(offset), byte(offset>>8)) // #nosec G115 -- cut into bytes
	}
	return dst
}
