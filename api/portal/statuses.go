package portal

import (
	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

// status is a word with the color that says how good it is.
type status struct{ Tone, Text string } // Tone: good, busy, warn, bad or quiet

var statuses = map[any]status{
	schemas.IntegrationProvisioning:   {"busy", "Preparing credentials"},
	schemas.IntegrationAwaitingAccess: {"warn", "Waiting for access"},
	schemas.IntegrationActive:         {"good", "Active"},
	schemas.IntegrationDeleting:       {"busy", "Being deleted"},
	schemas.IntegrationDeleted:        {"quiet", "Deleted"},

	schemas.AccessUnknown:  {"quiet", "Not checked yet"},
	schemas.AccessChecking: {"busy", "Being checked"},
	schemas.AccessGranted:  {"good", "Granted"},
	schemas.AccessDenied:   {"bad", "Denied"},

	schemas.ExportActive:  {"good", "Active"},
	schemas.ExportPaused:  {"warn", "Paused"},
	schemas.ExportDeleted: {"quiet", "Deleted"},

	schemas.RunRunning:   {"busy", "Running"},
	schemas.RunSucceeded: {"good", "Delivered"},
	schemas.RunFailed:    {"bad", "Failed"},
	schemas.RunCancelled: {"quiet", "Cancelled"},

	schemas.BackfillRunning:   {"busy", "Running"},
	schemas.BackfillSucceeded: {"good", "Delivered"},
	schemas.BackfillFailed:    {"bad", "Failed"},
	schemas.BackfillCancelled: {"quiet", "Cancelled"},

	schemas.OperationPending:   {"busy", "Pending"},
	schemas.OperationRunning:   {"busy", "Running"},
	schemas.OperationSucceeded: {"good", "Done"},
	schemas.OperationFailed:    {"bad", "Failed"},

	schemas.StepOK:      {"good", "OK"},
	schemas.StepWarning: {"warn", "Warning"},
	schemas.StepFailed:  {"bad", "Failed"},
	schemas.StepSkipped: {"quiet", "Not tried"},

	schemas.OutcomeSuccess: {"good", "Success"},
	schemas.OutcomeFailure: {"bad", "Failure"},

	service.PartGood:    {"good", "Good"},
	service.PartWarning: {"warn", "Look at it"},
	service.PartBad:     {"bad", "Stands still"},
	service.PartUnknown: {"warn", "Not known"},
}

// statusOf is the word for a status of any kind.
func statusOf(of any) status {
	if known, ok := statuses[of]; ok {
		return known
	}
	return status{"quiet", human(of)}
}
