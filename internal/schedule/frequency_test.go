package schedule_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	"github.com/auditferry/auditferry/internal/schedule"
	"github.com/auditferry/auditferry/schemas"
)

func TestValidateAccepts(t *testing.T) {
	t.Parallel()
	for _, s := range []schemas.Schedule{
		{Kind: schemas.ScheduleInterval, Every: "15m"},
		{Kind: schemas.ScheduleDaily, At: "00:00"},
		{Kind: schemas.ScheduleDaily, At: "02:30", TimeZone: "Australia/Lord_Howe", Jitter: "5m"},
		{Kind: schemas.ScheduleWeekly, At: "09:15", Weekdays: []string{"monday", "sunday"}, TimeZone: "UTC"},
		{Kind: schemas.ScheduleCron, Cron: "*/5 * * * *"},
		{Kind: schemas.ScheduleCron, Cron: "0 4 1,15 * MON-FRI"},
		{Kind: schemas.ScheduleCron, Cron: "0 0 29 2 *"}, // rare, but it comes
	} {
		require.NoError(t, schedule.Validate(s), "%+v", s)
	}
}

func TestValidateRefuses(t *testing.T) {
	t.Parallel()
	for field, refused := range map[string][]schemas.Schedule{
		"schedule.kind":     {{}, {Kind: "hourly"}},
		"schedule.every":    {{Kind: schemas.ScheduleInterval, Every: "1s"}, {Kind: schemas.ScheduleDaily, At: "01:00", Every: "1h"}},
		"schedule.at":       {{Kind: schemas.ScheduleDaily, At: "24:00"}, {Kind: schemas.ScheduleWeekly, Weekdays: []string{"monday"}}},
		"schedule.weekdays": {{Kind: schemas.ScheduleWeekly, At: "01:00", Weekdays: []string{"Monday"}}},
		"schedule.jitter":   {{Kind: schemas.ScheduleDaily, At: "01:00", Jitter: "2h"}},
		"schedule.time_zone": {
			{Kind: schemas.ScheduleDaily, At: "01:00", TimeZone: "Local"},
			{Kind: schemas.ScheduleDaily, At: "01:00", TimeZone: "localtime"},
			{Kind: schemas.ScheduleDaily, At: "01:00", TimeZone: "posix/Europe/Berlin"},
			{Kind: schemas.ScheduleDaily, At: "01:00", TimeZone: "right/Europe/Berlin"},
			{Kind: schemas.ScheduleDaily, At: "01:00", TimeZone: "Berlin"},
			{Kind: schemas.ScheduleInterval, Every: "1h", TimeZone: "../etc/passwd"},
		},
		"schedule.cron": {
			{Kind: schemas.ScheduleCron, Cron: "@daily"},
			{Kind: schemas.ScheduleCron, Cron: "60 * * * *"},
			{Kind: schemas.ScheduleCron, Cron: "* 24 * * *"},
			{Kind: schemas.ScheduleCron, Cron: "* * 0 * *"},
			{Kind: schemas.ScheduleCron, Cron: "* * * 13 *"},
			{Kind: schemas.ScheduleCron, Cron: "* * * * 7"},
			{Kind: schemas.ScheduleCron, Cron: "5-1 * * * *"},
			{Kind: schemas.ScheduleCron, Cron: "*/0 * * * *"},
			{Kind: schemas.ScheduleCron, Cron: "a b c d e"},
			{Kind: schemas.ScheduleCron, Cron: "* * * * * *"},
			{Kind: schemas.ScheduleCron, Cron: "CRON_TZ=UTC 1 2 3 4"},
			{Kind: schemas.ScheduleCron, Cron: "TZ= 1 2 3 4"},
			{Kind: schemas.ScheduleCron, Cron: "1 2 3 4 TZ="},
			{Kind: schemas.ScheduleCron, Cron: "@every 1h 2 3 4"},
			{Kind: schemas.ScheduleCron, Cron: "0 0 30 2 *"}, // never comes
		},
	} {
		for _, s := range refused {
			var wrong *schemas.FieldError
			require.ErrorAs(t, schedule.Validate(s), &wrong, "%+v", s)
			require.Equal(t, field, wrong.Field, "%+v: %s", s, wrong)
		}
	}
}

