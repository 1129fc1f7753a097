package portal

import (
	"context"
	"slices"
	"strconv"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

func (p *Portal) pauseExport(ctx context.Context, v *visit) (string, error) {
	id, err := pathID(v.c, "id")
	if err != nil {
		return "", err
	}
	op, err := p.service.PauseExport(ctx, v.call(), service.PauseExport{ExportID: id})
	return after(op, v.path("exports", id.String())), err
}

func (p *Portal) runExport(ctx context.Context, v *visit) (string, error) {
	id, err := pathID(v.c, "id")
	if err != nil {
		return "", err
	}
	op, err := p.service.RunExport(ctx, v.call(), service.RunExport{ExportID: id})
	return after(op, v.path("exports", id.String())), err
}

func (p *Portal) cancelBackfill(ctx context.Context, v *visit) (string, error) {
	id, err := pathID(v.c, "id")
	if err != nil {
		return "", err
	}
	backfill, err := pathID(v.c, "backfill")
	if err != nil {
		return "", err
	}
	op, err := p.service.CancelBackfill(ctx, v.call(), service.CancelBackfill{ExportID: id, BackfillID: backfill})
	return after(op, v.path("exports", id.String())), err
}

// changeBody is what the form of a command on an export stands beside.
type changeBody struct {
	Form         *form
	Export       service.ExportView
	Integration  schemas.Integration   // that it is linked to
	Integrations []schemas.Integration // that it could be linked to
	Moved        bool                  // the integration has another destination
	Path         string                // of the export's page
}

func (p *Portal) changeOf(ctx context.Context, v *visit, f *form) (changeBody, error) {
	export, err := p.exportToChange(ctx, v)
	if err != nil {
		return changeBody{}, err
	}
	integration, err := p.service.Integration(ctx, v.caller, export.IntegrationID)
	return changeBody{
		Form: f, Export: export, Integration: integration, Moved: export.Destination != integration.Destination,
		Path: v.path("exports", export.ID.String()),
	}, err
}

func changePage(v *visit, template, title string, body changeBody) *page {
	return &page{Template: template, Title: title, Section: "exports", Crumbs: exportCrumbs(v, &body.Export), Body: body}
}

func (p *Portal) resumePage(ctx context.Context, v *visit, f *form) (*page, error) {
	body, err := p.changeOf(ctx, v, f)
	if err != nil {
		return nil, err
	}
	return changePage(v, "export_resume", "Resume export", body), nil
}

// resumeExport goes on at the destination that the form names: the one that was
// shown, because it may have changed since.
func (p *Portal) resumeExport(ctx context.Context, v *visit, f *form) (string, error) {
	id, err := pathID(v.c, "id")
	if err != nil {
		return "", err
	}
	op, err := p.service.ResumeExport(ctx, v.call(), service.ResumeExport{ExportID: id, Destination: f.Get("destination")})
	if err != nil {
		return "", err
	}
	return after(op, v.path("exports", id.String())), nil
}

func (p *Portal) relinkPage(ctx context.Context, v *visit, f *form) (*page, error) {
	body, err := p.changeOf(ctx, v, f)
	if err != nil {
		return nil, err
	}
	integrations, err := p.liveIntegrations(ctx, v)
	if err != nil {
		return nil, err
	}
	f.filledFrom(versionField, strconv.Itoa(body.Export.SpecVersion))
	body.Integrations = slices.DeleteFunc(integrations, func(i schemas.Integration) bool { return i.ID == body.Integration.ID })
	return changePage(v, "relink", "Link to another integration", body), nil
}

func (p *Portal) relinkExport(ctx context.Context, v *visit, f *form) (string, error) {
	id, err := pathID(v.c, "id")
	if err != nil {
		return "", err
	}
	integration, err := integrationFrom(f)
	if err != nil {
		return "", err
	}
	op, err := p.service.RelinkExport(ctx, v.call(), service.RelinkExport{ExportID: id, IntegrationID: integration, SpecVersion: versionFrom(f)})
	if err != nil {
		return "", err
	}
	return after(op, v.path("exports", id.String())), nil
}

func (p *Portal) deleteExportPage(ctx context.Context, v *visit, f *form) (*page, error) {
	body, err := p.changeOf(ctx, v, f)
	if err != nil {
		return nil, err
	}
	return changePage(v, "export_delete", "Delete export", body), nil
}

// deleteExport leads to the list: the export's page has nothing more to do.
func (p *Portal) deleteExport(ctx context.Context, v *visit, f *form) (string, error) {
	body, err := p.changeOf(ctx, v, f)
	if err != nil {
		return "", err
	}
	if f.Text("confirm") != body.Export.Name {
		return "", fieldError("confirm", "must be the name of the export: "+body.Export.Name)
	}
	op, err := p.service.DeleteExport(ctx, v.call(), service.DeleteExport{ExportID: body.Export.ID})
	if err != nil {
		return "", err
	}
	return after(op, v.path("exports")), nil
}
