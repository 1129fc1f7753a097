package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/actor"
	"github.com/auditferry/auditferry/schemas"
)

// The attacks. In each, an org tries to get at what belongs to another, or lets
// others in itself; each is refused and audited, and nothing is written to a
// place that is not the org's. Invariant 6.

// attacker adds an integration whose place and grant the caller chose, and
// provisions it.
func (o *org) attacker(place schemas.Destination, grant schemas.Grant) *ferry {
	o.t.Helper()
	id, op, err := o.admin.Integrate(o.ctx, "Attack on "+string(place.Cloud), place, grant)
	require.NoError(o.t, err)
	f := &ferry{org: o, cloud: place.Cloud, places: []schemas.Destination{place}, integration: id}
	if place.Cloud == schemas.GCP {
		o.provision(f, o.serviceAccount("attacker"), true)
	}
	o.done(op, nil)
	f.credentials, err = o.admin.Credentials(o.ctx, id)
	require.NoError(o.t, err)
	return f
}

// refused checks that an attack came to nothing: the check was refused at a
// step, its export was refused, too, and wrote nothing, and the org's log tells.
func (f *ferry) refused(step schemas.Step, code string) {
	f.t.Helper()
	before := f.objects(f.places[0])
	f.report(10)
	f.schedule(schemas.CompressionNone)
	f.awaitRefusal(step, code)
	require.GreaterOrEqual(f.t, f.audited("auditferry.integration.access_refused"), 1)
	f.done(f.admin.RunNow(f.ctx, f.export.ID))
	f.awaitRefusedWrite()
	require.Zero(f.t, f.now().DeliveredSeq)
	require.Equal(f.t, before, f.objects(f.places[0]), "nothing is written")
}

// awaitRefusedWrite waits until the newest run of the export has tried to write
// and was refused for want of access.
func (f *ferry) awaitRefusedWrite() {
	f.t.Helper()
	require.NoError(f.t, actor.Until(f.ctx, func() (string, error) {
		runs, err := f.admin.Runs(f.ctx, f.export.ID)
		if err != nil || len(runs) == 0 {
			return "a run", err
		}
		running, err := f.temporal.DescribeWorkflowExecution(f.ctx, newestRun(runs).WorkflowID, "")
		if err != nil {
			return "", err
		}
		for _, pending := range running.PendingActivities {
			if pending.GetLastFailure().GetApplicationFailureInfo().GetType() == schemas.ErrorDestinationDenied {
				return "", nil
			}
		}
		return "the run to be refused", nil
	}))
}

func attackDestination(o *org) {
	victim := o.newOrg(o.t)
	f := victim.sail(schemas.AWS, schemas.CompressionNone)
	f.awaitAccess()
	taken := f.places[0]
	above, below := taken, taken
	above.Prefix, below.Prefix = "", taken.Prefix+"/deeper/still"
	for i, place := range []schemas.Destination{taken, above, below} {
		_, _, err := o.admin.Integrate(o.ctx, "Mine", place, o.clouds.Grant(schemas.AWS))
		require.ErrorContains(o.t, err, "409", place.URL())
		require.NotContains(o.t, err.Error(), victim.name+" ", "the other org is not named")
		require.Equal(o.t, i+1, o.audited("auditferry.integration.destination_refused"))
	}
	mine := o.integrate(schemas.AWS)
	_, err := o.admin.UpdateDestination(o.ctx, mine.integration, below, true)
	require.ErrorContains(o.t, err, "409")
	require.Equal(o.t, 4, o.audited("auditferry.integration.destination_refused"))
}

// attackRole: another org's role trusts that org's external ID alone.
func attackRole(o *org) {
	victim := o.newOrg(o.t)
	f := victim.sail(schemas.AWS, schemas.CompressionNone)
	f.awaitAccess()
	for _, folder := range []string{"archive", "somewhere"} { // the role may write to the first
		a := o.attacker(victim.clouds.Destination(schemas.AWS, folder), victim.clouds.Grant(schemas.AWS))
		a.refused(schemas.StepAuthenticate, "AccessDenied")
		o.done(o.admin.DeleteIntegration(o.ctx, a.integration, true))
	}
}

// attackTenant: another org's tenant knows that org's app alone.
func attackTenant(o *org) {
	victim := o.newOrg(o.t)
	f := victim.sail(schemas.Azure, schemas.CompressionNone)
	f.awaitAccess()
	a := o.attacker(victim.clouds.Destination(schemas.Azure, "somewhere"), victim.clouds.Grant(schemas.Azure))
	a.refused(schemas.StepAuthenticate, "AADSTS700016")
}

