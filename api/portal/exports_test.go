package portal

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

func requireFields(t *testing.T, err error, want ...schemas.FieldError) {
	t.Helper()
	var known *service.Error
	require.ErrorAs(t, err, &known)
	require.Equal(t, service.Invalid, known.Kind)
	require.Equal(t, want, known.Fields)
}

// What an export has is what its form, sent unchanged, makes of it.
func TestFormsGiveBackWhatTheyWereFilledWith(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]schemas.Schedule{
		"interval":         {Kind: schemas.ScheduleInterval, Every: "15m"},
		"of two units":     {Kind: schemas.ScheduleInterval, Every: "90m", Jitter: "30s"},
		"of days":          {Kind: schemas.ScheduleInterval, Every: "48h"},
		"of seconds":       {Kind: schemas.ScheduleInterval, Every: "5s"},
		"daily":            {Kind: schemas.ScheduleDaily, At: "02:00", TimeZone: "Europe/Berlin"},
		"weekly":           {Kind: schemas.ScheduleWeekly, At: "23:59", Weekdays: []string{"monday", "sunday"}, TimeZone: "UTC", Jitter: "5m"},
		"cron":             {Kind: schemas.ScheduleCron, Cron: "*/5 1-3 * * 1", TimeZone: "America/New_York"},
		"in a former zone": {Kind: schemas.ScheduleDaily, At: "02:00", TimeZone: "Asia/Calcutta"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			values := url.Values{}
			putSchedule(values, s, "Asia/Tokyo")
			got, err := scheduleFrom(newForm(values))
			require.NoError(t, err)
			require.Equal(t, s, got)
		})
	}
	for _, s := range []shape{
		{Format: schemas.FormatNDJSON, Compression: schemas.CompressionGzip, PathTemplate: schemas.DefaultPathTemplate},
		{Format: schemas.FormatParquet, Compression: schemas.CompressionSnappy, Filter: schemas.Filter{
			Actions: []string{"user.login", "document.*"}, ExceptActions: []string{"document.viewed"}, Outcome: schemas.OutcomeFailure,
		}},
	} {
		values := url.Values{}
		putShape(values, s)
		require.Equal(t, s, shapeFrom(newForm(values)))
	}
}

// A schedule without a zone runs in UTC, wherever its reader is.
func TestASchedulesZoneIsNotItsReaders(t *testing.T) {
	t.Parallel()
	values := url.Values{}
	putSchedule(values, schemas.Schedule{Kind: schemas.ScheduleDaily, At: "02:00"}, "Asia/Tokyo")
	require.Equal(t, "UTC", values.Get("schedule.time_zone"))
	putSchedule(values, schemas.Schedule{Kind: schemas.ScheduleInterval, Every: "1h"}, "Asia/Tokyo")
	require.Equal(t, "Asia/Tokyo", values.Get("schedule.time_zone"), "offered in case that another kind is chosen")
}

func TestOnlyTheChosenKindsFieldsCount(t *testing.T) {
	t.Parallel()
	typed := url.Values{
		"schedule.kind": {"daily"}, "schedule.at": {"07:30:00"}, "schedule.time_zone": {" UTC "}, "schedule.weekdays": {"monday"},
		"schedule.cron": {"* * *"}, everyNumber: {"many"}, everyUnit: {"h"},
	}
	s, err := scheduleFrom(newForm(typed))
	require.NoError(t, err)
	require.Equal(t, schemas.Schedule{Kind: schemas.ScheduleDaily, At: "07:30", TimeZone: "UTC"}, s)
	typed.Set("schedule.kind", "cron")
	typed.Set("schedule.cron", "  0  2 * *\t1 ")
	s, err = scheduleFrom(newForm(typed))
	require.NoError(t, err)
	require.Equal(t, schemas.Schedule{Kind: schemas.ScheduleCron, Cron: "0 2 * * 1", TimeZone: "UTC"}, s)
}

func TestIntervalsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, typed := range [][2]string{{"", "h"}, {"x", "h"}, {"1.5", "h"}, {"0", "m"}, {"-1", "m"}, {"4", "s"}, {"8", "d"}, {"99999999999999999999", "s"}, {"604801", "d"}, {"1", "years"}} {
		_, err := everyFrom(typed[0], typed[1])
		requireFields(t, err, schemas.FieldError{Field: "every.number", Message: "must be a whole number, and from 5 seconds to 7 days in all"})
	}
}

func TestSchedulesInWords(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]schemas.Schedule{
		"every hour":                       {Kind: schemas.ScheduleInterval, Every: "1h"},
		"every 15 minutes":                 {Kind: schemas.ScheduleInterval, Every: "15m"},
		"every 1 hour 30 minutes":          {Kind: schemas.ScheduleInterval, Every: "90m"},
		"every day":                        {Kind: schemas.ScheduleInterval, Every: "24h"},
		"every day at 02:00 Europe/Berlin": {Kind: schemas.ScheduleDaily, At: "02:00", TimeZone: "Europe/Berlin"},
		"every Monday and Friday at 02:00 UTC, up to 5 minutes later": {
			Kind: schemas.ScheduleWeekly, At: "02:00", Weekdays: []string{"monday", "friday"}, Jitter: "5m",
		},
		"by cron 0 2 * * 1, UTC": {Kind: schemas.ScheduleCron, Cron: "0 2 * * 1", Jitter: "0s"},
	} {
		require.Equal(t, want, scheduleText(s))
	}
}

