package chaos

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/api/workflowservice/v1"
	temporal "go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/auditferry/auditferry/dev/actor"
	"github.com/auditferry/auditferry/schemas"
)

// judge gives the product its time to finish and then counts.
func (p *play) judge(ctx context.Context) (Result, error) {
	r := p.newResult()
	if err := p.query(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT coalesce(sum(rows), 0), count(*) FROM export_run WHERE status = 'succeeded'`).Scan(&r.DeliveredInPlay, &r.RunsInPlay)
	}); err != nil {
		return r, err
	}
	p.say("%d kills and %d faults are over; %d rows were delivered meanwhile. Waiting for the rest.", r.Kills, r.Faults, r.DeliveredInPlay)
	settling, cancel := context.WithTimeout(ctx, p.Settle)
	defer cancel()
	began := time.Now()
	if err := p.settle(settling); err != nil {
		r.fail("not settled within %s: %s", p.Settle, err)
	}
	r.SettleSeconds = time.Since(began).Round(time.Second).Seconds()
	if err := p.quiesce(settling); err != nil {
		r.fail("runs go on although all exports are paused: %s", err)
	}
	p.say("Settled. An auditor reads what lies in the stores.")
	for _, o := range p.orgs {
		if err := p.audit(ctx, o, &r); err != nil {
			return r, err
		}
	}
	if err := p.closings(ctx, &r); err != nil {
		return r, err
	}
	var err error
	if r.OperationsOpen, r.OperationsFailed, err = p.operations(ctx); err != nil {
		return r, err
	}
	p.mailbox.look()
	r.Mails = p.mailbox.count()
	var subjects []string
	r.MailsDoubled, r.MailsUnexplained, subjects = p.mailbox.doubled(p.journal)
	for _, subject := range subjects {
		r.fail("a mail came twice, and nothing fell between its sending and its recording: %s", subject)
	}
	r.conclude(time.Since(p.began))
	return r, nil
}

// settle resumes every export and waits until all have delivered what was
// acknowledged, every operation has ended, every chain is closed where its
// export has left, and no mail is on its way.
func (p *play) settle(ctx context.Context) error {
	for _, o := range p.orgs {
		for _, f := range o.ferries {
			for _, e := range f.live() {
				if err := p.resumeForGood(ctx, o, e); err != nil {
					return err
				}
			}
		}
	}
	for _, o := range p.orgs {
		for _, f := range o.ferries {
			for _, e := range f.live() {
				if err := o.admin.AwaitDelivered(ctx, e.id, o.newest()); err != nil {
					return err
				}
			}
		}
	}
	return p.awaitEnds(ctx)
}

// resumeForGood resumes an export unless it is active. Its integration may
// refuse that while it is being moved.
func (p *play) resumeForGood(ctx context.Context, o *org, e *export) error {
	return actor.Until(ctx, func() (string, error) {
		now, err := o.admin.ReadExport(ctx, e.id)
		if err != nil || now.State == schemas.ExportActive {
			return "", err
		}
		return fmt.Sprintf("export %s of %s to be active; it is %s", e.name, o.name, now.State), o.resume(ctx, e.id)
	})
}

// awaitEnds waits until no operation and no closing is open and no mail is on its
// way.
func (p *play) awaitEnds(ctx context.Context) error {
	server, err := temporal.DialContext(ctx, temporal.Options{HostPort: p.stack.Temporal.Address, Logger: quiet{}})
	if err != nil {
		return fmt.Errorf("reach Temporal: %w", err)
	}
	defer server.Close()
	return actor.Until(ctx, func() (string, error) {
		open, _, err := p.operations(ctx)
		if err != nil {
			return "", err
		}
		if open > 0 {
			return fmt.Sprintf("%d operations to end", open), nil
		}
		if err := p.query(ctx, func(conn *pgx.Conn) error {
			return conn.QueryRow(ctx, `SELECT count(*) FROM export_closing WHERE settled_at IS NULL`).Scan(&open)
		}); err != nil {
			return "", err
		}
		if open > 0 {
			return fmt.Sprintf("%d chains to be closed", open), nil
		}
		mails, err := server.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
			Query: fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus = 'Running'", schemas.WorkflowNotice),
		})
		if err != nil || mails.GetCount() == 0 {
			return "", err
		}
		return fmt.Sprintf("%d notices to end", mails.GetCount()), nil
	})
}

// quiesce pauses every export and waits for the runs under way, so that nothing
// is written while it is counted.
func (p *play) quiesce(ctx context.Context) error {
	for _, o := range p.orgs {
		for _, f := range o.ferries {
			for _, e := range f.live() {
				if err := o.admin.Done(ctx)(o.admin.Pause(ctx, e.id)); err != nil {
					return err
				}
			}
		}
	}
	return actor.Until(ctx, func() (string, error) {
		var running int
		err := p.query(ctx, func(conn *pgx.Conn) error {
			return conn.QueryRow(ctx, `SELECT count(*) FROM export_run WHERE status = 'running'`).Scan(&running)
		})
		if err != nil || running == 0 {
			return "", err
		}
		return fmt.Sprintf("%d runs to end", running), nil
	})
}

// closings reports the chains that could not be closed.
func (p *play) closings(ctx context.Context, r *Result) error {
	return p.query(ctx, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `SELECT export_id::text, destination, error FROM export_closing WHERE error <> ''`)
		if err != nil {
			return err
		}
		var export, place, why string
		_, err = pgx.ForEachRow(rows, []any{&export, &place, &why}, func() error {
			r.fail("the chain of export %s in %s was not closed: %s", export, place, why)
			return nil
		})
		return err
	})
}

// operations counts, in the database itself, those that have not ended, and
// those that have failed by why.
func (p *play) operations(ctx context.Context) (open int, failed map[string]int, err error) {
	failed = map[string]int{}
	err = p.query(ctx, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `
			SELECT kind || ': ' || error, status, count(*) FROM operation WHERE status <> 'succeeded' GROUP BY 1, 2`)
		if err != nil {
			return err
		}
		var why, status string
		var n int
		_, err = pgx.ForEachRow(rows, []any{&why, &status, &n}, func() error {
			if schemas.OperationStatus(status) == schemas.OperationFailed {
				failed[why] += n
			} else {
				open += n
			}
			return nil
		})
		return err
	})
	return open, failed, err
}

// query asks the database itself, past the product.
func (p *play) query(ctx context.Context, ask func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, p.stack.Database.SuperuserURL)
	if err != nil {
		return fmt.Errorf("ask the database: %w", err)
	}
	if err := errors.Join(ask(conn), conn.Close(context.WithoutCancel(ctx))); err != nil {
		return fmt.Errorf("ask the database: %w", err)
	}
	return nil
}

// quiet keeps the client's own words out of the tale.
type quiet struct{}

var _ log.Logger = quiet{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
