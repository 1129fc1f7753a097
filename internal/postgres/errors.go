package postgres

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrNotFound says that a row, or one that it must point at, does not exist for
// this org. Another org's row does not exist either.
var ErrNotFound = errors.New("not found")

// ErrTooLong says that a statement was ended because it took longer than the
// transaction's LimitTime lets it.
var ErrTooLong = errors.New("took too long")

// ConflictError says that a rule over rows would be broken. Message is a
// sentence for the admin and says what to do; it never tells of another org's
// rows.
type ConflictError struct{ Message string }

func (e *ConflictError) Error() string { return e.Message }

// Error codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
const (
	foreignKeyViolation  = "23503"
	uniqueViolation      = "23505"
	checkViolation       = "23514"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	queryCanceled        = "57014"
)

// conflicts puts the unique constraints that a request can run into in words.
// Any other violation is a mistake of ours and stays an unexpected error.
var conflicts = map[string]string{
	"api_key_hash":                "This API key exists already; create another one.",
	"export_live_name":            "Another export of this organization has this name; choose a different one.",
	"export_slug":                 "Another export of this organization writes under this name; choose a different one.",
	"export_window_undelivered":   "The export has an undelivered window already; deliver that one first.",
	"export_window_first_seq":     "A window of this export begins with the same event already.",
	"export_run_turn":             "This turn of the workflow has a run already.",
	"export_backfill_running":     "A backfill of this export is running already; wait for its end, or cancel it.",
	"backfill_window_undelivered": "The backfill has an undelivered window already; deliver that one first.",
	"backfill_window_first_seq":   "A window of this backfill begins with the same event already.",
}

// wrap says what was attempted, and sorts the database's answer into the
// package's own errors.
func wrap(attempt string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("%s: %w", attempt, ErrNotFound)
	}
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		switch answer.Code {
		case foreignKeyViolation:
			return fmt.Errorf("%s: what it belongs to: %w", attempt, ErrNotFound)
		case queryCanceled:
			return fmt.Errorf("%s: %w: %w", attempt, ErrTooLong, err)
		}
		if message, known := conflicts[answer.ConstraintName]; known && answer.Code == uniqueViolation {
			return fmt.Errorf("%s: %w", attempt, &ConflictError{message})
		}
	}
	return fmt.Errorf("%s: %w", attempt, err)
}

// transient tells whether the same transaction may well succeed when it is run
// again from its start.
func transient(err error) bool {
	var answer *pgconn.PgError
	return errors.As(err, &answer) && (answer.Code == serializationFailure || answer.Code == deadlockDetected)
}

// lacksPartition tells whether an append found no partition for its day.
func lacksPartition(err error) bool {
	var answer *pgconn.PgError
	// A violated CHECK has the same code, but names its constraint.
	return errors.As(err, &answer) && answer.Code == checkViolation &&
		answer.TableName == "audit_event" && answer.ConstraintName == ""
}
