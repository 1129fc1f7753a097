package activities_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/schemas"
)

// Each kind has its type, and is retried until its budget is spent, counted
// from when the activity was first scheduled.
func TestErrorKindsBecomeTemporalErrors(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.addExport(b.addIntegration("s3://acme-logs/"), "all")
	b.append(5, 10)
	r := b.begin(b.exports(), e)
	const none = 0
	for kind, test := range map[schemas.ErrorKind]struct {
		errorType string
		budget    time.Duration
	}{
		schemas.KindDenied:      {schemas.ErrorDestinationDenied, 75 * time.Minute},
		schemas.KindNotFound:    {schemas.ErrorDestinationNotFound, 5 * time.Minute},
		schemas.KindThrottled:   {schemas.ErrorDestinationThrottled, 24 * time.Hour},
		schemas.KindUnavailable: {schemas.ErrorDestinationUnavailable, 24 * time.Hour},
		schemas.KindInvalid:     {schemas.ErrorDestinationInvalid, none},
		schemas.KindConflict:    {schemas.ErrorDestinationConflict, none},
	} {
		b.cloud.Before(func(destination.Request) error { return destination.Refusal(kind, "Code") })
		_, err := r.write(attempt{})
		requireError(t, err, test.errorType, test.budget > none)
		require.ErrorContains(t, err, "part 0: put")
		if test.budget > none {
			_, err = r.write(attempt{scheduledFor: test.budget - time.Minute})
			requireError(t, err, test.errorType, true)
		}
		_, err = r.write(attempt{scheduledFor: test.budget + time.Second})
		requireError(t, err, test.errorType, false)
	}
	require.Empty(t, b.cloud.Objects(r.window().Destination))
}

// What nobody has sorted may be over by the next try.
func TestOtherErrorsAreRetried(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.addExport(b.addIntegration("s3://acme-logs/"), "all")
	b.append(500, 10)
	a := b.exports()
	a.Limits.TempDir += "/missing"
	a.Limits.SpillBytes = 0
	_, err := b.begin(a, e).write(attempt{scheduledFor: 48 * time.Hour})
	requireError(t, err, schemas.ErrorUnexpected, true)
	require.ErrorContains(t, err, "temporary file")
}
