package pictures

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/auditferry/auditferry/dev/actor"
)

// pastDays are the days on which Acme's events were recorded, and how many; the
// first of them are gone by the end. A day with one event has none that a filter
// for sign-ins passes.
var pastDays = []struct {
	ago    int
	events int64
}{
	{28, 300}, {27, 420}, {25, 260}, {21, 380}, {20, 350}, {18, 480}, {14, 410}, {13, 1}, {11, 330}, {7, 450}, {6, 370}, {4, 600}, {1, 250},
}

const (
	keptDays = 26 // at the end

	// The events of a past day were recorded in these hours, in UTC.
	pastHour  = 8
	pastHours = 8
)

// remember has events of past days. Only the database can say that they were
// recorded then.
func (o *Scene) remember(ctx context.Context) error {
	first := int64(1) // with what the organization began with
	for _, past := range pastDays {
		last, err := o.prod.Report(ctx, int(past.events))
		if err != nil {
			return err
		}
		day := today().AddDate(0, 0, -past.ago)
		err = o.inDatabase(ctx, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `SELECT auditferry_ensure_partitions($1, $1)`, day); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `UPDATE audit_event SET recorded_at = $4::timestamptz + (seq - $2) * $5::interval / ($3 - $2 + 1)
				WHERE org_id = $1 AND seq BETWEEN $2 AND $3`, o.admin.Org.ID, first, last, day.Add(pastHour*time.Hour), pastHours*time.Hour)
			return err
		})
		if err != nil {
			return fmt.Errorf("record events %d days ago: %w", past.ago, err)
		}
		o.remembered, first = last, last+1
	}
	return nil
}

// forget drops the oldest days, as the end of the retention would. It gives up
// its place when there are readers, and comes again.
func (o *Scene) forget(ctx context.Context) error {
	return actor.Until(ctx, func() (string, error) {
		err := o.inDatabase(ctx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `SELECT auditferry_drop_partitions($1)`, today().AddDate(0, 0, -keptDays))
			return err
		})
		var refused *pgconn.PgError
		if errors.As(err, &refused) && refused.Code == "55P03" {
			return "the readers of past events", nil
		}
		return "", err
	})
}

// goOn has a few more events today, which nothing has delivered yet.
func (o *Scene) goOn(ctx context.Context) error {
	_, err := o.prod.Report(ctx, 120)
	return err
}

func today() time.Time { return time.Now().UTC().Truncate(24 * time.Hour) }

func (o *Scene) inDatabase(ctx context.Context, do func(pgx.Tx) error) error {
	conn, err := pgx.Connect(ctx, o.Stack.Database.OwnerURL)
	if err != nil {
		return err
	}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SET LOCAL auditferry.scope = 'operator'`); err != nil {
			return err
		}
		return do(tx)
	})
	return errors.Join(err, conn.Close(ctx))
}
