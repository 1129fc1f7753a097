package postgres_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

func azureCredentials(client string) schemas.Credentials {
	return schemas.Credentials{Azure: &schemas.AzureCredentials{
		ConsentURL:         "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/adminconsent?client_id=" + client,
		MultiTenantAppName: "auditferry_" + client,
	}}
}

// use is the work of an integration that is given an identity.
func (b bundle) use(i schemas.Integration, c schemas.Credentials, exclusive bool) func(*postgres.Tx) error {
	return func(tx *postgres.Tx) error { return tx.UseIdentity(b.t.Context(), i.ID, c, exclusive) }
}

func (b bundle) mustUse(i schemas.Integration, c schemas.Credentials, exclusive bool) {
	b.t.Helper()
	require.NoError(b.t, b.try(b.use(i, c, exclusive)))
}

func (b bundle) draw(i schemas.Integration, into *schemas.Credentials, pool ...schemas.Credentials) func(*postgres.Tx) error {
	return func(tx *postgres.Tx) (err error) {
		*into, err = tx.DrawIdentity(b.t.Context(), i.ID, pool)
		return err
	}
}

func (b bundle) mustDraw(i schemas.Integration, pool ...schemas.Credentials) (drawn schemas.Credentials) {
	b.t.Helper()
	require.NoError(b.t, b.try(b.draw(i, &drawn, pool...)))
	return drawn
}

func (b bundle) deleteIntegration(i schemas.Integration) {
	b.t.Helper()
	b.in(func(tx *postgres.Tx) {
		require.NoError(b.t, tx.ClearCredentials(b.t.Context(), i.ID))
		require.NoError(b.t, tx.SetIntegrationStatus(b.t.Context(), i.ID, schemas.IntegrationDeleted))
	})
}

// Invariant 6: an identity that is one org's alone is never another's, whichever
// of them comes first, at the same moment or long after the first is gone.
func TestIdentitiesBetweenOrgs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, test := range []struct {
		name          string
		first, second bool // exclusive
		sameOrg       bool
		says          string // conflict; "" is none
	}{
		{"shared by two orgs", false, false, false, ""},
		{"one org's alone, asked for as shared", true, false, false, "another organization's alone"},
		{"one org's alone, asked for as such", true, true, false, "another organization's alone"},
		{"shared, asked for as exclusive", false, true, false, "cannot be exclusive"},
		{"one org's alone, twice", true, true, true, ""},
		{"one org's alone, then shared by itself", true, false, true, ""},
		{"shared, then one org's alone", false, true, true, ""},
		{"shared within an org", false, false, true, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := b
			b.t = t
			for when, between := range map[string]func(one bundle, i schemas.Integration, first, second func(*postgres.Tx) error, other bundle) error{
				"after": func(one bundle, _ schemas.Integration, first, second func(*postgres.Tx) error, other bundle) error {
					require.NoError(t, one.try(first))
					return other.try(second)
				},
				"after deletion": func(one bundle, i schemas.Integration, first, second func(*postgres.Tx) error, other bundle) error {
					require.NoError(t, one.try(first))
					one.deleteIntegration(i)
					return other.try(second)
				},
				"at once": func(one bundle, _ schemas.Integration, first, second func(*postgres.Tx) error, other bundle) error {
					firstErr, secondErr := meanwhile(t, one, first, other, second)
					require.NoError(t, firstErr)
					return secondErr
				},
			} {
				for _, c := range []schemas.Credentials{gcpCredentials("a" + newID(t).String()), azureCredentials(newID(t).String())} {
					one := b.withOrg(b.addOrg("Acme"))
					other := one
					if !test.sameOrg {
						other = b.withOrg(b.addOrg("Umbrella"))
					}
					i, j := one.addIntegration("s3://one/"), other.addIntegration("s3://other/")
					err := between(one, i, one.use(i, c, test.first), other.use(j, c, test.second), other)
					if test.says == "" {
						require.NoError(t, err, when)
						continue
					}
					requireConflict(t, err)
					require.ErrorContains(t, err, test.says, when)
					require.NotContains(t, err.Error(), "Acme", "another org's rows are none of its business")
				}
			}
		})
	}
}

