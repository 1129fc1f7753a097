package e2e

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/schemas"
)

// TestStories plays the reference document, once as the product runs and once
// with the workflow cache switched off, so that every workflow task is replayed
// from its history (Invariant 8).
func TestStories(t *testing.T) {
	t.Parallel()
	for _, mode := range []struct{ name, cache string }{{"cached", "600"}, {"replayed", "0"}} {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, "AUDITFERRY_WORKFLOW_CACHE="+mode.cache)
			t.Run("stories", func(t *testing.T) { // waits for the parallel ones
				for name, story := range stories {
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						story(s.newOrg(t))
					})
				}
			})
			s.requirePermitted(t)
		})
	}
}

var stories = map[string]func(*org){
	"deliver to aws":                  func(o *org) { deliver(o, schemas.AWS, schemas.CompressionGzip) },
	"deliver to azure":                func(o *org) { deliver(o, schemas.Azure, schemas.CompressionZstd) },
	"deliver to gcp":                  func(o *org) { deliver(o, schemas.GCP, schemas.CompressionNone) },
	"proof":                           proof,
	"formats":                         formats,
	"provisioning wait":               provisioningWait,
	"late grant on aws":               func(o *org) { lateGrant(o, schemas.AWS) },
	"late grant on azure":             func(o *org) { lateGrant(o, schemas.Azure) },
	"late grant on gcp":               func(o *org) { lateGrant(o, schemas.GCP) },
	"access lost":                     accessLost,
	"shared identity":                 sharedIdentity,
	"setup guide":                     setupGuide,
	"attack: another's destination":   attackDestination,
	"attack: another's role":          attackRole,
	"attack: another's tenant":        attackTenant,
	"attack: another's bucket":        attackBucket,
	"attack: a shared account":        attackSharedBucket,
	"attack: an open role":            attackOpenRole,
	"attack: another owner":           attackOwner,
	"attack: another's IDs":           attackIDs,
	"update with pause":               updateWithPause,
	"update with retarget":            updateWithRetarget,
	"delete with pause":               deleteWithPause,
	"delete with delete":              deleteWithDelete,
	"pause and resume":                pauseAndResume,
	"signals that name no operation":  unknownSignals,
	"operators find and read":         operatorsFind,
	"housekeeping":                    housekeeping,
	"delete while provisioning waits": deleteWhileWaiting,
	"terminated workflow comes back":  comesBack,
}

// deliver is the main job: events in, objects out.
func deliver(o *org, cloud schemas.Cloud, compression schemas.Compression) {
	newest := o.report(3_000)
	f := o.integrate(cloud)
	mails, err := o.inbox.Await(o.ctx, o.mail, "Grant access", 1)
	require.NoError(o.t, err)
	for _, value := range values(f.credentials) {
		require.Contains(o.t, mails[0].Text, value, "the mail has what the admin needs")
	}
	f.grant(0)
	f.awaitAccess()
	f.schedule(compression)
	f.awaitDelivered(newest)
	tally := f.requireExactlyOnce()
	require.Greater(o.t, tally.Objects, 1, "more than one part")

	f.awaitDelivered(o.report(10))
	f.requireExactlyOnce()
	runs, err := o.admin.Runs(o.ctx, f.export.ID)
	require.NoError(o.t, err)
	for _, run := range runs {
		require.NotEqual(o.t, schemas.RunFailed, run.Status, run.Error)
	}
}

func values(c schemas.Credentials) []string {
	switch {
	case c.AWS != nil:
		return []string{c.AWS.ExternalID, c.AWS.IAMUserARN}
	case c.Azure != nil:
		return []string{c.Azure.ConsentURL, c.Azure.MultiTenantAppName}
	default:
		return []string{c.GCP.ServiceAccount}
	}
}

