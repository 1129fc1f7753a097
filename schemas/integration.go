package schemas

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// IntegrationStatus is where an integration stands in its life.
type IntegrationStatus string

// The integration statuses, in the order of a life.
const (
	IntegrationProvisioning   IntegrationStatus = "provisioning"    // waiting for credentials
	IntegrationAwaitingAccess IntegrationStatus = "awaiting_access" // the admin has to grant access
	IntegrationActive         IntegrationStatus = "active"          // the destination accepts our writes
	IntegrationDeleting       IntegrationStatus = "deleting"
	IntegrationDeleted        IntegrationStatus = "deleted"
)

// Provisioner says who makes an integration's credentials.
type Provisioner string

// The provisioners.
const (
	ProvisionerAuto     Provisioner = "auto"     // the worker, from its configuration
	ProvisionerExternal Provisioner = "external" // an operator or their automation, over the API
)

// Integration is an org's permission link to one destination.
type Integration struct {
	ID          uuid.UUID         `json:"id"`
	OrgID       uuid.UUID         `json:"org_id"`
	Name        string            `json:"name"`
	Cloud       Cloud             `json:"cloud"`
	Destination Destination       `json:"destination"`
	Grant       Grant             `json:"grant"`
	Provisioner Provisioner       `json:"provisioner"`
	Credentials *Credentials      `json:"credentials,omitempty"` // nil until provisioned
	Status      IntegrationStatus `json:"status"`
	Access      Access            `json:"access"`
	Report      *AccessReport     `json:"access_report,omitempty"` // the newest check's
	Ownership   Ownership         `json:"ownership"`
	CreatedAt   time.Time         `json:"created_at"`
	UpdatedAt   time.Time         `json:"updated_at"`
	DeletedAt   *time.Time        `json:"deleted_at,omitempty"`
}

// Live tells whether commands may still be given.
func (i Integration) Live() bool {
	return i.Status != IntegrationDeleting && i.Status != IntegrationDeleted
}

// IntegrationInput starts an Integration workflow. State is nil on the first
// run; continue-as-new hands it on.
type IntegrationInput struct {
	OrgID         uuid.UUID         `json:"org_id"`
	IntegrationID uuid.UUID         `json:"integration_id"`
	State         *IntegrationState `json:"state,omitempty"`
}

// IntegrationState is all that an Integration workflow must remember from one
// run to the next, and what its state query answers. What should be stands in
// Postgres, not here.
type IntegrationState struct {
	Cloud       Cloud             `json:"cloud"`
	Status      IntegrationStatus `json:"status"`
	Access      Access            `json:"access"`
	Requested   bool              `json:"requested"`           // the provisioner has the request
	WaitingFrom time.Time         `json:"waiting_from"`        // when the wait for credentials began
	AskAgain    time.Time         `json:"ask_again,omitzero"`  // when the provisioner, which could not fulfill the request, gets it again
	Reminded    bool              `json:"reminded"`            // operators have been told that nothing came
	Check       int               `json:"check"`               // number of access checks started; the newest one counts
	CheckDue    bool              `json:"check_due,omitempty"` // the newest check's workflow is still to be started
	Asked       time.Time         `json:"asked,omitzero"`      // when the admins were last mailed to grant access
	Told        Access            `json:"told,omitempty"`      // what the admins have been told of access since then; "" is nothing
	Attention   string            `json:"attention,omitempty"` // what a person has to look at, in plain words
	Handled     int               `json:"handled"`             // signals handled in all
	LastCommand string            `json:"last_command,omitempty"`
}

// Markdown is what operators read in Temporal's current details.
func (s IntegrationState) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "**%s** on %s, access **%s**", s.Status, s.Cloud, s.Access)
	if s.LastCommand != "" {
		fmt.Fprintf(&b, "\n\nLast command: %s", s.LastCommand)
	}
	if s.Attention != "" {
		fmt.Fprintf(&b, "\n\nNeeds attention: %s", s.Attention)
	}
	return b.String()
}

// Provisioned is the provisioning signal. OperationID is that of the operator's
// call, or of the create operation when the worker provisions itself. Exclusive
// says that no other org will ever be given the same identity.
type Provisioned struct {
	OperationID uuid.UUID   `json:"operation_id"`
	Credentials Credentials `json:"credentials"`
	Exclusive   bool        `json:"exclusive,omitempty"`
}

// Command asks the Integration workflow to carry out an operation. What is to
// be done stands in the operation's row.
type Command struct {
	OperationID uuid.UUID `json:"operation_id"`
}

// IntegrationRef names one integration of one org.
type IntegrationRef struct {
	OrgID         uuid.UUID `json:"org_id"`
	IntegrationID uuid.UUID `json:"integration_id"`
}

// OperationRef names the operation that an integration's workflow is carrying
// out.
type OperationRef struct {
	OrgID         uuid.UUID `json:"org_id"`
	IntegrationID uuid.UUID `json:"integration_id"`
	OperationID   uuid.UUID `json:"operation_id"`
}

// LoadIntegrationResult is what a workflow starts from.
type LoadIntegrationResult struct {
	Cloud  Cloud             `json:"cloud"`
	Status IntegrationStatus `json:"status"`
	Access Access            `json:"access"`
	Check  int               `json:"check"` // the newest access check's number
}

// StoreCredentialsInput records the credentials that a provisioning signal
// brought.
type StoreCredentialsInput struct {
	OperationRef
	Credentials Credentials `json:"credentials"`
	Exclusive   bool        `json:"exclusive,omitempty"`
}

// BeginCommandResult tells a workflow whether to go on with a command.
// Proceed is false for an operation that is unknown, of another integration,
// or has ended; Reason then says which.
type BeginCommandResult struct {
	Proceed bool   `json:"proceed"`
	Reason  string `json:"reason,omitempty"`
}

// FailOperationInput ends an operation that could not be carried out. Message
// is for the admin.
type FailOperationInput struct {
	OperationRef
	Message string `json:"message"`
}

// AbandonClosingsInput gives up the final manifests of an integration's places.
type AbandonClosingsInput struct {
	IntegrationRef
	Message string `json:"message"`
}
