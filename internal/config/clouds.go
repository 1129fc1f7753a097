package config

import (
	"errors"
	"net/url"
	"regexp"
	"strings"
)

// AWS is our side of the trust with customers' AWS accounts. The service's own
// access key comes from the SDK's standard sources.
type AWS struct {
	IAMUserARN  string `env:"IAM_USER_ARN"` // what roles trust
	Region      string `env:"STS_REGION" envDefault:"us-east-1"`
	STSEndpoint string `env:"STS_ENDPOINT"` // empty: AWS
	S3Endpoint  string `env:"S3_ENDPOINT"`  // empty: AWS
}

// Azure is our multi-tenant apps: one that every org gets, or a pool from which
// every org draws its own. With both, new integrations draw from the pool, and
// those that were given the one app before keep it.
type Azure struct {
	ClientID     string `env:"CLIENT_ID"`
	ClientSecret string `env:"CLIENT_SECRET,unset"`
	AppName      string `env:"APP_NAME"`      // as the customer's tenant shows it, name_suffix
	Exclusive    bool   `env:"APP_EXCLUSIVE"` // true only if this deployment serves a single organization: nobody then has to prove ownership

	AppPoolFile string   `env:"APP_POOL_FILE"` // JSON list of client_id, client_secret, app_name; empty: no pool
	AppPool     []AppKey `env:"-"`             // what the file says

	BlobEndpoint string `env:"BLOB_ENDPOINT"` // with {account}; empty: https://{account}.blob.core.windows.net
}

// Secrets gives the secret of every app that an integration may have been given,
// by client ID.
func (a Azure) Secrets() map[string]string {
	secrets := make(map[string]string, len(a.AppPool)+1)
	if a.ClientID != "" {
		secrets[a.ClientID] = a.ClientSecret
	}
	for _, app := range a.AppPool {
		secrets[app.ClientID] = app.ClientSecret
	}
	return secrets
}

// GCP is the service accounts that customers grant access to: one that every
// org gets, or, with a project, one for every integration, made there.
type GCP struct {
	ServiceAccount   string `env:"SERVICE_ACCOUNT"`
	Exclusive        bool   `env:"SERVICE_ACCOUNT_EXCLUSIVE"` // true only if this deployment serves a single organization: nobody then has to prove ownership
	Project          string `env:"PROJECT"`                   // ID of the project for the integrations' service accounts; empty: all use SERVICE_ACCOUNT
	IAMAdminEndpoint string `env:"IAM_ENDPOINT"`              // where they are made; empty: Google
	IAMEndpoint      string `env:"IAM_CREDENTIALS_ENDPOINT"`  // empty: Google
	StorageEndpoint  string `env:"STORAGE_ENDPOINT"`          // empty: Google
}

// projectID is what Google allows.
// https://docs.cloud.google.com/resource-manager/docs/creating-managing-projects
var projectID = regexp.MustCompile(`^[a-z][a-z0-9-]{4,28}[a-z0-9]$`)

// validateClouds asks for what the auto provisioner will need, so that the
// first customer is not the one to find out.
func (w Worker) validateClouds() error {
	var errs []error
	need := func(provisioner, name, value string) {
		if provisioner == "auto" && value == "" {
			errs = append(errs, wrong(name, "is required while the cloud's provisioner is auto"))
		}
	}
	need(w.ProvisionerAWS, "AWS_IAM_USER_ARN", w.AWS.IAMUserARN)
	if w.Azure.AppPoolFile == "" {
		need(w.ProvisionerAzure, "AZURE_CLIENT_ID", w.Azure.ClientID)
		need(w.ProvisionerAzure, "AZURE_CLIENT_SECRET", w.Azure.ClientSecret)
		need(w.ProvisionerAzure, "AZURE_APP_NAME", w.Azure.AppName)
	}
	if w.GCP.Project == "" {
		need(w.ProvisionerGCP, "GCP_SERVICE_ACCOUNT", w.GCP.ServiceAccount)
	}
	return errors.Join(append(errs, w.Azure.validate(), w.GCP.validate())...)
}

func (a Azure) validate() error {
	var errs []error
	if a.AppPoolFile != "" && (a.ClientID == "") != (a.ClientSecret == "") {
		errs = append(errs, wrong("AZURE_CLIENT_ID", "and "+prefix+"AZURE_CLIENT_SECRET go together; set both or neither"))
	}
	for _, app := range a.AppPool {
		if strings.EqualFold(app.ClientID, a.ClientID) {
			errs = append(errs, wrong("AZURE_CLIENT_ID", "is in the pool, too; an app that several organizations were given belongs to none of them, so take it out of the pool"))
		}
	}
	if a.BlobEndpoint != "" && !strings.Contains(a.BlobEndpoint, "{account}") {
		errs = append(errs, wrong("AZURE_BLOB_ENDPOINT", "must contain {account}"))
	}
	return errors.Join(errs...)
}

func (g GCP) validate() error {
	if g.Project != "" && !projectID.MatchString(g.Project) {
		return wrong("GCP_PROJECT", "must be a project's ID, 6 to 30 lower-case letters, digits and hyphens, such as auditferry-prod")
	}
	return nil
}

func isHTTPS(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && u.Scheme == "https" && u.Host != ""
}
