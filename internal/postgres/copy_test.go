package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

var everything schemas.Filter

// spread puts the org's 30 events into the partitions of three days.
func spread(b bundle) {
	b.t.Helper()
	b.append(30)
	conn := connect(b.t, b.appURL)
	_, err := conn.Exec(b.t.Context(), `
		SELECT auditferry_ensure_partitions((now() AT TIME ZONE 'UTC')::date - 3, (now() AT TIME ZONE 'UTC')::date)`)
	require.NoError(b.t, err)
	b.asOwner(`UPDATE audit_event SET recorded_at = recorded_at - interval '2 days' WHERE org_id = $1 AND seq <= 10`, b.org)
	b.asOwner(`UPDATE audit_event SET recorded_at = recorded_at - interval '1 day' WHERE org_id = $1 AND seq BETWEEN 11 AND 20`, b.org)
}

// Invariant 1: a range gives each of its events once, in order, wherever days
// and parts begin and end.
func TestCopyEventsAcrossPartitions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	spread(b)
	other := b.withOrg(b.addOrg("Umbrella"))
	other.append(40)

	for _, part := range []struct{ first, last, wantFirst, wantLast int64 }{
		{1, 30, 1, 30},
		{1, 1, 1, 1},
		{10, 11, 10, 11}, // the day's last and the next day's first
		{11, 20, 11, 20}, // a day
		{5, 25, 5, 25},
		{21, 99, 21, 30}, // further than there is
		{31, 99, 1, 0},
		{9, 8, 1, 0},
	} {
		next := part.wantFirst
		copied, err := b.CopyEvents(t.Context(), b.org, part.first, part.last, everything, func(body []byte) error {
			require.Equal(t, next, seqOf(t, body))
			next++
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, part.wantLast, next-1)
		require.Equal(t, postgres.Copied{Rows: part.wantLast - part.wantFirst + 1}, copied)
	}

	copied, err := b.CopyEvents(t.Context(), newID(t), 1, 30, everything, func([]byte) error { return nil })
	require.NoError(t, err)
	require.Zero(t, copied)
	_, err = b.CopyEvents(t.Context(), uuid.Nil, 1, 30, everything, func([]byte) error { return nil })
	require.Error(t, err)
}

var errDiskFull = errors.New("disk full")

func TestCopyEventsStopsAtAnError(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.append(2000)
	calls := 0
	_, err := b.CopyEvents(t.Context(), b.org, 1, 2000, everything, func([]byte) error {
		calls++
		if calls == 3 {
			return errDiskFull
		}
		return nil
	})
	require.ErrorIs(t, err, errDiskFull)
	require.Equal(t, 3, calls)
	b.append(1) // the store goes on with another connection
}

