package schemas

import (
	"fmt"
	"slices"
	"strings"
)

// Format is how events are written into objects.
type Format string

// The formats.
const (
	FormatNDJSON  Format = "ndjson"  // one event's canonical JSON per line
	FormatCSV     Format = "csv"     // a header and one line per event, as RFC 4180 says
	FormatParquet Format = "parquet" // typed columns, compressed inside of the file
)

// Compression is how objects are compressed.
type Compression string

// The compressions.
const (
	CompressionNone   Compression = "none"
	CompressionGzip   Compression = "gzip"
	CompressionZstd   Compression = "zstd"
	CompressionSnappy Compression = "snappy" // inside of Parquet only
)

// Compressions are those that a format can have; nil for an unknown format.
func (f Format) Compressions() []Compression {
	switch f {
	case FormatNDJSON, FormatCSV:
		return []Compression{CompressionNone, CompressionGzip, CompressionZstd}
	case FormatParquet:
		return []Compression{CompressionNone, CompressionGzip, CompressionZstd, CompressionSnappy}
	default:
		return nil
	}
}

// Extension is how the names of objects of the format end. What is compressed
// inside of the file is not told by its name.
func (f Format) Extension(c Compression) string {
	extension := "." + string(f)
	switch {
	case f == FormatParquet:
	case c == CompressionGzip:
		extension += ".gz"
	case c == CompressionZstd:
		extension += ".zst"
	}
	return extension
}

// isExtension tells whether an object's name may end in this.
func isExtension(extension string) bool {
	for _, f := range []Format{FormatNDJSON, FormatCSV, FormatParquet} {
		for _, c := range f.Compressions() {
			if f.Extension(c) == extension {
				return true
			}
		}
	}
	return false
}

// CheckFormat returns a *FieldError when there is no such format, or it cannot
// have the compression.
func CheckFormat(f Format, c Compression) error {
	possible := f.Compressions()
	if possible == nil {
		return &FieldError{"format", "must be ndjson, csv or parquet"}
	}
	if !slices.Contains(possible, c) {
		words := make([]string, len(possible))
		for i, compression := range possible {
			words[i] = string(compression)
		}
		last := len(words) - 1
		return &FieldError{"compression", fmt.Sprintf("must be %s or %s with %s",
			strings.Join(words[:last], ", "), words[last], f)}
	}
	return nil
}