func TestTimesOfTheNextRuns(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	at := time.Date(2026, 3, 4, 23, 30, 0, 0, time.UTC)
	daily := upcomingOf(schemas.Schedule{Kind: schemas.ScheduleDaily, At: "00:30", TimeZone: "Europe/Berlin"}, []time.Time{at.In(berlin)}, time.UTC)
	require.Equal(t, "Europe/Berlin", daily.Zone, "a schedule's own")
	require.Contains(t, string(daily.Times[0]), ">Thu 5 Mar 2026, 00:30<")
	hourly := upcomingOf(schemas.Schedule{Kind: schemas.ScheduleInterval, Every: "1h"}, []time.Time{at}, berlin)
	require.Equal(t, "Europe/Berlin", hourly.Zone, "an interval's is the reader's")
	require.Contains(t, string(hourly.Times[0]), ">Thu 5 Mar 2026, 00:30<")
	often := upcomingOf(schemas.Schedule{Kind: schemas.ScheduleInterval, Every: "5s"}, []time.Time{at}, time.UTC)
	require.Contains(t, string(often.Times[0]), ">Wed 4 Mar 2026, 23:30:00<")
	require.Empty(t, upcomingOf(schemas.Schedule{Kind: schemas.ScheduleDaily}, nil, time.UTC).Times)
}

func TestTheDataLossClock(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	waiting := func(left time.Duration) *service.Undelivered {
		expires := now.Add(left)
		return &service.Undelivered{OldestSeq: 7, RecordedAt: &now, ExpiresAt: &expires}
	}
	for _, c := range []struct {
		undelivered *service.Undelivered
		want        lossClock
	}{
		{nil, lossClock{"good", "Everything is delivered"}},
		{waiting(29 * 24 * time.Hour), lossClock{"quiet", "Oldest event expires in 29 days"}},
		{waiting(7*24*time.Hour + time.Second), lossClock{"quiet", "Oldest event expires in 7 days"}},
		{waiting(7 * 24 * time.Hour), lossClock{"warn", "Oldest event expires in 7 days"}},
		{waiting(25 * time.Hour), lossClock{"warn", "Oldest event expires in 1 day 1 hour"}},
		{waiting(24 * time.Hour), lossClock{"bad", "Oldest event expires in 1 day"}},
		{waiting(0), lossClock{"bad", "Oldest event may be gone any time"}},
		{&service.Undelivered{OldestSeq: 7, Expired: true}, lossClock{"bad", "Events have expired undelivered"}},
	} {
		require.Equal(t, c.want, lossClockOf(service.ExportView{Undelivered: c.undelivered}, now))
	}
	deleted := service.ExportView{Export: schemas.Export{State: schemas.ExportDeleted}, Undelivered: waiting(0)}
	require.Equal(t, "quiet", lossClockOf(deleted, now).Tone)
}

func TestErrorsQuoteTheEntryOfAList(t *testing.T) {
	t.Parallel()
	filter := schemas.Filter{Actions: []string{"user.login"}, ExceptActions: []string{"a", "b*c"}}
	requireFields(t, aboutEntries(fieldError("filter.except_actions[1]", "has a *"), filter), schemas.FieldError{Field: "filter.except_actions", Message: "“b*c” has a *"})
	requireFields(t, aboutEntries(fieldError("filter.actions[0]", "is bad"), filter), schemas.FieldError{Field: "filter.actions", Message: "“user.login” is bad"})
	requireFields(t, aboutEntries(fieldError("filter.actions[9]", "is bad"), filter), schemas.FieldError{Field: "filter.actions", Message: "is bad"})
	requireFields(t, aboutEntries(fieldError("path_template", "is bad"), filter), schemas.FieldError{Field: "path_template", Message: "is bad"})
	require.ErrorIs(t, aboutEntries(errAgain, filter), errAgain)
}

func TestEverythingWrongIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	gone := &service.Error{Kind: service.NotFound, Detail: "There is no integration."}
	require.NoError(t, together(nil, nil))
	require.Equal(t, gone, together(nil, gone), "an error that is about no field")
	a, b, otherA := fieldError("a", "is empty"), fieldError("b", "is long"), fieldError("a", "is bad")
	requireFields(t, together(nil, a, b, otherA), schemas.FieldError{Field: "a", Message: "is empty"}, schemas.FieldError{Field: "b", Message: "is long"})
	requireFields(t, together(a, gone), schemas.FieldError{Field: "a", Message: "is empty"})
}