// What an integration says of its own identity may change, as long as nobody
// else has relied on it.
func TestIdentityIsUsedAgain(t *testing.T) {
	t.Parallel()
	mine := setup(t)
	others := mine.withOrg(mine.addOrg("Umbrella"))
	i, j := mine.addIntegration("s3://mine/"), others.addIntegration("s3://theirs/")
	c := gcpCredentials("exporter")
	mine.mustUse(i, c, true)
	mine.mustUse(i, c, true)
	requireConflict(t, others.try(others.use(j, c, false)))
	mine.mustUse(i, c, false)
	others.mustUse(j, c, false)
	requireConflict(t, mine.try(mine.use(i, c, true)))

	err := mine.try(func(tx *postgres.Tx) error { return tx.UseIdentity(t.Context(), newID(t), c, false) })
	require.ErrorIs(t, err, postgres.ErrNotFound)
	require.ErrorIs(t, mine.try(mine.use(j, gcpCredentials("free"), true)), postgres.ErrNotFound, "another org's integration")
}

// Invariant 6: an external ID is one integration's for good. Not even its own
// org gets it twice, because a role may trust it still.
func TestExternalIDsAreNeverUsedAgain(t *testing.T) {
	t.Parallel()
	mine := setup(t)
	others := mine.withOrg(mine.addOrg("Umbrella"))
	i, second := mine.addIntegration("s3://one/"), mine.addIntegration("s3://two/")
	foreign := others.addIntegration("s3://three/")
	c := awsCredentials("external-id")
	mine.mustUse(i, c, true)
	mine.mustUse(i, c, true) // its own
	refused := func() {
		t.Helper()
		for _, exclusive := range []bool{true, false} {
			for _, err := range []error{mine.try(mine.use(second, c, exclusive)), others.try(others.use(foreign, c, exclusive))} {
				requireConflict(t, err)
				require.ErrorContains(t, err, "external ID")
			}
		}
	}
	refused()
	mine.mustUse(i, awsCredentials("rotated"), true)
	refused()
	mine.deleteIntegration(i)
	refused()

	another := c
	another.AWS = &schemas.AWSCredentials{ExternalID: c.AWS.ExternalID, IAMUserARN: "arn:aws:iam::210987654321:user/another"}
	requireConflict(t, others.try(others.use(foreign, another, true)))
}

func TestExternalIDsRace(t *testing.T) {
	t.Parallel()
	mine := setup(t)
	i, j := mine.addIntegration("s3://one/"), mine.addIntegration("s3://two/")
	c := awsCredentials("external-id")
	first, second := meanwhile(t, mine, mine.use(i, c, true), mine, mine.use(j, c, true))
	require.NoError(t, first)
	requireConflict(t, second)
}

func pool(n int) []schemas.Credentials {
	all := make([]schemas.Credentials, n)
	for i := range all {
		all[i] = azureCredentials(fmt.Sprintf("5b1f7c52-2f0e-4d53-8f0a-%012d", i))
	}
	return all
}

// Invariant 6: every org has apps of its own, and keeps them.
func TestDrawIdentity(t *testing.T) {
	t.Parallel()
	mine := setup(t)
	others := mine.withOrg(mine.addOrg("Umbrella"))
	late := mine.withOrg(mine.addOrg("Late"))
	i, second := mine.addIntegration("s3://one/"), mine.addIntegration("s3://two/")
	foreign, nobody := others.addIntegration("s3://three/"), late.addIntegration("s3://four/")
	apps := pool(2)

	require.Equal(t, apps[0], mine.mustDraw(i, apps...))
	require.Equal(t, apps[1], others.mustDraw(foreign, apps...), "the next one that is free")
	for range 2 {
		require.Equal(t, apps[0], mine.mustDraw(i, apps...), "asked again")
		require.Equal(t, apps[0], mine.mustDraw(second, apps...), "the org has one already")
		require.Equal(t, apps[1], others.mustDraw(foreign, apps...))
	}
	var none schemas.Credentials
	require.ErrorIs(t, late.try(late.draw(nobody, &none, apps...)), postgres.ErrNotFound)
	require.ErrorIs(t, late.try(late.draw(nobody, &none)), postgres.ErrNotFound, "an empty pool")

	mine.deleteIntegration(i)
	mine.deleteIntegration(second)
	require.ErrorIs(t, late.try(late.draw(nobody, &none, apps...)), postgres.ErrNotFound, "what was granted to an app may outlive the integration")
	third := mine.addIntegration("s3://five/")
	require.Equal(t, apps[0], mine.mustDraw(third, apps...), "and its org comes back to it")

	larger := pool(3)
	require.Equal(t, larger[2], late.mustDraw(nobody, larger...))
	requireConflict(t, others.try(others.use(foreign, larger[2], false)))
}

