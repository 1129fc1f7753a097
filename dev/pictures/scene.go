// Package pictures makes organizations that show every state of the portal, and
// takes a picture of each of its pages.
package pictures

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/dev/actor"
	"github.com/auditferry/auditferry/dev/stack"
	"github.com/auditferry/auditferry/schemas"
)

// SceneEnv is what a stack of a scene is started with: Google's credentials
// come from an operator, so that there is something for one to do.
func SceneEnv() []string {
	return []string{"AUDITFERRY_PROVISIONER_GCP=external", "AUDITFERRY_RECONCILE_EVERY=2s"}
}

// Scene is an organization with something in every state, and one with nothing.
type Scene struct {
	Stack *stack.Stack
	Users []stack.OIDCUser // to be made known to the identity provider

	name   string
	vendor actor.Vendor
	admin  actor.Admin
	prod   actor.Product
	empty  schemas.Org

	active, awaiting, provisioning, deleted uuid.UUID // integrations
	nightly, paused, moved, orphan, failing uuid.UUID // exports
	failedRun, goodRun                      uuid.UUID // of failing and nightly
	key                                     uuid.UUID
}

// NewScene makes the organizations; what they have in clouds, and how their
// people sign in, begins with name.
func NewScene(ctx context.Context, s *stack.Stack, name string) (*Scene, error) {
	o := &Scene{Stack: s, name: name, vendor: actor.NewVendor(s.API.URL, s.API.OperatorKey)}
	for _, make := range []func(context.Context) error{
		o.welcome, o.integrate, o.deliver, o.pause, o.move, o.orphanOne, o.fail, o.integrateMore, o.makeKeys,
	} {
		if err := make(ctx); err != nil {
			return nil, fmt.Errorf("make the scene %s: %w", name, err)
		}
	}
	return o, nil
}

// The people of a scene, who sign in with its name behind theirs.
const (
	Admin    = "ada"
	Viewer   = "vic"
	Operator = "opal"
	Outsider = "otto"
)

// Login is how one of them signs in.
func (o *Scene) Login(who string) string { return who + "-" + o.name }

func (o *Scene) welcome(ctx context.Context) (err error) {
	if o.admin, o.prod, err = o.vendor.Welcome(ctx, "Acme", "security@acme.example", "audit@acme.example"); err != nil {
		return err
	}
	other, _, err := o.vendor.Welcome(ctx, "Globex", []string{}...)
	if err != nil {
		return err
	}
	o.empty = other.Org
	acme, globex := o.admin.Org.ID, o.empty.ID
	o.Users = []stack.OIDCUser{
		{Login: o.Login(Admin), Name: "Ada Admin", Email: "ada@acme.example", Orgs: map[uuid.UUID]schemas.Role{acme: schemas.RoleAdmin, globex: schemas.RoleAdmin}},
		{Login: o.Login(Viewer), Name: "Vic Viewer", Email: "vic@acme.example", Orgs: map[uuid.UUID]schemas.Role{acme: schemas.RoleViewer}},
		{Login: o.Login(Operator), Name: "Opal Operator", Email: "opal@auditferry.example", Operator: true},
		{Login: o.Login(Outsider), Name: "Otto Outsider", Email: "otto@elsewhere.example"},
	}
	return nil
}

// reported is how many events each step brings.
const reported = 400

func (o *Scene) report(ctx context.Context) (int64, error) { return o.prod.Report(ctx, reported) }

// cloud is what one integration of the scene delivers to: every integration on
// AWS has a role of its own, which trusts one external ID.
func (o *Scene) cloud(name string) actor.CloudAdmin {
	return actor.CloudAdmin{Stack: o.Stack, Name: o.name + "-" + name, Account: "acmeaudit"}
}

