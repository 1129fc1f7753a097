package actor

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/schemas"
)

// Admin is an org's admin.
type Admin struct {
	caller
	Org schemas.Org
}

// Integrate asks for a storage integration and returns it with the operation
// that ends when its credentials are there.
func (a Admin) Integrate(ctx context.Context, name string, to schemas.Destination, grant schemas.Grant) (uuid.UUID, schemas.Operation, error) {
	in := map[string]any{"name": name, "cloud": to.Cloud, "destination": to.URL()}
	if grant.RoleARN != "" {
		in["role_arn"] = grant.RoleARN
	}
	if grant.BucketOwner != "" {
		in["bucket_owner"] = grant.BucketOwner
	}
	if grant.TenantID != "" {
		in["tenant_id"] = grant.TenantID
	}
	op, err := a.command(ctx, http.MethodPost, "/v1/integrations", in)
	if err != nil {
		return uuid.Nil, op, err
	}
	return *op.IntegrationID, op, nil
}

// Export asks for a scheduled export of everything that is retained, as NDJSON.
func (a Admin) Export(ctx context.Context, name string, integration uuid.UUID, every time.Duration, compression schemas.Compression) (uuid.UUID, schemas.Operation, error) {
	return a.ExportAs(ctx, name, integration, every, schemas.FormatNDJSON, compression, schemas.Filter{})
}

// ExportAs is Export in any format, of the events that pass the filter.
func (a Admin) ExportAs(ctx context.Context, name string, integration uuid.UUID, every time.Duration,
	format schemas.Format, compression schemas.Compression, filter schemas.Filter,
) (uuid.UUID, schemas.Operation, error) {
	return a.Schedule(ctx, map[string]any{
		"name":           name,
		"integration_id": integration,
		"schedule":       map[string]any{"kind": "interval", "every": every.String()},
		"format":         format,
		"compression":    compression,
		"filter":         filter,
		"start_from":     "earliest",
	})
}

// Schedule asks for a scheduled export with whatever the API takes.
func (a Admin) Schedule(ctx context.Context, export map[string]any) (uuid.UUID, schemas.Operation, error) {
	op, err := a.command(ctx, http.MethodPost, "/v1/exports", export)
	if err != nil {
		return uuid.Nil, op, err
	}
	return *op.ExportID, op, nil
}

// UpdateDestination moves an integration; its exports go with it or pause.
func (a Admin) UpdateDestination(ctx context.Context, integration uuid.UUID, to schemas.Destination, retarget bool) (schemas.Operation, error) {
	return a.command(ctx, http.MethodPost, fmt.Sprintf("/v1/integrations/%s/destination", integration),
		map[string]any{"destination": to.URL(), "retarget": retarget})
}

// DeleteIntegration deletes an integration; its exports go with it or pause.
func (a Admin) DeleteIntegration(ctx context.Context, integration uuid.UUID, deleteExports bool) (schemas.Operation, error) {
	return a.command(ctx, http.MethodDelete, fmt.Sprintf("/v1/integrations/%s?delete_exports=%t", integration, deleteExports), nil)
}

// DeleteExport deletes an export.
func (a Admin) DeleteExport(ctx context.Context, export uuid.UUID) (schemas.Operation, error) {
	return a.command(ctx, http.MethodDelete, fmt.Sprintf("/v1/exports/%s", export), nil)
}

// Pause pauses an export.
func (a Admin) Pause(ctx context.Context, export uuid.UUID) (schemas.Operation, error) {
	return a.command(ctx, http.MethodPost, fmt.Sprintf("/v1/exports/%s/pause", export), nil)
}

// Resume resumes an export, if asked at the integration's present destination.
func (a Admin) Resume(ctx context.Context, export uuid.UUID, retarget bool) (schemas.Operation, error) {
	return a.command(ctx, http.MethodPost, fmt.Sprintf("/v1/exports/%s/resume", export), map[string]any{"retarget": retarget})
}

// RunNow asks for a run of an export now.
func (a Admin) RunNow(ctx context.Context, export uuid.UUID) (schemas.Operation, error) {
	return a.command(ctx, http.MethodPost, fmt.Sprintf("/v1/exports/%s/run", export), nil)
}

func (a Admin) command(ctx context.Context, method, path string, in any) (op schemas.Operation, err error) {
	err = a.call(ctx, method, path, in, &op)
	return op, err
}