// The order of a pool may change, and apps may be added in front.
func TestDrawIdentityPrefersWhatIsThere(t *testing.T) {
	t.Parallel()
	mine := setup(t)
	i, second := mine.addIntegration("s3://one/"), mine.addIntegration("s3://two/")
	apps := pool(3)
	require.Equal(t, apps[2], mine.mustDraw(i, apps[2]))
	require.Equal(t, apps[2], mine.mustDraw(i, apps...), "its own before an unused one")
	require.Equal(t, apps[2], mine.mustDraw(second, apps...), "the org's before an unused one")

	mine.mustUse(second, apps[1], true)
	require.Equal(t, apps[2], mine.mustDraw(i, apps...), "its own before the org's")
	require.Equal(t, apps[1], mine.mustDraw(i, apps[0], apps[1]), "the org's when its own has left the pool")
}

// An app that orgs share, because it was the one of all before there was a
// pool, is drawn by none of them.
func TestDrawIdentityLeavesSharedOnes(t *testing.T) {
	t.Parallel()
	mine := setup(t)
	others := mine.withOrg(mine.addOrg("Umbrella"))
	i, foreign := mine.addIntegration("s3://one/"), others.addIntegration("s3://two/")
	apps := pool(2)
	mine.mustUse(i, apps[0], false)
	others.mustUse(foreign, apps[0], false)
	require.Equal(t, apps[1], mine.mustDraw(i, apps...))
	var none schemas.Credentials
	require.ErrorIs(t, others.try(others.draw(foreign, &none, apps...)), postgres.ErrNotFound)
}

// Invariant 6: two orgs that ask for the last app at the same moment.
func TestDrawIdentityRace(t *testing.T) {
	t.Parallel()
	mine := setup(t)
	others := mine.withOrg(mine.addOrg("Umbrella"))
	i, foreign := mine.addIntegration("s3://one/"), others.addIntegration("s3://two/")
	last := pool(1)
	var mineDrew, othersDrew schemas.Credentials
	first, second := meanwhile(t, mine, mine.draw(i, &mineDrew, last...), others, others.draw(foreign, &othersDrew, last...))
	require.NoError(t, first)
	require.Equal(t, last[0], mineDrew)
	require.ErrorIs(t, second, postgres.ErrNotFound)
}

// An operator who hands an app in while another org is drawing it: the drawing
// org gets the next one.
func TestDrawIdentityBesideAnOperator(t *testing.T) {
	t.Parallel()
	mine := setup(t)
	others := mine.withOrg(mine.addOrg("Umbrella"))
	i, foreign := mine.addIntegration("s3://one/"), others.addIntegration("s3://two/")
	apps := pool(2)
	var drawn schemas.Credentials
	first, second := meanwhile(t, others, others.use(foreign, apps[0], true), mine, mine.draw(i, &drawn, apps...))
	require.NoError(t, first)
	require.NoError(t, second)
	require.Equal(t, apps[1], drawn)
}

// Invariant 6: as many orgs as there are apps, all at once: each gets its own.
func TestDrawIdentityCrowd(t *testing.T) {
	t.Parallel()
	b := setup(t)
	apps := pool(8)
	drawn, failures := make([]schemas.Credentials, len(apps)), make([]error, len(apps))
	var all sync.WaitGroup
	for n := range apps {
		org := b.withOrg(b.addOrg("Contender"))
		i := org.addIntegration(fmt.Sprintf("s3://bucket-%d/", n))
		all.Go(func() { failures[n] = org.try(org.draw(i, &drawn[n], apps...)) })
	}
	all.Wait()
	for _, err := range failures {
		require.NoError(t, err)
	}
	require.ElementsMatch(t, apps, drawn)
}

// The look past the org must not outlast the look.
func TestIdentityLeavesTheTransactionInItsOrg(t *testing.T) {
	t.Parallel()
	mine := setup(t)
	others := mine.withOrg(mine.addOrg("Umbrella"))
	i, theirs := mine.addIntegration("s3://mine/"), others.addIntegration("s3://theirs/")
	apps := pool(1)
	for _, look := range []func(*postgres.Tx) error{
		mine.use(i, gcpCredentials("exporter"), true),
		func(tx *postgres.Tx) error {
			_, err := tx.DrawIdentity(t.Context(), i.ID, apps)
			return err
		},
	} {
		mine.in(func(tx *postgres.Tx) {
			require.NoError(t, look(tx))
			_, err := tx.Integration(t.Context(), theirs.ID)
			require.ErrorIs(t, err, postgres.ErrNotFound)
			seen, err := tx.Integrations(t.Context(), uuid.Nil, 10, true)
			require.NoError(t, err)
			require.Len(t, seen, 1)
		})
	}
}