// What is wrong in one field does not hide what is wrong in another.
func TestValidateNamesEveryField(t *testing.T) {
	t.Parallel()
	for fields, s := range map[string]schemas.Schedule{
		"at time_zone":          {Kind: schemas.ScheduleDaily, TimeZone: "Nowhere/Land"},
		"weekdays at time_zone": {Kind: schemas.ScheduleWeekly, TimeZone: "Nowhere/Land"},
		"cron jitter time_zone": {Kind: schemas.ScheduleCron, Cron: "60 * * * *", Jitter: "2h", TimeZone: "Local"},
	} {
		err := schedule.Validate(s)
		for field := range strings.FieldsSeq(fields) {
			require.ErrorContains(t, err, "schedule."+field+" ")
		}
	}
}

// Whatever an admin writes is either refused as a field error or can be
// scheduled.
func TestValidateAnything(t *testing.T) {
	t.Parallel()
	cron := rapid.OneOf(
		rapid.StringMatching(`([0-9a-z*?,/@=TZ-]{1,6} ){4}[0-9a-z*?,/@=TZ-]{1,6}`),
		rapid.StringMatching(`([0-9*]{1,2}([-/,][0-9]{1,20})? ){4}[0-9*]`),
		rapid.String(),
	)
	zone := rapid.OneOf(rapid.SampledFrom([]string{"", "UTC", "Europe/Berlin", "local"}), rapid.String())
	rapid.Check(t, func(r *rapid.T) {
		s := schemas.Schedule{Kind: schemas.ScheduleCron, Cron: cron.Draw(r, "cron"), TimeZone: zone.Draw(r, "zone")}
		if err := schedule.Validate(s); err != nil {
			var wrong *schemas.FieldError
			require.ErrorAs(r, err, &wrong)
			return
		}
		next, err := schedule.Next(s, time.Now(), 1)
		require.NoError(r, err)
		require.Len(r, next, 1)
	})
}

func TestNext(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		schedule schemas.Schedule
		from     string
		want     []string
	}{
		{"intervals count from the epoch", schemas.Schedule{Kind: schemas.ScheduleInterval, Every: "90m"},
			"2025-01-01T00:00:00Z", []string{"2025-01-01T01:30:00Z", "2025-01-01T03:00:00Z"}},
		{"a time that is due now is past", schemas.Schedule{Kind: schemas.ScheduleDaily, At: "02:00"},
			"2025-01-01T02:00:00Z", []string{"2025-01-02T02:00:00Z"}},
		{"daily in a zone", schemas.Schedule{Kind: schemas.ScheduleDaily, At: "02:00", TimeZone: "Asia/Kolkata"},
			"2025-01-01T00:00:00Z", []string{"2025-01-01T20:30:00Z", "2025-01-02T20:30:00Z"}},
		{"weekly, the days in any order", schemas.Schedule{Kind: schemas.ScheduleWeekly, At: "09:00", Weekdays: []string{"sunday", "monday"}},
			"2025-01-01T00:00:00Z", []string{"2025-01-05T09:00:00Z", "2025-01-06T09:00:00Z", "2025-01-12T09:00:00Z"}},
		{"the hour that daylight saving skips is skipped", schemas.Schedule{Kind: schemas.ScheduleDaily, At: "02:30", TimeZone: "Europe/Berlin"},
			"2025-03-29T00:00:00Z", []string{"2025-03-29T01:30:00Z", "2025-03-31T00:30:00Z"}},
		{"cron days of month or of week", schemas.Schedule{Kind: schemas.ScheduleCron, Cron: "0 0 13 * fri"},
			"2025-06-01T00:00:00Z", []string{"2025-06-06T00:00:00Z", "2025-06-13T00:00:00Z", "2025-06-20T00:00:00Z", "2025-06-27T00:00:00Z", "2025-07-04T00:00:00Z", "2025-07-11T00:00:00Z", "2025-07-13T00:00:00Z"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			from, err := time.Parse(time.RFC3339, test.from)
			require.NoError(t, err)
			times, err := schedule.Next(test.schedule, from, len(test.want))
			require.NoError(t, err)
			got := make([]string, len(times))
			for i, at := range times {
				got[i] = at.UTC().Format(time.RFC3339)
			}
			require.Equal(t, test.want, got)
		})
	}
}

