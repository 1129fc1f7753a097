package activities

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/auditferry/auditferry/internal/mail"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/internal/setup"
	"github.com/auditferry/auditferry/schemas"
)

// Mailer sends one mail to one address.
type Mailer interface {
	Send(ctx context.Context, message mail.Message) error
}

// Notices words the mails of an occasion and sends them.
type Notices struct {
	Store          *postgres.Store
	Mail           Mailer
	OperatorEmails []string
	PublicURL      string
	Keep           time.Duration // how long events are kept
}

// Recipients lists who is told: the org's notice addresses, or the operators
// when something waits for them.
func (a *Notices) Recipients(ctx context.Context, in schemas.NoticeInput) (to schemas.NoticeRecipients, err error) {
	if in.Kind == schemas.NoticeProvisioningWaiting {
		return schemas.NoticeRecipients{Addresses: a.OperatorEmails}, nil
	}
	err = a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) error {
		org, err := tx.Org(ctx, in.OrgID)
		to.Addresses = org.NoticeEmails
		return err
	})
	return to, toTemporal(ctx, err)
}

// SendNotice mails one address. A server that does not take the mail now is
// asked again later; one that refuses it for good is not.
func (a *Notices) SendNotice(ctx context.Context, in schemas.SendNoticeInput) error {
	var message mail.Message
	err := a.Store.InOrg(ctx, in.OrgID, func(tx *postgres.Tx) (err error) {
		message, err = a.word(ctx, tx, in.NoticeInput)
		return err
	})
	if errors.Is(err, errOutdated) {
		activity.GetLogger(ctx).Info("Mail not sent", "reason", err)
		return nil
	}
	if err != nil {
		return toTemporal(ctx, err)
	}
	message.To = in.Address
	message.ID = messageID(ctx, in.Address)
	err = a.Mail.Send(ctx, message)
	if mail.Permanent(err) {
		return temporal.NewNonRetryableApplicationError(err.Error(), schemas.ErrorMailRefused, err)
	}
	if err != nil {
		return temporal.NewApplicationErrorWithCause(err.Error(), schemas.ErrorMailUndelivered, err)
	}
	return nil
}

// errOutdated says that a mail would tell what is not so any more.
var errOutdated = errors.New("the mail is out of date")

func (a *Notices) word(ctx context.Context, tx *postgres.Tx, in schemas.NoticeInput) (mail.Message, error) {
	org, err := tx.Org(ctx, in.OrgID)
	if err != nil {
		return mail.Message{}, err
	}
	if in.ExportID != nil {
		return a.wordExport(ctx, tx, in, org)
	}
	integration, err := tx.Integration(ctx, in.IntegrationID)
	if err != nil {
		return mail.Message{}, err
	}
	var asked schemas.OperationParams
	var did schemas.OperationOutcome
	if in.OperationID != nil {
		op, err := tx.Operation(ctx, *in.OperationID)
		if err != nil {
			return mail.Message{}, err
		}
		asked, did = op.Params, op.Outcome
	}
	link := a.link("integrations", in.IntegrationID)
	switch in.Kind {
	case schemas.NoticeIntegrationReady:
		if integration.Credentials == nil {
			return mail.Message{}, fmt.Errorf("%w: the integration has been deleted", errOutdated)
		}
		guide, err := setup.Guide(integration)
		if err != nil {
			return mail.Message{}, err
		}
		return mail.IntegrationReady(org, integration, guide, link)
	case schemas.NoticeAccessVerified:
		if !integration.Live() || integration.Access == schemas.AccessDenied {
			return mail.Message{}, fmt.Errorf("%w: access is not granted any more", errOutdated)
		}
		return mail.AccessVerified(org, integration, link)
	case schemas.NoticeAccessDenied:
		if integration.Access != schemas.AccessDenied || integration.Report == nil || integration.Report.Check != in.Check {
			return mail.Message{}, fmt.Errorf("%w: another access check has begun", errOutdated)
		}
		return mail.AccessDenied(org, integration, *integration.Report, link)
	case schemas.NoticeDestinationUpdated:
		if asked.Destination != nil { // by now it may have been updated again
			integration.Destination = *asked.Destination
		}
		return mail.DestinationUpdated(org, integration, mail.DestinationChange{
			Old:        did.PreviousDestination,
			Retargeted: did.ExportsRetargeted,
			Paused:     did.ExportsPaused,
		}, link)
	case schemas.NoticeIntegrationDeleted:
		links := mail.DeletedLinks{Paused: did.ExportsPaused, Deleted: did.ExportsDeleted}
		return mail.IntegrationDeleted(org, integration, links, link)
	case schemas.NoticeProvisioningWaiting:
		if integration.Status != schemas.IntegrationProvisioning {
			return mail.Message{}, fmt.Errorf("%w: the integration does not wait any more", errOutdated)
		}
		return mail.ProvisioningWaiting(org, integration, integration.CreatedAt, a.link("operator/integrations/"+in.OrgID.String(), in.IntegrationID)+"/provision")
	default:
		return mail.Message{}, &schemas.FieldError{Field: "kind", Message: fmt.Sprintf("is %q, which is no notice", in.Kind)}
	}
}

// link leads to the page of a thing.
func (a *Notices) link(collection string, id uuid.UUID) string {
	return strings.TrimSuffix(a.PublicURL, "/") + "/" + collection + "/" + id.String()
}

// messageID is the same in every attempt, so that a mail that was sent twice
// can be told from two mails.
func messageID(ctx context.Context, address string) string {
	occasion := activity.GetInfo(ctx).WorkflowExecution.ID
	return fmt.Sprintf("%s.%x", occasion, sha256.Sum256([]byte(address)))
}
