package stack

import (
	"context"
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
)

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
			ClientID: azureClientID, ClientSecret: azureClientSecret, AppName: azureAppName,
			BlobEndpoint: s.Azurite.Endpoint, Accounts: s.Azurite.Accounts,
		},
		GCP: cloudsim.GCPConfig{ServiceAccount: gcpServiceAccount, StorageEndpoint: s.GCS.Endpoint},
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
	s.Clouds = clouds
	s.CloudAdmin = clouds.Endpoints().Page
	return nil
}
