package portal

import (
	"context"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

const integrationRoute = "/orgs/:org/integrations/:id"

func (p *Portal) registerIntegrations(pages gin.IRouter) {
	p.memberForm(pages, "/orgs/:org/audit-logging/add", formPage{show: p.addPage, do: p.add})
	pages.GET(integrationRoute, p.member(p.integration))
	p.registerAccess(pages)
	p.registerCredentials(pages)
	p.memberForm(pages, integrationRoute+"/edit", formPage{values: p.destinationNow, show: p.editDestinationPage, do: p.editDestination})
	p.memberForm(pages, integrationRoute+"/delete", formPage{show: p.deleteIntegrationPage, do: p.deleteIntegration})
}

// integrationBody is all that the page of an integration shows. Of one that is
// deleted, or being deleted, that is what has become of it.
type integrationBody struct {
	Integration schemas.Integration
	Path        string
	Exports     []exportRow // with deleted ones, if the integration is not live
	Operations  []operationRow

	Steps   []setupStep
	AllDone bool
	Access  accessView
	MailsTo string

	DeletedBy string
}

// Failing are the linked exports that cannot deliver.
func (b integrationBody) Failing() (failing []exportRow) {
	for _, e := range b.Exports {
		if e.Trouble != nil {
			failing = append(failing, e)
		}
	}
	return failing
}

func (p *Portal) integration(ctx context.Context, v *visit) (*page, error) {
	i, err := p.integrationOf(ctx, v)
	if err != nil {
		return nil, err
	}
	body := integrationBody{Integration: i, Path: integrationPath(v, i)}
	if body.Exports, err = p.linkedExports(ctx, v, i); err != nil {
		return nil, err
	}
	if body.Operations, err = p.integrationOperations(ctx, v, i); err != nil {
		return nil, err
	}
	moving := underWay(body.Operations)
	if i.Live() {
		if err := p.setUp(ctx, v, &body); err != nil {
			return nil, err
		}
		moving = moving || i.Status == schemas.IntegrationProvisioning || i.Access == schemas.AccessChecking || !body.AllDone && soon(body.Exports, time.Now())
	} else {
		moving = moving || i.Status == schemas.IntegrationDeleting
		body.DeletedBy = deletedBy(body.Operations)
	}
	return &page{
		Template: "integration", Title: i.Name, Section: "settings", Crumbs: loggingCrumbs(v), Body: body, Moving: moving,
	}, nil
}

// setUp adds how far the integration has come, and who is told of it.
func (p *Portal) setUp(ctx context.Context, v *visit, body *integrationBody) error {
	ids := make([]uuid.UUID, len(body.Exports))
	for n, e := range body.Exports {
		ids[n] = e.ID
	}
	stored, err := p.service.StoredExports(ctx, v.caller, ids)
	if err != nil {
		return err
	}
	now := time.Now()
	body.Steps = setupSteps(progress{body.Integration, body.Exports, stored, body.Path, v.path()}, now)
	body.AllDone = allDone(body.Steps)
	body.Access = accessOf(body.Integration, body.Operations, body.Path, now)
	body.MailsTo, err = p.mailsTo(ctx, v)
	return err
}

// integrationOperations are the latest operations of an integration, newest
// first.
func (p *Portal) integrationOperations(ctx context.Context, v *visit, i schemas.Integration) ([]operationRow, error) {
	operations, err := p.service.IntegrationOperations(ctx, v.caller, i.ID)
	return operationRows(operations), err
}

// deletedBy is who has asked for the deletion; after it, nothing is asked for.
func deletedBy(operations []operationRow) string {
	for _, op := range operations {
		if op.Kind == schemas.OpDeleteIntegration && op.Status != schemas.OperationFailed {
			return op.RequestedBy
		}
	}
	return ""
}

// soon tells whether an export is being run, or is about to be.
func soon(exports []exportRow, now time.Time) bool {
	for _, e := range exports {
		running := e.Last != nil && e.Last.Status == schemas.RunRunning
		if running || e.Next != nil && e.Next.Sub(now) < comesBy {
			return true
		}
	}
	return false
}

// linkedExports are the exports of an integration with their last and next run.
func (p *Portal) linkedExports(ctx context.Context, v *visit, i schemas.Integration) ([]exportRow, error) {
	exports, err := p.service.LinkedExports(ctx, v.caller, i.ID, !i.Live())
	if err != nil {
		return nil, err
	}
	return p.exportRows(ctx, v, exports, []schemas.Integration{i})
}

// integrationOf is the integration in the path.
func (p *Portal) integrationOf(ctx context.Context, v *visit) (schemas.Integration, error) {
	id, err := pathID(v.c, "id")
	if err != nil {
		return schemas.Integration{}, err
	}
	return p.service.Integration(ctx, v.caller, id)
}

// integrationToChange is the integration in the path for the form of a command.
// A form for one that takes none any more would be filled in for nothing.
func (p *Portal) integrationToChange(ctx context.Context, v *visit) (schemas.Integration, error) {
	if err := adminsOnly(v); err != nil {
		return schemas.Integration{}, err
	}
	i, err := p.integrationOf(ctx, v)
	if err == nil && !i.Live() {
		err = &service.Error{Kind: service.Conflict, Detail: "The integration has been deleted, or is being deleted, and takes no commands any more."}
	}
	return i, err
}

func integrationPath(v *visit, i schemas.Integration) string {
	return v.path("integrations", i.ID.String())
}

// integrationCrumbs is the way to the pages below an integration's own.
func integrationCrumbs(v *visit, i schemas.Integration) []crumb {
	return append(loggingCrumbs(v), crumb{i.Name, integrationPath(v, i)})
}
