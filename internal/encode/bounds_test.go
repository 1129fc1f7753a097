package encode

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A reader leaves out pages by their bounds: wrong ones would hide events.
func TestBoundsHold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(rapid.StringOf(rapid.OneOf(rapid.Rune(), rapid.SampledFrom([]rune{'a', 0x7f, 0xd7ff, 0xffff, utf8.MaxRune}))).Draw(t, "text"))
		lower, upper := lowerBound(text), upperBound(text)
		require.LessOrEqual(t, bytes.Compare(lower, text), 0)
		require.GreaterOrEqual(t, bytes.Compare(upper, text), 0)
		require.True(t, utf8.Valid(lower), "readers take them for text")
		require.True(t, utf8.Valid(upper))
		require.LessOrEqual(t, len(lower), boundBytes)
	})
}

func TestBoundsAreShort(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]string{
		"":                                     {"", ""},
		"0123456789abcdef":                     {"0123456789abcdef", "0123456789abcdef"},
		"0123456789abcdefg":                    {"0123456789abcdef", "0123456789abcdeg"},
		"0123456789abcdéf":                     {"0123456789abcdé", "0123456789abcdê"},
		"0123456789abcdeéf":                    {"0123456789abcde", "0123456789abcdf"},
		strings.Repeat("\ud7ff", 10):           {strings.Repeat("\ud7ff", 5), strings.Repeat("\ud7ff", 4) + "\ue000"},
		"a" + strings.Repeat("\U0010ffff", 10): {"a" + strings.Repeat("\U0010ffff", 3), "b"},
	} {
		require.Equal(t, want[0], string(lowerBound([]byte(text))))
		require.Equal(t, want[1], string(upperBound([]byte(text))))
	}
}