// attackBucket: another org's bucket lets in that org's service account alone;
// and the account itself cannot be had, not even by mistake of an operator.
func attackBucket(o *org) {
	victim := o.newOrg(o.t)
	f := victim.sail(schemas.GCP, schemas.CompressionNone)
	f.awaitAccess()
	a := o.attacker(victim.clouds.Destination(schemas.GCP, "somewhere"), schemas.Grant{})
	a.refused(schemas.StepOwner, "")

	integration, err := o.admin.Integration(o.ctx, a.integration)
	require.NoError(o.t, err)
	for _, exclusive := range []bool{true, false} {
		op, err := o.vendor.Provision(o.ctx, integration, f.credentials, exclusive)
		require.NoError(o.t, err)
		_, err = o.admin.Await(o.ctx, op)
		require.ErrorContains(o.t, err, "another organization")
	}
	unchanged, err := o.admin.Credentials(o.ctx, a.integration)
	require.NoError(o.t, err)
	require.Equal(o.t, a.credentials, unchanged)
}

// attackSharedBucket: a shared service account is let into another org's
// bucket, but only that org can read what lies there.
func attackSharedBucket(o *org) {
	victim := o.newOrg(o.t)
	place := victim.clouds.Destination(schemas.GCP, "somewhere")
	require.NoError(o.t, victim.clouds.Prepare(o.ctx, place))
	require.NoError(o.t, victim.clouds.Allow(o.ctx, sharedAccount(), 0, place))
	id, op, err := o.admin.Integrate(o.ctx, "Attack on a shared account", place, schemas.Grant{})
	require.NoError(o.t, err)
	a := &ferry{org: o, cloud: schemas.GCP, places: []schemas.Destination{place}, integration: id}
	o.provision(a, sharedAccount(), false)
	o.done(op, nil)
	a.awaitRefusal(schemas.StepOwnership, "OwnershipNotProven")
	a.refused(schemas.StepOwnership, "OwnershipNotProven")
	require.Len(o.t, a.objects(place), 1, "the challenge")
}

// attackOpenRole: a role that anybody could use through us is refused, also
// when its own admin means it so.
func attackOpenRole(o *org) {
	place := o.clouds.Destination(schemas.AWS, "audit")
	require.NoError(o.t, o.clouds.Prepare(o.ctx, place))
	a := o.attacker(place, o.clouds.Grant(schemas.AWS))
	guide, err := o.admin.Setup(o.ctx, a.integration)
	require.NoError(o.t, err)
	permission, _ := guide.Document("aws-permission-policy")
	open := `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "` + a.credentials.AWS.IAMUserARN + `"}, "Action": "sts:AssumeRole"}]}`
	require.NoError(o.t, o.clouds.SetRole(o.ctx, open, permission.Content))
	a.refused(schemas.StepExternalID, "ExternalIDNotRequired")

	trust, _ := guide.Document("aws-trust-policy")
	require.NoError(o.t, o.clouds.SetRole(o.ctx, trust.Content, permission.Content))
	a.awaitGranted() // repaired, and nobody had to ask
}

// attackOwner: somebody else has the bucket's name now.
func attackOwner(o *org) {
	f := o.sail(schemas.AWS, schemas.CompressionNone)
	f.awaitGranted()
	f.awaitDelivered(o.report(10))
	before := f.objects(f.places[0])
	require.NoError(o.t, o.Clouds.SetBucketOwner(f.places[0].Bucket, "666666666666"))
	f.report(10)
	f.awaitRefusal(schemas.StepOwner, schemas.CodeOwnerChanged)
	require.Equal(o.t, before, f.objects(f.places[0]), "nothing is written")
	require.GreaterOrEqual(o.t, o.audited("auditferry.integration.access_refused"), 1)

	g := o.sail(schemas.GCP, schemas.CompressionNone)
	g.awaitGranted()
	g.awaitDelivered(o.report(10))
	before = g.objects(g.places[0])
	require.NoError(o.t, o.Clouds.SetBucketProject(g.places[0].Bucket, "666666666666"))
	newest := g.report(10)
	g.awaitRefusal(schemas.StepOwner, schemas.CodeOwnerChanged)
	require.Equal(o.t, before, g.objects(g.places[0]), "nothing is written")

	// It was the admin's own doing, and they say so.
	o.done(o.admin.CheckAccess(o.ctx, g.integration, true))
	g.awaitGranted()
	g.awaitDelivered(newest)
}