// ask asks for an integration that delivers to the folder audit.
func (o *Scene) ask(ctx context.Context, cloud schemas.Cloud, name, bucket string) (uuid.UUID, schemas.Operation, error) {
	clouds := o.cloud(bucket)
	place := clouds.Destination(cloud, "audit")
	if err := clouds.Prepare(ctx, place); err != nil {
		return uuid.Nil, schemas.Operation{}, err
	}
	return o.admin.Integrate(ctx, name, place, clouds.Grant(cloud))
}

// add is ask, until the credentials are there.
func (o *Scene) add(ctx context.Context, cloud schemas.Cloud, name, bucket string) (uuid.UUID, error) {
	id, op, err := o.ask(ctx, cloud, name, bucket)
	if err == nil {
		_, err = o.admin.Await(ctx, op)
	}
	return id, err
}

// integrate has one integration on AWS that works.
func (o *Scene) integrate(ctx context.Context) (err error) {
	if o.active, err = o.add(ctx, schemas.AWS, "Security archive", "archive"); err != nil {
		return err
	}
	return o.letIn(ctx, o.active, "archive")
}

// letIn grants access to the folders audit and new.
func (o *Scene) letIn(ctx context.Context, id uuid.UUID, bucket string) error {
	credentials, err := o.admin.Credentials(ctx, id)
	if err != nil {
		return err
	}
	clouds := o.cloud(bucket)
	if err := clouds.Allow(ctx, credentials, 0, clouds.Destination(schemas.AWS, "audit"), clouds.Destination(schemas.AWS, "new")); err != nil {
		return err
	}
	return o.admin.AwaitAccess(ctx, id)
}

// schedule makes an export and waits until it is there.
func (o *Scene) schedule(ctx context.Context, name string, integration uuid.UUID, schedule map[string]any, more map[string]any) (uuid.UUID, error) {
	in := map[string]any{
		"name": name, "integration_id": integration, "schedule": schedule,
		"format": schemas.FormatNDJSON, "compression": schemas.CompressionGzip, "start_from": "earliest",
	}
	for field, value := range more {
		in[field] = value
	}
	id, op, err := o.admin.Schedule(ctx, in)
	if err != nil {
		return id, err
	}
	_, err = o.admin.Await(ctx, op)
	return id, err
}

// deliver has an export that delivers, over several runs and a backfill.
func (o *Scene) deliver(ctx context.Context) (err error) {
	night := map[string]any{"kind": "daily", "at": "02:00", "time_zone": "Europe/Berlin"}
	if _, err = o.report(ctx); err != nil {
		return err
	}
	if o.nightly, err = o.schedule(ctx, "Nightly archive", o.active, night, nil); err != nil {
		return err
	}
	for n := range 6 {
		newest, err := o.prod.Report(ctx, reported*(n%3+1))
		if err != nil {
			return err
		}
		if err := o.admin.Done(ctx)(o.admin.RunNow(ctx, o.nightly)); err != nil {
			return err
		}
		if err := o.admin.AwaitDelivered(ctx, o.nightly, newest); err != nil {
			return err
		}
	}
	if err := o.admin.Done(ctx)(o.admin.Backfill(ctx, o.nightly, 1, reported)); err != nil {
		return err
	}
	o.goodRun, err = o.awaitRun(ctx, o.nightly, schemas.RunSucceeded)
	return err
}

// awaitRun waits for a run with the status, and for none being under way.
func (o *Scene) awaitRun(ctx context.Context, export uuid.UUID, status schemas.RunStatus) (found uuid.UUID, err error) {
	err = actor.Until(ctx, func() (string, error) {
		runs, err := o.admin.Runs(ctx, export)
		for _, run := range runs {
			if run.Status == status {
				found = run.ID
			}
			if run.Status == schemas.RunRunning {
				return fmt.Sprintf("run %d of %s to end: %s %s", run.FirstSeq, export, run.ErrorKind, run.Error), err
			}
		}
		if found == uuid.Nil {
			return "a run that is " + string(status), err
		}
		return "", err
	})
	return found, err
}

