package pictures

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/dev/actor"
	"github.com/auditferry/auditferry/schemas"
)

// cloud is what one integration of the scene delivers to: every integration on
// AWS has a role of its own, which trusts one external ID.
func (o *Scene) cloud(name string) actor.CloudAdmin {
	return actor.CloudAdmin{Stack: o.Stack, Name: o.name + "-" + name, Account: "acmeaudit"}
}

// ask asks for an integration that delivers to the folder.
func (o *Scene) ask(ctx context.Context, cloud schemas.Cloud, name, bucket, folder string) (uuid.UUID, schemas.Operation, error) {
	clouds := o.cloud(bucket)
	place := clouds.Destination(cloud, folder)
	if err := clouds.Prepare(ctx, place); err != nil {
		return uuid.Nil, schemas.Operation{}, err
	}
	return o.admin.Integrate(ctx, name, place, clouds.Grant(cloud))
}

// audit is the folder of most integrations.
const audit = "audit"

// add is ask for the folder audit, until the credentials are there.
func (o *Scene) add(ctx context.Context, cloud schemas.Cloud, name, bucket string) (uuid.UUID, schemas.Credentials, error) {
	id, op, err := o.ask(ctx, cloud, name, bucket, audit)
	if err == nil {
		_, err = o.admin.Await(ctx, op)
	}
	if err != nil {
		return id, schemas.Credentials{}, err
	}
	credentials, err := o.admin.Credentials(ctx, id)
	return id, credentials, err
}

// addWorking is an integration on AWS that may write to the folders audit and
// new.
func (o *Scene) addWorking(ctx context.Context, name, bucket string) (uuid.UUID, error) {
	id, credentials, err := o.add(ctx, schemas.AWS, name, bucket)
	if err != nil {
		return id, err
	}
	clouds := o.cloud(bucket)
	if err := clouds.Allow(ctx, credentials, 0, clouds.Destination(schemas.AWS, audit), clouds.Destination(schemas.AWS, "new")); err != nil {
		return id, err
	}
	return id, o.admin.AwaitAccess(ctx, id)
}

// integrate has an integration that works.
func (o *Scene) integrate(ctx context.Context) (err error) {
	o.active, err = o.addWorking(ctx, "Security archive", "archive")
	return err
}

// await has one that waits for access, which is refused so far.
func (o *Scene) await(ctx context.Context) (err error) {
	if o.awaiting, _, err = o.add(ctx, schemas.Azure, "Data lake", "lake"); err != nil {
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

// provision has one that waits for its credentials.
func (o *Scene) provision(ctx context.Context) (err error) {
	o.provisioning, o.opUnderWay, err = o.ask(ctx, schemas.GCP, "Analytics", "analytics", audit)
	return err
}

// deny has one that cannot work as it is: the policy of a session has no room
// for the name of its folder.
func (o *Scene) deny(ctx context.Context) (err error) {
	if o.denied, _, err = o.ask(ctx, schemas.AWS, "Branch office", "branch", strings.Repeat("филиал-санкт-петербург/", 7)+audit); err != nil {
		return err
	}
	return o.untilAccess(ctx, o.denied, func(i schemas.Integration) bool { return i.Access == schemas.AccessDenied })
}

// warn has one that works, but leaves the objects of access checks behind.
func (o *Scene) warn(ctx context.Context) error {
	id, credentials, err := o.add(ctx, schemas.AWS, "Cold storage", "cold")
	if err != nil {
		return err
	}
	o.warned = id
	clouds := o.cloud("cold")
	if err := clouds.AllowBut(ctx, credentials, clouds.Destination(schemas.AWS, audit), "s3:DeleteObject", "*"); err != nil {
		return err
	}
	return o.admin.AwaitAccess(ctx, id)
}

// doubt has one that may write, and has to show that the destination is its
// own.
func (o *Scene) doubt(ctx context.Context) error {
	id, op, err := o.ask(ctx, schemas.GCP, "Warehouse", "warehouse", audit)
	if err != nil {
		return err
	}
	o.unproven = id
	if err := o.handIn(ctx, o.admin, id, op, "warehouse", false); err != nil {
		return err
	}
	return o.untilAccess(ctx, id, func(i schemas.Integration) bool { return i.Ownership.Challenge != "" })
}

// handIn plays the operator who brings a service account for the integration,
// and the cloud's admin who lets it write.
func (o *Scene) handIn(ctx context.Context, admin actor.Admin, id uuid.UUID, op schemas.Operation, bucket string, exclusive bool) error {
	account := fmt.Sprintf("%s-%s@auditferry-dev.iam.gserviceaccount.com", o.name, bucket)
	if err := o.Stack.Clouds.CreateServiceAccount(account); err != nil {
		return err
	}
	credentials := schemas.Credentials{GCP: &schemas.GCPCredentials{ServiceAccount: account}}
	integration := schemas.Integration{ID: id, OrgID: admin.Org.ID}
	if _, err := o.vendor.Provision(ctx, integration, credentials, exclusive); err != nil {
		return err
	}
	if _, err := admin.Await(ctx, op); err != nil {
		return err
	}
	clouds := o.cloud(bucket)
	return clouds.Allow(ctx, credentials, 0, clouds.Destination(schemas.GCP, audit))
}

// giveUp has one that was deleted before its credentials came, so that it was
// never made.
func (o *Scene) giveUp(ctx context.Context) error {
	id, op, err := o.ask(ctx, schemas.GCP, "Trial", "trial", audit)
	if err != nil {
		return err
	}
	o.opFailed = op
	return o.admin.Done(ctx)(o.admin.DeleteIntegration(ctx, id, false))
}

func (o *Scene) untilAccess(ctx context.Context, id uuid.UUID, is func(schemas.Integration) bool) error {
	return actor.Until(ctx, func() (string, error) {
		i, err := o.admin.Integration(ctx, id)
		if err != nil || is(i) {
			return "", err
		}
		return fmt.Sprintf("the access check of %s; it is %s, access %s", i.Name, i.Status, i.Access), nil
	})
}
