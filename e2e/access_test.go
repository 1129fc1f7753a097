package e2e

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/actor"
	"github.com/auditferry/auditferry/schemas"
)

// lateGrant: the reference allows an export to be scheduled right after
// provisioning; it ends delivered with no person touching it, and nothing
// failed while the grant was on its way.
func lateGrant(o *org, cloud schemas.Cloud) {
	newest := o.report(100)
	f := o.integrate(cloud)
	f.schedule(schemas.CompressionNone)
	f.grant(6 * time.Second)
	f.awaitDelivered(newest)
	f.awaitAccess()
	f.requireExactlyOnce()
	runs, err := o.admin.Runs(o.ctx, f.export.ID)
	require.NoError(o.t, err)
	for _, run := range runs {
		require.NotEqual(o.t, schemas.RunFailed, run.Status, run.Error)
	}
	mails, err := o.inbox.To(o.ctx, o.mail)
	require.NoError(o.t, err)
	require.Len(o.t, mails, 1, "credentials, and no failure: %v", mails)

	attempts, err := o.admin.AccessAttempts(o.ctx, f.integration)
	require.NoError(o.t, err)
	require.True(o.t, attempts[0].Granted)
	for _, attempt := range attempts[1:] {
		failure, failed := attempt.Failure()
		require.True(o.t, failed)
		require.Equal(o.t, schemas.KindDenied, failure.Kind, "%+v", failure)
		require.NotEmpty(o.t, failure.Code)
		require.NotEmpty(o.t, failure.Explanation)
		require.NotNil(o.t, attempt.NextTryAt, "it says when it tries again")
	}
	if cloud == schemas.Azure {
		o.record("late-grant", schemas.AccessCheckWorkflowID(f.integration))
		o.record("export-with-retry", newestRun(runs[len(runs)-1:]).WorkflowID)
	}
}

// awaitFinding waits until the newest access check has come to a finding that
// the test waits for, and returns its report.
func (f *ferry) awaitFinding(what string, is func(schemas.Integration) bool) (report schemas.AccessReport) {
	f.t.Helper()
	require.NoError(f.t, actor.Until(f.ctx, func() (string, error) {
		i, err := f.admin.Integration(f.ctx, f.integration)
		if err != nil {
			return "", err
		}
		if i.Report == nil || !is(i) {
			return fmt.Sprintf("%s; access is %s, found was %+v", what, i.Access, i.Report), nil
		}
		report = *i.Report
		return "", nil
	}))
	return report
}

// awaitRefusal waits until the newest attempt was refused at a step, for the
// reason that the code names; "" is any.
func (f *ferry) awaitRefusal(step schemas.Step, code string) schemas.AccessStep {
	f.t.Helper()
	report := f.awaitFinding(fmt.Sprintf("a refusal at %s, %s", step, code), func(i schemas.Integration) bool {
		failure, failed := i.Report.Failure()
		return failed && failure.Name == step && (code == "" || failure.Code == code)
	})
	failure, _ := report.Failure()
	require.NotEmpty(f.t, failure.Explanation)
	return failure
}

func (f *ferry) awaitGranted() {
	f.t.Helper()
	f.awaitFinding("access", func(i schemas.Integration) bool { return i.Access == schemas.AccessGranted })
}

// objects lists what lies in a place.
func (f *ferry) objects(place schemas.Destination) []string {
	f.t.Helper()
	stored, err := f.Objects(f.ctx, place)
	require.NoError(f.t, err)
	var keys []string
	for _, object := range stored {
		keys = append(keys, object.Key)
	}
	return keys
}

// accessLost: the cloud's admin takes the grant back. The admin can read why
// nothing arrives although nobody asked for a check, and when access is given
// again everything goes on by itself.
func accessLost(o *org) {
	f := o.sail(schemas.AWS, schemas.CompressionNone)
	f.awaitGranted()
	f.awaitDelivered(o.report(50))
	require.NoError(o.t, o.Clouds.DeleteRole(o.ctx, o.clouds.Grant(schemas.AWS).RoleARN))
	newest := o.report(50)
	refusal := f.awaitRefusal(schemas.StepAuthenticate, "AccessDenied")
	require.NotEmpty(o.t, refusal.Fix)
	f.grant(0)
	f.awaitDelivered(newest)
	f.awaitGranted()
	f.requireExactlyOnce()
	o.record("access-lost", schemas.IntegrationWorkflowID(f.integration))
}