func TestCopyEventsEndsWithItsContext(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 4 {
		b.append(5000) // more than the connection's buffers hold
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	calls := 0
	_, err := b.CopyEvents(ctx, b.org, 1, 20_000, everything, func([]byte) error {
		calls++
		cancel()
		return nil
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Less(t, calls, 20_000)
	b.append(1)
}

// A long export must hold up neither appends nor the partitions of the days to
// come, and retention must not wait for it without end.
func TestCopyEventsIsInNobodysWay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 4 {
		b.append(5000)
	}
	spreadOut := false
	_, err := b.CopyEvents(t.Context(), b.org, 1, 20_000, everything, func([]byte) error {
		if spreadOut {
			return nil
		}
		spreadOut = true
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		require.NoError(t, b.EnsurePartitions(ctx, 20))
		b.append(1)
		_, err := b.DropPartitions(ctx, -48*time.Hour)
		require.ErrorContains(t, err, "lock timeout")
		b.append(1)
		return nil
	})
	require.NoError(t, err)
	require.True(t, spreadOut)

	dropped, err := b.DropPartitions(t.Context(), -48*time.Hour)
	require.NoError(t, err)
	require.Len(t, dropped, 3) // yesterday, today and tomorrow
}

// Invariant 3: what the filter keeps back is counted, and nothing else is kept
// back, whatever characters names are made of.
func TestCopyEventsFilters(t *testing.T) {
	t.Parallel()
	b := setup(t)
	actions := []string{
		"document.read", "document.deleted", "documents.read", "document", "user.login", `it's`, `it''s`, `back\slash`, `back\\slash`,
		"100%", "100x", "a_b", "axb", "größe.geändert", "grösse", "日本.語", "日本", "line\nbreak", "'; DROP TABLE audit_event; --", "$1", "E'x'",
	}
	all := events(t, len(actions))
	for i, action := range actions {
		all[i].Action = action
		if i%2 == 1 {
			all[i].Outcome = schemas.OutcomeFailure
		}
	}
	b.in(func(tx *postgres.Tx) {
		_, err := tx.AppendEvents(t.Context(), all)
		require.NoError(t, err)
	})
	for name, test := range map[string]struct {
		filter schemas.Filter
		want   []string
	}{
		"all of a group":         {named("document.*"), []string{"document.read", "document.deleted"}},
		"a name and all behind":  {named("document*"), []string{"document.read", "document.deleted", "documents.read", "document"}},
		"a name, and that alone": {named("document"), []string{"document"}},
		"several":                {named("user.login", "documents.*"), []string{"documents.read", "user.login"}},
		"quote":                  {named(`it's`), []string{`it's`}},
		"two quotes":             {named(`it''*`), []string{`it''s`}},
		"backslash":              {named(`back\slash`), []string{`back\slash`}},
		"backslashes":            {named(`back\\*`), []string{`back\\slash`}},
		"percent is no wildcard": {named("100%"), []string{"100%"}},
		"nor at the end":         {named("100%*"), []string{"100%"}},
		"underscore is none":     {named("a_*"), []string{"a_b"}},
		"umlauts":                {named("größe.*"), []string{"größe.geändert"}},
		"another script":         {named("日本.*"), []string{"日本.語"}},
		"line break":             {named("line\nbreak"), []string{"line\nbreak"}},
		"a statement":            {named("'; DROP TABLE audit_event; --"), []string{"'; DROP TABLE audit_event; --"}},
		"a parameter":            {named("$1"), []string{"$1"}},
		"an escape string":       {named("E'x'"), []string{"E'x'"}},
		"nothing has that name":  {named("DOCUMENT.*"), nil},
		"all but a group":        {schemas.Filter{Actions: []string{"document*"}, ExceptActions: []string{"document.*"}}, []string{"documents.read", "document"}},
		"an exception counts":    {schemas.Filter{Actions: []string{"document"}, ExceptActions: []string{"document"}}, nil},
		"failures of a group":    {schemas.Filter{Actions: []string{"document*"}, Outcome: schemas.OutcomeFailure}, []string{"document.deleted", "document"}},
		"successes":              {schemas.Filter{Actions: []string{"document*"}, Outcome: schemas.OutcomeSuccess}, []string{"document.read", "documents.read"}},
		"everything":             {everything, actions},
	} {
		require.NoError(t, test.filter.Validate(), name)
		var found []string
		copied, err := b.CopyEvents(t.Context(), b.org, 1, int64(len(actions)), test.filter, func(body []byte) error {
			var event schemas.Event
			require.NoError(t, json.Unmarshal(body, &event))
			found = append(found, event.Action)
			return nil
		})
		require.NoError(t, err, name)
		require.Equal(t, test.want, found, name)
		require.Equal(t, postgres.Copied{Rows: int64(len(test.want)), Excluded: int64(len(actions) - len(test.want))}, copied, name)
	}
	b.append(1) // nobody has dropped anything
}

func named(actions ...string) schemas.Filter { return schemas.Filter{Actions: actions} }

func seqOf(t *testing.T, body []byte) int64 {
	t.Helper()
	var e struct {
		Seq int64 `json:"seq"`
	}
	require.NoError(t, json.Unmarshal(body, &e))
	return e.Seq
}
