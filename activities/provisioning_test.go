package activities_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/internal/provision"
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

const serviceUserARN = "arn:aws:iam::210987654321:user/auditferry"

// apps are the multi-tenant apps of the operator.
var apps = []provision.App{
	{ClientID: "0f2b5b5e-7a51-4a39-8fd5-5fb0d9e3f6b1", Name: "auditferry_1"},
	{ClientID: "0f2b5b5e-7a51-4a39-8fd5-5fb0d9e3f6b2", Name: "auditferry_2"},
}

// provisioning has every cloud's identities configured: an app that orgs share,
// and a service account that they do not.
func (b *bundle) provisioning() (*activities.Provisioning, *signals) {
	temporal := &signals{}
	return &activities.Provisioning{
		Store: b.Store, Temporal: temporal, External: provision.External{},
		Auto: map[schemas.Cloud]activities.Provisioner{
			schemas.AWS:   provision.AWS{UserARN: serviceUserARN},
			schemas.Azure: provision.AzureApp{ClientID: apps[0].ClientID, Name: apps[0].Name},
			schemas.GCP:   provision.GCPAccount{Email: "auditferry@service-project.iam.gserviceaccount.com", Exclusive: true},
		},
	}, temporal
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

func byOperators(i *schemas.Integration) {
	unprovisioned(i)
	i.Provisioner = schemas.ProvisionerExternal
}

// The automatic provisioner answers with the signal that an operator's call
// would send; Invariant 4: the same one when it is asked again. It says of an
// identity that it is the org's own only where that is so.
func TestAutoProvisioning(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		place     string
		change    func(*schemas.Integration)
		exclusive bool
		check     func(t *testing.T, c schemas.Credentials)
	}{
		"aws": {"s3://acme-logs/", unprovisioned, true, func(t *testing.T, c schemas.Credentials) {
			require.Equal(t, serviceUserARN, c.AWS.IAMUserARN)
			require.Regexp(t, `^auditferry-[a-z2-7]{32}$`, c.AWS.ExternalID)
		}},
		"azure": {"azure://acmelogs.blob.core.windows.net/audit/", onAzure, false, func(t *testing.T, c schemas.Credentials) {
			require.Equal(t, "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/adminconsent?client_id="+apps[0].ClientID, c.Azure.ConsentURL)
			require.Equal(t, "auditferry_1", c.Azure.MultiTenantAppName)
		}},
		"gcp": {"gs://acme-logs/", onGCP, true, func(t *testing.T, c schemas.Credentials) {
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
			require.Equal(t, test.exclusive, sent.payload.Exclusive)
			test.check(t, sent.payload.Credentials)
		})
	}
}

// Invariant 6: an app of a pool is one org's, for good. When none is left the
// request waits for an operator, and nobody else's app is given out.
func TestPoolsAreDrawnFrom(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, temporal := b.provisioning()
	a.Auto[schemas.Azure] = provision.AzurePool{Apps: apps, Draw: activities.DrawFrom(b.Store)}
	request := func(b *bundle, place string) schemas.Integration {
		i := b.addIntegration(place, onAzure)
		b.addOperation(i, schemas.OpCreateIntegration, schemas.OperationParams{})
		return i
	}
	first := request(b, "azure://acmelogs.blob.core.windows.net/one/")
	second := request(b, "azure://acmelogs.blob.core.windows.net/two/")
	other := b.otherOrg()
	foreign := request(other, "azure://otherlogs.blob.core.windows.net/audit/")
	for _, i := range []schemas.Integration{first, second, foreign, first} {
		mustDo(t, a.RequestProvisioning, ref(i))
	}
	drawn := make([]string, len(temporal.sent))
	for n, sent := range temporal.sent {
		require.True(t, sent.payload.Exclusive)
		drawn[n] = sent.payload.Credentials.Azure.MultiTenantAppName
	}
	require.Equal(t, []string{"auditferry_1", "auditferry_1", "auditferry_2", "auditferry_1"}, drawn)

	late := request(b.otherOrg(), "azure://latelogs.blob.core.windows.net/audit/")
	_, err := attempt{}.perform(t, a.RequestProvisioning, ref(late))
	requireError(t, err, schemas.ErrorPoolExhausted, false)
	require.ErrorContains(t, err, "add an app")
	require.Len(t, temporal.sent, len(drawn))
}

func TestNothingIsSignaledWhenNobodyWaits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, temporal := b.provisioning()
	external := b.addIntegration("s3://acme-external/", byOperators)
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

	a.Auto[schemas.AWS] = provision.AWS{UserARN: "somebody"}
	_, err = attempt{}.perform(t, a.RequestProvisioning, ref(i))
	requireError(t, err, schemas.ErrorInvalidInput, false)
	require.ErrorContains(t, err, "the service's own configuration for aws is wrong")

	delete(a.Auto, schemas.AWS)
	_, err = attempt{}.perform(t, a.RequestProvisioning, ref(i))
	requireError(t, err, schemas.ErrorInvalidInput, false)
	require.ErrorContains(t, err, "auto is not configured for aws")
}

// revoker is a provisioner that is only asked to take credentials back.
type revoker struct {
	provision.External
	fail error
	took []schemas.Credentials
}

func (r *revoker) Revoke(_ context.Context, i schemas.Integration) error {
	if r.fail == nil {
		r.took = append(r.took, *i.Credentials)
	}
	return r.fail
}

// The integration's own provisioner takes the credentials back first: those
// that are forgotten already could not be found any more.
func TestRevokeCredentials(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*schemas.Integration){
		"auto":     func(*schemas.Integration) {},
		"external": func(i *schemas.Integration) { i.Provisioner = schemas.ProvisionerExternal },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			a, _ := b.provisioning()
			asked, other := &revoker{fail: errors.New("no connection")}, &revoker{}
			a.Auto[schemas.AWS], a.External = asked, activities.Provisioner(other)
			if name == "external" {
				a.Auto[schemas.AWS], a.External = other, asked
			}
			i := b.addIntegration("s3://acme-logs/", change)
			_, err := attempt{}.perform(t, a.RevokeCredentials, ref(i))
			requireError(t, err, schemas.ErrorUnexpected, true)
			require.NotNil(t, b.integration(i.ID).Credentials)

			asked.fail = nil
			mustDo(t, a.RevokeCredentials, ref(i))
			require.Nil(t, b.integration(i.ID).Credentials)
			require.Equal(t, []schemas.Credentials{*awsCredentials("first")}, asked.took)
			require.Empty(t, other.took)
		})
	}
}

// A delete ends also when its answer was lost, when there is nothing to revoke,
// or when nobody is left who could.
func TestRevokingIsRepeatable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, _ := b.provisioning()
	provisioned := b.addIntegration("s3://acme-logs/")
	waiting := b.addIntegration("s3://acme-waiting/", unprovisioned)
	unconfigured := b.addIntegration("gs://acme-logs/", onGCP, func(i *schemas.Integration) {
		i.Credentials = &schemas.Credentials{GCP: &schemas.GCPCredentials{ServiceAccount: "auditferry@old-project.iam.gserviceaccount.com"}}
	})
	delete(a.Auto, schemas.GCP)
	for _, i := range []schemas.Integration{provisioned, waiting, unconfigured} {
		for range 2 {
			mustDo(t, a.RevokeCredentials, ref(i))
		}
		require.Nil(t, b.integration(i.ID).Credentials)
	}
}
