package portal

import (
	"context"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

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
