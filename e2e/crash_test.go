package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/actor"
	"github.com/auditferry/auditferry/schemas"
)

// TestCrashes holds Invariants 2 and 4: programs are killed at the worst
// moments, and still every event arrives exactly once and every operation ends.
// The crashes share a stack and come one after the other.
func TestCrashes(t *testing.T) {
	t.Parallel()
	s := start(t, "AUDITFERRY_EXPORT_PART_BYTES=8192")
	for _, crash := range []struct {
		name string
		play func(*org)
	}{
		{"worker killed in the middle of a part", workerKilledMidway},
		{"worker killed between the last part and the run's end", workerKilledBeforeTheEnd},
		{"api killed between a command and its signal", apiKilledBeforeTheSignal},
		{"api killed between an export's command and its schedule", apiKilledBeforeTheSchedule},
		{"worker killed while it deletes", workerKilledWhileDeleting},
		{"mail server down", mailServerDown},
	} {
		t.Run(crash.name, func(t *testing.T) { crash.play(s.newOrg(t)) })
	}
}

func (o *org) killWorker() {
	o.t.Helper()
	require.NoError(o.t, o.Workers()[0].Kill())
}

func (o *org) startWorker() {
	o.t.Helper()
	require.NoError(o.t, o.Workers()[0].Start(o.ctx))
}

// awaitObjects waits until at least so many objects of the export are stored.
func (f *ferry) awaitObjects(atLeast int) {
	f.t.Helper()
	require.NoError(f.t, actor.Until(f.ctx, func() (string, error) {
		objects, err := f.Objects(f.ctx, f.places[len(f.places)-1])
		stored := 0
		for _, object := range objects {
			if strings.Contains(object.Key, f.export.Slug) { // and not the access check's marker
				stored++
			}
		}
		if err != nil || stored >= atLeast {
			return "", err
		}
		return fmt.Sprintf("%d objects, has %d", atLeast, stored), nil
	}))
}

func workerKilledMidway(o *org) {
	newest := o.report(60_000) // about a thousand parts
	f := o.sail(schemas.AWS, schemas.CompressionGzip)
	for kills := range 2 {
		f.awaitObjects(10 + 100*kills)
		o.killWorker()
		require.Less(o.t, f.now().DeliveredSeq, newest, "too late: everything is delivered")
		o.startWorker()
	}
	f.awaitDelivered(newest)
	tally := f.requireExactlyOnce()
	require.Greater(o.t, tally.Objects, 500)
	runs, err := o.admin.Runs(o.ctx, f.export.ID)
	require.NoError(o.t, err)
	first := runs[len(runs)-1]
	require.Equal(o.t, schemas.RunSucceeded, first.Status, "the same run went on: %s", first.Error)
}

func workerKilledBeforeTheEnd(o *org) {
	newest := o.report(5_000)
	f := o.sail(schemas.Azure, schemas.CompressionZstd)
	f.awaitObjects(1)
	release := f.holdRow() // the run's end has to wait for the export's row
	total := f.partsOfTheRun()
	f.awaitObjects(total)
	o.killWorker()
	release()
	require.Less(o.t, f.now().DeliveredSeq, newest, "too late: the run has ended")
	o.startWorker()
	f.awaitDelivered(newest)
	f.requireExactlyOnce()
}

// holdRow locks the export's row, as a slow transaction would.
func (f *ferry) holdRow() (release func()) {
	f.t.Helper()
	conn, err := pgx.Connect(f.ctx, f.Database.SuperuserURL)
	require.NoError(f.t, err)
	f.t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(f.ctx)) })
	tx, err := conn.Begin(f.ctx)
	require.NoError(f.t, err)
	_, err = tx.Exec(f.ctx, `SELECT 1 FROM export WHERE id = $1 FOR UPDATE`, f.export.ID)
	require.NoError(f.t, err)
	return func() { require.NoError(f.t, tx.Rollback(f.ctx)) }
}

// partsOfTheRun is how many objects the first window becomes.
func (f *ferry) partsOfTheRun() int {
	f.t.Helper()
	conn, err := pgx.Connect(f.ctx, f.Database.SuperuserURL)
	require.NoError(f.t, err)
	defer func() { require.NoError(f.t, conn.Close(f.ctx)) }()
	var window schemas.Window
	err = conn.QueryRow(f.ctx, `SELECT first_seq, last_seq, rows_per_part FROM export_window WHERE export_id = $1 ORDER BY first_seq LIMIT 1`,
		f.export.ID).Scan(&window.FirstSeq, &window.LastSeq, &window.RowsPerPart)
	require.NoError(f.t, err)
	return window.Parts()
}