func TestRangesOfBackfills(t *testing.T) {
	t.Parallel()
	typed := url.Values{
		rangeField: {rangeByTime}, zoneField: {"Europe/Berlin"}, "from": {"2026-05-01T00:00"}, "to": {"2026-05-01T06:30:15"},
		"first_seq": {" 12 "}, "last_seq": {"x"},
	}
	asked, err := rangeFrom(newForm(typed))
	require.NoError(t, err)
	require.Nil(t, asked.FirstSeq)
	require.True(t, time.Date(2026, 4, 30, 22, 0, 0, 0, time.UTC).Equal(*asked.From), "in the zone of the page")
	require.True(t, time.Date(2026, 5, 1, 4, 30, 15, 0, time.UTC).Equal(*asked.To))

	typed.Set("from", "yesterday")
	_, err = rangeFrom(newForm(typed))
	requireFields(t, err, schemas.FieldError{Field: "from", Message: "must be a day and a time, such as 2026-05-31T14:00"})
	typed.Set(rangeField, rangeByCount)
	_, err = rangeFrom(newForm(typed))
	requireFields(t, err, schemas.FieldError{Field: "last_seq", Message: "must be the number of an event, such as 1200"})
	typed.Set("first_seq", "")
	_, err = rangeFrom(newForm(typed))
	requireFields(t, err,
		schemas.FieldError{Field: "first_seq", Message: "must be the number of an event, such as 1200"},
		schemas.FieldError{Field: "last_seq", Message: "must be the number of an event, such as 1200"})
	typed.Set("first_seq", " 12 ")
	typed.Set("last_seq", "15")
	asked, err = rangeFrom(newForm(typed))
	require.NoError(t, err)
	require.Equal(t, []int64{12, 15}, []int64{*asked.FirstSeq, *asked.LastSeq})
	require.Nil(t, asked.From)
}

func TestZonesExist(t *testing.T) {
	t.Parallel()
	for _, name := range zones {
		_, err := time.LoadLocation(name)
		require.NoError(t, err)
	}
}

func TestASpreadOfAnothersChoosingIsKept(t *testing.T) {
	t.Parallel()
	require.Len(t, jitters("5m"), len(jitters("")))
	require.Equal(t, option{"42s", "Up to 42 seconds later"}, jitters("42s")[len(jitters(""))])
}

// Invariant 4: a button pressed twice acts once; after another command it acts
// again.
func TestButtonsKeys(t *testing.T) {
	t.Parallel()
	body := exportBody{exportRow: exportRow{ExportView: service.ExportView{Export: schemas.Export{ID: uuid.New()}}}}
	first := body.Key("run")
	require.Equal(t, first, body.Key("run"))
	require.NotEqual(t, first, body.Key("pause"))
	body.Operations = []operationRow{{Operation: schemas.Operation{ID: uuid.New()}}}
	require.NotEqual(t, first, body.Key("run"))
}

// The operation that starts a run ends before the run shows up; the page is
// watched meanwhile.
func TestARunThatWasAskedForIsAwaited(t *testing.T) {
	t.Parallel()
	asked := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	var body exportBody
	require.False(t, body.moving(asked))
	body.Operations = operationRows([]schemas.Operation{{Kind: schemas.OpRunExport, Status: schemas.OperationSucceeded, CreatedAt: asked}})
	require.True(t, body.moving(asked.Add(time.Second)))
	require.False(t, body.moving(asked.Add(startsWithin)), "there was nothing to deliver")
	body.Last = &service.RunView{Run: schemas.Run{Status: schemas.RunSucceeded, StartedAt: asked.Add(-time.Second)}}
	require.True(t, body.moving(asked.Add(time.Second)), "an earlier run")
	body.Last.StartedAt = asked.Add(time.Second)
	require.False(t, body.moving(asked.Add(2*time.Second)))
}

// Operators find the schedule and the backfill in Temporal; the slash of an ID
// is no step of a path there.
func TestLinksOfOperators(t *testing.T) {
	t.Parallel()
	files, err := loadFiles()
	require.NoError(t, err)
	all, err := loadTemplates(files)
	require.NoError(t, err)
	id := uuid.New()
	body := exportBody{
		exportRow: exportRow{ExportView: service.ExportView{Export: schemas.Export{ID: id, State: schemas.ExportActive}}},
		Backfills: []backfillRow{{service.BackfillView{Backfill: schemas.Backfill{ID: id, Status: schemas.BackfillRunning}}}},
	}
	for _, c := range []struct{ temporal, part, link string }{
		{"https://temporal.example/namespaces/ferry", "part:state", "https://temporal.example/namespaces/ferry/schedules/export%2F" + id.String()},
		{"https://temporal.example/namespaces/ferry", "part:backfills", "https://temporal.example/namespaces/ferry/workflows/" + url.PathEscape(schemas.BackfillWorkflowID(id))},
		{"", "part:state", ""},
		{"", "part:backfills", ""},
	} {
		var html strings.Builder
		shown := frame{page: &page{Body: body}, Temporal: c.temporal, Zone: zone{time.UTC}}
		require.NoError(t, all["export"].ExecuteTemplate(&html, c.part, shown))
		if c.link == "" {
			require.NotContains(t, html.String(), "Temporal")
		} else {
			require.Contains(t, html.String(), `href="`+c.link+`"`)
		}
	}
}
