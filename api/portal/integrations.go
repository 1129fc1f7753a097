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
	pages.GET(integrationRoute, p.member(p.integration))
	p.registerAccess(pages)
	p.registerCredentials(pages)
	p.memberForm(pages, integrationRoute+"/edit", formPage{values: p.destinationNow, show: p.editDestinationPage, do: p.editDestination})
	p.memberForm(pages, integrationRoute+"/delete", formPage{show: p.deleteIntegrationPage, do: p.deleteIntegration})
}

// integrationBody is all that the page of an integration shows.
type integrationBody struct {
	Integration schemas.Integration
	Path        string
	Steps       []setupStep // none for one that is deleted, or being deleted
	AllDone     bool
	Access      accessView
	Exports     []linkedExport
	Operations  []operationRow
}

func (p *Portal) integration(ctx context.Context, v *visit) (*page, error) {
	i, err := p.integrationOf(ctx, v)
	if err != nil {
		return nil, err
	}
	exports, err := p.linkedExports(ctx, v, i.ID)
	if err != nil {
		return nil, err
	}
	operations, err := p.service.IntegrationOperations(ctx, v.caller, i.ID)
	if err != nil {
		return nil, err
	}
	body := integrationBody{
		Integration: i,
		Path:        integrationPath(v, i),
		Access:      accessOf(i, integrationPath(v, i), time.Now()),
		Exports:     exports,
		Operations:  operationRows(operations),
	}
	moving := underWay(body.Operations) || i.Status == schemas.IntegrationProvisioning || i.Status == schemas.IntegrationDeleting || i.Live() && i.Access == schemas.AccessChecking
	if i.Live() {
		body.Steps = setupSteps(progress{i, exports, body.Path, v.path()}, time.Now())
		body.AllDone = allDone(body.Steps)
		moving = moving || !body.AllDone && soon(exports, time.Now())
	}
	return &page{
		Template: "integration", Title: i.Name, Section: "settings",
		Crumbs: loggingCrumbs(v), Body: body, Moving: moving,
	}, nil
}

// soon tells whether an export is being run, or is about to be.
func soon(exports []linkedExport, now time.Time) bool {
	for _, e := range exports {
		running := e.Last != nil && e.Last.Status == schemas.RunRunning
		if running || e.Next != nil && e.Next.Sub(now) < time.Minute {
			return true
		}
	}
	return false
}

// linkedExports are the exports of an integration with their last and next run.
func (p *Portal) linkedExports(ctx context.Context, v *visit, integration uuid.UUID) ([]linkedExport, error) {
	exports, err := p.service.LinkedExports(ctx, v.caller, integration)
	if err != nil {
		return nil, err
	}
	ids := make([]uuid.UUID, len(exports))
	for n, e := range exports {
		ids[n] = e.ID
	}
	last, err := p.service.LastRuns(ctx, v.caller, ids)
	if err != nil {
		return nil, err
	}
	linked := make([]linkedExport, len(exports))
	for n, e := range exports {
		linked[n].ExportView = e
		if run, ran := last[e.ID]; ran {
			linked[n].Last = &run
		}
		if e.State != schemas.ExportActive {
			continue
		}
		next, err := service.NextRuns(e.Schedule, time.Now(), 1)
		if err != nil {
			return nil, err
		}
		if len(next) > 0 {
			linked[n].Next = &next[0]
		}
	}
	return linked, nil
}

// integrationOf is the integration in the path.
func (p *Portal) integrationOf(ctx context.Context, v *visit) (schemas.Integration, error) {
	id, err := pathID(v.c, "id")
	if err != nil {
		return schemas.Integration{}, err
	}
	return p.service.Integration(ctx, v.caller, id)
}

// liveIntegration is the integration in the path, if it takes commands: a form
// for one that does not would be filled in for nothing.
func (p *Portal) liveIntegration(ctx context.Context, v *visit) (schemas.Integration, error) {
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