// sharedIdentity: where orgs share a service account, a granted write does not
// show whose the bucket is. Nothing but a challenge is written until the admin
// has read it back.
func sharedIdentity(o *org) {
	newest := o.report(50)
	f := &ferry{org: o, cloud: schemas.GCP, places: []schemas.Destination{o.clouds.Destination(schemas.GCP, "audit")}}
	require.NoError(o.t, o.clouds.Prepare(o.ctx, f.places...))
	id, op, err := o.admin.Integrate(o.ctx, "Shared", f.places[0], schemas.Grant{})
	require.NoError(o.t, err)
	f.integration, f.credentials = id, sharedAccount()
	o.provision(f, f.credentials, false)
	o.done(op, nil)
	f.grant(0)
	f.schedule(schemas.CompressionNone)

	refusal := f.awaitRefusal(schemas.StepOwnership, "OwnershipNotProven")
	integration, err := o.admin.Integration(o.ctx, id)
	require.NoError(o.t, err)
	require.Equal(o.t, schemas.OwnershipWaiting, integration.Ownership.State)
	require.NotEmpty(o.t, refusal.Fix)
	// The check and a run may probe at once. Each leaves a challenge then, and the
	// one that was noted first counts.
	noted := ""
	for _, key := range f.objects(f.places[0]) {
		require.True(o.t, strings.HasPrefix(key, f.places[0].Key("_auditferry/ownership-")), "nothing but challenges, however often export and check tried: %s", key)
		if strings.HasSuffix(integration.Ownership.Challenge, key) {
			noted = key
		}
	}
	require.NotEmpty(o.t, noted, integration.Ownership.Challenge)

	_, err = o.admin.ProveOwnership(o.ctx, id, "GUESSEDGUESSEDGUESSEDGUESS")
	require.ErrorContains(o.t, err, "422")
	require.Equal(o.t, 1, o.audited("auditferry.integration.ownership_refused"))
	code, err := o.ReadObject(o.ctx, f.places[0], noted)
	require.NoError(o.t, err)
	o.done(o.admin.ProveOwnership(o.ctx, id, string(code)+"\n"))
	f.awaitGranted()
	f.awaitDelivered(newest)
	f.requireExactlyOnce()
	require.Equal(o.t, 1, o.audited("auditferry.integration.ownership_proven"))
}

// audited counts the org's own audit events of an action.
func (o *org) audited(action string) int {
	o.t.Helper()
	events, err := o.admin.Events(o.ctx, action)
	require.NoError(o.t, err)
	return len(events)
}

// setupGuide: what the API hands out is what the clouds take.
func setupGuide(o *org) {
	f := &ferry{org: o, cloud: schemas.AWS, places: []schemas.Destination{o.clouds.Destination(schemas.AWS, "audit logs/2026")}}
	require.NoError(o.t, o.clouds.Prepare(o.ctx, f.places...))
	id, op, err := o.admin.Integrate(o.ctx, "By the guide", f.places[0], o.clouds.Grant(schemas.AWS))
	require.NoError(o.t, err)
	f.integration = id
	o.done(op, nil)
	guide, err := o.admin.Setup(o.ctx, id)
	require.NoError(o.t, err)
	require.True(o.t, guide.Ready)
	trust, _ := guide.Document("aws-trust-policy")
	for _, name := range []string{"aws-permission-policy", "aws-permission-policy-reference"} {
		permission, found := guide.Document(name)
		require.True(o.t, found, name)
		require.NoError(o.t, o.clouds.SetRole(o.ctx, trust.Content, permission.Content))
		o.done(o.admin.CheckAccess(o.ctx, id, false))
		f.awaitGranted()
		report, err := o.admin.Integration(o.ctx, id)
		require.NoError(o.t, err)
		require.False(o.t, slices.ContainsFunc(report.Report.Steps, func(s schemas.AccessStep) bool { return s.Status != schemas.StepOK }), "%+v", report.Report)
	}
	f.schedule(schemas.CompressionNone)
	f.awaitDelivered(o.report(10))
}
