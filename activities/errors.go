package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/auditferry/auditferry/internal/destination"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// budget is how long an error of this kind may last before a person has to do
// something about it. Azure needs up to 45 minutes for a role assignment
// (reference document, "Add role assignment in Azure"), and nothing tells "not
// yet" from "never"; 75 minutes leave room for the admin to be late.
func budget(kind schemas.ErrorKind) time.Duration {
	switch kind {
	case schemas.KindDenied:
		return 75 * time.Minute
	case schemas.KindNotFound:
		return 5 * time.Minute
	case schemas.KindInvalid, schemas.KindConflict:
		return 0
	default:
		return 24 * time.Hour
	}
}

// toTemporal turns an error into what Temporal decides by: a stable type, and
// whether trying again makes sense. An error of a destination is retried until
// its kind's budget, counted from when the activity was first scheduled, is
// spent. Errors without a kind are retried as the policy says.
func toTemporal(ctx context.Context, err error) error {
	var field *schemas.FieldError
	var conflict *postgres.ConflictError
	var application *temporal.ApplicationError
	switch {
	case err == nil, temporal.IsCanceledError(err):
		return err
	case errors.As(err, &application):
		return application // bare: Temporal does not look for a type below a wrapping
	case errors.As(context.Cause(ctx), &application):
		return application // why the activity itself gave up
	case ctx.Err() != nil:
		return ctx.Err() // cancelled, or out of time: whatever it broke is not the cause
	case errors.As(err, &field):
		return temporal.NewNonRetryableApplicationError(err.Error(), schemas.ErrorInvalidInput, err)
	case errors.As(err, &conflict):
		return temporal.NewNonRetryableApplicationError(err.Error(), schemas.ErrorConflict, err)
	case errors.Is(err, postgres.ErrNotFound):
		return temporal.NewNonRetryableApplicationError(err.Error(), schemas.ErrorNotFound, err)
	}
	kind := destination.KindOf(err)
	if kind == "" {
		return temporal.NewApplicationErrorWithCause(err.Error(), schemas.ErrorUnexpected, err)
	}
	spent := now(ctx).Sub(activity.GetInfo(ctx).ScheduledTime) >= budget(kind)
	return temporal.NewApplicationErrorWithOptions(err.Error(), schemas.ErrorType(kind), temporal.ApplicationErrorOptions{
		NonRetryable: spent,
		Cause:        err,
	})
}

type clockKey struct{}

// WithClock sets the clock by which budgets are counted in activities that run
// with this context. It is the system's unless a test skips time.
func WithClock(ctx context.Context, now func() time.Time) context.Context {
	return context.WithValue(ctx, clockKey{}, now)
}

func now(ctx context.Context) time.Time {
	if clock, set := ctx.Value(clockKey{}).(func() time.Time); set {
		return clock()
	}
	return time.Now()
}
