package destinationtest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/schemas"
)

// statuses are those of authenticate, write, list and delete. The checks
// between the first two differ from cloud to cloud.
func statuses(t *testing.T, report schemas.AccessReport) []schemas.StepStatus {
	t.Helper()
	var names []schemas.Step
	var found []schemas.StepStatus
	for _, step := range report.Steps {
		if step.Status == schemas.StepFailed || step.Status == schemas.StepWarning {
			require.NotEmpty(t, step.Kind, "%+v", step)
			require.NotEmpty(t, step.Explanation, "%+v", step)
		}
		if step.Name == schemas.StepExternalID || step.Name == schemas.StepOwner {
			continue
		}
		names = append(names, step.Name)
		found = append(found, step.Status)
	}
	require.Equal(t, []schemas.Step{schemas.StepAuthenticate, schemas.StepWrite, schemas.StepList, schemas.StepDelete}, names)
	require.WithinDuration(t, time.Now(), report.CheckedAt, time.Minute)
	return found
}

func probeGranted(t *testing.T, p Place) {
	d := open(t, p.Open)
	for range 2 {
		report, err := d.Probe(t.Context(), nil)
		require.NoError(t, err)
		require.True(t, report.Granted, "%+v", report)
		require.Equal(t, p.Owner, report.Owner)
		require.Equal(t, []schemas.StepStatus{"ok", "ok", "ok", "ok"}, statuses(t, report), "%+v", report)
		require.Empty(t, p.Keys(t), "the marker must be removed")
	}
}

func probeDenied(t *testing.T, p Place) {
	report, err := open(t, p.Denied).Probe(t.Context(), nil)
	require.NoError(t, err)
	require.False(t, report.Granted)
	statuses(t, report)
	failure, ok := report.Failure()
	require.True(t, ok)
	require.Equal(t, schemas.KindDenied, failure.Kind, "%+v", failure)
	require.NotEmpty(t, failure.Code)
	require.NotEmpty(t, failure.Explanation)
	require.NotEmpty(t, failure.Fix)
	require.Empty(t, report.Owner)
	require.Equal(t, schemas.StepSkipped, report.Steps[len(report.Steps)-1].Status)
	require.Empty(t, p.Keys(t))
}

func probeWithoutBucket(t *testing.T, p Place) {
	report, err := open(t, p.Missing).Probe(t.Context(), nil)
	require.NoError(t, err)
	require.False(t, report.Granted)
	statuses(t, report)
	failure, _ := report.Failure()
	require.Equal(t, schemas.KindNotFound, failure.Kind, "%+v", failure)
}

// A marker that stays must not break the next probe.
func probeWarnsOfRefusedDeletion(t *testing.T, p Place) {
	d := open(t, p.Undeletable)
	for range 2 {
		report, err := d.Probe(t.Context(), nil)
		require.NoError(t, err)
		require.True(t, report.Granted, "%+v", report)
		require.Equal(t, []schemas.StepStatus{"ok", "ok", "ok", "warning"}, statuses(t, report), "%+v", report)
		require.Equal(t, schemas.KindDenied, report.Steps[len(report.Steps)-1].Kind)
		require.Len(t, p.Keys(t), 1)
	}
}

func probeCancelled(t *testing.T, p Place) {
	d := open(t, p.Open)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := d.Probe(ctx, nil)
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, p.Keys(t))
}

// Invariant 6: a bucket that has come into other hands gets nothing.
func probeRefusesOtherOwners(t *testing.T, p Place) {
	if p.Changed == nil {
		t.Skip("nobody else can come to own a bucket of this cloud: Place.Changed is nil")
	}
	for _, challenge := range []*destination.Challenge{nil, {Key: p.Destination.Key("challenge"), Content: []byte("code")}} {
		report, err := open(t, p.Changed).Probe(t.Context(), challenge)
		require.NoError(t, err)
		require.False(t, report.Granted)
		require.Empty(t, report.Owner)
		failure, _ := report.Failure()
		require.Equal(t, schemas.StepOwner, failure.Name, "%+v", report)
		require.Equal(t, schemas.KindDenied, failure.Kind, "%+v", failure)
		require.Equal(t, schemas.CodeOwnerChanged, failure.Code)
		require.Contains(t, failure.Fix, "If that is right, ")
		require.Empty(t, p.Keys(t))
	}
}

