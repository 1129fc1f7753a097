package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/auditferry/auditferry/dev/actor"
	"github.com/auditferry/auditferry/internal/manifest"
	"github.com/auditferry/auditferry/schemas"
)

// tell plays the chapters in order.
func (t *tale) tell(ctx context.Context) (Result, error) {
	for _, chapter := range []func(context.Context) error{
		t.welcome, t.integrate, t.grant, t.export, t.watch, t.arrive, t.move, t.leave, t.afterwards,
	} {
		if err := chapter(ctx); err != nil {
			return Result{}, err
		}
	}
	return t.audit(ctx)
}

func (t *tale) welcome(ctx context.Context) (err error) {
	vendor := actor.NewVendor(t.stack.API.URL, t.stack.API.OperatorKey)
	if t.admin, t.product, err = vendor.Welcome(ctx, "Acme", notified...); err != nil {
		return err
	}
	t.say("The vendor welcomes Acme.")
	return t.report(ctx, firstEvents)
}

func (t *tale) report(ctx context.Context, n int) (err error) {
	if t.newest, err = t.product.Report(ctx, n); err != nil {
		return err
	}
	t.say("The product reports %d audit events; the newest has seq %d.", n, t.newest)
	return nil
}

// integrate adds one integration per cloud and waits for the credentials.
func (t *tale) integrate(ctx context.Context) error {
	for _, cloud := range schemas.Clouds() {
		f := &ferry{cloud: cloud, places: []schemas.Destination{t.clouds.Destination(cloud, "audit/2026")}}
		t.ferries[cloud] = f
		if err := t.clouds.Prepare(ctx, f.places...); err != nil {
			return err
		}
		id, op, err := t.admin.Integrate(ctx, "Acme on "+string(cloud), f.places[0], t.clouds.Grant(cloud))
		if err != nil {
			return err
		}
		f.integration = id
		if _, err := t.admin.Await(ctx, op); err != nil {
			return err
		}
		t.say("The admin adds an integration to %s; its credentials are there.", f.places[0])
	}
	return t.mailed(ctx, "Grant access", len(t.ferries))
}

// mailed waits until an occasion's mails have come, to every notice address.
func (t *tale) mailed(ctx context.Context, subject string, occasions int) error {
	for _, address := range notified {
		if _, err := t.inbox.Await(ctx, address, subject, occasions); err != nil {
			return err
		}
		t.mails += occasions
	}
	t.say("%d mails of the kind %q have come to each of %d admins.", occasions, subject, len(notified))
	return nil
}

// grant lets the cloud's admin do what the mails said.
func (t *tale) grant(ctx context.Context) error {
	for _, cloud := range schemas.Clouds() {
		f := t.ferries[cloud]
		credentials, err := t.admin.Credentials(ctx, f.integration)
		if err != nil {
			return err
		}
		if err := t.clouds.Allow(ctx, credentials, grantDelays[cloud], f.places[0], t.clouds.Destination(cloud, "archive")); err != nil {
			return err
		}
		t.say("The admin of %s grants access; the cloud takes %s until that has an effect.", cloud, grantDelays[cloud])
	}
	return nil
}

// grantDelays is how long the clouds take until a grant has an effect: seconds
// instead of the minutes of real life.
var grantDelays = map[schemas.Cloud]time.Duration{
	schemas.AWS: 5 * time.Second, schemas.Azure: 20 * time.Second, schemas.GCP: 10 * time.Second,
}

// watch waits until access is granted everywhere, and tells what was tried.
func (t *tale) watch(ctx context.Context) error {
	for _, cloud := range schemas.Clouds() {
		f := t.ferries[cloud]
		if err := t.admin.AwaitAccess(ctx, f.integration); err != nil {
			return err
		}
		t.say("Auditferry finds that it may write to %s. What it tried:", f.places[0])
		attempts, err := t.admin.AccessAttempts(ctx, f.integration)
		if err != nil {
			return err
		}
		if !attempts[0].Granted || attempts[len(attempts)-1].Granted {
			return fmt.Errorf("access to %s should be refused at first and granted at last: %+v", cloud, attempts)
		}
		for _, attempt := range slices.Backward(attempts) {
			fmt.Fprintf(t.out, "            %s\n", t.line(attempt))
		}
	}
	return nil
}

