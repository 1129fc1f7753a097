package schemas

import (
	"time"

	"github.com/google/uuid"
)

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
	NoticeExportFailing       NoticeKind = "export-failing"       // a streak of failed runs has begun
	NoticeExportStillFailing  NoticeKind = "export-still-failing" // a reminder, once a day
	NoticeExportRecovered     NoticeKind = "export-recovered"     // the streak has ended
	NoticeEventsExpiring      NoticeKind = "events-expiring"      // undelivered events expire in so many days
	NoticeEventsExpired       NoticeKind = "events-expired"       // undelivered events have expired
	NoticeProvisioningWaiting NoticeKind = "provisioning-waiting"
)

// NoticeInput starts a Notice workflow: one mail, to every recipient.
type NoticeInput struct {
	OrgID         uuid.UUID  `json:"org_id"`
	IntegrationID uuid.UUID  `json:"integration_id"`
	ExportID      *uuid.UUID `json:"export_id,omitempty"`    // whose deliveries the mail tells of
	OperationID   *uuid.UUID `json:"operation_id,omitempty"` // whose outcome the mail tells
	Check         int        `json:"check,omitempty"`        // the access check whose outcome the mail tells
	Since         *time.Time `json:"since,omitempty"`        // when the streak began that the mail tells of
	Days          int        `json:"days,omitempty"`         // in how many days events expire, at the latest
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

// DueNotice is a notice that has to be given. The occasion makes it unique.
type DueNotice struct {
	Notice   NoticeInput `json:"notice"`
	Occasion string      `json:"occasion"`
}

// WatchInput asks what has to be told. At is the time to go by.
type WatchInput struct {
	At time.Time `json:"at"`
}

// WatchResult lists what has to be told, at most a batch.
type WatchResult struct {
	Due []DueNotice `json:"due,omitempty"`
}

// MarkToldInput notes that notices have been started, so that they are not due
// any more.
type MarkToldInput struct {
	At   time.Time   `json:"at"`
	Told []DueNotice `json:"told"`
}
