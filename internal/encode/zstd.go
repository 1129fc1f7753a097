package encode

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
	parquetzstd "github.com/parquet-go/parquet-go/compress/zstd"
)

// pageZstdLevel takes a third more of a core than zstdLevel; on columns, unlike
// on rows, that buys a seventh of the size.
const pageZstdLevel = zstd.SpeedDefault

// zstdCodec compresses pages with a window no larger than they get. That of the
// library keeps 16 MiB for each writer, which no page fills.
type zstdCodec struct {
	parquetzstd.Codec
	encoders sync.Pool
}

// Encode implements compress.Codec.
func (c *zstdCodec) Encode(dst, src []byte) ([]byte, error) {
	encoder, ok := c.encoders.Get().(*zstd.Encoder)
	if !ok {
		var err error
		encoder, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(pageZstdLevel),
			zstd.WithWindowSize(zstdWindow), zstd.WithEncoderCRC(false), zstd.WithZeroFrames(true))
		if err != nil {
			return nil, fmt.Errorf("encode: prepare zstd: %w", err)
		}
	}
	defer c.encoders.Put(encoder)
	return encoder.EncodeAll(src, dst[:0]), nil
}
