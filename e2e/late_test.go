package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/internal/postgres/postgrestest"
	"github.com/auditferry/auditferry/schemas"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Run(m)) }

// Azure needs up to 45 minutes before a role assignment works (reference
// document, "Add role assignment in Azure"). On every cloud, an integration
// that is let in that late ends active with one credentials mail, one verified
// mail and no failure mail; and an export that was scheduled at once, as the
// reference allows, delivers without failing once.
func TestGrantAfter45Minutes(t *testing.T) {
	t.Parallel()
	for cloud, test := range map[schemas.Cloud]struct {
		place string
		grant schemas.Grant
	}{
		schemas.AWS:   {"s3://acme-logs/audit/", schemas.Grant{RoleARN: "arn:aws:iam::123456789012:role/audit"}},
		schemas.Azure: {"azure://acmelogs.blob.core.windows.net/audit/", schemas.Grant{TenantID: "72f988bf-86f1-41af-91ab-2d7cd011db47"}},
		schemas.GCP:   {"gs://acme-logs/audit/", schemas.Grant{}},
	} {
		t.Run(string(cloud), func(t *testing.T) {
			t.Parallel()
			const late = 45 * time.Minute
			v := setSail(t)
			place, err := schemas.ParseDestination(test.place)
			require.NoError(t, err)
			v.cloud.AddBucket(place)
			began := time.Now()
			v.refuseUntil(began.Add(late))
			export := v.embark(place, test.grant)

			v.integration(began)
			require.Equal(t, schemas.IntegrationAwaitingAccess, v.input.State.Status)
			delivered := v.export(began, export)
			require.WithinDuration(t, began.Add(late), delivered, 3*time.Minute)
			v.requireDelivered(export)

			told := v.play()
			require.Len(t, told, 1)
			require.Equal(t, schemas.AccessChanged{Check: 1, Access: schemas.AccessGranted}, told[0].signal)
			require.WithinDuration(t, began.Add(late), told[0].at, 3*time.Minute)
			v.integration(told[0].at, told[0].signal)
			v.play()

			require.Equal(t, schemas.IntegrationActive, v.input.State.Status)
			var subjects []string
			for _, m := range v.mails {
				subjects = append(subjects, m.Subject)
			}
			require.Len(t, subjects, 2, "%q", subjects)
			require.Contains(t, subjects[0], "Grant access")
			require.Contains(t, strings.ToLower(subjects[1]), "verified")
		})
	}
}

// embark adds an org with events, an integration that waits for its
// credentials, and an export of everything.
func (v *voyage) embark(place schemas.Destination, grant schemas.Grant) schemas.ExportInput {
	v.t.Helper()
	ctx := v.t.Context()
	org := newID()
	require.NoError(v.t, v.store.AsOperator(ctx, func(tx *postgres.Tx) error {
		return tx.InsertOrg(ctx, schemas.Org{ID: org, Name: "Acme", NoticeEmails: []string{"ada@acme.example"}})
	}))
	integration := schemas.Integration{
		ID: newID(), OrgID: org, Name: "Archive", Cloud: place.Cloud, Destination: place, Grant: grant,
		Provisioner: schemas.ProvisionerAuto, Status: schemas.IntegrationProvisioning, Access: schemas.AccessUnknown,
	}
	export := schemas.Export{
		ID: newID(), OrgID: org, IntegrationID: integration.ID, Name: "Daily", Slug: "daily",
		Schedule: schemas.Schedule{Kind: schemas.ScheduleInterval, Every: "1h"},
		Format:   schemas.FormatNDJSON, Compression: schemas.CompressionNone, PathTemplate: schemas.DefaultPathTemplate,
		Destination: place, State: schemas.ExportActive,
	}
	v.in(org, func(tx *postgres.Tx) error {
		if err := tx.InsertIntegration(ctx, integration); err != nil {
			return err
		}
		if err := tx.ClaimDestination(ctx, integration.ID, place); err != nil {
			return err
		}
		if err := tx.InsertExport(ctx, export); err != nil {
			return err
		}
		op := schemas.Operation{
			ID: newID(), OrgID: org, Kind: schemas.OpCreateIntegration, IntegrationID: &integration.ID,
			Status: schemas.OperationPending, RequestedBy: "ada",
		}
		if err := tx.InsertOperation(ctx, op); err != nil {
			return err
		}
		_, err := tx.AppendEvents(ctx, []schemas.Event{{
			ID: newID(), OccurredAt: time.Now(), Action: "document.read", Actor: schemas.Actor{ID: "u1"}, Outcome: schemas.OutcomeSuccess,
		}})
		return err
	})
	v.input = schemas.IntegrationInput{OrgID: org, IntegrationID: integration.ID}
	return schemas.ExportInput{OrgID: org, ExportID: export.ID}
}

// requireDelivered checks that the export has delivered, in one run that did
// not fail.
func (v *voyage) requireDelivered(in schemas.ExportInput) {
	v.t.Helper()
	ctx := v.t.Context()
	v.in(in.OrgID, func(tx *postgres.Tx) error {
		export, err := tx.Export(ctx, in.ExportID)
		if err != nil {
			return err
		}
		require.Positive(v.t, export.DeliveredSeq)
		runs, err := tx.Runs(ctx, in.ExportID, uuid.Nil, 10)
		if err != nil {
			return err
		}
		require.Len(v.t, runs, 1)
		require.Equal(v.t, schemas.RunSucceeded, runs[0].Status, fmt.Sprint(runs[0]))
		return nil
	})
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }
