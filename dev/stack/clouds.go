package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/auditferry/auditferry/dev/cloudsim"
)

// Who the service is in the simulated clouds.
const (
	serviceUserARN   = "arn:aws:iam::999999999999:user/auditferry"
	serviceUserKeyID = "AKIAAUDITFERRYDEV000"
	serviceUserKey   = "auditferry-dev-secret-access-key"

	azureClientID     = "0d3f5c1e-6a1b-4c53-9b0c-5a7f2f0f6a11"
	azureClientSecret = "auditferry-dev-client-secret"
	azureAppName      = "auditferrydev_a1b2c3"

	gcpServiceAccount = "exporter@auditferry-dev.iam.gserviceaccount.com"
	gcpProject        = "auditferry-dev" // of accounts for one integration each
)

// azurePoolSize is more than any test has orgs on one stack: an app stays with
// its org for good.
const azurePoolSize = 50

// azurePool are apps for one org each, beside the first one, which is shared. An
// admin tells them by what is before the underscore.
func azurePool() []cloudsim.AzureApp {
	apps := make([]cloudsim.AzureApp, azurePoolSize)
	for i := range apps {
		apps[i] = cloudsim.AzureApp{
			ClientID:     fmt.Sprintf("7c1d9a40-3a52-4a0e-9a57-2f6f0c3b1d%02x", i+1),
			ClientSecret: fmt.Sprintf("auditferry-dev-pool-secret-%d", i+1),
			Name:         fmt.Sprintf("auditferrypool%d_x%d", i+1, i+1),
		}
	}
	return apps
}

// StartClouds runs the cloud simulator in this process, in front of the stores
// that are there.
func (s *Stack) StartClouds(ctx context.Context) error {
	cfg := cloudsim.Config{
		Dir: filepath.Join(s.dir, "clouds"),
		AWS: cloudsim.AWSConfig{
			ServiceUserARN: serviceUserARN, AccessKeyID: serviceUserKeyID, SecretAccessKey: serviceUserKey,
			IAMEndpoint: s.S3.IAMEndpoint, S3Endpoint: s.S3.Endpoint,
			RootAccessKeyID: s.S3.AccessKeyID, RootSecretAccessKey: s.S3.SecretAccessKey,
		},
		Azure: cloudsim.AzureConfig{
			ClientID: azureClientID, ClientSecret: azureClientSecret, AppName: azureAppName, Apps: azurePool(),
			BlobEndpoint: s.Azurite.Endpoint, Accounts: s.Azurite.Accounts,
		},
		GCP: cloudsim.GCPConfig{ServiceAccount: gcpServiceAccount, Project: gcpProject, StorageEndpoint: s.GCS.Endpoint},
	}
	for name, listen := range map[Port]*string{
		PortSTS: &cfg.Listen.STS, PortCloudS3: &cfg.Listen.S3, PortEntra: &cfg.Listen.Authority, PortBlob: &cfg.Listen.Blob,
		PortGoogle: &cfg.Listen.Google, PortStorage: &cfg.Listen.Storage, PortClouds: &cfg.Listen.Page,
	} {
		port, err := s.ports.take(name)
		if err != nil {
			return err
		}
		*listen = address(port)
	}
	clouds, err := cloudsim.Start(ctx, cfg)
	if err != nil {
		return err
	}
	s.onStop(clouds.Close)
	if err := s.writeAzurePool(); err != nil {
		return err
	}
	s.Clouds = clouds
	s.CloudAdmin = clouds.Endpoints().Page
	return nil
}

// writeAzurePool writes the pool to where the worker reads it.
func (s *Stack) writeAzurePool() error {
	file := filepath.Join(s.dir, "clouds", "azure-apps.json")
	if err := WriteAzurePool(file); err != nil {
		return err
	}
	s.AzureAppPoolFile = file
	return nil
}

// WriteAzurePool writes the pool as a worker reads it: a list of apps with
// their secrets.
func WriteAzurePool(file string) error {
	type app struct {
		ClientID     string `json:"client_id"`
		ClientSecret string `json:"client_secret"` // #nosec G117 -- of a simulated cloud
		AppName      string `json:"app_name"`
	}
	var apps []app
	for _, a := range azurePool() {
		apps = append(apps, app{ClientID: a.ClientID, ClientSecret: a.ClientSecret, AppName: a.Name})
	}
	text, err := json.MarshalIndent(apps, "", "  ")
	if err != nil {
		return fmt.Errorf("write the pool of Azure apps: %w", err)
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the pool of Azure apps: %w", err)
	}
	return nil
}
