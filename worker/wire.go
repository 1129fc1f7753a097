package main

import (
	"context"

	"go.temporal.io/sdk/client"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/internal/config"
	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/internal/dispatch"
	"github.com/auditferry/auditferry/internal/mail"
	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/internal/provision"
	"github.com/auditferry/auditferry/internal/schedule"
	"github.com/auditferry/auditferry/internal/temporalclient"
	"github.com/auditferry/auditferry/schemas"
)

// wire gives every activity what it depends on.
func wire(ctx context.Context, cfg config.Worker, store *postgres.Store, temporal client.Client, signer *manifest.Signer) (activities.All, error) {
	destinations, err := destination.NewOpener(ctx, destination.Config{
		AWS: destination.AWSConfig{
			Region:      cfg.AWS.Region,
			STSEndpoint: cfg.AWS.STSEndpoint,
			S3Endpoint:  cfg.AWS.S3Endpoint,
		},
		Azure: destination.AzureConfig{
			Apps:          cfg.Azure.Secrets(),
			AuthorityHost: cfg.AzureAuthorityHost,
			BlobEndpoint:  cfg.Azure.BlobEndpoint,
		},
		GCP: destination.GCPConfig{
			IAMEndpoint:     cfg.GCP.IAMEndpoint,
			StorageEndpoint: cfg.GCP.StorageEndpoint,
		},
	})
	if err != nil {
		return activities.All{}, err
	}
	mailer, err := mail.New(cfg.SMTPURL, cfg.MailFrom)
	if err != nil {
		return activities.All{}, err
	}
	auto, err := provisioners(ctx, cfg, store)
	if err != nil {
		return activities.All{}, err
	}
	schedules := schedule.Adapter{Client: temporal}
	signaler := temporalclient.Signaler{Client: temporal}
	starter := temporalclient.Starter{Client: temporal}
	places := &activities.Places{Store: store, Destinations: destinations, Watcher: signaler}
	return activities.All{
		Integrations: &activities.Integrations{Store: store},
		Provisioning: &activities.Provisioning{Store: store, Temporal: temporal, Auto: auto, External: provision.External{}},
		Access:       &activities.Access{Store: store, Places: places},
		Schedules:    &activities.Schedules{Store: store, Temporal: schedules},
		Exports: &activities.Exports{Store: store, Places: places, Signer: signer, Limits: activities.Limits{
			WindowRows: cfg.Export.WindowRows,
			PartBytes:  cfg.Export.PartBytes,
			Parallel:   cfg.Export.Parallel,
			SpillBytes: cfg.Export.SpillBytes,
			TempDir:    cfg.TempDir,
		}},
		Notices: &activities.Notices{
			Store:          store,
			Mail:           mailer,
			OperatorEmails: cfg.OperatorEmails,
			PublicURL:      cfg.PublicURL,
			Keep:           cfg.Retention,
		},
		Reconcile: &activities.Reconcile{
			Store:     store,
			Dispatch:  dispatch.New(store, schedules, signaler, starter),
			Schedules: schedules,
			Closer:    starter,
		},
		Retention: &activities.Retention{Store: store, Keep: cfg.Retention},
		Watch:     &activities.Watch{Store: store, Keep: cfg.Retention},
	}, nil
}

// provisioners are those of the clouds whose provisioner is auto. Identities
// that serve one org each come before one that serves all.
func provisioners(ctx context.Context, cfg config.Worker, store *postgres.Store) (map[schemas.Cloud]activities.Provisioner, error) {
	auto := map[schemas.Cloud]activities.Provisioner{}
	if cfg.ProvisionerAWS == string(schemas.ProvisionerAuto) {
		auto[schemas.AWS] = provision.AWS{UserARN: cfg.AWS.IAMUserARN}
	}
	if cfg.ProvisionerAzure == string(schemas.ProvisionerAuto) {
		auto[schemas.Azure] = azureProvisioner(cfg, store)
	}
	if cfg.ProvisionerGCP == string(schemas.ProvisionerAuto) {
		gcp, err := gcpProvisioner(ctx, cfg)
		if err != nil {
			return nil, err
		}
		auto[schemas.GCP] = gcp
	}
	return auto, nil
}

func azureProvisioner(cfg config.Worker, store *postgres.Store) activities.Provisioner {
	if len(cfg.Azure.AppPool) == 0 {
		return provision.AzureApp{
			Authority: cfg.AzureAuthorityHost,
			ClientID:  cfg.Azure.ClientID,
			Name:      cfg.Azure.AppName,
			Exclusive: cfg.Azure.Exclusive,
		}
	}
	pool := provision.AzurePool{Authority: cfg.AzureAuthorityHost, Draw: activities.DrawFrom(store)}
	for _, key := range cfg.Azure.AppPool {
		pool.Apps = append(pool.Apps, provision.App{ClientID: key.ClientID, Name: key.AppName})
	}
	return pool
}

func gcpProvisioner(ctx context.Context, cfg config.Worker) (activities.Provisioner, error) {
	if cfg.GCP.Project == "" {
		return provision.GCPAccount{Email: cfg.GCP.ServiceAccount, Exclusive: cfg.GCP.Exclusive}, nil
	}
	return provision.NewGCPAccounts(ctx, cfg.GCP.Project, cfg.GCP.IAMAdminEndpoint)
}
