package setup

import (
	"fmt"

	"github.com/auditferry/auditferry/schemas"
)

// azureRole is built into Azure; it is what the writing needs.
const azureRole = "Storage Blob Data Contributor"

// azureSetup is what the documents and steps of Azure are made of.
type azureSetup struct {
	Destination schemas.Destination
	Ready       bool // the credentials are there

	Tenant       string
	ConsentURL   string
	AppName      string
	MemberSearch string
	ClientID     string
	Role         string
}

func newAzure(i schemas.Integration) azureSetup {
	a := azureSetup{
		Destination: i.Destination, Role: azureRole,
		Tenant: i.Grant.TenantID, ConsentURL: "<consent URL>", AppName: "<multi-tenant app name>",
		MemberSearch: "<multi-tenant app name up to the underscore>", ClientID: "<client ID>",
	}
	if a.Tenant == "" {
		a.Tenant = "<tenant ID>"
	}
	if i.Credentials != nil {
		c := *i.Credentials.Azure
		a.Ready, a.ConsentURL, a.AppName = true, c.ConsentURL, c.MultiTenantAppName
		a.MemberSearch, a.ClientID = c.MemberSearch(), c.ClientID()
	}
	return a
}

// describe adds values and steps to the guide, and returns the documents.
func (a azureSetup) describe(guide *schemas.SetupGuide) ([]schemas.SetupDocument, error) {
	if a.tenantKnown() {
		guide.Values = append(guide.Values, schemas.SetupValue{Name: "Tenant ID", Value: a.Tenant})
	}
	if a.Ready {
		guide.Values = append(guide.Values,
			schemas.SetupValue{Name: "Consent URL", Value: a.ConsentURL},
			schemas.SetupValue{Name: "Multi-tenant app name", Value: a.AppName},
			schemas.SetupValue{Name: "Member search", Value: a.MemberSearch})
	}
	guide.Steps = append([]schemas.SetupStep{a.consent()}, a.assignment()...)
	return appendFilled(nil, a,
		schemas.SetupDocument{Name: AzureCLI, Title: "The role assignment, by the Azure CLI", Format: schemas.SetupShell, Filename: "auditferry-azure.sh"},
		schemas.SetupDocument{Name: AzureTerraform, Title: "The role assignment, by Terraform", Format: schemas.SetupTerraform, Filename: "auditferry-azure.tf"})
}

func (a azureSetup) tenantKnown() bool { return a.Tenant[0] != '<' }

// consent warns of the wrong tenant, because consent that was given there
// looks like success.
func (a azureSetup) consent() schemas.SetupStep {
	how := fmt.Sprintf("as an administrator of the tenant %s, make sure that the page names your own organization, and choose Accept", a.Tenant)
	if !a.Ready {
		return schemas.SetupStep{Text: "Wait until the credentials are there. Then open the consent URL " + how + ":", Copy: a.ConsentURL}
	}
	return schemas.SetupStep{Text: "Open the consent URL " + how + ":", Link: a.ConsentURL}
}

func (a azureSetup) assignment() []schemas.SetupStep {
	portal := "https://portal.azure.com/#"
	if a.tenantKnown() {
		portal += "@" + a.Tenant + "/" // or else the portal opens in the tenant last used
	}
	return []schemas.SetupStep{
		{Text: fmt.Sprintf("In the Azure portal, open the storage account %s, under Data storage > Containers the container %s, there Access control (IAM), and choose Add > Add role assignment.",
			a.Destination.Account, a.Destination.Bucket),
			Link: portal + "view/HubsExtension/BrowseResource/resourceType/Microsoft.Storage%2FStorageAccounts"},
		{Text: "On the Role tab, select this role and choose Next:", Copy: a.Role},
		{Text: "On the Members tab, choose Select members and search for the characters of the app name before the underscore. Select the app that is found:", Copy: a.MemberSearch},
		{Text: "Choose Review + assign. It may take up to 45 minutes until Azure has processed the role assignment; exports may not work before that."},
	}
}
