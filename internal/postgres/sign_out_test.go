package postgres_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
)

func (b bundle) endSession(subject string, id *uuid.UUID, forget time.Time) {
	b.t.Helper()
	b.asOperator(func(tx *postgres.Tx) { require.NoError(b.t, tx.EndSession(b.t.Context(), subject, id, forget)) })
}

func (b bundle) sessionEnded(subject string, id uuid.UUID, began time.Time) (ended bool) {
	b.t.Helper()
	b.asOperator(func(tx *postgres.Tx) {
		var err error
		ended, err = tx.SessionEnded(b.t.Context(), subject, id, began)
		require.NoError(b.t, err)
	})
	return ended
}

func TestEndSession(t *testing.T) {
	t.Parallel()
	b := setup(t)
	began, id, other := now().Add(-time.Minute), newID(t), newID(t)
	require.False(t, b.sessionEnded("ada", id, began))
	b.endSession("ada", &id, now().Add(hour))
	b.endSession("ada", &id, now().Add(hour)) // from two tabs
	require.True(t, b.sessionEnded("ada", id, began))
	require.False(t, b.sessionEnded("ada", other, began), "another browser of hers")
	require.False(t, b.sessionEnded("vic", id, began), "nobody else's")
}

func TestEndAllSessions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.endSession("ada", nil, now().Add(hour))
	require.True(t, b.sessionEnded("ada", newID(t), now().Add(-hour)))
	require.False(t, b.sessionEnded("ada", newID(t), now().Add(time.Minute)), "she signs in again later")
	require.False(t, b.sessionEnded("vic", newID(t), now().Add(-hour)))
}

func TestEndedSessionsAreForgotten(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := newID(t)
	b.endSession("ada", &id, now().Add(-time.Second))
	require.True(t, b.sessionEnded("ada", id, now()))
	b.endSession("vic", nil, now().Add(hour))
	require.False(t, b.sessionEnded("ada", id, now()), "its cookie has expired as well")
}
