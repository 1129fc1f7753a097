package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// An export that stays broken for 29 days: the right people know in time, each
// by exactly the mails that were promised, and when it is repaired nothing is
// lost. The export runs daily, and every hour is looked for what is to be told.
func TestBrokenFor29Days(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	v := setSail(t)
	place, err := schemas.ParseDestination("s3://acme-logs/audit/")
	require.NoError(t, err)
	v.cloud.AddBucket(place)
	export := v.embark(place, schemas.Grant{RoleARN: "arn:aws:iam::123456789012:role/audit"})

	began := time.Now()
	v.integration(began)
	v.export(began.Add(time.Second), export) // it lets itself in
	told := v.play()
	v.integration(told[0].at, told[0].signal)
	v.play()
	require.Equal(t, schemas.IntegrationActive, v.input.State.Status)
	v.mails = nil

	v.record(export, 500)
	broken, repaired := began.Add(time.Hour), began.Add(29*day)
	v.refuse(broken, repaired)
	for at := broken; at.Before(repaired); at = at.Add(day) {
		v.news = nil
		_, err := v.tryExport(at, export)
		require.Error(t, err)
		for _, hint := range v.news[:min(1, len(v.news))] { // all of them doubt the same check
			v.integration(hint.at, hint.signal)
			told := v.play()
			v.integration(told[0].at, told[0].signal)
			v.play()
		}
		for hour := range 24 {
			v.watch(at.Add(time.Duration(hour)*time.Hour + 90*time.Minute))
		}
	}
	v.news = nil
	v.export(repaired.Add(2*time.Hour), export)
	for _, hint := range v.news[:min(1, len(v.news))] {
		v.integration(hint.at, hint.signal)
		told := v.play()
		v.integration(told[0].at, told[0].signal)
		v.play()
	}
	v.watch(repaired.Add(3 * time.Hour))
	v.watch(repaired.Add(4 * time.Hour))

	require.Equal(t, map[string]int{
		"no access":         1,
		"is failing":        1,
		"has been failing":  28,
		"expire within 7 d": 1,
		"expire within 3 d": 1,
		"expire within 1 d": 1,
		"delivers again":    1,
		"access verified":   1,
	}, v.countMails("no access", "is failing", "has been failing", "expire within 7 d", "expire within 3 d", "expire within 1 d",
		"delivers again", "access verified"))
	v.requireAllOnce(export, place)
}

// record adds events to the log of the export's org.
func (v *voyage) record(in schemas.ExportInput, n int) {
	v.t.Helper()
	events := make([]schemas.Event, n)
	for i := range events {
		events[i] = schemas.Event{
			ID: newID(), OccurredAt: time.Now(), Action: "document.read", Actor: schemas.Actor{ID: "u1"}, Outcome: schemas.OutcomeSuccess,
		}
	}
	v.in(in.OrgID, func(tx *postgres.Tx) error {
		_, err := tx.AppendEvents(v.t.Context(), events)
		return err
	})
}

// countMails sorts the mails by the words in their subjects. One that none of
// them fits is counted under its subject.
func (v *voyage) countMails(words ...string) map[string]int {
	counts := map[string]int{}
	for _, m := range v.mails {
		subject := strings.ToLower(m.Subject)
		i := slices.IndexFunc(words, func(w string) bool { return strings.Contains(subject, w) })
		if i < 0 {
			counts[subject]++
			continue
		}
		counts[words[i]]++
	}
	return counts
}

// requireAllOnce holds Invariant 1: every event of the org that was recorded up
// to what the export has delivered is in exactly one object, and that is all.
func (v *voyage) requireAllOnce(in schemas.ExportInput, place schemas.Destination) {
	v.t.Helper()
	seen := map[int64]int{}
	for key, content := range v.cloud.Objects(place) {
		if !strings.HasSuffix(key, ".ndjson") {
			continue
		}
		lines := bufio.NewScanner(bytes.NewReader(content))
		for lines.Scan() {
			var event struct{ Seq int64 }
			require.NoError(v.t, json.Unmarshal(lines.Bytes(), &event))
			seen[event.Seq]++
		}
	}
	v.in(in.OrgID, func(tx *postgres.Tx) error {
		export, err := tx.Export(v.t.Context(), in.ExportID)
		if err != nil {
			return err
		}
		require.Greater(v.t, export.DeliveredSeq, int64(500))
		for seq := int64(1); seq <= export.DeliveredSeq; seq++ {
			require.Equal(v.t, 1, seen[seq], "event %d", seq)
		}
		require.Len(v.t, seen, int(export.DeliveredSeq))
		return nil
	})
}
