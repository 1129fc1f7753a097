package portal

import (
	"context"
	"net/url"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

// operatorSections is the menu of the operators.
func operatorSections() []section {
	return []section{
		{"overview", "Overview", "/operator"},
		{"failing", "Failing exports", "/operator/exports"},
		{"orgs", "Organizations", "/operator/orgs"},
		{"health", "Health", "/operator/health"},
	}
}

var operatorCrumbs = []crumb{{"Operators’ pages", "/operator"}}

func (p *Portal) registerOperators(pages gin.IRouter) {
	pages.GET("/operator", p.operator(p.overview))
	pages.GET("/operator/exports", p.operator(p.failing))
	pages.GET("/operator/health", p.operator(p.health))
	pages.GET("/operator/orgs", p.operator(p.orgs))
	p.operatorForm(pages, "/operator/orgs/new", formPage{show: newOrgPage, do: p.createOrg})
	pages.GET("/operator/orgs/:org", p.operator(p.org))
	p.operatorForm(pages, "/operator/integrations/:org/:id/provision", formPage{show: p.provisionPage, do: p.provision})
}

type overviewBody struct {
	Waiting []service.ProvisioningRequest
	More    string
	Backlog service.Backlog
	Bad     int // parts of the service that stand still
	Warn    int // those that somebody should look at, or that cannot be found out about
}

// add counts a part of the service.
func (b *overviewBody) add(part service.Part) {
	switch part.State {
	case service.PartBad:
		b.Bad++
	case service.PartWarning, service.PartUnknown:
		b.Warn++
	}
}

// overview is what an operator has to do now.
func (p *Portal) overview(ctx context.Context, v *visit) (*page, error) {
	waiting, err := p.service.ProvisioningRequests(ctx, v.caller, service.Page{Cursor: v.c.Query("cursor")})
	if err != nil {
		return nil, err
	}
	backlog, err := p.service.Backlog(ctx, v.caller)
	if err != nil {
		return nil, err
	}
	parts, err := p.service.Health(ctx, v.caller)
	body := overviewBody{Waiting: waiting.Items, More: more(v, waiting.NextCursor), Backlog: backlog}
	for _, part := range parts {
		body.add(part)
	}
	return &page{Template: "operator", Title: "Overview", Section: "overview", Body: body}, err
}

// failingRow is an export in the list, with why its last run failed.
type failingRow struct {
	service.FailingExport
	What, Turn string
	Ours       bool // it is not about the organization's cloud
}

// Workflow is the failed run's workflow, for an address in Temporal UI.
func (r failingRow) Workflow() string { return url.PathEscape(r.Failure.WorkflowID) }

type failingBody struct {
	Exports []failingRow
	More    string
}

// turns says of each kind of error who can end it.
var turns = map[schemas.ErrorKind]string{
	schemas.KindDenied:      "Up to the organization.",
	schemas.KindNotFound:    "Up to the organization.",
	schemas.KindThrottled:   "Passes by itself, unless many exports go to the same cloud at once.",
	schemas.KindUnavailable: "Passes by itself, unless the way from here to the cloud is broken.",
	schemas.KindInvalid:     "Up to the organization, unless several have it since the same time.",
	schemas.KindConflict:    "Up to the organization.",
}

func failingRowOf(failing service.FailingExport) failingRow {
	row := failingRow{FailingExport: failing, What: unsorted.what, Turn: "Up to us: no cloud has answered this. The workflow says where it failed.", Ours: true}
	if failing.Failure == nil {
		row.What, row.Turn = "No failed run is known", "Look at the export’s schedule."
		return row
	}
	if cause, known := causes[failing.Failure.ErrorKind]; known {
		row.What, row.Turn, row.Ours = cause.what, turns[failing.Failure.ErrorKind], false
	}
	return row
}

func (p *Portal) failing(ctx context.Context, v *visit) (*page, error) {
	list, err := p.service.FailingExports(ctx, v.caller, service.Page{Cursor: v.c.Query("cursor")})
	body := failingBody{More: more(v, list.NextCursor)}
	for _, failing := range list.Items {
		body.Exports = append(body.Exports, failingRowOf(failing))
	}
	return &page{Template: "operator_exports", Title: "Failing exports", Section: "failing", Crumbs: operatorCrumbs, Body: body}, err
}

func (p *Portal) health(ctx context.Context, v *visit) (*page, error) {
	parts, err := p.service.Health(ctx, v.caller)
	return &page{Template: "operator_health", Title: "Health", Section: "health", Crumbs: operatorCrumbs, Body: parts}, err
}

// orgRow is an organization in the list.
type orgRow struct {
	schemas.Org
	Integrations int
}

type orgsBody struct {
	Orgs []orgRow
	More string
}

func (p *Portal) orgs(ctx context.Context, v *visit) (*page, error) {
	list, err := p.service.Orgs(ctx, v.caller, service.Page{Cursor: v.c.Query("cursor")})
	if err != nil {
		return nil, err
	}
	ids := make([]uuid.UUID, len(list.Items))
	for i, org := range list.Items {
		ids[i] = org.ID
	}
	counts, err := p.service.IntegrationCounts(ctx, v.caller, ids)
	body := orgsBody{More: more(v, list.NextCursor)}
	for _, org := range list.Items {
		body.Orgs = append(body.Orgs, orgRow{org, counts[org.ID]})
	}
	return &page{Template: "operator_orgs", Title: "Organizations", Section: "orgs", Crumbs: operatorCrumbs, Body: body}, err
}

func newOrgPage(_ context.Context, _ *visit, f *form) (*page, error) {
	return &page{
		Template: "operator_org_new", Title: "Create an organization", Section: "orgs",
		Crumbs: append(operatorCrumbs, crumb{"Organizations", "/operator/orgs"}), Body: f,
	}, nil
}

func (p *Portal) createOrg(ctx context.Context, v *visit, f *form) (string, error) {
	emails := addresses(f.Get(noticesField))
	org, err := p.service.CreateOrg(ctx, v.call(), service.CreateOrg{Name: f.Text("name"), NoticeEmails: emails})
	if err != nil {
		return "", inLines(err, emails)
	}
	return told("/operator/orgs/"+org.ID.String(), createdQuery, org.ID), nil
}

type orgBody struct {
	Org          schemas.Org
	Integrations []schemas.Integration
	More         string
}

func (p *Portal) org(ctx context.Context, v *visit) (*page, error) {
	id, err := pathID(v.c, "org")
	if err != nil {
		return nil, err
	}
	org, err := p.service.Org(ctx, v.caller, id)
	if err != nil {
		return nil, err
	}
	list, err := p.service.OrgIntegrations(ctx, v.caller, id, service.Page{Cursor: v.c.Query("cursor")})
	shown := &page{
		Template: "operator_org", Title: org.Name, Section: "orgs",
		Crumbs: append(operatorCrumbs, crumb{"Organizations", "/operator/orgs"}),
		Body:   orgBody{org, list.Items, more(v, list.NextCursor)},
	}
	if v.c.Query(createdQuery) == org.ID.String() {
		shown.Done = &done{Ended: true, Text: "Organization created", Close: v.c.Request.URL.Path}
	}
	return shown, err
}