// provisioningWait: nothing comes by itself; the operator's call does it, and
// the same call again is no news.
func provisioningWait(o *org) {
	f := &ferry{org: o, cloud: schemas.GCP, places: []schemas.Destination{o.clouds.Destination(schemas.GCP, "audit")}}
	require.NoError(o.t, o.clouds.Prepare(o.ctx, f.places...))
	id, op, err := o.admin.Integrate(o.ctx, "Waiting", f.places[0], schemas.Grant{})
	require.NoError(o.t, err)
	f.integration = id
	_, err = o.admin.Credentials(o.ctx, id)
	require.ErrorContains(o.t, err, "409")

	waiting, err := o.vendor.ProvisioningRequests(o.ctx)
	require.NoError(o.t, err)
	require.Contains(o.t, fmt.Sprint(waiting), id.String(), "operators find it")
	account := o.serviceAccount("first")
	o.provision(f, account, true)
	o.done(op, nil)
	o.provision(f, account, true)
	_, err = o.inbox.Await(o.ctx, o.mail, "Grant access", 1)
	require.NoError(o.t, err)
	o.record("provisioning-wait", schemas.IntegrationWorkflowID(id))

	o.provision(f, o.serviceAccount("rotated"), true)
	_, err = o.inbox.Await(o.ctx, o.mail, "Grant access", 2)
	require.NoError(o.t, err)
}

func updateWithPause(o *org) {
	f := o.sail(schemas.AWS, schemas.CompressionGzip)
	f.awaitDelivered(o.report(200))
	op := f.moveTo("archive", false)
	require.Equal(o.t, 1, op.Outcome.ExportsPaused)
	notice := schemas.NoticeWorkflowID(schemas.NoticeDestinationUpdated, op.ID.String())
	export := f.now()
	require.Equal(o.t, schemas.ExportPaused, export.State)
	require.Equal(o.t, schemas.PausedByDestinationUpdate, export.PauseReason)
	require.Equal(o.t, f.places[0], export.Destination, "it keeps its old destination")
	_, err := o.inbox.Await(o.ctx, o.mail, "updated", 1)
	require.NoError(o.t, err)
	f.awaitAccess()

	newest := o.report(200)
	_, err = o.admin.Resume(o.ctx, export.ID, false)
	require.ErrorContains(o.t, err, "409", "the destination has moved")
	o.done(o.admin.Resume(o.ctx, export.ID, true))
	f.awaitDelivered(newest)
	f.requireExactlyOnce()
	o.record("update-with-pause", schemas.IntegrationWorkflowID(f.integration))
	o.record("destination-updated", notice)
}

func updateWithRetarget(o *org) {
	f := o.sail(schemas.GCP, schemas.CompressionZstd)
	f.awaitDelivered(o.report(200))
	op := f.moveTo("archive", true)
	require.Equal(o.t, 1, op.Outcome.ExportsRetargeted)
	require.Equal(o.t, f.places[0], op.Outcome.PreviousDestination)
	newest := o.report(200)
	f.awaitDelivered(newest)
	f.requireExactlyOnce()
	objects, err := o.Objects(o.ctx, f.places[1])
	require.NoError(o.t, err)
	require.NotEmpty(o.t, objects, "it delivers to the new place")
	_, err = o.inbox.Await(o.ctx, o.mail, "updated", 1)
	require.NoError(o.t, err)
	o.record("update-with-retarget", schemas.IntegrationWorkflowID(f.integration))
}

func deleteWithPause(o *org) {
	f := o.sail(schemas.AWS, schemas.CompressionGzip)
	f.awaitDelivered(o.report(200))
	o.done(o.admin.DeleteIntegration(o.ctx, f.integration, false))
	_, err := o.inbox.Await(o.ctx, o.mail, "deleted", 1)
	require.NoError(o.t, err)
	export := f.now()
	require.Equal(o.t, schemas.ExportPaused, export.State)
	require.Equal(o.t, schemas.PausedByIntegrationDeleted, export.PauseReason)
	_, err = o.admin.Resume(o.ctx, export.ID, true)
	require.ErrorContains(o.t, err, "409")
	_, err = o.admin.UpdateDestination(o.ctx, f.integration, f.clouds.Destination(f.cloud, "archive"), false)
	require.ErrorContains(o.t, err, "409")
	o.record("delete-with-pause", schemas.IntegrationWorkflowID(f.integration))

	// The destination is free again, and the export can be linked anew.
	second := o.integrate(schemas.AWS)
	second.grant(0)
	second.awaitAccess()
	o.done(o.admin.Relink(o.ctx, export.ID, second.integration))
	o.done(o.admin.Resume(o.ctx, export.ID, false))
	f.awaitDelivered(o.report(200))
	f.requireExactlyOnce()
}

