package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

var errChangedMind = errors.New("changed my mind")

// Invariant 1: numbers have no gaps and follow the order of commits, so that a
// window up to N holds every event up to N.
func TestAppendsNumberWithoutGaps(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const appenders, batches, size = 8, 12, 5

	var all sync.WaitGroup
	for appender := range appenders {
		all.Go(func() {
			for batch := range batches {
				err := b.try(func(tx *postgres.Tx) error {
					appended, err := tx.AppendEvents(t.Context(), events(t, size))
					if err == nil && appended.LastSeq-appended.FirstSeq != size-1 {
						err = fmt.Errorf("got %+v", appended)
					}
					if err == nil && (appender+batch)%3 == 0 {
						err = errChangedMind
					}
					return err
				})
				if !errors.Is(err, errChangedMind) && err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()

	const kept = appenders * batches * size * 2 / 3
	next, previous := int64(1), time.Time{}
	copied, err := b.CopyEvents(t.Context(), b.org, 1, math.MaxInt64, everything, func(body []byte) error {
		var e struct {
			Seq        int64     `json:"seq"`
			RecordedAt time.Time `json:"recorded_at"`
		}
		if err := json.Unmarshal(body, &e); err != nil {
			return err
		}
		require.Equal(t, next, e.Seq)
		require.False(t, e.RecordedAt.Before(previous), "recorded_at runs backwards")
		next, previous = next+1, e.RecordedAt
		return nil
	})
	require.NoError(t, err)
	require.EqualValues(t, kept, copied.Rows)
}

// The number follows the lock, not the call: whoever waits for the lock gets
// the later number and time.
func TestRecordedAtNeverRunsBackwards(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ahead := now().Add(time.Hour) // the clock was wrong and has been put right
	b.asOwner(`UPDATE org SET last_recorded_at = $2 WHERE id = $1`, b.org, ahead)
	require.Equal(t, ahead, b.append(1).RecordedAt)
	require.Equal(t, ahead, b.append(1).RecordedAt)

	b.in(func(tx *postgres.Tx) {
		at, err := tx.RecordedAt(t.Context(), 2)
		require.NoError(t, err)
		require.Equal(t, ahead, at)
		_, err = tx.RecordedAt(t.Context(), 3)
		require.ErrorIs(t, err, postgres.ErrNotFound)
	})
}

func TestAppendStoresTheCanonicalBody(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const depth = 5000
	given := events(t, 1)[0]
	given.Action = "odd\x00action"
	given.Metadata = json.RawMessage(`{"b":"\u0000 é <&> \ud800","a":1e400,"a":1,"deep":` +
		strings.Repeat("[", depth) + strings.Repeat("]", depth) + `}`)

	b.in(func(tx *postgres.Tx) {
		appended, err := tx.AppendEvents(t.Context(), []schemas.Event{given})
		require.NoError(t, err)
		want, err := given.Canonical(appended.FirstSeq, appended.RecordedAt)
		require.NoError(t, err)
		found, err := tx.SearchEvents(t.Context(), schemas.EventQuery{Action: given.Action, Limit: 10})
		require.NoError(t, err)
		require.Len(t, found, 1)
		require.Equal(t, string(want), string(found[0].Body))
	})
}

func TestAppendNeedsAnOrgAndEvents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Error(t, b.try(func(tx *postgres.Tx) error {
		_, err := tx.AppendEvents(t.Context(), nil)
		return err
	}))
	require.ErrorContains(t, b.AsOperator(t.Context(), func(tx *postgres.Tx) error {
		_, err := tx.AppendEvents(t.Context(), events(t, 1))
		return err
	}), "transaction of an org")
	unknown := b.withOrg(newID(t))
	require.ErrorIs(t, unknown.try(func(tx *postgres.Tx) error {
		_, err := tx.AppendEvents(t.Context(), events(t, 1))
		return err
	}), postgres.ErrNotFound)
}

func TestSearchFilters(t *testing.T) {
	t.Parallel()
	b := setup(t)
	day := time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC)
	given := events(t, 6)
	for i := range given {
		given[i].OccurredAt = day.Add(time.Duration(i) * time.Hour)
	}
	given[1].Action = "user.invited"
	given[2].Outcome = schemas.OutcomeFailure
	given[3].Actor = schemas.Actor{Type: `"id":"u9"`, ID: "o\"Brien <\x00>", Name: `"actor":{"id":"u9"}`}
	given[4].Action = `"actor":{"id":"u9"},`
	given[4].Targets = []schemas.Target{{ID: "u9"}}
	given[4].Metadata = json.RawMessage(`{"actor":{"id":"u9"}}`)
	given[5].Actor = schemas.Actor{ID: "user5", Email: "someone@example.com"}
	b.in(func(tx *postgres.Tx) {
		_, err := tx.AppendEvents(t.Context(), given)
		require.NoError(t, err)
	})
	hour := func(n int) *time.Time {
		at := day.Add(time.Duration(n) * time.Hour)
		return &at
	}
	for name, test := range map[string]struct {
		query schemas.EventQuery
		want  []int64
	}{
		"newest first":     {schemas.EventQuery{}, []int64{6, 5, 4, 3, 2, 1}},
		"limit":            {schemas.EventQuery{Limit: 2}, []int64{6, 5}},
		"next page":        {schemas.EventQuery{Limit: 2, BeforeSeq: 5}, []int64{4, 3}},
		"behind the end":   {schemas.EventQuery{BeforeSeq: 1}, []int64{}},
		"action":           {schemas.EventQuery{Action: "user.invited"}, []int64{2}},
		"outcome":          {schemas.EventQuery{Outcome: schemas.OutcomeFailure}, []int64{3}},
		"actor by email":   {schemas.EventQuery{ActorEmail: "user2@example.com"}, []int64{3}},
		"actor by ID":      {schemas.EventQuery{ActorID: "user5"}, []int64{6}},
		"hostile ID":       {schemas.EventQuery{ActorID: "o\"Brien <\x00>"}, []int64{4}},
		"ID of others":     {schemas.EventQuery{ActorID: "u9"}, []int64{}},
		"part of an ID":    {schemas.EventQuery{ActorID: "user"}, []int64{}},
		"actor, by ID":     {schemas.EventQuery{Actor: "user5"}, []int64{6}},
		"actor, by email":  {schemas.EventQuery{Actor: "someone@example.com"}, []int64{6}},
		"from":             {schemas.EventQuery{From: hour(4)}, []int64{6, 5}},
		"to":               {schemas.EventQuery{To: hour(2)}, []int64{2, 1}},
		"all at once":      {schemas.EventQuery{From: hour(1), To: hour(3), Outcome: schemas.OutcomeSuccess}, []int64{2}},
		"contains NUL":     {schemas.EventQuery{ActorEmail: "nobody\x00"}, []int64{}},
		"tries to inject":  {schemas.EventQuery{Action: "' OR true --"}, []int64{}},
		"nothing like it":  {schemas.EventQuery{Action: "user"}, []int64{}},
		"page and filters": {schemas.EventQuery{BeforeSeq: 6, Action: "document.deleted", Limit: 2}, []int64{4, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			if test.query.Limit == 0 {
				test.query.Limit = 10
			}
			b.in(func(tx *postgres.Tx) {
				found, err := tx.SearchEvents(t.Context(), test.query)
				require.NoError(t, err)
				got := []int64{}
				for _, e := range found {
					got = append(got, e.Seq)
				}
				require.Equal(t, test.want, got)
			})
		})
	}
}

// A search from a time on stays in the days around it.
func TestSearchLooksAtTheDaysAskedFor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	recorded := b.append(2).RecordedAt
	ahead := events(t, 1)
	ahead[0].OccurredAt = recorded.Add(23 * time.Hour)
	b.in(func(tx *postgres.Tx) {
		_, err := tx.AppendEvents(t.Context(), ahead)
		require.NoError(t, err)
	})
	b.asOwner(`UPDATE audit_event SET occurred_at = now() + interval '10 days' WHERE seq = 1`)
	from := recorded.Add(22 * time.Hour)
	b.in(func(tx *postgres.Tx) {
		found, err := tx.SearchEvents(t.Context(), schemas.EventQuery{From: &from, Limit: 10})
		require.NoError(t, err)
		require.Len(t, found, 2, "recorded within a day before")
		later := from.Add(48 * time.Hour)
		found, err = tx.SearchEvents(t.Context(), schemas.EventQuery{From: &later, Limit: 10})
		require.NoError(t, err)
		require.Empty(t, found, "recorded days before")
	})
}

// The database ends what takes too long, and the connection is of use again. A
// caller who gives up is another matter.
func TestLimitTime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.append(1)
	held := connect(t, b.ownerURL)
	_, err := held.Exec(t.Context(), `BEGIN; LOCK TABLE audit_event IN ACCESS EXCLUSIVE MODE`)
	require.NoError(t, err)
	search := func(ctx context.Context, limit time.Duration) error {
		return b.InOrg(ctx, b.org, func(tx *postgres.Tx) error {
			if err := tx.LimitTime(ctx, limit); err != nil {
				return err
			}
			_, err := tx.SearchEvents(ctx, schemas.EventQuery{Limit: 1})
			return err
		})
	}
	require.ErrorIs(t, search(t.Context(), 20*time.Millisecond), postgres.ErrTooLong)
	impatient, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err = search(impatient, time.Minute)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotErrorIs(t, err, postgres.ErrTooLong)
	_, err = held.Exec(t.Context(), `ROLLBACK`)
	require.NoError(t, err)
	require.NoError(t, search(t.Context(), time.Minute))
}

func TestRetainedEvents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.append(20)
	b.asOwner(`DELETE FROM audit_event WHERE seq <= 8`) // as retention does, by days
	b.in(func(tx *postgres.Tx) {
		oldest, newest, err := tx.RetainedEvents(t.Context())
		require.NoError(t, err)
		require.Equal(t, []int64{9, 20}, []int64{oldest, newest})
	})
	b.asOwner(`DELETE FROM audit_event`)
	b.in(func(tx *postgres.Tx) {
		oldest, newest, err := tx.RetainedEvents(t.Context())
		require.NoError(t, err)
		require.Equal(t, []int64{21, 20}, []int64{oldest, newest})
	})
}
