package portal

import (
	"context"

	"github.com/gin-gonic/gin"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

// settingsCrumbs is the way to the settings of audit logging, as the reference
// names it.
func settingsCrumbs() []crumb {
	return []crumb{{Title: "Administration"}, {Title: "Account"}, {Title: "General settings"}}
}

// loggingCrumbs is the way to the pages below the settings of audit logging.
func loggingCrumbs(v *visit) []crumb {
	return append(settingsCrumbs(), crumb{"Audit logging", v.path("audit-logging")})
}

// memberSections is the menu of an organization.
func memberSections(v *visit) []section {
	sections := []section{
		{"settings", "Audit logging", v.path("audit-logging")},
		{"exports", "Scheduled exports", v.path("exports")},
		{"ledger", "Ledger", v.path("ledger")},
		{"events", "Events", v.path("events")},
	}
	if v.admin() { // to viewers the service shows no keys
		sections = append(sections, section{"keys", "API keys", v.path("api-keys")})
	}
	return append(sections, section{"notices", "Members’ mails", v.path("notices")})
}

func (p *Portal) registerSettings(pages gin.IRouter) {
	pages.GET("/orgs/:org/audit-logging", p.member(p.settings))
	p.memberForm(pages, "/orgs/:org/audit-logging/add", formPage{show: p.addPage, do: p.add})
}

type settingsBody struct {
	Integrations []schemas.Integration
	Deleted      bool   // they are shown too
	More         string // path of the rest of the list; "" at its end
}

func (p *Portal) settings(ctx context.Context, v *visit) (*page, error) {
	deleted := v.c.Query("deleted") != ""
	list, err := p.service.Integrations(ctx, v.caller, service.Page{Cursor: v.c.Query("cursor")}, deleted)
	if err != nil {
		return nil, err
	}
	shown := &page{
		Template: "settings", Title: "Audit logging", Section: "settings", Crumbs: settingsCrumbs(),
		Body: settingsBody{list.Items, deleted, more(v, list.NextCursor)},
	}
	for _, integration := range list.Items {
		switch integration.Status {
		case schemas.IntegrationProvisioning, schemas.IntegrationDeleting, schemas.IntegrationAwaitingAccess:
			shown.Moving = true
		}
	}
	return shown, nil
}

// addBody is what the form to add an integration stands beside.
type addBody struct {
	Form   *form
	Guides []cloudGuide
}

// cloudGuide is what is to be done in a cloud, before there are credentials.
type cloudGuide struct {
	Cloud   schemas.Cloud
	Console []consoleStep
}

func (p *Portal) addPage(_ context.Context, v *visit, f *form) (*page, error) {
	if err := adminsOnly(v); err != nil {
		return nil, err
	}
	if !f.Typed {
		f.Values.Set("cloud", string(schemas.AWS))
	}
	body := addBody{Form: f}
	for _, cloud := range schemas.Clouds() {
		guide, err := p.guideBefore(v, integrationTyped(f, cloud))
		if err != nil {
			return nil, err
		}
		body.Guides = append(body.Guides, cloudGuide{cloud, consoleSteps(guide)})
	}
	return &page{
		Template: "add", Title: "Create a storage integration for audit logs", Section: "settings",
		Crumbs: loggingCrumbs(v), Body: body,
	}, nil
}

// exampleDestinations stand in guides for what has not been typed yet.
var exampleDestinations = map[schemas.Cloud]string{
	schemas.AWS:   "s3://your-bucket/your-folder/",
	schemas.Azure: "azure://youraccount.blob.core.windows.net/your-container/your-folder/",
	schemas.GCP:   "gs://your-bucket/your-folder/",
}

// guideBefore is the setup guide for an integration that is being typed: with
// all of it, or else with the destination alone, or else with an example.
func (p *Portal) guideBefore(v *visit, in service.CreateIntegration) (guide schemas.SetupGuide, err error) {
	for _, known := range []service.SetupPreview{
		{Cloud: in.Cloud, Destination: in.Destination, RoleARN: in.RoleARN, BucketOwner: in.BucketOwner, TenantID: in.TenantID},
		{Cloud: in.Cloud, Destination: in.Destination},
		{Cloud: in.Cloud, Destination: exampleDestinations[in.Cloud]},
	} {
		if guide, err = p.service.SetupPreview(v.caller, known); err == nil {
			break
		}
	}
	return guide, err
}

// integrationTyped is the integration that the form asks for on a cloud. Only
// that cloud's fields count; what was typed into another's stays in the form.
func integrationTyped(f *form, cloud schemas.Cloud) service.CreateIntegration {
	in := service.CreateIntegration{Name: f.Text("name"), Cloud: cloud, Destination: f.Text("destination." + string(cloud))}
	switch cloud {
	case schemas.AWS:
		in.RoleARN, in.BucketOwner = f.Text("role_arn"), f.Text("bucket_owner")
	case schemas.Azure:
		in.TenantID = f.Text("tenant_id")
	}
	return in
}

func (p *Portal) add(ctx context.Context, v *visit, f *form) (string, error) {
	if f.Get("preview") != "" {
		return "", errAgain
	}
	op, err := p.service.CreateIntegration(ctx, v.call(), integrationTyped(f, schemas.Cloud(f.Get("cloud"))))
	if err != nil {
		return "", renamed(err, "destination", "destination."+f.Get("cloud"))
	}
	return after(op, v.path("integrations", op.IntegrationID.String())), nil
}
