package portal

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFormats(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"0 events", "1 event", "2,000 events", "1 address", "2 addresses"},
		[]string{plural(0, "event"), plural(1, "event"), plural(2000, "event"), plural(1, "address"), plural(2, "address")})
	require.Equal(t, []string{"0", "999", "1,000", "-1,234,567"}, []string{count(0), count(999), count(1000), count(-1234567)})
	require.Equal(t, []string{"1 byte", "1,023 bytes", "1.0 KiB", "10 KiB", "5.3 MiB"},
		[]string{size(1), size(1023), size(1024), size(10 << 10), size(5_557_453)})
	require.Equal(t, []string{"less than a second", "1 minute 5 seconds", "59 minutes", "1 hour", "2 days 3 hours"},
		[]string{span(time.Millisecond), span(65 * time.Second), span(59*time.Minute + 59*time.Second), span(time.Hour), span(51*time.Hour + time.Minute)})
	require.Empty(t, sentence(nil))
	require.Equal(t, "a, b and c.", sentence([]string{"a", "b", "c"}))
	require.Equal(t, "Not found", human("not_found"))

	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	require.Equal(t, []string{"Europe/Berlin", "UTC"}, []string{zone{berlin}.Name(), zone{time.UTC}.Name()})
}
