package portal

import (
	"context"
	"net/url"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

// integrationForm is what the forms to update and to delete an integration
// stand beside.
type integrationForm struct {
	Form        *form
	Integration schemas.Integration
	Path        string
	Exports     []service.ExportView
	MailsTo     string
}

func (p *Portal) formOf(ctx context.Context, v *visit, f *form) (integrationForm, error) {
	i, err := p.integrationToChange(ctx, v)
	if err != nil {
		return integrationForm{}, err
	}
	exports, err := p.service.LinkedExports(ctx, v.caller, i.ID, false)
	if err != nil {
		return integrationForm{}, err
	}
	mailsTo, err := p.mailsTo(ctx, v)
	return integrationForm{f, i, integrationPath(v, i), exports, mailsTo}, err
}

func (p *Portal) destinationNow(ctx context.Context, v *visit) (url.Values, error) {
	i, err := p.integrationOf(ctx, v)
	if err != nil {
		return nil, err
	}
	return url.Values{"destination": {i.Destination.URL()}, "bucket_owner": {i.Grant.BucketOwner}}, nil
}

func (p *Portal) editDestinationPage(ctx context.Context, v *visit, f *form) (*page, error) {
	body, err := p.formOf(ctx, v, f)
	if err != nil {
		return nil, err
	}
	f.filledFrom(formerField, body.Integration.Destination.String())
	return &page{
		Template: "edit_destination", Title: "Edit Destination", Section: "settings",
		Crumbs: integrationCrumbs(v, body.Integration), Body: body,
	}, nil
}

func (p *Portal) editDestination(ctx context.Context, v *visit, f *form) (string, error) {
	id, err := pathID(v.c, "id")
	if err != nil {
		return "", err
	}
	op, err := p.service.UpdateDestination(ctx, v.call(), service.UpdateDestination{
		IntegrationID: id,
		Destination:   f.Text("destination"),
		BucketOwner:   f.Text("bucket_owner"),
		Retarget:      f.Has("retarget", "1"),
		Former:        f.Get(formerField),
	})
	if err != nil {
		return "", err
	}
	return after(op, v.path("integrations", id.String())), nil
}

func (p *Portal) deleteIntegrationPage(ctx context.Context, v *visit, f *form) (*page, error) {
	body, err := p.formOf(ctx, v, f)
	if err != nil {
		return nil, err
	}
	return &page{
		Template: "delete_integration", Title: "Delete integration", Section: "settings",
		Crumbs: integrationCrumbs(v, body.Integration), Body: body,
	}, nil
}

// deleteIntegration deletes nothing before the name has been typed: it cannot
// be undone, and scripts, which keep the button back, may be off.
func (p *Portal) deleteIntegration(ctx context.Context, v *visit, f *form) (string, error) {
	i, err := p.integrationOf(ctx, v)
	if err != nil {
		return "", err
	}
	if f.Text("confirm") != i.Name {
		f.Errors = map[string]string{"confirm": "must be the integration’s name, letter by letter: " + i.Name}
		return "", errAgain
	}
	op, err := p.service.DeleteIntegration(ctx, v.call(), service.DeleteIntegration{
		IntegrationID: i.ID, DeleteExports: f.Has("delete_exports", "1"), Linked: linkedFrom(f),
	})
	if err != nil {
		return "", err
	}
	return after(op, v.path("audit-logging")), nil
}

// linkedFrom are the exports that the form has shown as linked.
func linkedFrom(f *form) []uuid.UUID {
	linked := []uuid.UUID{}
	for _, text := range f.Values["linked"] {
		if id, err := uuid.Parse(text); err == nil {
			linked = append(linked, id)
		}
	}
	return linked
}
