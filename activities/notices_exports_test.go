package activities_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/schemas"
)

// A notice is due once, by Temporal's clock. It is given by a worker whose clock
// is a little behind as well, but not when the events of that time have been
// delivered meanwhile.
func TestExpiryIsToldByAnyClock(t *testing.T) {
	t.Parallel()
	const keep = 30 * 24 * time.Hour
	for name, test := range map[string]struct {
		kind      schemas.NoticeKind
		days      int
		delivered int64
		behind    time.Duration
		subject   string // "" if nothing is sent
	}{
		"as it comes due":            {schemas.NoticeEventsExpiring, 7, 0, 0, `Undelivered audit events of "all" expire within 7 days`},
		"the clock is behind":        {schemas.NoticeEventsExpiring, 7, 0, time.Minute, `Undelivered audit events of "all" expire within 7 days`},
		"what counted is delivered":  {schemas.NoticeEventsExpiring, 7, 5, 0, ""},
		"expired":                    {schemas.NoticeEventsExpired, 0, 0, 0, `Audit events of "all" have expired undelivered`},
		"expired, the clock behind":  {schemas.NoticeEventsExpired, 0, 0, time.Minute, `Audit events of "all" have expired undelivered`},
		"expired, but delivered now": {schemas.NoticeEventsExpired, 0, 5, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			a, mails := b.notices()
			a.Keep = keep
			e := b.addExport(b.addIntegration("s3://acme-logs/"), "all", func(e *schemas.Export) { e.DeliveredSeq = test.delivered })
			b.appendOn(2, 5, 10)
			b.appendOn(1, 5, 10)
			due := b.noon(2).Add(keep).AddDate(0, 0, -test.days)
			in := schemas.SendNoticeInput{Address: "ann@example.com", NoticeInput: schemas.NoticeInput{
				OrgID: b.org, IntegrationID: e.IntegrationID, ExportID: &e.ID, Kind: test.kind, Days: test.days,
			}}
			ctx := activities.WithClock(t.Context(), func() time.Time { return due.Add(-test.behind) })
			_, err := attempt{ctx: ctx}.perform(t, a.SendNotice, in)
			require.NoError(t, err)
			if test.subject == "" {
				require.Empty(t, mails.sent)
				return
			}
			require.Len(t, mails.sent, 1)
			require.Equal(t, test.subject, mails.sent[0].Subject)
		})
	}
}
