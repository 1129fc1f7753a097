package portal

import (
	"context"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

// replacesField is the hidden field of the version of the credentials that the
// operator has seen.
const replacesField = "replaces"

type provisionBody struct {
	Form *form
	service.Provisioning
}

func (p *Portal) provisionPage(ctx context.Context, v *visit, f *form) (*page, error) {
	org, id, err := orgAndIntegration(v)
	if err != nil {
		return nil, err
	}
	found, err := p.service.Provisioning(ctx, v.caller, org, id)
	if err != nil {
		return nil, err
	}
	f.filledFrom(replacesField, found.Version)
	title := "Hand in credentials"
	if found.Credentials != nil {
		title = "Replace the credentials"
	}
	return &page{
		Template: "operator_provision", Title: title, Section: "overview", Crumbs: operatorCrumbs,
		Body: provisionBody{f, found},
	}, nil
}

// orgAndIntegration are those of the path.
func orgAndIntegration(v *visit) (org, id uuid.UUID, err error) {
	if org, err = pathID(v.c, "org"); err == nil {
		id, err = pathID(v.c, "id")
	}
	return org, id, err
}

func (p *Portal) provision(ctx context.Context, v *visit, f *form) (string, error) {
	org, id, err := orgAndIntegration(v)
	if err != nil {
		return "", err
	}
	integration, err := p.service.OrgIntegration(ctx, v.caller, org, id)
	if err != nil {
		return "", err
	}
	op, err := p.service.Provision(ctx, v.call(), service.Provision{
		OrgID: org, IntegrationID: id, Replaces: f.Get(replacesField),
		Credentials: credentialsOf(integration.Cloud, f), Exclusive: f.Get("exclusive") != "",
	})
	if err != nil {
		return "", err
	}
	return after(op, "/operator"), nil
}

// credentialsOf reads the fields of the cloud. Their names are the service's.
func credentialsOf(cloud schemas.Cloud, f *form) schemas.Credentials {
	switch cloud {
	case schemas.AWS:
		return schemas.Credentials{AWS: &schemas.AWSCredentials{
			ExternalID: f.Text("credentials.aws.external_id"), IAMUserARN: f.Text("credentials.aws.iam_user_arn"),
		}}
	case schemas.Azure:
		return schemas.Credentials{Azure: &schemas.AzureCredentials{
			ConsentURL: f.Text("credentials.azure.consent_url"), MultiTenantAppName: f.Text("credentials.azure.multi_tenant_app_name"),
		}}
	default:
		return schemas.Credentials{GCP: &schemas.GCPCredentials{ServiceAccount: f.Text("credentials.gcp.service_account")}}
	}
}
