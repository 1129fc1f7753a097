package pictures

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/dev/actor"
	"github.com/auditferry/auditferry/schemas"
)

// schedule makes an export of all that is kept, and waits until it is there.
func schedule(ctx context.Context, admin actor.Admin, name string, integration uuid.UUID, schedule, more map[string]any) (uuid.UUID, error) {
	in := map[string]any{
		"name": name, "integration_id": integration, "schedule": schedule,
		"format": schemas.FormatNDJSON, "compression": schemas.CompressionGzip, "start_from": "earliest",
	}
	for field, value := range more {
		in[field] = value
	}
	id, op, err := admin.Schedule(ctx, in)
	if err != nil {
		return id, err
	}
	_, err = admin.Await(ctx, op)
	return id, err
}

func daily(at string) map[string]any {
	return map[string]any{"kind": "daily", "at": at, "time_zone": "Europe/Berlin"}
}

// awaitRun waits for a run that is as wanted, and gives the newest of them.
func awaitRun(ctx context.Context, admin actor.Admin, export uuid.UUID, what string, is func(schemas.Run) bool) (found uuid.UUID, err error) {
	err = actor.Until(ctx, func() (string, error) {
		runs, err := admin.Runs(ctx, export)
		if err != nil {
			return "", err
		}
		for _, run := range runs {
			if is(run) {
				found = run.ID
				return "", nil
			}
		}
		return fmt.Sprintf("a run of %s that %s; there are %+v", export, what, runs), nil
	})
	return found, err
}

// deliver has an export that delivers, a run for each day, and a backfill.
func (o *Scene) deliver(ctx context.Context) (err error) {
	if o.nightly, err = schedule(ctx, o.admin, "Nightly archive", o.active, daily("02:00"), nil); err != nil {
		return err
	}
	if err := o.admin.Done(ctx)(o.admin.RunNow(ctx, o.nightly)); err != nil {
		return err
	}
	if err := o.admin.AwaitDelivered(ctx, o.nightly, o.remembered); err != nil {
		return err
	}
	o.goodRun, err = awaitRun(ctx, o.admin, o.nightly, "has delivered several objects", func(r schemas.Run) bool {
		return r.Status == schemas.RunSucceeded && r.Objects > 1
	})
	if err != nil {
		return err
	}
	return o.admin.Done(ctx)(o.admin.Backfill(ctx, o.nightly, 1, pastDays[0].events)) // until all of it is delivered
}

// pause has an export with a filter, which an admin paused after it had
// delivered.
func (o *Scene) pause(ctx context.Context) (err error) {
	hourly := map[string]any{"kind": "interval", "every": "1h"}
	o.paused, err = schedule(ctx, o.admin, "Sign-ins for the SIEM", o.active, hourly, map[string]any{
		"format": schemas.FormatCSV, "filter": map[string]any{"actions": []string{"user.*"}}, "path_template": "siem/{YYYY}/{MM}",
	})
	if err != nil {
		return err
	}
	if err := o.admin.Done(ctx)(o.admin.RunNow(ctx, o.paused)); err != nil {
		return err
	}
	if err := o.admin.AwaitDelivered(ctx, o.paused, o.remembered); err != nil {
		return err
	}
	return o.admin.Done(ctx)(o.admin.Pause(ctx, o.paused))
}

// move has an export whose integration went to another destination.
func (o *Scene) move(ctx context.Context) error {
	id, err := o.addWorking(ctx, "Compliance vault", "vault")
	if err != nil {
		return err
	}
	weekly := map[string]any{"kind": "weekly", "weekdays": []string{"monday", "friday"}, "at": "06:30", "time_zone": "America/New_York"}
	o.moved, err = schedule(ctx, o.admin, "Weekly for compliance", id, weekly, map[string]any{"format": schemas.FormatParquet, "compression": schemas.CompressionZstd})
	if err != nil {
		return err
	}
	if o.opMoved, err = o.admin.UpdateDestination(ctx, id, o.cloud("vault").Destination(schemas.AWS, "new"), false); err != nil {
		return err
	}
	_, err = o.admin.Await(ctx, o.opMoved)
	return err
}

