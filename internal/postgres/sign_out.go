package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// EndSession notes that a session of the portal has ended, or with a nil id all
// that the subject began until now. Nothing asks any more after forget.
func (t *Tx) EndSession(ctx context.Context, subject string, id *uuid.UUID, forget time.Time) error {
	const attempt = "end a session"
	if _, err := t.exec(ctx, attempt, `DELETE FROM sign_out WHERE forget_at < now()`); err != nil {
		return err
	}
	_, err := t.exec(ctx, attempt, `
		INSERT INTO sign_out (subject, session_id, ended_at, forget_at) VALUES ($1, $2, clock_timestamp(), $3)`, subject, id, forget)
	return err
}

// Clock is the database's time.
func (s *Store) Clock(ctx context.Context) (now time.Time, err error) {
	if err := s.pool.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&now); err != nil {
		return now, fmt.Errorf("ask the database for the time: %w", err)
	}
	return now, nil
}

// SessionEnded tells whether a session that began then was ended since.
func (t *Tx) SessionEnded(ctx context.Context, subject string, id uuid.UUID, began time.Time) (ended bool, err error) {
	err = t.scan(ctx, "look whether a session has ended", []any{&ended}, `
		SELECT EXISTS (SELECT FROM sign_out
			WHERE subject = $1 AND (session_id = $2 OR session_id IS NULL AND ended_at >= $3))`, subject, id, began)
	return ended, err
}