// apiKilledBeforeTheSignal: Temporal hangs, so the command is written and not
// sent when the api is killed. Its caller repeats it with the same key.
func apiKilledBeforeTheSignal(o *org) {
	f := o.sail(schemas.AWS, schemas.CompressionGzip)
	f.awaitAccess()
	f.awaitDelivered(o.report(100))
	op := o.commandWhileTemporalHangs(func(ctx context.Context) (schemas.Operation, error) {
		return o.admin.UpdateDestination(ctx, f.integration, o.clouds.Destination(schemas.AWS, "archive"), true)
	})
	f.places = append(f.places, o.clouds.Destination(schemas.AWS, "archive"))
	op, err := o.admin.Await(o.ctx, op)
	require.NoError(o.t, err)
	require.Equal(o.t, 1, op.Outcome.ExportsRetargeted)
	_, err = o.inbox.Await(o.ctx, o.mail, "updated", 1)
	require.NoError(o.t, err)
	f.awaitDelivered(o.report(100))
	f.requireExactlyOnce()
}

func apiKilledBeforeTheSchedule(o *org) {
	f := o.sail(schemas.AWS, schemas.CompressionGzip)
	f.awaitDelivered(o.report(100))
	op := o.commandWhileTemporalHangs(func(ctx context.Context) (schemas.Operation, error) {
		return o.admin.Pause(ctx, f.export.ID)
	})
	o.done(op, nil)
	described, err := o.temporal.ScheduleClient().GetHandle(o.ctx, schemas.ExportScheduleID(f.export.ID)).Describe(o.ctx)
	require.NoError(o.t, err)
	require.True(o.t, described.Schedule.State.Paused)
	f.requireExactlyOnce()
}

// commandWhileTemporalHangs gives a command, kills the api once the command is
// written, and brings everything back. The caller, who got no answer, repeats
// the command with its key until it gets one.
func (o *org) commandWhileTemporalHangs(command func(context.Context) (schemas.Operation, error)) schemas.Operation {
	o.t.Helper()
	before := o.countOperations()
	require.NoError(o.t, o.Temporal.Process.Freeze())
	type answer struct {
		op  schemas.Operation
		err error
	}
	answered := make(chan answer, 1)
	go func() {
		op, err := command(o.ctx)
		answered <- answer{op, err}
	}()
	written := actor.Until(o.ctx, func() (string, error) {
		if o.countOperations() > before {
			return "", nil
		}
		return "the command to be written", nil
	})
	killed := o.API.Process.Kill()
	thawed := o.Temporal.Process.Thaw()
	require.NoError(o.t, written)
	require.NoError(o.t, killed)
	require.NoError(o.t, thawed)
	require.NoError(o.t, o.API.Process.Start(o.ctx))
	got := <-answered
	require.NoError(o.t, got.err)
	require.Equal(o.t, before+1, o.countOperations(), "written once")
	return got.op
}

func (o *org) countOperations() (n int) {
	o.t.Helper()
	conn, err := pgx.Connect(o.ctx, o.Database.SuperuserURL)
	require.NoError(o.t, err)
	defer func() { require.NoError(o.t, conn.Close(o.ctx)) }()
	require.NoError(o.t, conn.QueryRow(o.ctx, `SELECT count(*) FROM operation WHERE org_id = $1`, o.admin.Org.ID).Scan(&n))
	return n
}

// workerKilledWhileDeleting: whatever the running export had delivered by then
// is whole, and no run is left.
func workerKilledWhileDeleting(o *org) {
	o.report(60_000)
	f := o.sail(schemas.GCP, schemas.CompressionGzip)
	f.awaitObjects(5)
	op, err := o.admin.DeleteIntegration(o.ctx, f.integration, false)
	require.NoError(o.t, err)
	o.killWorker()
	o.startWorker()
	o.done(op, nil)
	require.Equal(o.t, schemas.ExportPaused, f.now().State)
	f.requireExactlyOnce()
	runs, err := o.admin.Runs(o.ctx, f.export.ID)
	require.NoError(o.t, err)
	for _, run := range runs {
		require.NotEqual(o.t, schemas.RunRunning, run.Status)
	}
	_, err = o.inbox.Await(o.ctx, o.mail, "deleted", 1)
	require.NoError(o.t, err)
}

// mailServerDown: a failing mail server delays the mail and nothing else.
func mailServerDown(o *org) {
	require.NoError(o.t, o.Mail.Process.Stop())
	newest := o.report(100)
	f := o.sail(schemas.AWS, schemas.CompressionGzip)
	f.awaitAccess()
	f.awaitDelivered(newest)
	require.NoError(o.t, o.Mail.Process.Start(o.ctx))
	_, err := o.inbox.Await(o.ctx, o.mail, "Grant access", 1)
	require.NoError(o.t, err)
}