// Await waits until an operation has ended, and fails unless it succeeded.
func (a Admin) Await(ctx context.Context, op schemas.Operation) (schemas.Operation, error) {
	for !op.Status.Ended() {
		if err := a.call(ctx, http.MethodGet, fmt.Sprintf("/v1/operations/%s?wait=20s", op.ID), nil, &op); err != nil {
			return op, err
		}
	}
	if op.Status != schemas.OperationSucceeded {
		return op, fmt.Errorf("operation %s %s: %s", op.Kind, op.Status, op.Error)
	}
	return op, nil
}

// Done is Await for a command's own answer: Done(ctx)(admin.Pause(ctx, id)).
func (a Admin) Done(ctx context.Context) func(schemas.Operation, error) error {
	return func(op schemas.Operation, err error) error {
		if err == nil {
			_, err = a.Await(ctx, op)
		}
		return err
	}
}

// Integration reads an integration. Its credentials are read apart, once there
// are any.
func (a Admin) Integration(ctx context.Context, id uuid.UUID) (i schemas.Integration, err error) {
	err = a.call(ctx, http.MethodGet, fmt.Sprintf("/v1/integrations/%s", id), nil, &i)
	return i, err
}

// Credentials reads what the admin is to grant access to.
func (a Admin) Credentials(ctx context.Context, integration uuid.UUID) (c schemas.Credentials, err error) {
	err = a.call(ctx, http.MethodGet, fmt.Sprintf("/v1/integrations/%s/credentials", integration), nil, &c)
	return c, err
}

// ReadExport reads an export.
func (a Admin) ReadExport(ctx context.Context, id uuid.UUID) (e schemas.Export, err error) {
	err = a.call(ctx, http.MethodGet, fmt.Sprintf("/v1/exports/%s", id), nil, &e)
	return e, err
}

// Runs reads the newest runs of an export.
func (a Admin) Runs(ctx context.Context, export uuid.UUID) ([]schemas.Run, error) {
	var page struct {
		Items []schemas.Run `json:"items"`
	}
	err := a.call(ctx, http.MethodGet, fmt.Sprintf("/v1/exports/%s/runs", export), nil, &page)
	return page.Items, err
}

// pollEvery is how often the actors look for what they wait for.
const pollEvery = 200 * time.Millisecond

// Until looks again and again, until there is nothing to wait for any more or
// ctx ends; the error then says what was last seen. Look returns "" when all is
// as it should be.
func Until(ctx context.Context, look func() (waitingFor string, err error)) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		waitingFor, err := look()
		if err != nil || waitingFor == "" {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited for %s: %w", waitingFor, ctx.Err())
		case <-ticker.C:
		}
	}
}

// AwaitAccess waits until an integration's destination is known to accept
// writes.
func (a Admin) AwaitAccess(ctx context.Context, integration uuid.UUID) error {
	return Until(ctx, func() (string, error) {
		i, err := a.Integration(ctx, integration)
		if err != nil || i.Status == schemas.IntegrationActive {
			return "", err
		}
		return fmt.Sprintf("integration %s to become active; it is %s, access %s", i.Name, i.Status, i.Access), nil
	})
}

// AwaitDelivered waits until an export has delivered everything up to a seq.
func (a Admin) AwaitDelivered(ctx context.Context, export uuid.UUID, seq int64) error {
	return Until(ctx, func() (string, error) {
		e, err := a.ReadExport(ctx, export)
		if err != nil || e.DeliveredSeq >= seq {
			return "", err
		}
		return fmt.Sprintf("export %s to deliver up to %d; it is at %d", e.Name, seq, e.DeliveredSeq), nil
	})
}

// Relink links a paused export to another integration.
func (a Admin) Relink(ctx context.Context, export, integration uuid.UUID) (schemas.Operation, error) {
	return a.command(ctx, http.MethodPost, fmt.Sprintf("/v1/exports/%s/relink", export), map[string]any{"integration_id": integration})
}

// Backfill asks for a past range of an export once more, by the numbers of its
// events.
func (a Admin) Backfill(ctx context.Context, export uuid.UUID, first, last int64) (schemas.Operation, error) {
	return a.command(ctx, http.MethodPost, fmt.Sprintf("/v1/exports/%s/backfills", export),
		map[string]any{"first_seq": first, "last_seq": last})
}

// Backfills reads the backfills of an export, newest first.
func (a Admin) Backfills(ctx context.Context, export uuid.UUID) ([]schemas.Backfill, error) {
	return all[schemas.Backfill](ctx, a.caller, fmt.Sprintf("/v1/exports/%s/backfills", export))
}