// pause has an export that an admin paused.
func (o *Scene) pause(ctx context.Context) (err error) {
	hourly := map[string]any{"kind": "interval", "every": "1h"}
	o.paused, err = o.schedule(ctx, "Sign-ins for the SIEM", o.active, hourly, map[string]any{
		"format": schemas.FormatCSV, "filter": map[string]any{"actions": []string{"user.*"}}, "path_template": "siem/{YYYY}/{MM}",
	})
	if err != nil {
		return err
	}
	return o.admin.Done(ctx)(o.admin.Pause(ctx, o.paused))
}

// move has an export whose integration went to another destination.
func (o *Scene) move(ctx context.Context) error {
	id, err := o.add(ctx, schemas.AWS, "Compliance vault", "vault")
	if err != nil {
		return err
	}
	if err := o.letIn(ctx, id, "vault"); err != nil {
		return err
	}
	weekly := map[string]any{"kind": "weekly", "weekdays": []string{"monday", "friday"}, "at": "06:30", "time_zone": "America/New_York"}
	if o.moved, err = o.schedule(ctx, "Weekly for compliance", id, weekly, map[string]any{"format": schemas.FormatParquet, "compression": schemas.CompressionZstd}); err != nil {
		return err
	}
	return o.admin.Done(ctx)(o.admin.UpdateDestination(ctx, id, o.cloud("vault").Destination(schemas.AWS, "new"), false))
}

// orphanOne has an export whose integration is gone.
func (o *Scene) orphanOne(ctx context.Context) (err error) {
	if o.deleted, err = o.add(ctx, schemas.AWS, "First try", "old"); err != nil {
		return err
	}
	cron := map[string]any{"kind": "cron", "cron": "0 4 1 * *"}
	if o.orphan, err = o.schedule(ctx, "Monthly copy", o.deleted, cron, nil); err != nil {
		return err
	}
	return o.admin.Done(ctx)(o.admin.DeleteIntegration(ctx, o.deleted, false))
}

// fail has an export that cannot deliver, because another object lies where its
// first one belongs.
func (o *Scene) fail(ctx context.Context) (err error) {
	often := map[string]any{"kind": "interval", "every": "24h"}
	o.failing, err = o.schedule(ctx, "Hot standby", o.active, often, map[string]any{"path_template": "", "start_from": "now"})
	if err != nil {
		return err
	}
	export, err := o.admin.ReadExport(ctx, o.failing)
	if err != nil {
		return err
	}
	for last := range int64(20) {
		key := fmt.Sprintf("%s-%012d-%012d.ndjson.gz", export.Slug, export.StartSeq, export.StartSeq+last)
		if err := o.Stack.PutObject(ctx, export.Destination, export.Destination.Key(key), []byte("somebody else's")); err != nil {
			return err
		}
	}
	if _, err := o.prod.Report(ctx, 5); err != nil {
		return err
	}
	if err := o.admin.Done(ctx)(o.admin.RunNow(ctx, o.failing)); err != nil {
		return err
	}
	o.failedRun, err = o.awaitRun(ctx, o.failing, schemas.RunFailed)
	return err
}

// integrateMore has integrations that wait: for access, which is refused, and
// for credentials.
func (o *Scene) integrateMore(ctx context.Context) (err error) {
	if o.awaiting, err = o.add(ctx, schemas.Azure, "Data lake", "lake"); err != nil {
		return err
	}
	if o.provisioning, _, err = o.ask(ctx, schemas.GCP, "Analytics", "analytics"); err != nil {
		return err
	}
	return actor.Until(ctx, func() (string, error) {
		tried, err := o.admin.AccessAttempts(ctx, o.awaiting)
		if err != nil || len(tried) > 1 {
			return "", err
		}
		return "two attempts at the access of Data lake", nil
	})
}

func (o *Scene) makeKeys(ctx context.Context) error {
	keys, err := o.admin.Keys(ctx)
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		return fmt.Errorf("the organization has no API key")
	}
	o.key = keys[0].ID
	return nil
}
