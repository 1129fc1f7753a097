package activities_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/schemas"
)

// brought is what a provisioning signal brings to a new integration of the
// bundle's org.
func (b *bundle) brought(place string, c schemas.Credentials, exclusive bool) schemas.StoreCredentialsInput {
	b.t.Helper()
	change := onGCP
	if c.AWS != nil {
		change = unprovisioned
	}
	i := b.addIntegration(place, change)
	op := b.addOperation(i, schemas.OpProvision, schemas.OperationParams{})
	return schemas.StoreCredentialsInput{OperationRef: op, Credentials: c, Exclusive: exclusive}
}

func gcpCredentials(name string) schemas.Credentials {
	return schemas.Credentials{GCP: &schemas.GCPCredentials{ServiceAccount: name + "@service-project.iam.gserviceaccount.com"}}
}

// Invariant 6: what would put an identity into the hands of two orgs, although
// it is to be one's own, is refused for good and stores nothing.
func TestIdentitiesThatWouldBeSharedAreRefused(t *testing.T) {
	t.Parallel()
	const own, shared = true, false
	for name, test := range map[string]struct {
		credentials   schemas.Credentials
		first, second bool
		sameOrg       bool
		conflict      bool
	}{
		"another org's own":                        {gcpCredentials("auditferry"), own, own, false, true},
		"another org's own, handed in as shared":   {gcpCredentials("auditferry"), own, shared, false, true},
		"shared, handed in as one's own":           {gcpCredentials("auditferry"), shared, own, false, true},
		"shared":                                   {gcpCredentials("auditferry"), shared, shared, false, false},
		"the org's own, again":                     {gcpCredentials("auditferry"), own, own, true, false},
		"another org's external ID":                {*awsCredentials("once"), own, own, false, true},
		"the org's own external ID":                {*awsCredentials("once"), own, own, true, true},
		"an external ID that is said to be shared": {*awsCredentials("once"), shared, shared, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			a := &activities.Integrations{Store: b.Store}
			scheme := "gs"
			if test.credentials.AWS != nil {
				scheme = "s3"
			}
			begins(t, a.StoreCredentials, b.brought(scheme+"://acme-logs/", test.credentials, test.first))
			other := b
			if !test.sameOrg {
				other = b.otherOrg()
			}
			second := other.brought(scheme+"://other-logs/", test.credentials, test.second)
			if !test.conflict {
				begins(t, a.StoreCredentials, second)
				return
			}
			audited := other.audited("auditferry.integration.provisioned")
			_, err := try[schemas.BeginCommandResult](t, attempt{}, a.StoreCredentials, second)
			requireError(t, err, schemas.ErrorConflict, false)
			i := other.integration(second.IntegrationID)
			require.Nil(t, i.Credentials)
			require.Equal(t, schemas.IntegrationProvisioning, i.Status)
			require.Equal(t, schemas.OperationPending, other.operation(second.OperationID).Status)
			require.Equal(t, audited, other.audited("auditferry.integration.provisioned"))
		})
	}
}

// Invariant 6: an external ID is not free again with its integration. The role
// that trusts it may still be there.
func TestExternalIDsOfDeletedIntegrationsStayTaken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := &activities.Integrations{Store: b.Store}
	first := b.brought("s3://acme-logs/", *awsCredentials("once"), true)
	begins(t, a.StoreCredentials, first)
	deletion := b.addOperation(b.integration(first.IntegrationID), schemas.OpDeleteIntegration, schemas.OperationParams{})
	begins(t, a.BeginDelete, deletion)
	p, _ := b.provisioning()
	mustDo(t, p.RevokeCredentials, schemas.IntegrationRef{OrgID: b.org, IntegrationID: first.IntegrationID})
	mustDo(t, a.FinishDelete, deletion)

	_, err := try[schemas.BeginCommandResult](t, attempt{}, a.StoreCredentials, b.brought("s3://acme-logs/", *awsCredentials("once"), true))
	requireError(t, err, schemas.ErrorConflict, false)
}

// Whether an identity is the org's own is stored with it. An external ID always
// is, whatever the operator says.
func TestExclusivityIsStored(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		place       string
		credentials schemas.Credentials
		exclusive   bool
		want        schemas.OwnershipState
	}{
		"own":         {"gs://acme-logs/", gcpCredentials("auditferry"), true, schemas.OwnershipImplied},
		"shared":      {"gs://acme-logs/", gcpCredentials("auditferry"), false, schemas.OwnershipOpen},
		"external ID": {"s3://acme-logs/", *awsCredentials("once"), false, schemas.OwnershipImplied},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			in := b.brought(test.place, test.credentials, test.exclusive)
			begins(t, (&activities.Integrations{Store: b.Store}).StoreCredentials, in)
			i := b.integration(in.IntegrationID)
			require.Equal(t, test.credentials, *i.Credentials)
			require.Equal(t, test.want, i.Ownership.State)
		})
	}
}

// Invariant 4: the same credentials are no news, but what is said of them may
// be: from then on the org has to show that the place is its own, or need not.
func TestExclusivityMayBeCorrected(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := &activities.Integrations{Store: b.Store}
	in := b.brought("gs://acme-logs/", gcpCredentials("auditferry"), true)
	bring := func(exclusive bool) schemas.StoreCredentialsInput {
		in.Exclusive = exclusive
		in.OperationRef = b.addOperation(b.integration(in.IntegrationID), schemas.OpProvision, schemas.OperationParams{})
		return in
	}
	begins(t, a.StoreCredentials, in)
	refused(t, a.StoreCredentials, bring(true), "these credentials are stored already")
	begins(t, a.StoreCredentials, bring(false))
	require.Equal(t, schemas.OwnershipOpen, b.integration(in.IntegrationID).Ownership.State)
	refused(t, a.StoreCredentials, bring(false), "these credentials are stored already")
	begins(t, a.StoreCredentials, bring(true))
	require.Equal(t, schemas.OwnershipImplied, b.integration(in.IntegrationID).Ownership.State)
	require.Equal(t, 3, b.audited("auditferry.integration.provisioned"))
}
