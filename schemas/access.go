package schemas

import "time"

// Access tells whether the destination really accepts our writes now.
type Access string

// The access states.
const (
	AccessUnknown  Access = "unknown"
	AccessChecking Access = "checking"
	AccessGranted  Access = "granted"
	AccessDenied   Access = "denied"
)

// OwnershipState tells whether the org has shown that the destination is its
// own. Where the identity that writes serves this org alone, a granted write
// shows it; where several orgs share the identity, only reading back an object
// does.
type OwnershipState string

// The ownership states.
const (
	OwnershipImplied OwnershipState = "implied" // the identity is the org's own: nothing is asked
	OwnershipOpen    OwnershipState = "open"    // the identity is shared, and no challenge has been written yet
	OwnershipWaiting OwnershipState = "waiting" // a challenge lies in the destination, to be read back
	OwnershipProven  OwnershipState = "proven"
)

// Ownership is how an org shows that a destination is its own.
type Ownership struct {
	State     OwnershipState `json:"state"`
	Challenge string         `json:"challenge,omitempty"` // URL of the object whose content is to be read back
}

// AccessReport is the outcome of one probe, step by step.
type AccessReport struct {
	Check     int          `json:"check"`   // which access check of the integration, from 1
	Attempt   int          `json:"attempt"` // which attempt of the check, from 1
	Granted   bool         `json:"granted"`
	Owner     string       `json:"owner,omitempty"` // whose the bucket is: an AWS account ID or a Google Cloud project number
	Steps     []AccessStep `json:"steps"`
	CheckedAt time.Time    `json:"checked_at"`
	NextTryAt *time.Time   `json:"next_try_at,omitempty"` // nil when no further try will come by itself
}

// Step names what a probe tries.
type Step string

// The steps of a probe, in their order. Those in brackets are not of every
// cloud or integration.
const (
	StepAuthenticate Step = "authenticate" // assume the role, sign in to the tenant, impersonate the service account
	StepExternalID   Step = "external_id"  // (AWS) the role refuses a missing and a wrong external ID
	StepOwner        Step = "owner"        // (AWS, GCP) the bucket is of the account or project that it has to be of
	StepOwnership    Step = "ownership"    // (shared identities) the admin has read the challenge back
	StepWrite        Step = "write"
	StepList         Step = "list"
	StepDelete       Step = "delete"
)

// StepStatus is the outcome of one step of a probe.
type StepStatus string

// The step statuses.
const (
	StepOK      StepStatus = "ok"
	StepWarning StepStatus = "warning" // exports work, but something is not as asked for
	StepFailed  StepStatus = "failed"
	StepSkipped StepStatus = "skipped" // an earlier step failed
)

// AccessStep is one thing a probe tried.
type AccessStep struct {
	Name        Step       `json:"name"`
	Status      StepStatus `json:"status"`
	Kind        ErrorKind  `json:"kind,omitempty"`
	Code        string     `json:"code,omitempty"`        // the cloud's own error code
	Explanation string     `json:"explanation,omitempty"` // what it means
	Fix         string     `json:"fix,omitempty"`         // what the admin can do; empty where that is nothing but to wait
	Answer      string     `json:"answer,omitempty"`      // the cloud's own words
}

// CodeOwnerChanged is the code of a probe that found another owner of the bucket
// than the one that was pinned when access was first granted. On Google Cloud the
// new one may be accepted; on AWS the destination is updated with its account.
const CodeOwnerChanged = "BucketOwnerChanged"

// Failure is the first failed step; ok is false when there is none.
func (r AccessReport) Failure() (step AccessStep, ok bool) {
	for _, s := range r.Steps {
		if s.Status == StepFailed {
			return s, true
		}
	}
	return AccessStep{}, false
}

// AccessChanged tells an integration's workflow what has been found out about
// access since its access check number Check began; other checks' news is
// ignored. Access is granted or denied when the check itself reports, and
// unknown when a writer found otherwise than the check, so that another look is
// due.
type AccessChanged struct {
	Check  int    `json:"check"`
	Access Access `json:"access"`
}

// AccessCheckInput starts an AccessCheck workflow.
type AccessCheckInput struct {
	IntegrationRef
	Check int `json:"check"`
}

// RecordAccessInput stores where an integration stands.
type RecordAccessInput struct {
	IntegrationRef
	Status IntegrationStatus `json:"status"`
	Access Access            `json:"access"`
	Check  int               `json:"check"`
}

// ProbeInput asks for one attempt of an access check.
type ProbeInput struct {
	IntegrationRef
	Check     int           `json:"check"`
	Attempt   int           `json:"attempt"`
	NextTryIn time.Duration `json:"next_try_in"` // pause before the next attempt, if there is one
	Elapsed   time.Duration `json:"elapsed"`     // since the check began

	// Kind is how the attempts before this one failed, and Lasted for how long
	// they have failed so. Kind is "" for the first.
	Kind   ErrorKind     `json:"kind,omitempty"`
	Lasted time.Duration `json:"lasted,omitempty"`
}

// ProbeResult is what a check decides by.
type ProbeResult struct {
	Granted    bool      `json:"granted"`
	Superseded bool      `json:"superseded"` // a newer check has begun; this one is to stop
	Final      bool      `json:"final"`      // trying again cannot help
	Kind       ErrorKind `json:"kind,omitempty"`
}
