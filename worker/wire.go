package main

import (
	"context"

	"go.temporal.io/sdk/client"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/internal/config"
	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/internal/dispatch"
	"github.com/auditferry/auditferry/internal/mail"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/internal/schedule"
	"github.com/auditferry/auditferry/internal/temporalclient"
)

// wire gives every activity what it depends on.
func wire(ctx context.Context, cfg config.Worker, store *postgres.Store, temporal client.Client) (activities.All, error) {
	destinations, err := destination.NewOpener(ctx, destination.Config{
		AWS: destination.AWSConfig{
			Region:      cfg.AWS.Region,
			STSEndpoint: cfg.AWS.STSEndpoint,
			S3Endpoint:  cfg.AWS.S3Endpoint,
		},
		Azure: destination.AzureConfig{
			ClientID:      cfg.Azure.ClientID,
			ClientSecret:  cfg.Azure.ClientSecret,
			AuthorityHost: cfg.Azure.AuthorityHost,
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
	schedules := schedule.Adapter{Client: temporal}
	return activities.All{
		Integrations: &activities.Integrations{Store: store},
		Provisioning: &activities.Provisioning{Store: store, Temporal: temporal, Identity: activities.Identity{
			AWSUserARN:     cfg.AWS.IAMUserARN,
			AzureAuthority: cfg.Azure.AuthorityHost,
			AzureClientID:  cfg.Azure.ClientID,
			AzureAppName:   cfg.Azure.AppName,
			ServiceAccount: cfg.GCP.ServiceAccount,
		}},
		Access:    &activities.Access{Store: store, Destinations: destinations},
		Schedules: &activities.Schedules{Store: store, Temporal: schedules},
		Exports: &activities.Exports{Store: store, Destinations: destinations, Limits: activities.Limits{
			WindowRows: cfg.Export.WindowRows,
			PartBytes:  cfg.Export.PartBytes,
			Parallel:   cfg.Export.Parallel,
			SpillBytes: cfg.Export.SpillBytes,
			TempDir:    cfg.TempDir,
		}},
		Notices: &activities.Notices{Store: store, Mail: mailer, OperatorEmails: cfg.OperatorEmails, PublicURL: cfg.PublicURL},
		Reconcile: &activities.Reconcile{
			Store:     store,
			Dispatch:  dispatch.New(store, schedules, temporalclient.Signaler{Client: temporal}),
			Schedules: schedules,
		},
		Retention: &activities.Retention{Store: store, Keep: cfg.Retention},
	}, nil
}
