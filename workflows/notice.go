package workflows

import (
	"errors"

	"go.temporal.io/sdk/workflow"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/schemas"
)

// Notice mails one occasion to every recipient, each on its own: an address
// that is refused keeps nobody else's mail back. It fails when an address could
// not be reached within the mail budget.
func Notice(ctx workflow.Context, in schemas.NoticeInput) error {
	var a *activities.Notices
	var to schemas.NoticeRecipients
	if err := workflow.ExecuteActivity(recording(ctx, "recipients"), a.Recipients, in).Get(ctx, &to); err != nil {
		return err
	}
	mails := make([]workflow.Future, len(to.Addresses))
	for i, address := range to.Addresses {
		mails[i] = workflow.ExecuteActivity(mailing(ctx, string(in.Kind)), a.SendNotice, schemas.SendNoticeInput{
			NoticeInput: in,
			Address:     address,
		})
	}
	var errs []error
	for _, mail := range mails {
		errs = append(errs, mail.Get(ctx, nil))
	}
	return errors.Join(errs...)
}
