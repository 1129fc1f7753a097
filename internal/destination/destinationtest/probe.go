package destinationtest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/schemas"
)

// statuses are those of authenticate, write, list and delete. The checks
// between the first two differ from cloud to cloud.
func statuses(t *testing.T, report schemas.AccessReport) []schemas.StepStatus {
	t.Helper()
	var names []schemas.Step
	var found []schemas.StepStatus
	for _, step := range report.Steps {
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