func requireOpen(t *testing.T, report schemas.AccessReport) {
	t.Helper()
	require.False(t, report.Granted)
	failure, _ := report.Failure()
	require.Equal(t, schemas.StepOwnership, failure.Name, "%+v", report)
	require.Equal(t, schemas.KindDenied, failure.Kind)
	require.Equal(t, destination.CodeOwnershipOpen, failure.Code)
	skipped := report.Steps[len(report.Steps)-3:]
	for i, name := range []schemas.Step{schemas.StepWrite, schemas.StepList, schemas.StepDelete} {
		require.Equal(t, schemas.AccessStep{Name: name, Status: schemas.StepSkipped}, skipped[i])
	}
}

// Invariant 6: to a place that has not been proven nothing is written but the
// challenge.
func probeWritesOnlyTheChallenge(t *testing.T, p Place) {
	d := open(t, p.Open)
	challenge := &destination.Challenge{Key: p.Destination.Key("_auditferry/ownership-1.txt"), Content: []byte("the code is 4711")}
	for range 2 {
		report, err := d.Probe(t.Context(), challenge)
		require.NoError(t, err)
		requireOpen(t, report)
		require.Equal(t, p.Owner, report.Owner)
		failure, _ := report.Failure()
		require.Contains(t, failure.Fix, challenge.Key)
		require.NotContains(t, failure.Fix+failure.Explanation, "4711", "the code is to be read from the place alone")
		require.Equal(t, []string{challenge.Key}, p.Keys(t))
		require.Equal(t, challenge.Content, p.Read(t, challenge.Key))
	}
	report, err := d.Probe(t.Context(), nil)
	require.NoError(t, err)
	require.True(t, report.Granted, "%+v", report)
	require.Equal(t, []string{challenge.Key}, p.Keys(t))
}

func probeFindsTheChallenge(t *testing.T, p Place) {
	d := open(t, p.Open)
	challenge := &destination.Challenge{Key: p.Destination.Key("_auditferry/ownership-1.txt")}
	report, err := d.Probe(t.Context(), challenge)
	require.NoError(t, err)
	require.False(t, report.Granted)
	failure, _ := report.Failure()
	require.Equal(t, schemas.StepOwnership, failure.Name, "%+v", report)
	require.Equal(t, destination.CodeChallengeGone, failure.Code)
	require.Empty(t, p.Keys(t))

	p.Store(t, challenge.Key, []byte("the code is 4711"))
	report, err = d.Probe(t.Context(), challenge)
	require.NoError(t, err)
	requireOpen(t, report)
	require.Equal(t, []string{challenge.Key}, p.Keys(t))
}

func probeReplacesNoChallenge(t *testing.T, p Place) {
	key := p.Destination.Key("_auditferry/ownership-1.txt")
	p.Store(t, key, []byte("somebody else's"))
	report, err := open(t, p.Open).Probe(t.Context(), &destination.Challenge{Key: key, Content: []byte("the code is 4711")})
	require.NoError(t, err)
	failure, _ := report.Failure()
	require.Equal(t, schemas.StepOwnership, failure.Name)
	require.Equal(t, schemas.KindConflict, failure.Kind, "%+v", failure)
	require.Contains(t, failure.Explanation, key)
	require.Equal(t, []string{key}, p.Keys(t))
	require.Equal(t, "somebody else's", string(p.Read(t, key)))
}

// Invariant 6: no request of one org can touch another's folder.
func probeChallengesInTheFolder(t *testing.T, p Place) {
	report, err := open(t, p.Open).Probe(t.Context(), &destination.Challenge{Key: "elsewhere/challenge", Content: []byte("code")})
	require.NoError(t, err)
	failure, _ := report.Failure()
	require.Equal(t, schemas.StepOwnership, failure.Name)
	require.Equal(t, schemas.KindInvalid, failure.Kind, "%+v", failure)
	require.Empty(t, p.Keys(t))
}
