package schemas

import "github.com/google/uuid"

// NoticeKind is the occasion of a mail.
type NoticeKind string

// The notices. The last goes to the operators, all others to the org's
// notice_emails.
const (
	NoticeIntegrationReady    NoticeKind = "integration-ready"
	NoticeAccessVerified      NoticeKind = "access-verified"
	NoticeAccessDenied        NoticeKind = "access-denied"
	NoticeDestinationUpdated  NoticeKind = "destination-updated"
	NoticeIntegrationDeleted  NoticeKind = "integration-deleted"
	NoticeProvisioningWaiting NoticeKind = "provisioning-waiting"
)

// NoticeInput starts a Notice workflow: one mail, to every recipient.
type NoticeInput struct {
	OrgID         uuid.UUID  `json:"org_id"`
	IntegrationID uuid.UUID  `json:"integration_id"`
	OperationID   *uuid.UUID `json:"operation_id,omitempty"` // whose outcome the mail tells
	Check         int        `json:"check,omitempty"`        // the access check whose outcome the mail tells
	Kind          NoticeKind `json:"kind"`
}

// NoticeRecipients lists the addresses a notice goes to.
type NoticeRecipients struct {
	Addresses []string `json:"addresses"`
}

// SendNoticeInput asks for the mail to one address.
type SendNoticeInput struct {
	NoticeInput
	Address string `json:"address"`
}