func deleteWithDelete(o *org) {
	f := o.sail(schemas.Azure, schemas.CompressionGzip)
	f.awaitDelivered(o.report(200))
	op, err := o.admin.DeleteIntegration(o.ctx, f.integration, true)
	require.NoError(o.t, err)
	o.done(op, nil)
	require.Equal(o.t, schemas.ExportDeleted, f.now().State)
	_, err = o.temporal.ScheduleClient().GetHandle(o.ctx, schemas.ExportScheduleID(f.export.ID)).Describe(o.ctx)
	require.Error(o.t, err, "the schedule is gone")
	_, err = o.inbox.Await(o.ctx, o.mail, "deleted", 1)
	require.NoError(o.t, err)
	f.requireExactlyOnce()
	o.record("delete-with-delete", schemas.IntegrationWorkflowID(f.integration))
}

func deleteWhileWaiting(o *org) {
	place := o.clouds.Destination(schemas.GCP, "audit")
	id, creation, err := o.admin.Integrate(o.ctx, "Never provisioned", place, schemas.Grant{})
	require.NoError(o.t, err)
	o.done(o.admin.DeleteIntegration(o.ctx, id, false))
	_, err = o.admin.Await(o.ctx, creation)
	require.ErrorContains(o.t, err, "deleted", "the creation has ended, too")
	_, err = o.inbox.Await(o.ctx, o.mail, "deleted", 1)
	require.NoError(o.t, err)
}

// pauseAndResume also holds Invariant 5: after a pause no new run starts.
func pauseAndResume(o *org) {
	f := o.sail(schemas.AWS, schemas.CompressionNone)
	f.awaitDelivered(o.report(100))
	o.done(o.admin.Pause(o.ctx, f.export.ID))
	_, err := o.admin.RunNow(o.ctx, f.export.ID)
	require.ErrorContains(o.t, err, "409")
	paused := f.now().DeliveredSeq
	newest := o.report(100)
	handle := o.temporal.ScheduleClient().GetHandle(o.ctx, schemas.ExportScheduleID(f.export.ID))
	described, err := handle.Describe(o.ctx)
	require.NoError(o.t, err)
	require.True(o.t, described.Schedule.State.Paused)
	require.LessOrEqual(o.t, f.now().DeliveredSeq, max(paused, newest-100))

	o.done(o.admin.Resume(o.ctx, f.export.ID, false))
	o.done(o.admin.RunNow(o.ctx, f.export.ID))
	f.awaitDelivered(newest)
	f.requireExactlyOnce()
}

// unknownSignals: whoever can reach Temporal cannot make the integration do
// what no operation asks for.
func unknownSignals(o *org) {
	f := o.sail(schemas.AWS, schemas.CompressionNone)
	f.awaitAccess()
	id := schemas.IntegrationWorkflowID(f.integration)
	for _, signal := range []schemas.Signal[schemas.Command]{schemas.SignalDelete, schemas.SignalUpdateDestination, schemas.SignalCheckAccess} {
		require.NoError(o.t, o.temporal.SignalWorkflow(o.ctx, id, "", signal.Name, schemas.Command{OperationID: uuid.New()}))
	}
	require.NoError(o.t, o.temporal.SignalWorkflow(o.ctx, id, "", schemas.SignalDelete.Name, "nonsense"))
	require.NoError(o.t, o.temporal.SignalWorkflow(o.ctx, id, "", schemas.SignalProvisioned.Name,
		schemas.Provisioned{OperationID: uuid.New(), Credentials: sharedAccount()}))
	o.done(o.admin.CheckAccess(o.ctx, f.integration, false)) // comes after them, and works
	f.awaitAccess()
	credentials, err := o.admin.Credentials(o.ctx, f.integration)
	require.NoError(o.t, err)
	require.Equal(o.t, f.credentials, credentials)
	require.Equal(o.t, schemas.ExportActive, f.now().State)
	mails, err := o.inbox.To(o.ctx, o.mail)
	require.NoError(o.t, err)
	require.Len(o.t, mails, 1, fmt.Sprint(mails))
}

// comesBack: operators never terminate an integration's workflow, but if one
// does, the next command brings it back.
func comesBack(o *org) {
	f := o.sail(schemas.AWS, schemas.CompressionNone)
	f.awaitAccess()
	require.NoError(o.t, o.temporal.TerminateWorkflow(o.ctx, schemas.IntegrationWorkflowID(f.integration), "", "a mistake"))
	f.moveTo("archive", true)
	f.awaitAccess()
	f.awaitDelivered(o.report(10))
	f.requireExactlyOnce()
}
