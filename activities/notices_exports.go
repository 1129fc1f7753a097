package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/auditferry/auditferry/internal/mail"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// clockSkew is how far this worker's clock may be behind the one by which a
// notice was due. A notice is due once: one that is taken to be early is never
// given.
const clockSkew = 5 * time.Minute

// wordExport words a mail about an export, as it stands now.
func (a *Notices) wordExport(ctx context.Context, tx *postgres.Tx, in schemas.NoticeInput, org schemas.Org) (mail.Message, error) {
	export, err := tx.Export(ctx, *in.ExportID)
	if err != nil {
		return mail.Message{}, err
	}
	if export.State == schemas.ExportDeleted {
		return mail.Message{}, fmt.Errorf("%w: the export has been deleted", errOutdated)
	}
	clock, err := tx.LossClock(ctx, export, a.Keep)
	if err != nil {
		return mail.Message{}, err
	}
	link := a.link("exports", export.ID)
	latest := now(ctx).Add(clockSkew)
	switch in.Kind {
	case schemas.NoticeExportFailing, schemas.NoticeExportStillFailing:
		return a.wordFailure(ctx, tx, in, org, export, clock)
	case schemas.NoticeExportRecovered:
		if export.FailingSince != nil {
			return mail.Message{}, fmt.Errorf("%w: the export is failing again", errOutdated)
		}
		return mail.ExportRecovered(org, export, *in.Since, link)
	case schemas.NoticeEventsExpiring:
		if clock == nil || clock.ExpiresAt.IsZero() || clock.ExpiresAt.After(latest.AddDate(0, 0, in.Days)) {
			return mail.Message{}, fmt.Errorf("%w: those events are delivered, or have expired", errOutdated)
		}
		return mail.EventsExpiring(org, export, *clock, in.Days, link)
	default: // NoticeEventsExpired
		if clock == nil || clock.ExpiresAt.After(latest) {
			return mail.Message{}, fmt.Errorf("%w: the export goes on with what is retained", errOutdated)
		}
		return mail.EventsExpired(org, export, link)
	}
}

func (a *Notices) wordFailure(ctx context.Context, tx *postgres.Tx, in schemas.NoticeInput, org schemas.Org, export schemas.Export, clock *schemas.LossClock) (mail.Message, error) {
	if export.FailingSince == nil || !export.FailingSince.Equal(*in.Since) || export.State != schemas.ExportActive {
		return mail.Message{}, fmt.Errorf("%w: that streak of failures is over", errOutdated)
	}
	last, err := tx.LastFailure(ctx, export.ID)
	if err != nil && !errors.Is(err, postgres.ErrNotFound) {
		return mail.Message{}, err
	}
	failure := mail.Failure{Since: *in.Since, Last: last, Clock: clock}
	link := a.link("exports", export.ID)
	if in.Kind == schemas.NoticeExportFailing {
		return mail.ExportFailing(org, export, failure, link)
	}
	return mail.ExportStillFailing(org, export, failure, now(ctx), link)
}