// line is one attempt of an access check as the timeline shows it.
func (t *tale) line(attempt schemas.AccessReport) string {
	at := attempt.CheckedAt.Sub(t.began).Seconds()
	failure, failed := attempt.Failure()
	if !failed {
		return fmt.Sprintf("%5.1f s  granted", at)
	}
	next := "no further try"
	if attempt.NextTryAt != nil {
		next = fmt.Sprintf("next try in %.0f s", attempt.NextTryAt.Sub(attempt.CheckedAt).Seconds())
	}
	return fmt.Sprintf("%5.1f s  %s: %s (%s), %s", at, failure.Name, failure.Kind, failure.Code, next)
}

// export schedules one export per cloud, each compressed in another way. The
// grants are still on their way then.
func (t *tale) export(ctx context.Context) error {
	compressions := map[schemas.Cloud]schemas.Compression{
		schemas.AWS: schemas.CompressionGzip, schemas.Azure: schemas.CompressionZstd, schemas.GCP: schemas.CompressionNone,
	}
	for _, cloud := range schemas.Clouds() {
		f := t.ferries[cloud]
		id, op, err := t.admin.Export(ctx, "Everything to "+string(cloud), f.integration, every, compressions[cloud])
		if err != nil {
			return err
		}
		f.export = id
		if _, err := t.admin.Await(ctx, op); err != nil {
			return err
		}
		export, err := t.admin.ReadExport(ctx, id)
		if err != nil {
			return err
		}
		f.slug = export.Slug
		t.say("The admin schedules an export to %s every %s, compression %s.", cloud, every, compressions[cloud])
	}
	return nil
}

// arrive shows that what was scheduled too early is delivered all the same.
func (t *tale) arrive(ctx context.Context) error {
	return t.delivered(ctx, schemas.Clouds()...)
}

// delivered waits until the schedules have delivered all that was reported.
func (t *tale) delivered(ctx context.Context, clouds ...schemas.Cloud) error {
	for _, cloud := range clouds {
		if err := t.admin.AwaitDelivered(ctx, t.ferries[cloud].export, t.newest); err != nil {
			return err
		}
		t.say("Everything up to seq %d lies in %s.", t.newest, cloud)
	}
	return nil
}

// move updates one destination with its exports paused, and another with its
// exports retargeted.
func (t *tale) move(ctx context.Context) error {
	if err := t.moveTo(ctx, schemas.AWS, false); err != nil {
		return err
	}
	if err := t.moveTo(ctx, schemas.Azure, true); err != nil {
		return err
	}
	if err := t.mailed(ctx, "updated", 2); err != nil {
		return err
	}
	if err := t.report(ctx, moreEvents); err != nil {
		return err
	}
	if err := t.delivered(ctx, schemas.Azure, schemas.GCP); err != nil {
		return err
	}
	aws := t.ferries[schemas.AWS]
	if err := t.idle(ctx, aws); err != nil {
		return err
	}
	if err := t.admin.Done(ctx)(t.admin.Resume(ctx, aws.export, true)); err != nil {
		return err
	}
	t.say("The admin resumes the export to aws at the new destination.")
	return t.delivered(ctx, schemas.AWS)
}

func (t *tale) moveTo(ctx context.Context, cloud schemas.Cloud, retarget bool) error {
	f := t.ferries[cloud]
	f.places = append(f.places, t.clouds.Destination(cloud, "archive"))
	if err := t.admin.Done(ctx)(t.admin.UpdateDestination(ctx, f.integration, f.places[1], retarget)); err != nil {
		return err
	}
	if err := t.admin.AwaitAccess(ctx, f.integration); err != nil {
		return err
	}
	t.say("The admin moves the integration to %s, retargeting its exports: %t.", f.places[1], retarget)
	return nil
}