// attackIDs: another org's IDs do not exist, on any route.
func attackIDs(o *org) {
	victim := o.newOrg(o.t)
	f := victim.sail(schemas.AWS, schemas.CompressionNone)
	f.awaitDelivered(victim.report(10))
	runs, err := victim.admin.Runs(o.ctx, f.export.ID)
	require.NoError(o.t, err)
	op, err := victim.admin.CheckAccess(o.ctx, f.integration, false)
	require.NoError(o.t, err)
	keys, err := victim.admin.Keys(o.ctx)
	require.NoError(o.t, err)
	backfill, err := victim.admin.Backfill(o.ctx, f.export.ID, 1, 5)
	require.NoError(o.t, err)
	ids := strings.NewReplacer("{integration_id}", f.integration.String(), "{export_id}", f.export.ID.String(),
		"{run_id}", runs[0].ID.String(), "{backfill_id}", backfill.BackfillID.String(), "{operation_id}", op.ID.String(), "{key_id}", keys[0].ID.String(), "{org_id}", victim.admin.Org.ID.String())
	bodies := map[string]any{ // of the routes that want one
		"/destination":         map[string]any{"destination": f.places[0].URL()},
		"/ownership":           map[string]any{"code": "GUESS"},
		"/relink":              map[string]any{"integration_id": f.integration},
		"/backfills":           map[string]any{"first_seq": 1, "last_seq": 5},
		"/provisioning":        map[string]any{"org_id": victim.admin.Org.ID, "credentials": f.credentials},
		"/api-keys":            map[string]any{"name": "mine", "role": schemas.RoleAdmin},
		"/exports/{export_id}": map[string]any{"name": "mine"},
	}
	missing, forbidden := 0, 0
	for _, route := range routesWithIDs(o.t) {
		method, path, _ := strings.Cut(route, " ")
		var body any
		for suffix, example := range bodies {
			if strings.HasSuffix(path, suffix) && method != http.MethodGet && method != http.MethodDelete {
				body = example
			}
		}
		if strings.HasSuffix(path, "/ledger.csv") {
			path += "?content=days"
		}
		status, err := o.admin.Status(o.ctx, method, ids.Replace(path), body)
		require.NoError(o.t, err)
		operators := strings.HasSuffix(path, "/provisioning") || strings.HasPrefix(path, "/v1/orgs/")
		if operators && status == http.StatusForbidden {
			forbidden++
			continue
		}
		require.Equal(o.t, http.StatusNotFound, status, route)
		missing++
	}
	require.GreaterOrEqual(o.t, missing, 26)
	require.Equal(o.t, missing+forbidden, o.audited("auditferry.request_refused"), "each of them")
	require.Equal(o.t, schemas.ExportActive, f.now().State)
	_, err = victim.admin.Await(o.ctx, backfill)
	require.NoError(o.t, err, "nobody has cancelled it")
}

// routesWithIDs are all routes of the contract that name something by its ID,
// as "GET /path".
func routesWithIDs(t *testing.T) (routes []string) {
	t.Helper()
	contract, err := openapi3.NewLoader().LoadFromData(schemas.OpenAPI)
	require.NoError(t, err)
	for path, item := range contract.Paths.Map() {
		if strings.Contains(path, "{") {
			for method := range item.Operations() {
				routes = append(routes, method+" "+path)
			}
		}
	}
	return routes
}

// permitted are the permissions that the reference document has the admin
// grant. Azure's are what the role Storage Blob Data Contributor is about:
// https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/storage
var permitted = map[string][]string{
	"aws":   {"s3:ListBucket", "s3:GetBucketLocation", "s3:PutObject", "s3:DeleteObject"},
	"azure": {"containers/blobs/read", "containers/blobs/write", "containers/blobs/delete"},
	"gcp":   {"storage.objects.create", "storage.objects.delete", "storage.objects.list", "storage.buckets.get"},
}

// ownSide is what the service does at its own side of the trust: it signs in,
// and manages service accounts in its own project.
var ownSide = []string{"token", "sts:AssumeRole", "iam.serviceAccounts.getAccessToken", "iam.serviceAccounts.create", "iam.serviceAccounts.get", "iam.serviceAccounts.delete"}

// requirePermitted checks that all that was asked of the clouds, in all the
// stories, was within what the reference document has the admins grant.
func (s *system) requirePermitted(t *testing.T) {
	t.Helper()
	used := s.Clouds.Permissions()
	for permission, request := range used {
		if !slices.Contains(ownSide, permission.Name) {
			require.Contains(t, permitted[permission.Cloud], permission.Name, "%+v", request)
		}
		t.Logf("%-6s %s", permission.Cloud, permission.Name)
	}
	require.NotEmpty(t, used)
}
