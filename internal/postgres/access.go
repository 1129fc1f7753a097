package postgres

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/auditferry/auditferry/schemas"
)

// checksKept is how many of an integration's access checks keep their attempts:
// enough to see what has been tried, and a bound for those who ask every minute.
const checksKept = 20

// RecordAttempt stores the report of one attempt of an access check, unless a
// newer check has begun: current is false then, as it is for an unknown
// integration. A repeated attempt replaces its report.
func (t *Tx) RecordAttempt(ctx context.Context, id uuid.UUID, r schemas.AccessReport) (current bool, err error) {
	const attempt = "store an access report"
	rows, err := t.exec(ctx, attempt, `
		UPDATE integration SET access_report = $3, updated_at = now() WHERE id = $1 AND access_check = $2`, id, r.Check, r)
	if err != nil || rows == 0 {
		return false, err
	}
	_, err = t.exec(ctx, attempt, `
		INSERT INTO access_attempt (org_id, integration_id, access_check, attempt, report)
		SELECT org_id, id, $2, $3, $4 FROM integration WHERE id = $1
		ON CONFLICT (integration_id, access_check, attempt) DO UPDATE SET report = excluded.report`, id, r.Check, r.Attempt, r)
	if err != nil {
		return false, err
	}
	_, err = t.exec(ctx, attempt, `
		DELETE FROM access_attempt WHERE integration_id = $1 AND access_check <= $2`, id, r.Check-checksKept)
	return true, err
}

// Attempt is the place of a report in the order of its integration's reports.
type Attempt struct{ Check, Attempt int }

// AccessAttempts lists at most limit reports of an integration's latest access
// checks, newest first, beginning behind before; nil begins with the newest.
func (t *Tx) AccessAttempts(ctx context.Context, integration uuid.UUID, before *Attempt, limit int) ([]schemas.AccessReport, error) {
	var check, attempt *int
	if before != nil {
		check, attempt = &before.Check, &before.Attempt
	}
	return queryAll(ctx, t, "list access attempts", pgx.RowTo[schemas.AccessReport], `
		SELECT report FROM access_attempt
		WHERE integration_id = $1 AND ($2::int IS NULL OR (access_check, attempt) < ($2, $3::int))
		ORDER BY access_check DESC, attempt DESC LIMIT $4`, integration, check, attempt, limit)
}