// idle checks that an export has not run for what was reported last.
func (t *tale) idle(ctx context.Context, f *ferry) error {
	export, err := t.admin.ReadExport(ctx, f.export)
	if err != nil {
		return err
	}
	if export.State == schemas.ExportActive || export.DeliveredSeq >= t.newest {
		return fmt.Errorf("the export to %s should not run: it is %s and has delivered up to %d", f.cloud, export.State, export.DeliveredSeq)
	}
	t.say("The export to %s is %s, at seq %d.", f.cloud, export.State, export.DeliveredSeq)
	return nil
}

// leave deletes one integration with its exports paused, and another with its
// exports deleted.
func (t *tale) leave(ctx context.Context) error {
	for cloud, deleteExports := range map[schemas.Cloud]bool{schemas.GCP: false, schemas.Azure: true} {
		f := t.ferries[cloud]
		if err := t.admin.Done(ctx)(t.admin.DeleteIntegration(ctx, f.integration, deleteExports)); err != nil {
			return err
		}
		t.say("The admin deletes the integration with %s, and its exports: %t.", cloud, deleteExports)
	}
	return t.mailed(ctx, "deleted", 2)
}

// afterwards shows that only the export that is left goes on.
func (t *tale) afterwards(ctx context.Context) error {
	if err := t.report(ctx, moreEvents); err != nil {
		return err
	}
	if err := t.delivered(ctx, schemas.AWS); err != nil {
		return err
	}
	return errors.Join(t.idle(ctx, t.ferries[schemas.GCP]), t.idle(ctx, t.ferries[schemas.Azure]))
}

// audit counts what lies in the three clouds.
func (t *tale) audit(ctx context.Context) (Result, error) {
	result := Result{Clouds: map[schemas.Cloud]Delivered{}, Mails: t.mails}
	for _, cloud := range schemas.Clouds() {
		f := t.ferries[cloud]
		export, err := t.admin.ReadExport(ctx, f.export)
		if err != nil {
			return result, err
		}
		found, err := actor.Audit(ctx, t.stack, f.slug, f.places...)
		if err != nil {
			return result, err
		}
		d := Delivered{
			Events: found.Events, Objects: found.Objects,
			Missing: found.Missing(1, export.DeliveredSeq), Duplicates: found.Duplicates,
		}
		result.Clouds[cloud] = d
		t.say("An auditor reads %d objects in %s: %d events, %d missing, %d doubled.", d.Objects, cloud, d.Events, d.Missing, d.Duplicates)
		if d.Missing != 0 || d.Duplicates != 0 || int64(d.Events) != export.DeliveredSeq || export.DeliveredSeq < firstEvents {
			return result, fmt.Errorf("the export to %s says it has delivered %d events; found were %+v", cloud, export.DeliveredSeq, d)
		}
		if err := t.verify(ctx, f); err != nil {
			return result, err
		}
	}
	return result, nil
}

// verify has an auditor without any access to the service check the places of a
// cloud. A run that is under way has stored objects that no manifest lists yet.
func (t *tale) verify(ctx context.Context, f *ferry) error {
	for _, place := range f.places {
		var manifests int
		err := actor.Until(ctx, func() (string, error) {
			report, err := actor.Verify(ctx, t.stack, place)
			manifests = report.Manifests
			for _, finding := range report.Findings {
				if finding.Severity == manifest.Error {
					return fmt.Sprintf("%s to be verified: %s: %s", place, finding.Class, finding.Message), err
				}
			}
			return "", err
		})
		if err != nil {
			return err
		}
		t.say("They verify %s: %d manifests are signed and follow each other, and nothing else lies there.", place, manifests)
	}
	return nil
}