// orphanOne has an export whose integration is gone.
func (o *Scene) orphanOne(ctx context.Context) (err error) {
	if o.deleted, _, err = o.add(ctx, schemas.AWS, "First try", "old"); err != nil {
		return err
	}
	cron := map[string]any{"kind": "cron", "cron": "0 4 1 * *"}
	if o.orphan, err = schedule(ctx, o.admin, "Monthly copy", o.deleted, cron, nil); err != nil {
		return err
	}
	if o.opDeleted, err = o.admin.DeleteIntegration(ctx, o.deleted, false); err != nil {
		return err
	}
	_, err = o.admin.Await(ctx, o.opDeleted)
	return err
}

// fail has an export that cannot deliver, because another object lies where its
// first one belongs.
func (o *Scene) fail(ctx context.Context) (err error) {
	often := map[string]any{"kind": "interval", "every": "24h"}
	o.failing, err = schedule(ctx, o.admin, "Hot standby", o.active, often, map[string]any{"path_template": "", "start_from": "now"})
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
	o.failedRun, err = awaitRun(ctx, o.admin, o.failing, "has failed", func(r schemas.Run) bool { return r.Status == schemas.RunFailed })
	return err
}

// discard has an export that was deleted after it had delivered.
func (o *Scene) discard(ctx context.Context) (err error) {
	if o.discarded, err = schedule(ctx, o.admin, "Proof of concept", o.active, daily("22:30"), nil); err != nil {
		return err
	}
	if err := o.admin.Done(ctx)(o.admin.RunNow(ctx, o.discarded)); err != nil {
		return err
	}
	if err := o.admin.AwaitDelivered(ctx, o.discarded, pastDays[0].events); err != nil {
		return err
	}
	return o.admin.Done(ctx)(o.admin.DeleteExport(ctx, o.discarded))
}

// fallBehind has an export that has not run by the time its first events expire.
func (o *Scene) fallBehind(ctx context.Context) (err error) {
	o.late, err = schedule(ctx, o.admin, "Quarterly review", o.active, map[string]any{"kind": "cron", "cron": "0 5 1 1,4,7,10 *"}, nil)
	return err
}

// catchUp has it run at last.
func (o *Scene) catchUp(ctx context.Context) (err error) {
	if err := o.admin.Done(ctx)(o.admin.RunNow(ctx, o.late)); err != nil {
		return err
	}
	if err := o.admin.AwaitDelivered(ctx, o.late, o.remembered); err != nil {
		return err
	}
	o.lateRun, err = awaitRun(ctx, o.admin, o.late, "has found events expired", func(r schemas.Run) bool { return r.Expired > 0 })
	return err
}

// stall has a run and a backfill under way for as long as a refusal is borne:
// objects of the first hours of a day are let through, and later ones are not.
func (o *Scene) stall(ctx context.Context) error {
	const bucket = "region"
	id, credentials, err := o.add(ctx, schemas.AWS, "Regional copy", bucket)
	if err != nil {
		return err
	}
	var hours []string
	for hour := pastHour + pastHours/2; hour < 24; hour++ {
		hours = append(hours, fmt.Sprintf("*/hour=%02d/*", hour))
	}
	clouds := o.cloud(bucket)
	if err := clouds.AllowBut(ctx, credentials, clouds.Destination(schemas.AWS, audit), "s3:PutObject", hours...); err != nil {
		return err
	}
	if err := o.admin.AwaitAccess(ctx, id); err != nil {
		return err
	}
	if o.stuck, err = schedule(ctx, o.admin, "Regional mirror", id, daily("03:00"), nil); err != nil {
		return err
	}
	if err := o.admin.Done(ctx)(o.admin.RunNow(ctx, o.stuck)); err != nil {
		return err
	}
	halfWay := func(backfill bool) func(schemas.Run) bool {
		return func(r schemas.Run) bool {
			return (r.BackfillID != nil) == backfill && r.Status == schemas.RunRunning && r.Objects > 0 && r.ErrorKind != ""
		}
	}
	if o.stuckRun, err = awaitRun(ctx, o.admin, o.stuck, "is half done", halfWay(false)); err != nil {
		return err
	}
	export, err := o.admin.ReadExport(ctx, o.stuck)
	if err != nil {
		return err
	}
	if o.opBackfilling, err = o.admin.Backfill(ctx, o.stuck, export.StartSeq, export.StartSeq+600); err != nil {
		return err
	}
	_, err = awaitRun(ctx, o.admin, o.stuck, "is half done with the backfill", halfWay(true))
	return err
}
