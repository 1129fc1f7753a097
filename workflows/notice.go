package workflows

import (
	"errors"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
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

// startNotice starts the workflow that mails a notice, and does not wait for
// its end. The occasion was mailed already if its workflow ID is taken, and that
// is as good.
func startNotice(ctx workflow.Context, occasion string, notice schemas.NoticeInput) error {
	child := beside(ctx, schemas.NoticeWorkflowID(notice.Kind, occasion), "mail: "+string(notice.Kind),
		enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		schemas.IntegrationRef{OrgID: notice.OrgID, IntegrationID: notice.IntegrationID})
	err := workflow.ExecuteChildWorkflow(child, schemas.WorkflowNotice, notice).GetChildWorkflowExecution().Get(ctx, nil)
	if temporal.IsWorkflowExecutionAlreadyStartedError(err) {
		return nil
	}
	return err
}
