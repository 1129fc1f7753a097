package portal

import (
	"context"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

type provisionBody struct {
	Form        *form
	OrgName     string
	Integration schemas.Integration
}

func (p *Portal) provisionPage(ctx context.Context, v *visit, f *form) (*page, error) {
	integration, err := p.provisioned(ctx, v)
	if err != nil {
		return nil, err
	}
	org, err := p.service.Org(ctx, v.caller, integration.OrgID)
	title := "Hand in credentials"
	if integration.Status != schemas.IntegrationProvisioning {
		title = "Replace the credentials"
	}
	return &page{
		Template: "operator_provision", Title: title, Section: "overview", Crumbs: operatorCrumbs,
		Body: provisionBody{f, org.Name, integration},
	}, err
}

// provisioned is the integration of the page.
func (p *Portal) provisioned(ctx context.Context, v *visit) (schemas.Integration, error) {
	org, err := pathID(v.c, "org")
	if err != nil {
		return schemas.Integration{}, err
	}
	id, err := pathID(v.c, "id")
	if err != nil {
		return schemas.Integration{}, err
	}
	return p.service.OrgIntegration(ctx, v.caller, org, id)
}

func (p *Portal) provision(ctx context.Context, v *visit, f *form) (string, error) {
	integration, err := p.provisioned(ctx, v)
	if err != nil {
		return "", err
	}
	op, err := p.service.Provision(ctx, v.call(), service.Provision{
		OrgID: integration.OrgID, IntegrationID: integration.ID,
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
