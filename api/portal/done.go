package portal

import (
	"context"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/schemas"
)

// done is the pop-up about an operation: first that it is under way, and when
// it has ended, what it has done.
type done struct {
	Ended, Failed bool
	Text          string // what has happened, in a few words
	Detail        string
	Close         string // the page without the pop-up
}

// operationQuery is the query parameter with the operation that led to a page.
const operationQuery = "operation"

// after is a page that tells how the operation goes.
func after(op schemas.Operation, path string) string {
	return path + "?" + operationQuery + "=" + op.ID.String()
}

// doneOf tells of the operation that the page was opened with; nil if with
// none. One that is not the organization's is none.
func (p *Portal) doneOf(ctx context.Context, v *visit) (*done, error) {
	id, err := uuid.Parse(v.c.Query(operationQuery))
	if err != nil || v.caller.Role == "" {
		return nil, nil
	}
	op, err := p.service.Operation(ctx, v.caller, id, 0)
	if isNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	told := doneTexts[op.Kind]
	d := &done{Close: v.c.Request.URL.Path, Ended: op.Status.Ended()}
	switch {
	case op.Status == schemas.OperationSucceeded:
		d.Text, d.Detail = told.done, outcomeText(op.Outcome)
	case d.Ended:
		d.Text, d.Detail, d.Failed = told.failed, op.Error, true
	default:
		d.Text = told.doing
	}
	return d, nil
}

// doneTexts says of each kind of operation that it is under way, that it has
// been carried out, and that it could not be. The reference names two of them.
var doneTexts = map[schemas.OperationKind]struct{ doing, done, failed string }{
	schemas.OpCreateIntegration: {"Creating the integration …", "Integration created", "Integration not created"},
	schemas.OpProvision:         {"Handing the credentials in …", "Credentials handed in", "Credentials not accepted"},
	schemas.OpUpdateDestination: {"Updating the cloud destination …", "Cloud destination updated", "Cloud destination not updated"},
	schemas.OpCheckAccess:       {"Starting the access check …", "Access check started", "Access check not started"},
	schemas.OpDeleteIntegration: {"Deleting the integration …", "Integration deleted", "Integration not deleted"},
	schemas.OpCreateExport:      {"Creating the export …", "Export scheduled", "Export not created"},
	schemas.OpEditExport:        {"Saving the export …", "Export saved", "Export not saved"},
	schemas.OpPauseExport:       {"Pausing the export …", "Export paused", "Export not paused"},
	schemas.OpResumeExport:      {"Resuming the export …", "Export resumed", "Export not resumed"},
	schemas.OpRelinkExport:      {"Linking the export …", "Export linked to the integration", "Export not linked"},
	schemas.OpRunExport:         {"Starting a run …", "Run started", "No run started"},
	schemas.OpDeleteExport:      {"Deleting the export …", "Export deleted", "Export not deleted"},
	schemas.OpBackfillExport:    {"The backfill is under way …", "Backfill delivered", "Backfill not delivered"},
	schemas.OpCancelBackfill:    {"Ending the backfill …", "Backfill cancelled", "Backfill not cancelled"},
}

func outcomeText(o schemas.OperationOutcome) string {
	var parts []string
	for _, part := range []struct {
		n    int
		what string
	}{{o.ExportsRetargeted, "moved to the new destination"}, {o.ExportsPaused, "paused"}, {o.ExportsDeleted, "deleted"}} {
		if part.n > 0 {
			parts = append(parts, plural(part.n, "linked export")+" "+part.what)
		}
	}
	return sentence(parts)
}
