package portal

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/schemas"
)

func TestLocalTime(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ zone, typed, first, last string }{
		"in winter":                {"Europe/Berlin", "2026-01-31T09:30", "2026-01-31T08:30:00Z", "2026-01-31T08:30:00Z"},
		"in summer, with seconds":  {"Europe/Berlin", "2026-07-31T09:30:15", "2026-07-31T07:30:15Z", "2026-07-31T07:30:15Z"},
		"twice":                    {"Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"},
		"before it comes twice":    {"Europe/Berlin", "2026-10-25T01:59", "2026-10-24T23:59:00Z", "2026-10-24T23:59:00Z"},
		"after it came twice":      {"Europe/Berlin", "2026-10-25T03:00", "2026-10-25T02:00:00Z", "2026-10-25T02:00:00Z"},
		"where clocks are set to":  {"Europe/Berlin", "2026-03-29T03:00", "2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z"},
		"twice in the west":        {"America/New_York", "2026-11-01T01:30", "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"},
		"twice within half a hour": {"Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z"},
		"where clocks never go":    {"UTC", "2026-10-25T02:30", "2026-10-25T02:30:00Z", "2026-10-25T02:30:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in, known := zoneNamed(test.zone)
			require.True(t, known)
			first, last, err := localTime(newForm(url.Values{"from": {test.typed}}), "from", in)
			require.NoError(t, err)
			require.Equal(t, test.first, first.UTC().Format(time.RFC3339))
			require.Equal(t, test.last, last.UTC().Format(time.RFC3339))
		})
	}
}

// A time that does not come is refused, with the next one that does.
func TestLocalTimesThatDoNotExist(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ zone, typed, instead string }{
		{"Europe/Berlin", "2026-03-29T02:30", "29 Mar 2026, 03:00"},
		{"Europe/Berlin", "2026-03-29T02:00", "29 Mar 2026, 03:00"},
		{"America/New_York", "2026-03-08T02:59", "8 Mar 2026, 03:00"},
		{"Pacific/Apia", "2011-12-30T12:00", "31 Dec 2011, 00:00"}, // a day that was left out
	} {
		in, known := zoneNamed(test.zone)
		require.True(t, known)
		_, _, err := localTime(newForm(url.Values{"to": {test.typed}}), "to", in)
		requireFields(t, err, schemas.FieldError{
			Field: "to", Message: "does not exist in " + test.zone + ", where clocks are set forward then; take " + test.instead + " instead",
		})
	}
	_, _, err := localTime(newForm(url.Values{"to": {"2026-02-30T00:00"}}), "to", time.UTC)
	requireFields(t, err, schemas.FieldError{Field: "to", Message: "must be a day and a time, such as 2026-05-31T14:00"})
}

// Both forms with times take those that come twice into the range.
func TestRangesOfTimesThatComeTwice(t *testing.T) {
	t.Parallel()
	typed := url.Values{
		zoneField: {"Europe/Berlin"}, rangeField: {rangeByTime}, "from": {"2026-10-25T02:30"}, "to": {"2026-10-25T02:30"},
	}
	first, last := time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC), time.Date(2026, 10, 25, 1, 30, 0, 0, time.UTC)
	filter, err := eventFilter(newForm(typed))
	require.NoError(t, err)
	asked, err := rangeFrom(newForm(typed))
	require.NoError(t, err)
	for _, from := range []*time.Time{filter.From, asked.From} {
		require.True(t, first.Equal(*from))
	}
	for _, to := range []*time.Time{filter.To, asked.To} {
		require.True(t, last.Equal(*to))
	}
	typed.Set("from", "2026-03-29T02:30")
	typed.Set("to", "2026-03-29T02:30")
	_, err = eventFilter(newForm(typed))
	require.ErrorContains(t, err, "wrong")
	_, err = rangeFrom(newForm(typed))
	require.ErrorContains(t, err, "wrong")
}
