package encode

import (
	"slices"
	"unicode/utf8"

	parquetgo "github.com/parquet-go/parquet-go"
)

// boundBytes of a page's least and greatest text stand in the index from which
// readers see which pages they need not read.
const boundBytes = 16

// indexedText is a type of text whose bounds are shortened page by page. The
// library shortens them when a row group ends, and keeps the whole texts until
// the object ends: a third of all bytes, if there are few large events to a page.
type indexedText struct{ parquetgo.Type }

// NewColumnIndexer implements parquetgo.Type.
func (t indexedText) NewColumnIndexer(int) parquetgo.ColumnIndexer {
	return shortBounds{t.Type.NewColumnIndexer(boundBytes + utf8.UTFMax)} // as long as an upper bound gets
}

type shortBounds struct{ parquetgo.ColumnIndexer }

// IndexPage implements parquetgo.ColumnIndexer.
func (s shortBounds) IndexPage(values, nulls int64, least, greatest parquetgo.Value) {
	if values > nulls {
		least = parquetgo.ByteArrayValue(lowerBound(least.ByteArray()))
		greatest = parquetgo.ByteArrayValue(upperBound(greatest.ByteArray()))
	}
	s.ColumnIndexer.IndexPage(values, nulls, least, greatest)
}

// lowerBound is a text of whole characters that text begins with.
func lowerBound(text []byte) []byte {
	if len(text) <= boundBytes {
		return text
	}
	end := boundBytes
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

// upperBound is a short text that is not less than text, if there is one.
func upperBound(text []byte) []byte {
	if len(text) <= boundBytes {
		return text
	}
	for end := len(lowerBound(text)); end > 0; {
		last, size := utf8.DecodeLastRune(text[:end])
		end -= size
		if last < utf8.MaxRune {
			return utf8.AppendRune(slices.Clone(text[:end]), following(last))
		}
	}
	return text
}

// following skips the surrogates, which stand in no text.
func following(r rune) rune {
	const beforeSurrogates, afterSurrogates = 0xD7FF, 0xE000
	if r == beforeSurrogates {
		return afterSurrogates
	}
	return r + 1
}
