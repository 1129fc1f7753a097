package activities_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/schemas"
)

// signals is Temporal as far as the provisioner can tell.
type signals struct {
	client.Client
	fail error
	sent []signal
}

type signal struct {
	workflow, name string
	payload        schemas.Provisioned
}

func (s *signals) SignalWorkflow(_ context.Context, workflowID, _, name string, payload any) error {
	if s.fail != nil {
		return s.fail
	}
	s.sent = append(s.sent, signal{workflowID, name, payload.(schemas.Provisioned)})
	return nil
}

func (b *bundle) provisioning() (*activities.Provisioning, *signals) {
	temporal := &signals{}
	return &activities.Provisioning{Store: b.Store, Temporal: temporal, Identity: activities.Identity{
		AWSUserARN:     "arn:aws:iam::210987654321:user/auditferry",
		AzureClientID:  "0f2b5b5e-7a51-4a39-8fd5-5fb0d9e3f6b1",
		AzureAppName:   "auditferry_1700000000000",
		ServiceAccount: "auditferry@service-project.iam.gserviceaccount.com",
	}}, temporal
}

func ref(i schemas.Integration) schemas.IntegrationRef {
	return schemas.IntegrationRef{OrgID: i.OrgID, IntegrationID: i.ID}
}

func onAzure(i *schemas.Integration) {
	unprovisioned(i)
	i.Cloud, i.Grant = schemas.Azure, schemas.Grant{TenantID: "72f988bf-86f1-41af-91ab-2d7cd011db47"}
}

func onGCP(i *schemas.Integration) {
	unprovisioned(i)
	i.Cloud, i.Grant = schemas.GCP, schemas.Grant{}
}

// The automatic provisioner answers with the signal that an operator's call
// would send; Invariant 4: the same one when it is asked again.
func TestAutoProvisioning(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		place  string
		change func(*schemas.Integration)
		check  func(t *testing.T, c schemas.Credentials)
	}{
		"aws": {"s3://acme-logs/", unprovisioned, func(t *testing.T, c schemas.Credentials) {
			require.Equal(t, "arn:aws:iam::210987654321:user/auditferry", c.AWS.IAMUserARN)
			require.Regexp(t, `^auditferry-[a-z2-7]{32}$`, c.AWS.ExternalID)
		}},
		"azure": {"azure://acmelogs.blob.core.windows.net/audit/", onAzure, func(t *testing.T, c schemas.Credentials) {
			require.Equal(t, "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/adminconsent?client_id=0f2b5b5e-7a51-4a39-8fd5-5fb0d9e3f6b1", c.Azure.ConsentURL)
			require.Equal(t, "auditferry_1700000000000", c.Azure.MultiTenantAppName)
		}},
		"gcp": {"gs://acme-logs/", onGCP, func(t *testing.T, c schemas.Credentials) {
			require.Equal(t, "auditferry@service-project.iam.gserviceaccount.com", c.GCP.ServiceAccount)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			a, temporal := b.provisioning()
			i := b.addIntegration(test.place, test.change)
			creation := b.addOperation(i, schemas.OpCreateIntegration, schemas.OperationParams{})
			for range 2 {
				mustDo(t, a.RequestProvisioning, ref(i))
			}
			require.Len(t, temporal.sent, 2)
			require.Equal(t, temporal.sent[0], temporal.sent[1])
			sent := temporal.sent[0]
			require.Equal(t, schemas.IntegrationWorkflowID(i.ID), sent.workflow)
			require.Equal(t, schemas.SignalProvisioned.Name, sent.name)
			require.Equal(t, creation.OperationID, sent.payload.OperationID)
			require.NoError(t, sent.payload.Credentials.Validate(i.Cloud))
			test.check(t, sent.payload.Credentials)
		})
	}
}

// Invariant 6: no two integrations share an external ID, so that none can be
// used in another's name.
func TestExternalIDsAreUnique(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, temporal := b.provisioning()
	seen := map[string]bool{}
	for _, place := range []string{"s3://acme-one/", "s3://acme-two/", "s3://acme-three/"} {
		i := b.addIntegration(place, unprovisioned)
		b.addOperation(i, schemas.OpCreateIntegration, schemas.OperationParams{})
		mustDo(t, a.RequestProvisioning, ref(i))
	}
	for _, sent := range temporal.sent {
		seen[sent.payload.Credentials.AWS.ExternalID] = true
	}
	require.Len(t, seen, 3)
}

func TestNothingIsSignaledWhenNobodyWaits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, temporal := b.provisioning()
	external := b.addIntegration("s3://acme-external/", unprovisioned, func(i *schemas.Integration) {
		i.Provisioner = schemas.ProvisionerExternal
	})
	b.addOperation(external, schemas.OpCreateIntegration, schemas.OperationParams{})
	mustDo(t, a.RequestProvisioning, ref(external))

	done := b.addIntegration("s3://acme-done/")
	mustDo(t, a.RequestProvisioning, ref(done))
	require.Empty(t, temporal.sent)
}

func TestProvisioningErrors(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, temporal := b.provisioning()
	i := b.addIntegration("s3://acme-logs/", unprovisioned)
	b.addOperation(i, schemas.OpCreateIntegration, schemas.OperationParams{})

	temporal.fail = errors.New("no connection")
	_, err := attempt{}.perform(t, a.RequestProvisioning, ref(i))
	requireError(t, err, schemas.ErrorUnexpected, true)

	a.Identity.AWSUserARN = "somebody"
	_, err = attempt{}.perform(t, a.RequestProvisioning, ref(i))
	requireError(t, err, schemas.ErrorInvalidInput, false)
	require.ErrorContains(t, err, "the service's own configuration for aws is wrong")
}

func TestTheAuthorityIsConfigurable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, temporal := b.provisioning()
	a.Identity.AzureAuthority = "https://entra.example.com/"
	i := b.addIntegration("azure://acmelogs.blob.core.windows.net/audit/", onAzure)
	b.addOperation(i, schemas.OpCreateIntegration, schemas.OperationParams{})
	mustDo(t, a.RequestProvisioning, ref(i))
	require.Contains(t, temporal.sent[0].payload.Credentials.Azure.ConsentURL, "https://entra.example.com/72f988bf-")
}

func TestRevokeCredentials(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, _ := b.provisioning()
	i := b.addIntegration("s3://acme-logs/")
	for range 2 {
		mustDo(t, a.RevokeCredentials, ref(i))
	}
	require.Nil(t, b.integration(i.ID).Credentials)
}
