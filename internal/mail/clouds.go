package mail

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/auditferry/auditferry/schemas"
)

func cloudName(c schemas.Cloud) string {
	switch c {
	case schemas.AWS:
		return "AWS"
	case schemas.Azure:
		return "Azure"
	case schemas.GCP:
		return "Google Cloud"
	default:
		return string(c)
	}
}

// grantAccess lists an integration's credentials and what to do with them in
// its cloud.
func grantAccess(i schemas.Integration) ([]value, []step, error) {
	switch c := i.Credentials; {
	case c.AWS != nil:
		return grantAWS(i, *c.AWS)
	case c.Azure != nil:
		values, steps := grantAzure(i, *c.Azure)
		return values, steps, nil
	case c.GCP != nil:
		values, steps := grantGCP(i, *c.GCP)
		return values, steps, nil
	default:
		return nil, nil, errors.New("its credentials are empty")
	}
}

func grantAWS(i schemas.Integration, c schemas.AWSCredentials) ([]value, []step, error) {
	policy, err := trustPolicy(c)
	values := []value{{"External ID", c.ExternalID}, {"IAM user ARN", c.IAMUserARN}, {"Role ARN", i.Grant.RoleARN}}
	steps := []step{
		{Text: "In the AWS console, open IAM > Roles, choose the role above and open its Trust relationships tab."},
		{Text: "Choose Edit trust policy and replace the document with this one:", Code: policy},
		{Text: "Choose Update policy. It takes effect within a few minutes."},
	}
	return values, steps, err
}

func trustPolicy(c schemas.AWSCredentials) (string, error) {
	type statement struct {
		Effect    string
		Principal map[string]string
		Action    string
		Condition map[string]map[string]string
	}
	document, err := json.MarshalIndent(struct {
		Version   string
		Statement []statement
	}{
		Version: "2012-10-17", // the policy language's version, not a date of ours
		Statement: []statement{{
			Effect:    "Allow",
			Principal: map[string]string{"AWS": c.IAMUserARN},
			Action:    "sts:AssumeRole",
			Condition: map[string]map[string]string{"StringEquals": {"sts:ExternalId": c.ExternalID}},
		}},
	}, "", "  ")
	if err != nil {
		return "", fmt.Errorf("write the trust policy: %w", err)
	}
	return string(document), nil
}

func grantAzure(i schemas.Integration, c schemas.AzureCredentials) ([]value, []step) {
	values := []value{{"Consent URL", c.ConsentURL}, {"Multi-tenant app name", c.MultiTenantAppName}}
	steps := []step{
		{Text: "Open the consent URL as an administrator of your tenant and choose Accept:", Link: c.ConsentURL},
		{Text: fmt.Sprintf("In the Azure portal, open the storage account %s, its container %s, and there Access control (IAM) > Add role assignment.",
			i.Destination.Account, i.Destination.Bucket)},
		{Text: "Choose the role Storage Blob Data Contributor."},
		{Text: "Under Select members, search for the app name's characters before the underscore, select the app, and assign the role:", Code: c.MemberSearch()},
		{Text: "Wait: it may take up to 45 minutes until Azure has processed the role assignment."},
	}
	return values, steps
}

func grantGCP(i schemas.Integration, c schemas.GCPCredentials) ([]value, []step) {
	values := []value{{"Service account", c.ServiceAccount}}
	steps := []step{
		{
			Text: "In the Google Cloud console, open IAM & Admin > Roles and create a custom role with these permissions:",
			Code: "storage.objects.create\nstorage.objects.delete\nstorage.objects.list\nstorage.buckets.get",
		},
		{Text: fmt.Sprintf("Open Cloud Storage > Buckets > %s > Permissions and choose Grant access.", i.Destination.Bucket)},
		{Text: "Under New principals, enter the service account:", Code: c.ServiceAccount},
		{Text: "Choose the custom role and save."},
	}
	return values, steps
}

// revoke says how to take back what had been granted.
func revoke(c schemas.Cloud) string {
	switch c {
	case schemas.AWS:
		return "In AWS, delete the IAM role that you made for this integration, unless something else uses it."
	case schemas.Azure:
		return "In Azure, remove the role assignment that you made for this integration."
	default:
		return "In Google Cloud, take the custom role away from the service account, unless another integration uses it."
	}
}