// Invariant 5: the times that the portal shows are those at which Temporal
// starts runs, summer and winter.
func TestNextIsWhatTemporalDoes(t *testing.T) {
	t.Parallel()
	for name, frequency := range kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			frequency.Jitter = "" // random by design
			for _, from := range []string{"2025-01-01T00:00:00Z", "2025-03-28T12:00:00Z", "2025-10-25T12:00:00Z", "2025-11-01T12:00:00Z"} {
				requireSameTimes(t, frequency, from)
			}
		})
	}
}

// Invariant 5, for whatever cron expression an admin may write.
func TestNextIsWhatTemporalDoesForAnyCron(t *testing.T) {
	t.Parallel()
	field := func(low, high int) *rapid.Generator[string] {
		return rapid.Custom(func(r *rapid.T) string {
			a := rapid.IntRange(low, high).Draw(r, "a")
			b := rapid.IntRange(a, high).Draw(r, "b")
			step := rapid.IntRange(1, high).Draw(r, "step")
			return rapid.SampledFrom([]string{
				"*", fmt.Sprint(a), fmt.Sprintf("%d-%d", a, b), fmt.Sprintf("*/%d", step),
				fmt.Sprintf("%d,%d", a, b), fmt.Sprintf("%d-%d/%d", a, b, step),
			}).Draw(r, "form")
		})
	}
	rapid.Check(t, func(r *rapid.T) {
		s := schemas.Schedule{
			Kind: schemas.ScheduleCron,
			Cron: strings.Join([]string{
				field(0, 59).Draw(r, "minute"), field(0, 23).Draw(r, "hour"),
				field(1, 31).Draw(r, "dom"), field(1, 12).Draw(r, "month"), field(0, 6).Draw(r, "dow"),
			}, " "),
			TimeZone: rapid.SampledFrom([]string{"", "Europe/Berlin", "America/New_York"}).Draw(r, "zone"),
		}
		if schedule.Validate(s) != nil {
			r.Skip("never comes")
		}
		requireSameTimes(t, s, "2025-03-01T00:00:00Z")
	})
}

// requireSameTimes compares ten times of Next with what the server says a real
// schedule would do.
func requireSameTimes(t *testing.T, frequency schemas.Schedule, from string) {
	t.Helper()
	start, err := time.Parse(time.RFC3339, from)
	require.NoError(t, err)
	want, err := schedule.Next(frequency, start, 10)
	require.NoError(t, err)
	require.NotEmpty(t, want)

	b := setup(t, frequency)
	b.export.State = schemas.ExportPaused // it is looked at, not run
	b.apply(t)
	answer, err := server.WorkflowService().ListScheduleMatchingTimes(t.Context(), &workflowservice.ListScheduleMatchingTimesRequest{
		Namespace:  "default",
		ScheduleId: schemas.ExportScheduleID(b.export.ID),
		StartTime:  timestamppb.New(start.Add(time.Second)),
		EndTime:    timestamppb.New(want[len(want)-1]),
	})
	require.NoError(t, err)
	var got, shown []string
	for _, at := range answer.StartTime {
		got = appendSteady(got, at.AsTime(), want[0].Location())
	}
	for _, at := range want {
		shown = appendSteady(shown, at, at.Location())
	}
	require.Equal(t, shown, got, "%+v", frequency)
}

// appendSteady leaves out times that are close to a change of the clocks.
func appendSteady(times []string, at time.Time, zone *time.Location) []string {
	_, before := at.In(zone).Add(-24 * time.Hour).Zone()
	_, after := at.In(zone).Add(24 * time.Hour).Zone()
	if before != after {
		return times
	}
	return append(times, at.UTC().Format(time.RFC3339))
}
